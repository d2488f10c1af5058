//! What attempts say of themselves.

use crate::{
    ask,
    attempt::{Live, Phase, StopWhy},
    event::Event,
    id::{Attempt, TaskId},
    limits,
    request::Refusal,
    state::State,
    task::TaskState,
    word::{Block, Memo, Word},
};
use alloc::{boxed::Box, collections::BTreeSet, format, vec::Vec};

type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, attempt: Attempt, word: &Word) -> Decision {
    let live = state.attempt(attempt).ok_or(Refusal::Fenced(attempt))?;
    // What is checked now was made by an agent that has left: nobody is there who could say anything.
    if live.phase == Phase::Verifying {
        return Err(Refusal::OutOfDate);
    }
    word.check()
        .map_err(|fault| Refusal::Fault(format!("{fault}")))?;
    match word {
        Word::Checkpoint { text, percent } => {
            if live.words.checkpoints >= limits::CHECKPOINTS {
                return Err(Refusal::Limit(format!(
                    "attempt {attempt} has reported progress {} times, which is the most",
                    limits::CHECKPOINTS
                )));
            }
            Ok([Event::Checkpointed {
                attempt,
                task: live.task.clone(),
                text: text.clone(),
                percent: *percent,
            }]
            .into())
        }
        // The engine has taken it in; what it changes is for `due`.
        Word::Heartbeat => Ok(Vec::new()),
        Word::Ask { text, options } => ask::hold(live, text, options),
        Word::Close { number } => Ok(ask::drop_held(live, *number)),
        Word::Block { reason, on } => block(state, live, reason, on.as_ref()),
        Word::Memo { key, value, source } => {
            let same = |memo: &Memo| {
                (&memo.key, &memo.value, &memo.source) == (key, value, source)
                    && memo.task == live.task
            };
            // Said twice, it is known once.
            if state.memos().iter().any(same) {
                return Ok(Vec::new());
            }
            let own = state.memos().iter().filter(|m| m.attempt == attempt);
            if own.count() >= limits::MEMOS_EACH {
                return Err(Refusal::Limit(format!(
                    "attempt {attempt} has recorded {} memos, which is the most",
                    limits::MEMOS_EACH
                )));
            }
            if state.memos().len() >= limits::MEMOS {
                return Err(Refusal::Limit(format!(
                    "{} memos are recorded, which is the most",
                    limits::MEMOS
                )));
            }
            Ok([Event::MemoRecorded {
                attempt,
                task: live.task.clone(),
                worker: live.worker,
                key: key.clone(),
                value: value.clone(),
                source: source.clone(),
            }]
            .into())
        }
    }
}

/// The attempt ends, and its task waits: for another task, or for a person.
fn block(state: &State, live: &Live, reason: &str, on: Option<&TaskId>) -> Decision {
    if live.words.block.is_some() || live.stopping.is_some() {
        return Err(Refusal::NothingToDo(
            "the attempt is being stopped already".into(),
        ));
    }
    if let Some(on) = on {
        let other = state
            .task(on)
            .ok_or_else(|| Refusal::NoSuchTask(on.clone()))?;
        if other.state == TaskState::Merged {
            return Err(Refusal::Fault(format!(
                "{on} is merged already, so nothing has to wait for it"
            )));
        }
        if waits_for(state, on, &live.task) {
            return Err(Refusal::Fault(format!(
                "{on} waits for {} itself, so {} cannot wait for {on}",
                live.task, live.task
            )));
        }
    }
    let (attempt, task) = (live.attempt, live.task.clone());
    Ok([
        Event::BlockReported {
            attempt,
            task,
            block: Box::new(Block {
                reason: reason.into(),
                on: on.cloned(),
            }),
        },
        Event::StopAsked {
            attempt,
            why: StopWhy::Blocked,
            at_once: false,
        },
    ]
    .into())
}

/// Whether `task` cannot be merged before `other` (L-8), or is it.
fn waits_for(state: &State, task: &TaskId, other: &TaskId) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = Vec::from([task]);
    while let Some(id) = open.pop() {
        if id == other {
            return true;
        }
        if let Some(task) = state.task(id)
            && task.state != TaskState::Merged
            && seen.insert(id)
        {
            let reported = task.current.and_then(|a| state.attempt(a));
            let reported = reported.and_then(|live| live.words.block.as_ref()?.on.as_ref());
            open.extend(
                task.spec
                    .depends_on
                    .iter()
                    .chain(task.held_by())
                    .chain(reported),
            );
        }
    }
    false
}

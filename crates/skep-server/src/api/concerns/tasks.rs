//! Concerns of tasks, and of the agents that ask about them.

use super::{About, ConcernDoc, Gravity, RemedyDoc};
use crate::api::{AskDoc, AskList, Stamp};
use skep_core::{
    state::State,
    task::{Task, TaskState},
};

/// What nobody has answered yet.
pub(super) fn asks(state: &State) -> Vec<ConcernDoc> {
    let asks = AskList::of(state).asks.into_iter();
    asks.filter(|ask| ask.answer.is_none()).map(ask).collect()
}

fn ask(ask: AskDoc) -> ConcernDoc {
    let AskDoc {
        id, task, worker, ..
    } = &ask;
    let (sentence, remedies) = match &ask.tool {
        Some(tool) => (
            format!(
                "{worker} ({task}) asks whether it may use {tool}: {}",
                ask.text
            ),
            vec![RemedyDoc::allow(id, true), RemedyDoc::allow(id, false)],
        ),
        None => {
            let options = ask.options.iter().zip(1..);
            // None of the options is likelier than the person's own words.
            let own = RemedyDoc::shell("answer it", format!("skep answer {id} TEXT"));
            let mut remedies = vec![own];
            remedies.extend(options.map(|(said, number)| RemedyDoc::option(id, number, said)));
            remedies.push(RemedyDoc {
                label: "let it decide by itself".into(),
                ..RemedyDoc::allow(id, false)
            });
            (format!("{worker} ({task}) asks: {}", ask.text), remedies)
        }
    };
    ConcernDoc {
        severity: Gravity::Warning,
        kind: "ask".into(),
        about: About::Ask,
        subject: ask.id,
        sentence,
        since: Some(ask.since),
        remedies,
    }
}

/// Tasks that a person must look at, and those whose work did not merge.
pub(super) fn concerns(state: &State) -> impl Iterator<Item = ConcernDoc> {
    state.tasks().iter().filter_map(|task| concern(state, task))
}

fn concern(state: &State, task: &Task) -> Option<ConcernDoc> {
    let id = task.id().as_str();
    let noted = || task.note.clone().unwrap_or_else(|| task.state.to_string());
    let begun = !task.history.is_empty();
    let mut remedies = vec![RemedyDoc::retry(id), RemedyDoc::cancel(id)];
    let (severity, kind, sentence) = match task.state {
        TaskState::Flagged => (Gravity::Warning, "flagged", noted()),
        TaskState::Dead => {
            // It is given up already.
            remedies.truncate(1);
            (Gravity::Warning, "dead", noted())
        }
        TaskState::Blocked => {
            remedies.push(RemedyDoc::skip(id));
            blocked(state, task)
        }
        _ => return None,
    };
    if begun {
        remedies.push(RemedyDoc::show(id));
        remedies.push(RemedyDoc::logs(id));
    }
    Some(ConcernDoc {
        severity,
        kind: kind.into(),
        about: About::Task,
        subject: id.into(),
        sentence: format!("{id}: {sentence}"),
        since: Some(Stamp(task.since)),
        remedies,
    })
}

/// A blocked task goes on by itself if what it waits for may still be merged.
fn blocked(state: &State, task: &Task) -> (Gravity, &'static str, String) {
    let other = task.held_by().and_then(|id| state.task(id));
    let severity = match other {
        Some(other) if !other.state.is_over() => Gravity::Info,
        _ => Gravity::Warning,
    };
    let on = other.map(|other| format!("{} ({})", other.id(), other.state));
    match &task.block {
        Some(block) => {
            let until = on.map_or_else(String::new, |on| format!(" until {on} is merged"));
            let sentence = format!("its agent could not go on{until}: {}", block.reason);
            (severity, "blocked", sentence)
        }
        None => {
            let by = on.unwrap_or_else(|| "a fix that is gone".into());
            let sentence = format!("its work conflicts with what was merged; it waits for {by}");
            (severity, "conflict", sentence)
        }
    }
}

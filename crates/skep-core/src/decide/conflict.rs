//! Work that cannot be merged: named as a conflict or a culprit, left out, and sent back as a fix task, while
//! the rest of the wave goes on (W-7, W-8).

use crate::{
    event::Event,
    id::{NAME_MAX, TaskId},
    limits,
    merge::{Checking, Clash, Conflict, Link, Merge, Severity},
    spec::{Criterion, TaskSpec},
    state::State,
    task::{Fix, FixStrategy, FixWhy, Origin, Task},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// A chain was built: what clashed is left out, the rest goes on to its check.
pub(super) fn built(state: &State, merge: &Merge, chain: &[Link], clashes: &[Clash]) -> Vec<Event> {
    let conflicts: Vec<Conflict> = clashes
        .iter()
        .flat_map(|clash| describe(state, chain, clash))
        .collect();
    let mut events = Vec::from([Event::MergeBuilt {
        round: merge.round,
        chain: chain.into(),
        clashes: clashes.into(),
        conflicts,
    }]);
    for clash in clashes {
        let Some(task) = clash.task.as_ref().and_then(|id| state.task(id)) else {
            continue;
        };
        let files: Vec<String> = clash.files.iter().map(|(file, _)| file.clone()).collect();
        let reason = format!("its work conflicts in {}", files.join(", "));
        events.extend(send_back(state, task, FixWhy::Conflict(files), reason));
    }
    events
}

/// The first link that fails the check: left out, and the next round builds without it.
pub(super) fn culprit(
    state: &State,
    merge: &Merge,
    checking: &Checking,
    link: usize,
) -> Vec<Event> {
    let Some(task) = checking.chain[link]
        .task
        .as_ref()
        .and_then(|id| state.task(id))
    else {
        // The target's own new commits: nobody here can mend them.
        let reason = "the target branch's own new commits fail the integration check".to_string();
        return [Event::SwarmHalted {
            reason,
            probe_at: None,
        }]
        .into();
    };
    let reason = "the integration check fails with its work".to_string();
    let mut events = send_back(state, task, FixWhy::Check(checking.output.clone()), reason);
    events.push(Event::MergeRebuilt {
        round: merge.round + 1,
        base: merge.base.clone(),
    });
    events
}

fn send_back(state: &State, task: &Task, why: FixWhy, reason: String) -> Vec<Event> {
    let left_out = |fixed_by| Event::LeftOut {
        task: task.id().clone(),
        fixed_by,
        reason: reason.clone(),
    };
    let commit = task.accepted.as_ref().and_then(|a| a.commit.clone());
    let (Some(theirs), Some(id)) = (commit, fix_id(state, task)) else {
        return [left_out(None)].into();
    };
    let agent = task
        .spec
        .agent
        .as_ref()
        .or(state.swarm().map(|s| &s.spec.agent));
    let redo = agent.is_some_and(|a| a == "shell");
    let strategy = if redo {
        FixStrategy::Redo
    } else {
        FixStrategy::Resolve
    };
    let spec = fix_spec(state, task, &id, &why);
    let fix = Fix {
        of: task.id().clone(),
        theirs,
        why,
        strategy,
    };
    Vec::from([
        Event::TaskAdded {
            spec: spec.into(),
            origin: Origin::Fix(fix),
        },
        left_out(Some(id)),
    ])
}

/// The fix task's id, or `None` when the task has had its share of fixes.
fn fix_id(state: &State, task: &Task) -> Option<TaskId> {
    let mut root = task;
    let mut depth = 0;
    while let Some(of) = root.fix().and_then(|fix| state.task(&fix.of)) {
        root = of;
        depth += 1;
    }
    if depth >= limits::FIXES {
        return None;
    }
    let mut number = depth + 1;
    loop {
        let suffix = format!("-fix{number}");
        let stem = &root.id().as_str()[..root.id().as_str().len().min(NAME_MAX - suffix.len())];
        let id: TaskId = format!("{}{suffix}", stem.trim_end_matches(['.', '-']))
            .parse()
            .ok()?;
        if state.task(&id).is_none() {
            return Some(id);
        }
        number += 1;
    }
}

fn fix_spec(state: &State, task: &Task, id: &TaskId, why: &FixWhy) -> TaskSpec {
    let mut spec = (*task.spec).clone();
    let (mission, detail) = match why {
        FixWhy::Conflict(files) => (
            format!("Bring in the work of {}, which conflicts in {}.", task.id(), files.join(", ")),
            "Keep the intent of both sides: what is on the integration branch stays, and this task's own \
             mission must hold."
                .to_string(),
        ),
        FixWhy::Check(output) => (
            format!("Make the integration check pass with the work of {}.", task.id()),
            format!("The check's output ended with:\n{output}"),
        ),
    };
    spec.brief = format!(
        "{detail}\n\nThe task's mission was: {}\n{}",
        task.spec.mission, task.spec.brief
    );
    spec.brief.truncate(floor_char(&spec.brief, limits::TEXT));
    spec.mission = mission;
    spec.id = id.clone();
    spec.depends_on = Vec::new();
    spec.priority = task.priority;
    if let (FixWhy::Check(_), Some(swarm)) = (why, state.swarm()) {
        spec.success
            .extend(swarm.spec.check.iter().cloned().map(Criterion::Run));
    }
    spec
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One conflict a file, naming every task of the chain that touched it too (SPEC appendix C).
fn describe(state: &State, chain: &[Link], clash: &Clash) -> Vec<Conflict> {
    let mine = clash.task.as_ref();
    let touches = |id: &&TaskId, file: &String| {
        let receipt = state
            .task(id)
            .and_then(|t| t.accepted.as_ref())
            .map(|a| &a.receipt);
        receipt.is_some_and(|r| r.files.contains(file))
    };
    let describe_one = |(file, what): &(String, String)| {
        let others = chain
            .iter()
            .filter_map(|l| l.task.as_ref())
            .filter(|id| touches(id, file));
        let tasks: Vec<TaskId> = others.chain(mine).cloned().collect();
        let worker = |id: &TaskId| state.task(id)?.history.last().map(|past| past.worker);
        let description = match mine {
            Some(task) => format!("{task}: {what}"),
            None => format!("the target branch's own commits: {what}"),
        };
        Conflict {
            file: file.clone(),
            workers: tasks.iter().filter_map(worker).collect(),
            tasks,
            severity: Severity::Critical,
            description,
        }
    };
    clash.files.iter().map(describe_one).collect()
}

//! Invariants as a library: what must never be true of a state. The simulator asks after every event,
//! `skep doctor` when a person does.

use crate::{
    budget::Amounts,
    claim, limits,
    spec::Graph,
    state::State,
    task::{Task, TaskState},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

/// Everything that is wrong with `state`; each in a sentence that names the invariant of ARCHITECTURE.md.
#[must_use]
pub fn find(state: &State) -> Vec<String> {
    let mut found = Vec::new();
    attempts(state, &mut found);
    ownership(state, &mut found);
    sharing(state, &mut found);
    tasks(state, &mut found);
    counts(state, &mut found);
    waves(state, &mut found);
    money(state, &mut found);
    collisions(state, &mut found);
    found
}

/// Invariant 4: at most one live attempt per task and per worker, and each side knows of the other.
fn attempts(state: &State, found: &mut Vec<String>) {
    let mut by_task = BTreeMap::new();
    let mut by_worker = BTreeMap::new();
    for live in state.live() {
        if let Some(other) = by_task.insert(&live.task, live.attempt) {
            found.push(format!(
                "4: task {} has the live attempts {other} and {}",
                live.task, live.attempt
            ));
        }
        if let Some(other) = by_worker.insert(live.worker, live.attempt) {
            found.push(format!(
                "4: worker {} has the live attempts {other} and {}",
                live.worker, live.attempt
            ));
        }
        if live.attempt >= state.next_attempt() {
            found.push(format!(
                "4: attempt {} is live but was never given out",
                live.attempt
            ));
        }
        let task = state.task(&live.task);
        if task.is_none_or(|t| t.current != Some(live.attempt) || !t.state.is_live()) {
            found.push(format!(
                "4: attempt {} is live but its task does not know of it",
                live.attempt
            ));
        }
    }
    for task in state.tasks() {
        let known = task.current.is_some_and(|a| state.attempt(a).is_some());
        if task.state.is_live() != known {
            found.push(format!(
                "4: task {} is {} with the attempt {:?}",
                task.id(),
                task.state,
                task.current
            ));
        }
    }
}

/// S-7: what was spent on the plan is what its attempts were charged, each of them once.
fn money(state: &State, found: &mut Vec<String>) {
    let past = state.tasks().iter().flat_map(|t| &t.history);
    let past = past.map(|past| (past.worker, past.charge.amounts()));
    let live = state.live().map(|l| (l.worker, l.account.charge.amounts()));
    let (mut all, mut by_worker) = (Amounts::default(), BTreeMap::new());
    for (worker, charge) in past.chain(live) {
        all = all.plus(charge);
        let sum: &mut Amounts = by_worker.entry(worker).or_default();
        *sum = sum.plus(charge);
    }
    let same = |a: Amounts, b: Amounts| (a.usd, a.tokens) == (b.usd, b.tokens);
    let booked = state.ledger().swarm();
    if !same(all, booked) {
        found.push(format!(
            "S-7: {booked:?} is booked, and attempts were charged {all:?}"
        ));
    }
    for (worker, charged) in by_worker {
        let booked = state.ledger().worker(worker);
        if !same(charged, booked) {
            found.push(format!(
                "S-7: {booked:?} is booked for {worker}, and its attempts were charged {charged:?}"
            ));
        }
    }
}

/// two running attempts never share an ownership key.
fn ownership(state: &State, found: &mut Vec<String>) {
    let mut owners = BTreeSet::new();
    for live in state.live() {
        let key = state
            .task(&live.task)
            .and_then(|t| t.spec.owner_key.as_ref());
        if let Some(key) = key
            && !owners.insert(key)
        {
            found.push(format!("7: two running attempts own {key:?}"));
        }
    }
}

/// Q-7, W-3: attempts in one worktree never meet on a file, and its readiness is one fact.
fn sharing(state: &State, found: &mut Vec<String>) {
    if !state.shares_worktree() {
        return;
    }
    let live: Vec<_> = state.live().filter_map(|l| state.task(&l.task)).collect();
    for (n, one) in live.iter().enumerate() {
        for other in live[n + 1..].iter().filter(|t| claim::overlap(one, t)) {
            let (one, other) = (one.id(), other.id());
            found.push(format!(
                "Q-7: {one} and {other} run in one worktree and may touch the same files"
            ));
        }
    }
    let mut at = state.workers().filter(|w| !w.stopping).map(|w| &w.ready_at);
    if let Some(first) = at.next()
        && at.any(|other| other != first)
    {
        found.push("W-3: the shared worktree is ready for some workers only".into());
    }
}

/// W-9: collisions are few, and each is known once.
fn collisions(state: &State, found: &mut Vec<String>) {
    let all = state.collisions();
    if all.len() > limits::COLLISIONS {
        found.push(format!("6: {} collisions are remembered", all.len()));
    }
    for (n, one) in all.iter().enumerate() {
        let files = one.conflicts.len();
        if !(1..=limits::COLLISION_FILES).contains(&files) || !(1..=2).contains(&one.works.len()) {
            found.push(format!("W-9: a collision has {files} files: {one:?}"));
        }
        if all[n + 1..].iter().any(|other| other.is_of(&one.works)) {
            found.push(format!("W-9: {} is known twice", one.sentence()));
        }
    }
}

fn tasks(state: &State, found: &mut Vec<String>) {
    for task in state.tasks() {
        if task.state == TaskState::Accepted && task.accepted.is_none() {
            found.push(format!(
                "Q-6: task {} is {} without a result",
                task.id(),
                task.state
            ));
        }
        if task.state == TaskState::Merged && task.merged.is_none() {
            found.push(format!(
                "W-12: task {} is merged, but in no commit",
                task.id()
            ));
        }
        if task.state == TaskState::Blocked
            && task.block.is_none()
            && task
                .fixed_by
                .as_ref()
                .is_none_or(|f| state.task(f).is_none())
        {
            found.push(format!(
                "W-7: task {} is blocked and nothing is to fix it",
                task.id()
            ));
        }
        if task.state == TaskState::Ready && !dependencies_merged(state, task) {
            found.push(format!(
                "Q-5: task {} is ready before its dependencies are merged",
                task.id()
            ));
        }
        if task.state.is_live() && !dependencies_merged(state, task) {
            found.push(format!(
                "Q-5: task {} runs before its dependencies are merged",
                task.id()
            ));
        }
    }
}

fn dependencies_merged(state: &State, task: &Task) -> bool {
    let merged = |id| state.task(id).is_some_and(|t| t.state == TaskState::Merged);
    task.spec.depends_on.iter().all(merged)
}

/// The indices say what the tasks say.
fn counts(state: &State, found: &mut Vec<String>) {
    for wanted in TaskState::ALL {
        let counted = state.tasks().iter().filter(|t| t.state == wanted).count();
        if counted != state.count(wanted) {
            found.push(format!(
                "index: {} tasks are {wanted}, {} counted",
                counted,
                state.count(wanted)
            ));
        }
    }
    let ready: BTreeSet<_> = state.ready().map(Task::id).collect();
    if ready.len() != state.count(TaskState::Ready) {
        found.push(format!(
            "index: {} tasks can be claimed, {} are ready",
            ready.len(),
            state.count(TaskState::Ready)
        ));
    }
}

/// an unmerged task's wave comes after those of its unmerged dependencies.
fn waves(state: &State, found: &mut Vec<String>) {
    let index: BTreeMap<_, _> = state
        .tasks()
        .iter()
        .enumerate()
        .map(|(ix, t)| (t.id(), ix))
        .collect();
    let edges = state.tasks().iter().map(|t| {
        t.spec
            .depends_on
            .iter()
            .filter_map(|d| index.get(d).copied())
            .collect()
    });
    if !crate::spec::cycles(&Graph {
        edges: edges.collect(),
    })
    .is_empty()
    {
        found.push("Q-2: the dependency graph has a cycle".into());
    }
    for task in state
        .tasks()
        .iter()
        .filter(|t| t.state == TaskState::Waiting)
    {
        for other in task.spec.depends_on.iter().filter_map(|d| state.task(d)) {
            let open = !matches!(other.state, TaskState::Merged);
            if open && other.wave >= task.wave && other.wave >= state.open_wave() {
                found.push(format!(
                    "Q-4: {} is in wave {}, before {}",
                    task.id(),
                    task.wave,
                    other.id()
                ));
            }
        }
    }
}

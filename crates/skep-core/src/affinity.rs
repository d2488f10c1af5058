//! Which idle worker takes which task, where dispatch order leaves a choice.
//!
//! A worker suits a task the better, the more of what it last worked on is the same: files, category, role. The
//! order of dispatch comes first: priority and the longest chain are never given up for affinity. Only among
//! tasks that tie in both may a younger one go before an older, and only for so long:
//!
//! - The head of the queue goes to the idle worker that suits it best.
//! - If a busy worker suits it and no idle one does, it stays in that worker's backlog while an idle one finds
//!   another task that ties: first one that suits it, then one that suits nobody.
//! - If there is none, it takes the last task of a backlog that is too long, and else the head: no worker idles
//!   while there is a task that it may claim.
//!
//! Backlogs are derived, never stored: a worker that leaves or crashes leaves none behind.

use crate::{
    claim, id::WorkerId, routing, spec::TaskSpec, state::State, task::Task, time::Time,
    worker::Worker,
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::cmp::Reverse;

/// How many tasks that tie are looked at: more than the longest backlog that is left alone by default.
const LOOK: usize = 24;
/// How many patterns of each task are compared: what a plan of thousands of patterns would gain, each claim would
/// pay for.
const PATTERNS: usize = 8;

/// A task, the worker that takes it, and with which model.
pub(crate) type Choice<'s> = (&'s Task, WorkerId, routing::Choice);

/// What is claimed next, if anything can be.
pub(crate) fn choose<'s>(state: &'s State, now: Time, idle: &[&Worker]) -> Option<Choice<'s>> {
    let mut queue = state.ready();
    // What ties with the head follows it in the queue.
    let (head, worker, model) = queue.by_ref().find_map(|task| {
        let (worker, model) = fitting(state, now, task, idle).next()?;
        Some((task, worker, model))
    })?;
    if !has_marks(&head.spec) {
        return Some((head, worker, model));
    }
    let lasts = Lasts::of(state);
    let best = lasts.best(head, fitting(state, now, head, idle));
    if best.is_some() || lasts.owner(state, head, now).is_none() {
        return best.or(Some((head, worker, model)));
    }
    let tied = queue
        .take_while(|t| t.priority == head.priority && t.critical == head.critical)
        .take(LOOK);
    beside(state, now, idle, &lasts, head, tied).or(Some((head, worker, model)))
}

/// Another task than the head, which a busy worker suits: see the rules above.
fn beside<'s>(
    state: &'s State,
    now: Time,
    idle: &[&Worker],
    lasts: &Lasts<'s>,
    head: &'s Task,
    tied: impl Iterator<Item = &'s Task>,
) -> Option<Choice<'s>> {
    let mut for_nobody = None;
    let mut backlogs: BTreeMap<WorkerId, Vec<Choice<'s>>> = BTreeMap::new();
    let mut lengths: BTreeMap<WorkerId, u32> = BTreeMap::new();
    if let Some(owner) = lasts.owner(state, head, now) {
        lengths.insert(owner, 1);
    }
    for task in tied {
        let own = lasts.best(task, fitting(state, now, task, idle));
        if own.is_some() {
            return own;
        }
        let Some((worker, model)) = fitting(state, now, task, idle).next() else {
            continue;
        };
        let choice = (task, worker, model);
        match lasts.owner(state, task, now) {
            None => for_nobody = for_nobody.or(Some(choice)),
            Some(owner) => {
                *lengths.entry(owner).or_default() += 1;
                backlogs.entry(owner).or_default().push(choice);
            }
        }
    }
    if for_nobody.is_some() {
        return for_nobody;
    }
    let most = state.swarm()?.spec.policy.scaling.backlog;
    let (longest, length) = lengths.iter().max_by_key(|(w, n)| (**n, Reverse(**w)))?;
    if *length <= most {
        return None;
    }
    backlogs.remove(longest)?.pop()
}

/// The idle workers that may take a task, each with the model; none if it is held.
fn fitting(
    state: &State,
    now: Time,
    task: &Task,
    idle: &[&Worker],
) -> impl Iterator<Item = (WorkerId, routing::Choice)> {
    let idle = if claim::free(state, task, now).is_ok() {
        idle
    } else {
        &[]
    };
    let fits = move |w: &&Worker| {
        claim::fits(state, task, w, now)
            .ok()
            .map(|choice| (w.id, choice))
    };
    idle.iter().filter_map(fits)
}

/// Whether affinity can tell the task from others at all.
fn has_marks(spec: &TaskSpec) -> bool {
    spec.role.is_some() || spec.category.is_some() || !spec.files.is_empty()
}

/// What each worker last worked on, of those about which that says something.
struct Lasts<'s>(Vec<(&'s Worker, &'s TaskSpec)>);

impl<'s> Lasts<'s> {
    fn of(state: &'s State) -> Lasts<'s> {
        let last = |w: &'s Worker| {
            let task = state.task(w.last.as_ref()?)?;
            has_marks(&task.spec).then_some((w, &*task.spec))
        };
        Lasts(state.workers().filter_map(last).collect())
    }

    /// The worker of these that suits a task best, if any does at all.
    fn best(
        &self,
        task: &'s Task,
        fitting: impl Iterator<Item = (WorkerId, routing::Choice)>,
    ) -> Option<Choice<'s>> {
        let score = |worker: WorkerId| {
            let last = self.0.iter().find(|(w, _)| w.id == worker);
            last.map_or(0, |(_, last)| alike(last, &task.spec))
        };
        let scored = fitting.map(|(worker, model)| (score(worker), worker, model));
        let suiting = scored.filter(|(score, _, _)| *score > 0);
        let (_, worker, model) =
            suiting.max_by_key(|(score, worker, _)| (*score, Reverse(*worker)))?;
        Some((task, worker, model))
    }

    /// The busy worker in whose backlog the task is: the one that suits it best. No task is kept for long.
    fn owner(&self, state: &State, task: &Task, now: Time) -> Option<WorkerId> {
        let wait = state.swarm()?.spec.policy.scaling.affinity_wait;
        if now.since(task.since) >= wait {
            return None;
        }
        let busy = self.0.iter().filter(|(w, _)| {
            w.current.is_some() && !w.stopping && claim::suits(state, task, w).is_ok()
        });
        let best = busy
            .map(|(w, last)| (alike(last, &task.spec), Reverse(w.id)))
            .max()?;
        let (score, Reverse(worker)) = best;
        (score > 0).then_some(worker)
    }
}

/// How much two tasks have in common: the same files weigh most, then the category, then the role.
fn alike(a: &TaskSpec, b: &TaskSpec) -> u8 {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    let overlap = || {
        let theirs = || b.files.iter().take(PATTERNS);
        let mine = a.files.iter().take(PATTERNS);
        mine.clone()
            .any(|x| theirs().any(|y| x == y || x.may_overlap(y)))
    };
    u8::from(same(&a.role, &b.role))
        + 2 * u8::from(same(&a.category, &b.category))
        + 4 * u8::from(overlap())
}

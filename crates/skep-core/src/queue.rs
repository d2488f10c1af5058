//! In which order tasks will be done, and when, as far as that can be told (U-2).
//!
//! A forecast and no promise: tasks are laid one behind another on the workers that may take them, in the order in
//! which they are dispatched, each for as long as its like has taken. It decides nothing. Every duration says what it
//! rests on, and what nobody can know (a paused swarm, a task for which there is no worker) has no moment.

use crate::{
    claim,
    health::Pace,
    id::{Attempt, TaskId, WorkerId},
    limits, reputation,
    state::State,
    task::{Task, TaskState},
    time::{Millis, Time},
    worker::Worker,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// What a duration rests on, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The median of this agent's attempts at tasks of this kind.
    Kind,
    /// The median of this agent's attempts at anything.
    Agent,
    /// Nothing is known yet: the time that the task is given.
    Timebox,
}

impl Basis {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Basis::Kind => "kind",
            Basis::Agent => "agent",
            Basis::Timebox => "timebox",
        }
    }
}

/// One task in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub task: TaskId,
    /// The attempt that is at it.
    pub attempt: Option<Attempt>,
    /// Dependencies that are not merged.
    pub unmet: Vec<TaskId>,
    /// How long an attempt takes.
    pub takes: Millis,
    /// What that rests on.
    pub basis: Basis,
    /// When it will begin, or began.
    pub begins: Option<Time>,
    /// When it will be done, if the first attempt succeeds.
    pub ends: Option<Time>,
}

/// Every task that is still to be done: those at work, then those that can be claimed in the order of dispatch, then
/// those that wait, by wave.
#[must_use]
pub fn places(state: &State, now: Time) -> Vec<Place> {
    let mut desk = Desk::new(state, now);
    let running = state.live().filter_map(|live| {
        let task = state.task(&live.task)?;
        Some((task, live))
    });
    let mut places: Vec<Place> = running
        .map(|(task, live)| {
            let (takes, basis) = takes(state, task);
            let ends = (live.age_from + takes).max(now);
            desk.busy(live.worker, ends);
            desk.done(task, Some(ends));
            Place {
                task: task.id().clone(),
                attempt: Some(live.attempt),
                unmet: Vec::new(),
                takes,
                basis,
                begins: Some(live.age_from),
                ends: Some(ends),
            }
        })
        .collect();
    let waiting = state.tasks().iter();
    let waiting = waiting.filter(|t| t.state == TaskState::Waiting);
    let mut waiting: Vec<&Task> = waiting.collect();
    // Within a wave as they will be dispatched: priority, then the longest chain behind them.
    waiting.sort_by_key(|t| (t.wave, t.priority, core::cmp::Reverse(t.critical)));
    places.extend(state.ready().chain(waiting).map(|task| desk.place(task)));
    places
}

/// How long an attempt at a task takes, and what that rests on.
#[must_use]
pub fn takes(state: &State, task: &Task) -> (Millis, Basis) {
    let agent = task.spec.agent.as_deref();
    let agent = agent.or_else(|| state.swarm().map(|s| s.spec.agent.as_str()));
    let agent = agent.unwrap_or_default();
    if let Some(usual) = state.usual_pace(&Pace::key(agent, &task.spec)) {
        return (usual, Basis::Kind);
    }
    let subject = reputation::Subject::Agent(agent.into());
    let record = state.reputation(&subject.key());
    if let Some(usual) = record.and_then(|record| record.took(50)) {
        return (usual, Basis::Agent);
    }
    let timebox = task.spec.timebox;
    (
        timebox.unwrap_or_else(|| state.policy().timebox),
        Basis::Timebox,
    )
}

/// Workers with the moment at which each is free, and waves with the moment at which each is done.
struct Desk<'s> {
    state: &'s State,
    now: Time,
    free: Vec<(Time, &'s Worker)>,
    waves: BTreeMap<u32, Option<Time>>,
}

impl<'s> Desk<'s> {
    fn new(state: &'s State, now: Time) -> Desk<'s> {
        // Halted, paused or draining there is no moment at which anything begins; a merge or a full house passes.
        let open = state.halted().is_none() && !state.paused() && !state.draining();
        let can = |w: &&Worker| !w.stopping && (!w.paused || w.current.is_some());
        let mut free: Vec<(Time, &Worker)> = state
            .workers()
            .filter(|w| open && can(w))
            .map(|w| (w.not_before.unwrap_or(now).max(now), w))
            .collect();
        // Those at work are there in any case.
        free.sort_by_key(|(_, w)| (w.current.is_none(), w.id));
        free.truncate(state.policy().concurrency.min(limits::WORKERS) as usize);
        free.retain(|(_, w)| !w.paused);
        let waves = BTreeMap::new();
        Desk {
            state,
            now,
            free,
            waves,
        }
    }

    fn busy(&mut self, worker: WorkerId, until: Time) {
        for (free, _) in self.free.iter_mut().filter(|(_, w)| w.id == worker) {
            *free = until;
        }
    }

    fn done(&mut self, task: &Task, ends: Option<Time>) {
        let wave = self.waves.entry(task.wave).or_insert(Some(self.now));
        *wave = wave.zip(ends).map(|(one, other)| one.max(other));
    }

    fn place(&mut self, task: &Task) -> Place {
        let (takes, basis) = takes(self.state, task);
        let merged = |id: &&TaskId| {
            let other = self.state.task(id);
            other.is_some_and(|t| t.state == TaskState::Merged)
        };
        let unmet = task.spec.depends_on.iter().filter(|id| !merged(id));
        let unmet: Vec<TaskId> = unmet.cloned().collect();
        // What is merged is merged with its wave; one that nobody will do holds up all that need it.
        let merges = unmet.iter().map(|id| {
            let other = self.state.task(id)?;
            let comes = !other.state.is_over() && other.state != TaskState::Blocked;
            let wave = self.waves.get(&other.wave).copied();
            comes.then(|| wave.unwrap_or(Some(self.now)))?
        });
        let from = task.not_before.unwrap_or(self.now).max(self.now);
        let from = { merges }.try_fold(from, |latest, one| Some(latest.max(one?)));
        let who = self.free.iter_mut();
        let who = who.filter(|(_, worker)| claim::may_take(task, worker).is_ok());
        let who = who.min_by_key(|(free, worker)| (*free, worker.id));
        let begins = from.zip(who).map(|(from, (free, _))| {
            let begins = from.max(*free);
            *free = begins + takes;
            begins
        });
        let ends = begins.map(|begins| begins + takes);
        self.done(task, ends);
        Place {
            task: task.id().clone(),
            attempt: None,
            unmet,
            takes,
            basis,
            begins,
            ends,
        }
    }
}

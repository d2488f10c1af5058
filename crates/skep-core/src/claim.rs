//! Who may claim what. Every cap and every exclusion is checked here and nowhere else, and the same
//! functions that decide a claim explain why there is none (`skep why`).

use crate::{
    attempt::Live,
    budget::{self, Shortfall},
    id::WorkerId,
    limits,
    provider::Shut,
    routing::{self, Choice},
    spec::{Moment, TaskSpec},
    state::State,
    task::Task,
    time::{Millis, Time},
    worker::{Worker, WorkerState},
};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Why nothing at all is claimed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// No plan has been loaded.
    NoPlan,
    /// A person paused the swarm.
    Paused,
    /// The keeper is about to leave.
    Draining,
    /// Something is wrong with the swarm as a whole.
    Halted(String),
    /// A wave is being merged; claims go on from its result.
    Merging(u32),
    /// As many attempts run as may.
    AtCap(u32),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::NoPlan => f.write_str("no plan has been loaded"),
            Closed::Paused => f.write_str("the swarm is paused; `skep resume` goes on"),
            Closed::Draining => f.write_str("the keeper is about to leave and claims nothing more"),
            Closed::Halted(why) => write!(f, "the swarm is halted: {why}"),
            Closed::Merging(wave) => write!(
                f,
                "wave {wave} is being merged; claims go on from its result"
            ),
            Closed::AtCap(cap) => write!(
                f,
                "{cap} attempts run, which is the cap (policy.concurrency)"
            ),
        }
    }
}

/// Why one worker does not take one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It is not idle.
    Busy(WorkerState),
    /// The task is for another worker.
    AssignedTo(WorkerId),
    /// The task is for another role.
    Role(String),
    /// The task needs a capability it lacks.
    Capability(String),
    /// Every model that the task may use has failed on it too often.
    ModelsFailed(String),
    /// A cap leaves too little for it (S-7).
    Budget(Shortfall),
    /// The provider of its model takes no attempt now (S-5, S-6).
    Provider(Shut),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Busy(state) => write!(f, "is {state}"),
            Unfit::AssignedTo(worker) => {
                write!(f, "is not {worker}, to which the task is assigned")
            }
            Unfit::Role(role) => write!(f, "does not have the role {role}"),
            Unfit::Capability(what) => write!(f, "cannot do {what}"),
            Unfit::ModelsFailed(model) => {
                write!(
                    f,
                    "would use {model}, which failed on the task too often, and no stronger model is left"
                )
            }
            Unfit::Budget(short) => write!(f, "{short}"),
            Unfit::Provider(shut) => write!(f, "{shut}"),
        }
    }
}

/// Why one task is not claimable by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Not before this moment.
    Until(Time),
    /// A running attempt has the same ownership key.
    OwnerKey(String, crate::id::TaskId),
    /// Without worktrees, a running attempt may touch the same files.
    Files(crate::id::TaskId),
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Until(_) => f.write_str("its retry waits"),
            Held::OwnerKey(key, task) => write!(f, "{task} runs and owns {key:?}"),
            Held::Files(task) => {
                write!(
                    f,
                    "{task} runs in the same worktree and may touch the same files"
                )
            }
        }
    }
}

/// Whether claims are open at all.
///
/// # Errors
/// Why not.
pub fn open(state: &State, now: Time) -> Result<(), Closed> {
    if state.swarm().is_none() {
        return Err(Closed::NoPlan);
    }
    if let Some(halt) = state.halted() {
        let probing = halt.probe_at.is_some_and(|at| at <= now) && state.live().len() == 0;
        if !probing {
            return Err(Closed::Halted(halt.reason.clone()));
        }
    }
    if state.draining() {
        return Err(Closed::Draining);
    }
    if state.paused() {
        return Err(Closed::Paused);
    }
    if let Some(merge) = state.merge() {
        return Err(Closed::Merging(merge.wave));
    }
    let cap = state.policy().concurrency.min(limits::WORKERS);
    if state.live().len() >= cap as usize {
        return Err(Closed::AtCap(cap));
    }
    Ok(())
}

/// Whether a ready task may be claimed by anybody.
///
/// # Errors
/// What holds it.
pub fn free(state: &State, task: &Task, now: Time) -> Result<(), Held> {
    if let Some(at) = task.not_before.filter(|at| *at > now) {
        return Err(Held::Until(at));
    }
    if let Some(key) = &task.spec.owner_key
        && let Some(owner) = state.owner(key).and_then(|a| state.attempt(a))
    {
        return Err(Held::OwnerKey(key.clone(), owner.task.clone()));
    }
    if state.shares_worktree()
        && let Some(other) = state.live().find(|live| meets(state, task, live))
    {
        return Err(Held::Files(other.task.clone()));
    }
    Ok(())
}

fn meets(state: &State, task: &Task, live: &Live) -> bool {
    state
        .task(&live.task)
        .is_some_and(|other| overlap(task, other))
}

/// Whether attempts of two tasks might change the same file of a shared worktree.
#[must_use]
pub fn overlap(one: &Task, other: &Task) -> bool {
    match (one.scope(), other.scope()) {
        (Some(mine), Some(theirs)) => mine.iter().any(|a| theirs.iter().any(|b| a.may_overlap(b))),
        _ => true,
    }
}

/// Whether a worker may take a task now, and with which model.
///
/// # Errors
/// Why not.
pub fn fits(state: &State, task: &Task, worker: &Worker, now: Time) -> Result<Choice, Unfit> {
    let base = state.swarm().map(|s| &s.tip);
    let standing = worker.state(base);
    if standing != WorkerState::Idle {
        return Err(Unfit::Busy(standing));
    }
    may_take(task, worker)?;
    let choice = routing::route(state, task, worker, now)?;
    let model = choice.model.as_deref();
    budget::admit(state, task, worker.id, model, now).map_err(Unfit::Budget)?;
    Ok(choice)
}

/// Whether a worker could take a task if it were idle and every provider took it.
///
/// # Errors
/// Why not.
pub fn suits(state: &State, task: &Task, worker: &Worker) -> Result<(), Unfit> {
    may_take(task, worker)?;
    routing::left(state, task, worker)
}

/// Whether a task is for a worker at all, whatever model it would use.
///
/// # Errors
/// Why not.
pub fn may_take(task: &Task, worker: &Worker) -> Result<(), Unfit> {
    if let Some(other) = task.assigned.filter(|w| *w != worker.id) {
        return Err(Unfit::AssignedTo(other));
    }
    if let (Some(want), Some(have)) = (&task.spec.role, &worker.role)
        && want != have
    {
        return Err(Unfit::Role(want.clone()));
    }
    if let Some(can) = &worker.capabilities
        && let Some(missing) = task.spec.capabilities.iter().find(|c| !can.contains(c))
    {
        return Err(Unfit::Capability(missing.clone()));
    }
    Ok(())
}

/// For how long hooks may keep a claimed attempt from beginning: they are run one after the other.
fn hooks_before(state: &State) -> Millis {
    let hooks = state.swarm().into_iter();
    let hooks = hooks.flat_map(|s| s.spec.hooks_on(Moment::BeforeAttempt));
    // What does not end when it is told to gets as long again.
    Millis(
        hooks
            .map(|(_, hook)| hook.timeout.0.saturating_mul(2))
            .sum(),
    )
}

/// The moment at which the keeper gives an attempt up even if its shim never reports: its ceiling, two
/// graces (agent and checks), and a minute for a machine under load.
#[must_use]
pub fn give_up_after(state: &State, task: &TaskSpec) -> Millis {
    let policy = state.policy();
    let checks = task.success.len() as u64;
    let ceiling = policy.ceiling(task.timebox);
    let graces = policy.grace.times(checks.saturating_add(2));
    // As moments are added up: beyond all measure is as long as there is.
    let until = Time(0) + ceiling + graces + hooks_before(state) + Millis::mins(1);
    until.since(Time(0))
}

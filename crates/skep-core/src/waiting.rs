//! Why something is not moving, in one line (L-4a): from the same predicates that decide claims.

use crate::{
    attempt::{Live, Phase},
    budget::{self, Shortfall},
    claim::{self, Closed, Held, Unfit},
    health,
    id::{TaskId, WorkerId},
    provider::Shut,
    routing,
    spec::Landing,
    state::State,
    task::{Task, TaskState},
    time::Time,
    word::Block,
    worker::{Worker, WorkerState},
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// Dependencies are not merged.
    Dependencies(Vec<(TaskId, TaskState)>),
    /// Nothing is claimed now.
    Closed(Closed),
    /// Something holds this task.
    Held(Held),
    /// There are no workers at all.
    NoWorkers,
    /// Whoever could take it waits for the same provider (S-5, S-6).
    Provider(Shut),
    /// No worker takes it now; each with why not.
    NoWorkerFits(Vec<(WorkerId, Unfit)>),
    /// A cap leaves too little for it (S-7).
    Budget(Shortfall),
    /// It will be claimed at once.
    AboutToStart,
    /// An attempt is at it.
    Attempt {
        /// By whom.
        worker: WorkerId,
        /// How far it is.
        phase: Phase,
        /// For how long it has been that far, in milliseconds.
        for_ms: u64,
        /// It is being stopped.
        stopping: bool,
        /// How it does, if its host has measured that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        health: Option<String>,
        /// What its agent last said of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        says: Option<String>,
        /// Why it has its model, if there is more to say than that it is the swarm's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
    },
    /// Accepted; its wave is not done.
    WaveOpen {
        /// Which wave.
        wave: u32,
        /// What keeps it open.
        by: Vec<TaskId>,
    },
    /// Accepted; its wave is being merged.
    Merging(u32),
    /// Its work waits for a fix.
    Fix {
        /// The fix task.
        task: TaskId,
        /// Where that stands.
        state: TaskState,
    },
    /// Its agent could not go on before another task is merged.
    Blocked {
        /// The other.
        on: TaskId,
        /// Where that stands.
        state: TaskState,
        /// Why, in the agent's words.
        reason: String,
    },
    /// It is done.
    Merged,
    /// A person must act; what was noted.
    Person(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::Dependencies(open) => {
                let named: Vec<String> = open
                    .iter()
                    .map(|(id, state)| format!("{id} ({state})"))
                    .collect();
                write!(f, "waits for {} to be merged", named.join(", "))
            }
            Waiting::Closed(why) => write!(f, "{why}"),
            Waiting::Held(why) => write!(f, "{why}"),
            Waiting::NoWorkers => {
                f.write_str("the swarm has no workers; `skep workers add` adds some")
            }
            Waiting::Provider(shut) => write!(f, "{shut}"),
            Waiting::NoWorkerFits(each) => no_worker_fits(f, each),
            Waiting::Budget(short) => write!(f, "{short}"),
            Waiting::AboutToStart => f.write_str("is about to be claimed"),
            Waiting::Attempt {
                worker,
                phase,
                for_ms,
                stopping,
                health,
                says,
                route,
            } => {
                let doing = match phase {
                    Phase::Claimed => "is starting it",
                    Phase::Running => "is at work on it",
                    Phase::Verifying => "is checking the result",
                };
                let age = crate::time::Millis(for_ms - for_ms % 1000);
                write!(f, "{worker} {doing}, for {age}")?;
                if let Some(health) = health {
                    write!(f, ", {health}")?;
                }
                if let Some(says) = says {
                    write!(f, ", and says: {says}")?;
                }
                if *stopping {
                    f.write_str(", and is being stopped")?;
                }
                match route {
                    Some(route) => write!(f, "; {route}"),
                    None => Ok(()),
                }
            }
            Waiting::WaveOpen { wave, by } => {
                let named: Vec<&str> = by.iter().take(5).map(TaskId::as_str).collect();
                write!(
                    f,
                    "is done and waits for the rest of wave {wave}: {}",
                    named.join(", ")
                )?;
                if by.len() > 5 {
                    write!(f, " and {} more", by.len() - 5)
                } else {
                    Ok(())
                }
            }
            Waiting::Merging(wave) => write!(f, "is being merged with wave {wave}"),
            Waiting::Fix { task, state } => {
                write!(f, "waits for {task} ({state}) to bring its work in")
            }
            Waiting::Blocked { on, state, reason } => write!(
                f,
                "is blocked until {on} ({state}) is merged: {reason}; `skep retry` does not wait for it"
            ),
            Waiting::Merged => f.write_str("is merged"),
            Waiting::Person(note) => {
                write!(f, "needs a person: {note}; `skep retry` begins it anew")
            }
        }
    }
}

fn no_worker_fits(f: &mut fmt::Formatter<'_>, each: &[(WorkerId, Unfit)]) -> fmt::Result {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (worker, why) in each {
        by_reason
            .entry(why.to_string())
            .or_default()
            .push(worker.to_string());
    }
    f.write_str("no worker is free for it: ")?;
    for (n, (reason, workers)) in by_reason.iter().enumerate() {
        let separator = if n > 0 { "; " } else { "" };
        write!(f, "{separator}{} {reason}", workers.join(", "))?;
    }
    Ok(())
}

/// Why `task` is where it is.
#[must_use]
pub fn task(state: &State, task: &Task, now: Time) -> Waiting {
    match task.state {
        TaskState::Waiting => {
            let open = |id: &TaskId| {
                let other = state.task(id)?;
                (other.state != TaskState::Merged).then(|| (id.clone(), other.state))
            };
            Waiting::Dependencies(task.spec.depends_on.iter().filter_map(open).collect())
        }
        TaskState::Ready => ready(state, task, now),
        TaskState::Running | TaskState::Verifying => {
            let live = task.current.and_then(|a| state.attempt(a));
            live.map_or(Waiting::AboutToStart, |live| Waiting::Attempt {
                worker: live.worker,
                phase: live.phase,
                for_ms: now.since(live.since).0,
                stopping: live.stopping.is_some(),
                health: health::tell(state, live, now),
                says: says(live, now),
                route: live
                    .model
                    .as_ref()
                    .zip(live.route.as_ref())
                    .map(|(m, r)| r.told(m)),
            })
        }
        TaskState::Accepted => accepted(state, task),
        TaskState::Merged => Waiting::Merged,
        TaskState::Blocked => {
            if let Some(block) = &task.block {
                return blocked(state, block);
            }
            let fix = task.fixed_by.as_ref().and_then(|id| state.task(id));
            fix.map_or(Waiting::Person("its fix is gone".into()), |fix| {
                Waiting::Fix {
                    task: fix.id().clone(),
                    state: fix.state,
                }
            })
        }
        TaskState::Flagged | TaskState::Dead | TaskState::Cancelled => {
            Waiting::Person(task.note.clone().unwrap_or_else(|| task.state.to_string()))
        }
    }
}

/// What an agent last said of how far it is, in a line.
fn says(live: &Live, now: Time) -> Option<String> {
    let last = live.words.last.as_ref()?;
    let words: Vec<&str> = last.text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(SAID_SHOWN).collect();
    let age = crate::time::Millis(now.since(last.at).0 / 1000 * 1000);
    let percent = last
        .percent
        .map_or_else(String::new, |p| format!("{p} %, "));
    Some(format!("{percent}{text:?} ({age} ago)"))
}

/// So much of what an agent says is shown in one line with other things.
const SAID_SHOWN: usize = 120;

fn blocked(state: &State, block: &Block) -> Waiting {
    match block.on.as_ref().and_then(|on| state.task(on)) {
        Some(on) => Waiting::Blocked {
            on: on.id().clone(),
            state: on.state,
            reason: block.reason.clone(),
        },
        None => Waiting::Person(format!("its agent could not go on: {}", block.reason)),
    }
}

fn ready(state: &State, task: &Task, now: Time) -> Waiting {
    if let Err(closed) = claim::open(state, now) {
        return Waiting::Closed(closed);
    }
    if let Err(held) = claim::free(state, task, now) {
        let parked = parked_for_it(state, task, now);
        return parked.map_or(Waiting::Held(held), Waiting::Provider);
    }
    let mut each = Vec::new();
    for worker in state.workers() {
        // What a worker can never do says more than that it is busy now, and so does that nobody would serve it.
        let why = claim::suits(state, task, worker)
            .and_then(|()| routing::route(state, task, worker, now))
            .and_then(|_| claim::fits(state, task, worker, now));
        match why {
            Ok(_) => return Waiting::AboutToStart,
            Err(why) => each.push((worker.id, why)),
        }
    }
    let short = each.iter().find_map(|(_, why)| match why {
        Unfit::Budget(short) => Some(*short),
        _ => None,
    });
    if let Some(short) = short {
        return Waiting::Budget(short);
    }
    if each.is_empty() {
        return Waiting::NoWorkers;
    }
    match same_provider(&each) {
        Some(shut) => Waiting::Provider(shut.clone()),
        None => Waiting::NoWorkerFits(each),
    }
}

/// The provider for which a task waits that was refused and lets others go first.
fn parked_for_it(state: &State, task: &Task, now: Time) -> Option<Shut> {
    if task.refusals.is_none() {
        return None;
    }
    let shut = |w: &Worker| match routing::route(state, task, w, now) {
        Err(Unfit::Provider(shut)) => Some(shut),
        _ => None,
    };
    let mut able = state.workers().filter(|w| claim::may_take(task, w).is_ok());
    able.find_map(shut)
}

/// The provider that all wait for, but those that can never take it.
fn same_provider(each: &[(WorkerId, Unfit)]) -> Option<&Shut> {
    let able = |why: &&Unfit| {
        !matches!(
            why,
            Unfit::Role(_) | Unfit::Capability(_) | Unfit::AssignedTo(_)
        )
    };
    let mut able = each.iter().map(|(_, why)| why).filter(able);
    let Some(Unfit::Provider(first)) = able.next() else {
        return None;
    };
    let same = |why: &Unfit| matches!(why, Unfit::Provider(shut) if shut == first);
    able.all(same).then_some(first)
}

fn accepted(state: &State, task: &Task) -> Waiting {
    if let Some(merge) = state.merge() {
        return match state.halted() {
            Some(halt) => Waiting::Closed(Closed::Halted(halt.reason.clone())),
            None => Waiting::Merging(merge.wave),
        };
    }
    let wave = state.open_wave();
    let holds = |t: &&Task| t.wave == wave && t.state.holds_wave() && t.id() != task.id();
    let by = state
        .tasks()
        .iter()
        .filter(holds)
        .map(|t| t.id().clone())
        .collect();
    Waiting::WaveOpen { wave, by }
}

/// Why a worker is what it is, in one line.
#[must_use]
pub fn worker(state: &State, worker: &Worker, now: Time) -> String {
    let mut text = standing(state, worker, now);
    // A worker that policy made says why it is there, and one that leaves why it goes.
    let why = match (&worker.retired, &worker.added) {
        (Some(retired), _) => Some(format!("; {retired}")),
        (None, added) => added.as_ref().map(|added| format!("; added: {added}")),
    };
    text.extend(why);
    text
}

fn standing(state: &State, worker: &Worker, now: Time) -> String {
    let base = state.swarm().map(|s| &s.tip);
    let age = crate::time::Millis(now.since(worker.since).0 / 1000 * 1000);
    match worker.state(base) {
        WorkerState::Working => {
            let live = worker.current.and_then(|a| state.attempt(a));
            let task = live.map_or_else(String::new, |l| l.task.to_string());
            let text = match live.and_then(|l| health::tell(state, l, now)) {
                Some(how) => format!("works on {task}, {how}"),
                None => format!("works on {task}, for {age}"),
            };
            // What is new of it comes first: columns are narrow.
            match worker.paused {
                true => format!("a person paused it, so this task is its last; {text}"),
                false => text,
            }
        }
        WorkerState::Idle => {
            let closed = claim::open(state, now).err().map(|c| c.to_string());
            closed.unwrap_or_else(|| "no ready task fits it".to_string())
        }
        WorkerState::Spawning if state.finished().is_some() => "nothing is left to do".to_string(),
        WorkerState::Spawning if state.shares_worktree() && state.live().len() > 0 => {
            "the shared worktree is made ready once the attempts in it have ended".to_string()
        }
        WorkerState::Spawning if crate::plan::prepares(state, worker.id, now) => {
            "its worktree is being made ready".to_string()
        }
        WorkerState::Spawning => {
            let closed = claim::open(state, now).err().map(|c| c.to_string());
            closed.unwrap_or_else(|| "no task is ready for it".to_string())
        }
        WorkerState::Paused => format!("a person paused it {age} ago"),
        WorkerState::Crashed => {
            let rest = worker.not_before.map_or(0, |at| at.since(now).0);
            let trouble = worker.trouble.as_deref().unwrap_or("unknown");
            format!("restarts in {}: {trouble}", crate::time::Millis(rest))
        }
        WorkerState::Stopped => "is being removed".to_string(),
    }
}

/// What keeps the swarm as a whole from going on, if only a person can change it.
#[must_use]
pub fn stuck(state: &State, now: Time) -> Option<String> {
    if let Some(halt) = state.halted() {
        return Some(halt.reason.clone());
    }
    if let Some(short) = budget::asks(state, now) {
        let first = state.ready().next().map(|t| t.id().to_string());
        return Some(format!("{} {short}", first.unwrap_or_default()));
    }
    let moving = state.live().len() > 0
        || state.merge().is_some()
        || crate::due::moves_at(state, now).is_some()
        || !crate::plan::plan(state, now).actions.is_empty();
    if moving || state.finished().is_some() {
        return None;
    }
    let first = state.ready().next()?;
    Some(format!("{} {}", first.id(), task(state, first, now)))
}

/// What a person should know about the landing, if it did not go as the plan says.
#[must_use]
pub fn landing(state: &State) -> Option<String> {
    let swarm = state.swarm().filter(|s| s.spec.landing == Landing::Main)?;
    let (tip, reason) = swarm.landing_refused.as_ref()?;
    Some(format!(
        "{} was not moved to {}: {reason}",
        swarm.target,
        tip.short()
    ))
}

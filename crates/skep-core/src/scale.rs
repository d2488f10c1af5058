//! How many workers there should be (S-1, S-2, S-3): who decides it, between which bounds, and why one is
//! added or leaves. Like every policy, it acts in [`due`](crate::due), one event at a time.
//!
//! - [`up`](up::next) adds workers: to the floor, for a role that has none, for the tasks that wait, and ahead of
//!   those that keep coming.
//! - [`down`](down::next) lets one go that has had nothing to do for long.
//! - [`book`] is what is remembered for both: when workers came and went, and how fast tasks arrive.

mod book;
mod demand;
pub(crate) mod down;
mod explain;
pub(crate) mod up;

pub use book::Book;
pub use explain::{cap, explain};
pub use up::waits_for_memory;

use crate::{
    claim::{self, Closed},
    limits as bounds,
    spec::Workers,
    state::State,
    time::{Millis, Time},
    worker::{Worker, WorkerState},
};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Who decides how many workers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// People: workers are added and removed by hand, and a number in the plan stays what it is.
    #[default]
    Manual,
    /// The tasks, within the policy's bounds.
    Auto,
    /// The tasks, within bounds of their own; a fixed number when both are the same.
    Between {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
}

impl Mode {
    /// Who decides in a plan: a fixed number stays fixed.
    #[must_use]
    pub const fn of(workers: &Workers) -> Mode {
        match workers {
            Workers::Auto => Mode::Auto,
            Workers::Between { min, max } => Mode::Between {
                min: *min,
                max: *max,
            },
            Workers::Count(_) | Workers::PerRole(_) => Mode::Manual,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Manual => f.write_str("by hand"),
            Mode::Auto => f.write_str("auto"),
            Mode::Between { min, max } if min == max => write!(f, "{min}"),
            Mode::Between { min, max } => write!(f, "{min}..{max}"),
        }
    }
}

/// Why a worker was added by policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Added {
    /// There were fewer than there must be.
    Floor {
        /// So many must be.
        floor: u32,
    },
    /// Tasks of a role were ready that no worker could take.
    Role {
        /// The role; none: tasks that any worker may take.
        role: Option<String>,
    },
    /// Workers were too few for the tasks.
    Tasks {
        /// Tasks that could be claimed.
        ready: u32,
        /// Workers there were for them.
        workers: u32,
    },
    /// Tasks kept coming, and more were to be expected.
    Arrivals {
        /// In a minute.
        per_minute: u32,
    },
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Added::Floor { floor } => write!(f, "never fewer than {}", workers(*floor)),
            Added::Role { role: Some(role) } => {
                write!(f, "no worker had the role {role:?} that ready tasks need")
            }
            Added::Role { role: None } => {
                f.write_str("no worker could take the tasks that are ready")
            }
            Added::Tasks { ready, workers: n } => {
                write!(
                    f,
                    "{ready} ready {} for {}",
                    noun(*ready, "task"),
                    workers(*n)
                )
            }
            Added::Arrivals { per_minute } => {
                write!(
                    f,
                    "{per_minute} {} a minute arrive",
                    noun(*per_minute, "task")
                )
            }
        }
    }
}

/// Why a worker was let go by policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// It had nothing to do for long.
    Idle {
        /// For so long, in milliseconds.
        for_ms: u64,
    },
    /// There were more than there may be.
    Over {
        /// So many may be.
        most: u32,
    },
    /// Its place was needed for a worker of another role.
    Room {
        /// The role; none: one that takes any task.
        role: Option<String>,
    },
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retired::Idle { for_ms } => {
                write!(f, "nothing to do for {}", Millis(for_ms / 1000 * 1000))
            }
            Retired::Over { most } => write!(f, "no more than {}", workers(*most)),
            Retired::Room { role: Some(role) } => write!(f, "makes room for the role {role:?}"),
            Retired::Room { role: None } => {
                f.write_str("makes room for a worker that takes any task")
            }
        }
    }
}

fn workers(n: u32) -> impl fmt::Display {
    alloc::format!("{n} {}", noun(n, "worker"))
}

fn noun(n: u32, one: &'static str) -> String {
    alloc::format!("{one}{}", if n == 1 { "" } else { "s" })
}

/// What keeps the number of workers from growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// What the plan or a person asked for.
    Asked,
    /// `policy.scaling.max_workers`.
    MaxWorkers,
    /// More could not run at once (L-7).
    Concurrency,
    /// The machine has no memory for more.
    Memory,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Asked => "as was asked for",
            Limit::MaxWorkers => "policy.scaling.max_workers",
            Limit::Concurrency => "policy.concurrency",
            Limit::Memory => "the machine has no memory for more",
        })
    }
}

/// The most workers, and what says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// So many at most.
    pub most: u32,
    /// Says this.
    pub by: Limit,
}

/// The most workers there may be now. Every cap on their number is here and nowhere else: those of mode, budget
/// and providers (S-1) will be further lines of this list.
#[must_use]
pub fn ceiling(state: &State) -> Ceiling {
    let lasting = lasting_ceiling(state);
    let looks = state
        .swarm()
        .is_some_and(|s| s.spec.policy.scaling.memory_per_worker > 0);
    let room = state.scale().room.filter(|_| looks);
    let memory = room.map(|room| count(state).saturating_add(room));
    match memory.filter(|most| *most < lasting.most) {
        Some(most) => Ceiling {
            most: most.max(floor(state)),
            by: Limit::Memory,
        },
        None => lasting,
    }
}

/// The ceiling less what a machine happens to have free: a swarm gets one worker for each role at any rate.
fn lasting_ceiling(state: &State) -> Ceiling {
    let mut ceiling = asked_ceiling(state);
    let concurrency = state.swarm().map_or(0, |s| s.spec.policy.concurrency);
    if concurrency < ceiling.most {
        ceiling = Ceiling {
            most: concurrency,
            by: Limit::Concurrency,
        };
    }
    // The floor was asked for: who wants ten workers where six may run at once gets them, and four wait.
    ceiling.most = ceiling.most.max(floor(state));
    ceiling
}

/// What people said: beyond it workers leave as soon as they are free, not only when they have long been.
fn asked_ceiling(state: &State) -> Ceiling {
    let policy = state
        .swarm()
        .map_or(0, |s| s.spec.policy.scaling.max_workers);
    let (most, by) = match state.scale().mode {
        Mode::Between { max, .. } if max <= policy => (max, Limit::Asked),
        _ => (policy, Limit::MaxWorkers),
    };
    Ceiling {
        most: most.min(bounds::WORKERS),
        by,
    }
}

/// For how many more workers `available` bytes are enough, as far as it matters: two steps' worth is plenty until
/// a host looks again. `None` when nobody wants to know.
#[must_use]
pub fn room(state: &State, available: u64) -> Option<u32> {
    let scaling = state.swarm()?.spec.policy.scaling;
    let matters = scaling.memory_per_worker > 0 && state.scale().mode != Mode::Manual;
    let enough = scaling.step.saturating_mul(2);
    let room = available.checked_div(scaling.memory_per_worker)?;
    matters.then(|| u32::try_from(room).unwrap_or(u32::MAX).min(enough))
}

/// The fewest workers there must be.
#[must_use]
pub fn floor(state: &State) -> u32 {
    let floor = match state.scale().mode {
        Mode::Manual => 0,
        Mode::Auto => state
            .swarm()
            .map_or(0, |s| s.spec.policy.scaling.min_workers),
        Mode::Between { min, .. } => min,
    };
    floor.min(asked_ceiling(state).most)
}

/// The workers that are to stay.
#[must_use]
pub fn count(state: &State) -> u32 {
    state.workers().filter(|w| !w.stopping).count() as u32
}

/// How many workers should be ready ahead of tasks that keep coming (S-3).
#[must_use]
pub fn spare(state: &State, now: Time) -> u32 {
    let Some(scaling) = state.swarm().map(|s| s.spec.policy.scaling) else {
        return 0;
    };
    if state.scale().mode == Mode::Manual {
        return 0;
    }
    let rate = state
        .scale()
        .arrivals_per_minute(scaling.arrival_window, now);
    let spare = match scaling.arrivals_per_minute {
        few if rate <= few => 0,
        few if rate <= few.saturating_mul(2) => 1,
        _ => 2,
    };
    spare.min(scaling.spare_workers)
}

/// Why a worker may not be let go, if it may not. A context refresh (L-9) will be one more such reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engaged {
    /// It runs an attempt.
    InFlight,
    /// A task waits for this worker and no other.
    Pinned,
    /// It is paused or backs off: a person or time brings it back, and its place is not free meanwhile.
    Away,
    /// It is being made ready for tasks that wait.
    Spawning,
}

/// Whether a worker is free to leave.
///
/// # Errors
/// Why not.
pub fn free_to_leave(state: &State, worker: &Worker) -> Result<(), Engaged> {
    let base = state.swarm().map(|s| &s.tip);
    match worker.state(base) {
        WorkerState::Working => Err(Engaged::InFlight),
        WorkerState::Paused | WorkerState::Crashed | WorkerState::Stopped => Err(Engaged::Away),
        _ if state.is_pinned(worker.id) => Err(Engaged::Pinned),
        // With nothing ready, worktrees are left as they are: such a worker is as idle as one that is ready.
        WorkerState::Spawning if state.ready().next().is_some() => Err(Engaged::Spawning),
        WorkerState::Spawning | WorkerState::Idle => Ok(()),
    }
}

/// While claims are shut, whether a worker has something to do says nothing about how many there should be. At
/// the cap they are not shut for good: it is what the ceiling is for.
fn shut(state: &State, now: Time) -> bool {
    !matches!(claim::open(state, now), Ok(()) | Err(Closed::AtCap(_)))
}

/// When scaling will next do something if nothing else happens.
#[must_use]
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    if state.scale().mode == Mode::Manual || shut(state, now) {
        return None;
    }
    up::wake_at(state, now)
        .into_iter()
        .chain(down::wake_at(state, now))
        .min()
}

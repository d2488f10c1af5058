//! A worker: a slot that runs attempts one at a time, with its own worktree.

use crate::{
    id::{Attempt, Oid, TaskId, WorkerId},
    scale::{Added, Retired},
    time::Time,
};
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Where a worker stands (SPEC §0). Derived from the facts in [`Worker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Its worktree is being made ready.
    Spawning,
    /// Ready for a task.
    Idle,
    /// Has an attempt.
    Working,
    /// A person paused it.
    Paused,
    /// Waits out its back-off after a crash.
    Crashed,
    /// Removed, or being removed.
    Stopped,
}

impl WorkerState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            WorkerState::Spawning => "spawning",
            WorkerState::Idle => "idle",
            WorkerState::Working => "working",
            WorkerState::Paused => "paused",
            WorkerState::Crashed => "crashed",
            WorkerState::Stopped => "stopped",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A worker and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// The only role whose tasks it takes; `None` takes any.
    pub role: Option<String>,
    /// What it can do; `None` is anything.
    pub capabilities: Option<Vec<String>>,
    /// The model it uses instead of the task's or the swarm's.
    pub model: Option<String>,
    /// Since when it is what it is.
    pub since: Time,
    /// The commit its worktree is ready at; `None` while it is not known to be clean. Of a worktree that all
    /// share, every worker says the same.
    pub ready_at: Option<Oid>,
    /// How often its worktree has been used or spoiled: fences late words that it is ready.
    pub turn: u32,
    /// The attempt it runs.
    pub current: Option<Attempt>,
    /// Paused by a person.
    pub paused: bool,
    /// On its way out.
    pub stopping: bool,
    /// Crashes and spawn failures in a row (L-5).
    pub crashes: u32,
    /// Of these, those of this worker itself: it may have taken another's place (L-6).
    #[serde(default)]
    pub lineage: u32,
    /// Not used before this moment (L-5).
    pub not_before: Option<Time>,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// Since when it has had no attempt.
    pub free_since: Time,
    /// The task it last worked on, or works on: what its worktree and caches are warm for.
    pub last: Option<TaskId>,
    /// Why policy added it; none: the plan or a person did.
    pub added: Option<Added>,
    /// Why policy lets it go.
    pub retired: Option<Retired>,
}

impl Worker {
    /// A worker that has just been added.
    #[must_use]
    pub fn new(id: WorkerId, role: Option<String>, now: Time) -> Worker {
        Worker {
            id,
            role,
            capabilities: None,
            model: None,
            since: now,
            ready_at: None,
            turn: 0,
            current: None,
            paused: false,
            stopping: false,
            crashes: 0,
            lineage: 0,
            not_before: None,
            trouble: None,
            free_since: now,
            last: None,
            added: None,
            retired: None,
        }
    }

    /// The state that the facts amount to, when new attempts start from `base`.
    #[must_use]
    pub fn state(&self, base: Option<&Oid>) -> WorkerState {
        if self.current.is_some() {
            WorkerState::Working
        } else if self.stopping {
            WorkerState::Stopped
        } else if self.not_before.is_some() {
            WorkerState::Crashed
        } else if self.paused {
            WorkerState::Paused
        } else if self.ready_at.is_some() && self.ready_at.as_ref() == base {
            WorkerState::Idle
        } else {
            WorkerState::Spawning
        }
    }
}

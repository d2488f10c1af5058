//! What a user's hooks do to a swarm (U-11).
//!
//! Hooks before something are run by whoever performs it, and their refusal is an observation like any other. Hooks
//! after something are owed: the event that they are about puts them on a list that is part of the state, and they
//! are run until it is known that they were. So each is run at least once, whoever dies in between; its `id` is the
//! same each time.

use crate::{
    event::{Event, Next},
    id::{Attempt, TaskId, WorkerId},
    limits,
    spec::Moment,
    state::State,
};
use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A hook that is to be run because of what has happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owed {
    /// Its name.
    pub hook: String,
    /// Of what it is told.
    pub on: Moment,
    /// The attempt that it is about.
    pub attempt: Attempt,
    /// The attempt's task.
    pub task: TaskId,
    /// Its worker.
    pub worker: WorkerId,
}

/// What a hook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// An attempt.
    Attempt(Attempt),
    /// A worker's worktree.
    Worker(WorkerId),
    /// A wave's merge.
    Wave(u32),
}

/// A hook was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its name.
    pub hook: String,
    /// When in a swarm's life.
    pub on: Moment,
    /// About what.
    pub about: About,
    /// What tells this run apart from all others, and is the same if it is repeated.
    pub id: String,
    /// What went wrong, with the end of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// So what was about to happen did not.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub refused: bool,
}

/// How many hooks are run at once of those that are owed: a burst of ends is no burst of processes.
const AT_ONCE: usize = 4;

/// What is to be run now of what is owed, oldest first.
pub(crate) fn due(state: &State) -> impl Iterator<Item = &Owed> {
    state.hooks_owed().iter().take(AT_ONCE)
}

/// What the end of an attempt owes to hooks. A task that goes on has not failed.
pub(crate) fn owed(state: &State, event: &Event) -> Vec<Owed> {
    let (attempt, task, worker, over) = match event {
        Event::AttemptAccepted {
            task,
            worker,
            accepted,
        } => (accepted.attempt, task, *worker, false),
        Event::AttemptEnded {
            task,
            worker,
            failure,
            next,
            ..
        } => {
            let over = matches!(next, Next::Flag | Next::DeadLetter | Next::Quarantine);
            (failure.attempt, task, *worker, over)
        }
        _ => return Vec::new(),
    };
    let Some(spec) = state.swarm().map(|s| &s.spec) else {
        return Vec::new();
    };
    let moments = [Some(Moment::AfterAttempt), over.then_some(Moment::Failed)];
    let room = limits::HOOKS_OWED.saturating_sub(state.hooks_owed().len());
    let hooks = moments.into_iter().flatten().flat_map(|on| {
        spec.hooks_on(on).map(move |(name, _)| Owed {
            hook: name.clone(),
            on,
            attempt,
            task: task.clone(),
            worker,
        })
    });
    hooks.take(room).collect()
}

impl Owed {
    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, hook: &str, on: Moment, attempt: Attempt) -> bool {
        self.hook == hook && self.on == on && self.attempt == attempt
    }
    /// What tells this run apart from all others, and is the same if it is repeated.
    #[must_use]
    pub fn id(&self) -> String {
        id(self.on, &format!("a{}", self.attempt), &self.hook)
    }
}

/// A run's id: also a folder's name.
#[must_use]
pub fn id(on: Moment, about: &str, hook: &str) -> String {
    format!("{on}-{about}-{hook}")
}

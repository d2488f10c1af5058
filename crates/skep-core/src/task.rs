//! A task: its states, the one table of moves between them, and what is remembered of it.

use crate::{
    attempt::{Failure, Outcome, Receipt},
    budget::Charge,
    id::{Attempt, Oid, TaskId, WorkerId},
    spec::{Glob, Priority, TaskSpec},
    time::{Millis, Time},
    word::Block,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Where a task stands (SPEC §0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Some dependency is not merged yet.
    Waiting,
    /// Claimable.
    Ready,
    /// An attempt holds it, its agent at work.
    Running,
    /// The agent is done; its claim is being checked.
    Verifying,
    /// Done and checked; waits for its wave to merge.
    Accepted,
    /// On the integration branch.
    Merged,
    /// Its work could not be merged and a fix task is to bring it in, or its agent could not go on.
    Blocked,
    /// Needs a person.
    Flagged,
    /// In the dead-letter list: crashed too often.
    Dead,
    /// Given up by a person.
    Cancelled,
}

impl TaskState {
    /// All states, in the order in which a status shows them.
    pub const ALL: [TaskState; 10] = [
        TaskState::Waiting,
        TaskState::Ready,
        TaskState::Running,
        TaskState::Verifying,
        TaskState::Accepted,
        TaskState::Merged,
        TaskState::Blocked,
        TaskState::Flagged,
        TaskState::Dead,
        TaskState::Cancelled,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Ready => "ready",
            TaskState::Running => "running",
            TaskState::Verifying => "verifying",
            TaskState::Accepted => "accepted",
            TaskState::Merged => "merged",
            TaskState::Blocked => "blocked",
            TaskState::Flagged => "flagged",
            TaskState::Dead => "dead",
            TaskState::Cancelled => "cancelled",
        }
    }

    /// The table: may a task go from `self` to `to`?
    #[must_use]
    pub const fn may_become(self, to: TaskState) -> bool {
        use TaskState::*;
        matches!(
            (self, to),
            (Waiting, Ready | Merged | Cancelled)
                | (Ready, Waiting | Running | Merged | Cancelled)
                | (
                    Running,
                    Verifying | Accepted | Ready | Blocked | Flagged | Dead | Cancelled
                )
                | (
                    Verifying,
                    Accepted | Ready | Blocked | Flagged | Dead | Cancelled
                )
                | (Accepted, Merged | Blocked | Flagged | Cancelled)
                | (Blocked, Merged | Waiting | Ready | Flagged | Cancelled)
                | (Flagged | Dead | Cancelled, Waiting | Ready | Merged)
                | (Flagged | Dead, Cancelled)
        )
    }

    /// Whether the task keeps its wave from merging: something of it is still to happen.
    #[must_use]
    pub const fn holds_wave(self) -> bool {
        matches!(
            self,
            TaskState::Waiting | TaskState::Ready | TaskState::Running | TaskState::Verifying
        )
    }

    /// Whether an attempt holds the task.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, TaskState::Running | TaskState::Verifying)
    }

    /// Whether nothing more happens unless a person acts.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            TaskState::Merged | TaskState::Flagged | TaskState::Dead | TaskState::Cancelled
        )
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where a task comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The plan.
    Plan,
    /// Added by a person while the swarm ran.
    Person,
    /// Made by Skep to bring in work that could not be merged (W-7, W-8).
    Fix(Fix),
}

/// What a fix task is to bring in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// The task whose work it is.
    pub of: TaskId,
    /// The commit that could not be merged.
    pub theirs: Oid,
    /// Why not.
    pub why: FixWhy,
    /// How it is done.
    pub strategy: FixStrategy,
}

/// Why work could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixWhy {
    /// It conflicts in these files.
    Conflict(Vec<String>),
    /// The integration check fails with it; the end of the check's output.
    Check(String),
}

/// How a fix is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixStrategy {
    /// The worktree holds the merge with its conflict markers; the agent resolves it.
    Resolve,
    /// The task is done again on the new base: right for the shell agent, whose command knows nothing of
    /// markers. The first result stays in salvage.
    Redo,
}

/// A finished attempt that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which attempt.
    pub attempt: Attempt,
    /// Its commit; `None` for an explicit no-op.
    pub commit: Option<Oid>,
    /// The evidence (W-14).
    pub receipt: Receipt,
}

/// One line of a task's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which attempt.
    pub attempt: Attempt,
    /// By whom.
    pub worker: WorkerId,
    /// With which model.
    pub model: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub ended: Time,
    /// In a sentence.
    pub reason: String,
    /// What it was charged.
    #[serde(default)]
    pub charge: Charge,
    /// How long it held its task.
    #[serde(default)]
    pub took: Millis,
    /// Its lease was revoked, and no result of it has come yet.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub revoked: bool,
}

/// How often in a row a provider refused a task while it served others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// So often.
    pub alone: u32,
    /// How many the provider had served at the last refusal.
    served: Option<u64>,
}

impl Refusals {
    /// The same after one more. While nobody is served, it is not the task.
    #[must_use]
    pub fn and_one_more(self, served: u64) -> Refusals {
        let others = self.served.is_some_and(|before| served > before);
        Refusals {
            alone: self.alone.saturating_add(u32::from(others)),
            served: Some(served),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Refusals::default()
    }
}

/// A task and everything remembered of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What was asked for.
    pub spec: Arc<TaskSpec>,
    /// Where it comes from.
    pub origin: Origin,
    /// Its place in the order of arrival: the smaller, the older.
    pub order: u64,
    /// When it arrived.
    #[serde(default)]
    pub arrived: Time,
    /// Where it stands.
    pub state: TaskState,
    /// Since when.
    pub since: Time,
    /// The wave it merges with.
    pub wave: u32,
    /// How many tasks deep the longest chain behind it is, itself included.
    pub critical: u32,
    /// The priority now; a boost raises it over the plan's.
    pub priority: Priority,
    /// The only worker that may claim it, when a person said so.
    pub assigned: Option<WorkerId>,
    /// The attempt that holds it.
    pub current: Option<Attempt>,
    /// Not claimable before this moment.
    pub not_before: Option<Time>,
    /// Failed attempts since the last requeue (Q-8's first count).
    pub failures: u32,
    /// Crashed, stale and rate-limited attempts since the last requeue (Q-8's own count).
    pub crashes: u32,
    /// The workers under whom its agents died since the last requeue (L-6).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub killed: BTreeSet<WorkerId>,
    /// When it was last told that it waits for too long (L-8), if it is where it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Time>,
    /// How often in a row its provider refused it.
    #[serde(default, skip_serializing_if = "Refusals::is_none")]
    pub refusals: Refusals,
    /// Failures by model.
    pub model_failures: BTreeMap<String, u32>,
    /// The last failure, shown to the next attempt.
    pub last_failure: Option<Failure>,
    /// The accepted result.
    pub accepted: Option<Accepted>,
    /// The commit on the integration branch that holds it.
    pub merged: Option<Oid>,
    /// The fix task that is to bring its work in.
    pub fixed_by: Option<TaskId>,
    /// Why its agent could not go on, while it is blocked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// Why a person must look, or why it was given up.
    pub note: Option<String>,
    /// Past attempts, oldest first.
    pub history: Vec<Past>,
}

impl Task {
    /// A task that has just arrived.
    #[must_use]
    pub fn new(spec: Arc<TaskSpec>, origin: Origin, order: u64, now: Time) -> Task {
        Task {
            priority: spec.priority,
            spec,
            origin,
            order,
            arrived: now,
            state: TaskState::Waiting,
            since: now,
            wave: 1,
            critical: 1,
            assigned: None,
            current: None,
            not_before: None,
            failures: 0,
            crashes: 0,
            killed: BTreeSet::new(),
            waited: None,
            refusals: Refusals::default(),
            model_failures: BTreeMap::new(),
            last_failure: None,
            accepted: None,
            merged: None,
            fixed_by: None,
            block: None,
            note: None,
            history: Vec::new(),
        }
    }

    /// Takes note of an end that was a provider's doing, or was not.
    pub(crate) fn refused(&mut self, refused: bool, served: u64) {
        self.refusals = match refused {
            true => self.refusals.and_one_more(served),
            false => Refusals::default(),
        };
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.spec.id
    }

    /// The fix this task is, if it is one.
    #[must_use]
    pub fn fix(&self) -> Option<&Fix> {
        match &self.origin {
            Origin::Fix(fix) => Some(fix),
            Origin::Plan | Origin::Person => None,
        }
    }

    /// What a blocked task waits for, as for a dependency: its fix, or what its agent said that it lacks (L-8).
    #[must_use]
    pub fn held_by(&self) -> Option<&TaskId> {
        let on = self.block.as_ref().and_then(|block| block.on.as_ref());
        let held = self.fixed_by.as_ref().or(on);
        held.filter(|_| self.state == TaskState::Blocked)
    }

    /// What an attempt of this task may change in a worktree that all share; `None` is all of it, and then
    /// nothing else runs there. A fix that resolves begins with a merge, which is laid out over the whole tree.
    #[must_use]
    pub fn scope(&self) -> Option<&[Glob]> {
        let resolves = self
            .fix()
            .is_some_and(|fix| fix.strategy == FixStrategy::Resolve);
        (!resolves && !self.spec.files.is_empty()).then_some(&self.spec.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_is_final_and_every_other_state_has_a_way_on() {
        for from in TaskState::ALL {
            let ways = TaskState::ALL
                .iter()
                .filter(|to| from.may_become(**to))
                .count();
            assert_eq!(ways == 0, from == TaskState::Merged, "{from}");
            assert!(!from.may_become(from), "{from}");
        }
    }

    #[test]
    fn nothing_is_accepted_without_having_run() {
        for from in TaskState::ALL {
            assert_eq!(
                from.may_become(TaskState::Accepted),
                from.is_live(),
                "{from}"
            );
        }
    }
}

//! Lifecycle hooks: a user's own commands at set moments of a swarm's life (U-11).

use crate::time::Millis;
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A worker's fresh worktree is set up.
    WorktreeCreated,
    /// An attempt is about to begin; a refusal keeps it from beginning.
    BeforeAttempt,
    /// An attempt has ended, well or not.
    AfterAttempt,
    /// A wave is about to be merged; a refusal holds it.
    BeforeMerge,
    /// A task has used up its attempts: it is flagged or dead.
    Failed,
    /// A worker's worktree is gone.
    Removed,
}

impl Moment {
    /// All of them, in the order in which a task meets them.
    pub const ALL: [Moment; 6] = [
        Moment::WorktreeCreated,
        Moment::BeforeAttempt,
        Moment::AfterAttempt,
        Moment::BeforeMerge,
        Moment::Failed,
        Moment::Removed,
    ];
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Moment::WorktreeCreated => "worktree_created",
            Moment::BeforeAttempt => "before_attempt",
            Moment::AfterAttempt => "after_attempt",
            Moment::BeforeMerge => "before_merge",
            Moment::Failed => "failed",
            Moment::Removed => "removed",
        }
    }
    /// Whether a hook can keep from happening what is about to happen. What has happened nobody can refuse.
    #[must_use]
    pub const fn may_refuse(self) -> bool {
        matches!(self, Moment::BeforeAttempt | Moment::BeforeMerge)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a hook that does not exit 0 (or does not end in time) means, where it may refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// What is about to happen does not.
    #[default]
    Refuse,
    /// It is told, and things go on.
    Warn,
}

impl OnFail {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            OnFail::Refuse => "refuse",
            OnFail::Warn => "warn",
        }
    }
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpec {
    /// When it is run.
    pub on: Vec<Moment>,
    /// Program and arguments, which no shell sees.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Millis,
    /// What its failure means.
    pub on_fail: OnFail,
}

impl HookSpec {
    /// How long a hook may take where nobody says it.
    pub const TIMEOUT: Millis = Millis::secs(30);
    /// The longest that it can be given: an attempt's lease waits for it.
    pub const LONGEST: Millis = Millis::mins(10);

    /// Whether its failure at this moment keeps what is about to happen from happening.
    #[must_use]
    pub fn refuses(&self, moment: Moment) -> bool {
        moment.may_refuse() && self.on_fail == OnFail::Refuse
    }
}

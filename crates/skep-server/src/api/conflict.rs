//! Conflicts (SPEC appendix C) and saved work.

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    merge::{Conflict, Severity},
    state::State,
    time::Time,
};
use skep_host::git::{Aside, Salvage};

/// Two tasks' work that could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictDoc {
    /// The file.
    pub file: String,
    /// The workers whose work meets there.
    pub workers: Vec<String>,
    /// The tasks whose work meets there.
    pub tasks: Vec<String>,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// In plain words.
    pub description: String,
}

impl ConflictDoc {
    /// The view of one conflict.
    #[must_use]
    pub fn of(conflict: &Conflict) -> ConflictDoc {
        let severity = match conflict.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        ConflictDoc {
            file: conflict.file.clone(),
            workers: conflict.workers.iter().map(ToString::to_string).collect(),
            tasks: conflict.tasks.iter().map(ToString::to_string).collect(),
            severity: severity.into(),
            description: conflict.description.clone(),
        }
    }
}

/// All conflicts of the plan under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictList {
    /// The document's version.
    pub schema: u32,
    /// The conflicts, oldest first.
    pub conflicts: Vec<ConflictDoc>,
}

impl ConflictList {
    /// The view of all conflicts.
    #[must_use]
    pub fn of(state: &State) -> ConflictList {
        let conflicts = state.conflicts().iter().map(ConflictDoc::of).collect();
        ConflictList {
            schema: SCHEMA,
            conflicts,
        }
    }
}

/// Work that was saved to a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalvageDoc {
    /// The ref, in full.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// The task it is of, or `_w1` for commits found on a worker's branch.
    pub task: String,
    /// The attempt it is of, with `.2` or `-head` behind it for what was saved beside the first.
    pub attempt: String,
    /// When it was saved.
    pub saved: Stamp,
    /// How many files it changes.
    pub files: usize,
    /// Whether the integration branch holds all of it.
    pub merged: bool,
}

impl SalvageDoc {
    /// The view of one saved commit.
    #[must_use]
    pub fn of(saved: &Salvage) -> SalvageDoc {
        SalvageDoc {
            reference: saved.reference.clone(),
            commit: saved.commit.to_string(),
            task: saved.task.clone(),
            attempt: saved.attempt.clone(),
            saved: Stamp(Time(saved.date.saturating_mul(1000))),
            files: saved.file_count,
            merged: saved.merged,
        }
    }
}

/// A worktree that could not be saved and was moved away as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptDoc {
    /// The folder that holds it: its files in `files`, its git folder in `git`.
    pub folder: String,
    /// Why it could not be saved.
    pub why: String,
}

impl KeptDoc {
    /// The view of one.
    #[must_use]
    pub fn of(aside: &Aside) -> KeptDoc {
        KeptDoc {
            folder: aside.folder.display().to_string(),
            why: aside.why.clone(),
        }
    }
}

/// All saved work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalvageList {
    /// The document's version.
    pub schema: u32,
    /// What was saved, by ref.
    pub salvage: Vec<SalvageDoc>,
    /// Worktrees that could not be saved. Left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptDoc>,
}

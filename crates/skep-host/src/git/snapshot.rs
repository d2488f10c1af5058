//! Saving what a worktree holds as a commit on a ref, without touching its index or branch.

use serde::{Deserialize, Serialize};
use skep_core::id::Oid;
use std::path::Path;

/// What to save, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSpec {
    /// The commit the attempt started from.
    pub base: Oid,
    /// A second parent that the snapshot must carry: the branch a fix task resolves.
    pub merges: Option<Oid>,
    /// The ref to write, under `refs/skep/salvage/`.
    pub reference: String,
    /// The commit's message, trailers included.
    pub message: String,
    /// Author and committer date, in seconds since the epoch: fixed, so that a repeat makes the same commit.
    pub date: u64,
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The commit. Equal to `base` when nothing changed (and then no ref is written).
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Paths that differ from `base`, sorted; at most [`FILES_MAX`].
    pub files: Vec<String>,
    /// How many paths differ in all.
    pub file_count: usize,
}

/// The most paths a [`Snapshot`] lists.
pub const FILES_MAX: usize = 2_000;

/// Saves the worktree (its untracked files included, its ignored ones not).
///
/// # Errors
/// When git fails; the text is git's.
pub fn snapshot(worktree: &Path, spec: &SnapshotSpec) -> Result<Snapshot, String> {
    let _ = (worktree, spec);
    Err("not built yet".into())
}

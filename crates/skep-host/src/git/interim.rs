//! Merging without a checkout, in its first form.

use super::{GitError, Repo, error, exec::records, shown};
use skep_core::id::{Attempt, Oid, TaskId};

/// One file that does not merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The file.
    pub path: String,
    /// What is wrong, in plain words.
    pub description: String,
}

/// What became of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The merge commit.
    Clean {
        /// The commit.
        commit: Oid,
        /// Files whose conflicts were resolved from memory.
        remembered: Vec<String>,
    },
    /// There was nothing to merge.
    AlreadyIn,
    /// These files do not merge.
    Conflict(Vec<Conflict>),
}

impl Repo {
    /// Merges `theirs` into `ours`; the same call makes the same commit.
    ///
    /// # Errors
    /// When git fails.
    pub fn merge(
        &self,
        ours: &Oid,
        theirs: &Oid,
        message: &str,
        date: u64,
    ) -> Result<Merge, GitError> {
        if self.is_ancestor(theirs, ours)? {
            return Ok(Merge::AlreadyIn);
        }
        let git = self.git().args([
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
        ]);
        let git = git.args([ours.as_str(), theirs.as_str()]);
        let (text, dir) = (git.text(), self.common_dir().to_path_buf());
        let output = git.output()?;
        let code = output.code();
        let mut parts = records(&output.stdout)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
            .into_iter();
        let tree = parts.next().unwrap_or_default();
        match code {
            Some(0) => {
                let tree = error::oid(&text, &tree)?;
                let git =
                    self.git()
                        .signed(true, date)
                        .args(["commit-tree", tree.as_str(), "-F", "-"]);
                let git = git.args(["-p", ours.as_str(), "-p", theirs.as_str()]);
                let commit = git.input(format!("{}\n", message.trim_end())).oid()?;
                Ok(Merge::Clean {
                    commit,
                    remembered: Vec::new(),
                })
            }
            Some(1) => {
                let describe = |path: Vec<u8>| Conflict {
                    path: shown(&path),
                    description: format!("both sides changed {}", shown(&path)),
                };
                Ok(Merge::Conflict(parts.map(describe).collect()))
            }
            _ => Err(output.failure(text, dir)),
        }
    }

    /// Leaves the merge of `theirs` in the worktree at `dir`, with conflict markers.
    ///
    /// # Errors
    /// When git fails.
    pub fn begin_fix(
        &self,
        dir: &std::path::Path,
        _base: &Oid,
        theirs: &Oid,
    ) -> Result<(), GitError> {
        let git = self
            .place(dir)
            .git()
            .args(["merge", "--no-commit", "--no-ff", theirs.as_str()]);
        git.output().map(drop)
    }
}

/// The message of a merge or snapshot commit.
#[must_use]
pub fn message(task: &TaskId, attempt: Attempt, mission: &str) -> String {
    let line: String = mission
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{task}: {line}\n\nSkep-Task: {task}\nSkep-Attempt: {attempt}\n")
}

//! Moving refs: compare-and-set for landing, plain for branches that only Skep owns.

use super::{error::GitError, lock::moving_refs, repo::Repo};
use skep_core::id::Oid;
use std::{fs, path::PathBuf};

/// What became of a landing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Land {
    /// The ref moved to the new commit.
    Moved,
    /// The ref was at the new commit before.
    AlreadyThere,
    /// The ref is not where it was expected; nothing was changed.
    Refused {
        /// Where it is; `None` when it does not exist.
        actual: Option<Oid>,
    },
}

impl Repo {
    /// Where Skep last left a branch (without `refs/heads/`), as the branch's own log has it: whoever else
    /// moves a branch says something else there. `None` where the log does not say.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn left_at(&self, branch: &str) -> Result<Option<Oid>, GitError> {
        let git = self.git().args(["reflog", "show", "--format=%H %gs"]);
        let output = git.arg(format!("refs/heads/{branch}")).arg("--").output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let ours = said.lines().find_map(|line| {
            let (id, what) = line.split_once(' ')?;
            what.starts_with("skep: ").then(|| id.parse().ok())?
        });
        Ok(ours)
    }

    /// Moves `reference` (given in full) from `old` to `new`, atomically; with `old` `None` it is created.
    ///
    /// # Errors
    /// [`GitError::CheckedOut`] when a worktree has the branch checked out: its files would no longer
    /// be what its branch says. [`GitError::Refused`] when `new` does not descend from `old`.
    pub fn land(
        &self,
        reference: &str,
        old: Option<&Oid>,
        new: &Oid,
        log: &str,
    ) -> Result<Land, GitError> {
        // Asked only where something is in the way: a landing is two processes, not four.
        let there = || Ok::<_, GitError>(self.reference(reference)?.as_ref() == Some(new));
        if let Some(old) = old
            && !self.is_ancestor(old, new)?
        {
            if there()? {
                return Ok(Land::AlreadyThere);
            }
            return Err(GitError::Refused {
                what: reference.into(),
                why: format!(
                    "is not moved: {} does not descend from {}",
                    new.short(),
                    old.short()
                ),
            });
        }
        if let Some(branch) = reference.strip_prefix("refs/heads/")
            && let Some(path) = self.who_has(branch)?
        {
            if there()? {
                return Ok(Land::AlreadyThere);
            }
            return Err(GitError::CheckedOut {
                branch: branch.into(),
                path,
            });
        }
        let zero = self.zero();
        let expected = old.map_or(zero.as_str(), Oid::as_str);
        let moved = moving_refs(self, || {
            let git = self
                .git()
                .args(["update-ref", "--create-reflog", "-m", log]);
            let git = git.args([reference, new.as_str(), expected]);
            git.run().map(drop)
        });
        match moved {
            Ok(()) => Ok(Land::Moved),
            Err(e) if e.says("cannot lock ref") => match self.reference(reference)? {
                Some(now) if now == *new => Ok(Land::AlreadyThere),
                now if now.as_ref() != old => Ok(Land::Refused { actual: now }),
                _ => Err(e),
            },
            Err(e) => Err(e),
        }
    }

    /// The worktree that has `branch` checked out. Read from the HEAD files themselves where refs are
    /// files, since asking git costs as much as the rest of a landing.
    fn who_has(&self, branch: &str) -> Result<Option<PathBuf>, GitError> {
        let common = self.common_dir();
        let heads = fs::read_dir(common.join("worktrees")).into_iter().flatten();
        let mut heads = heads
            .flatten()
            .map(|admin| admin.path().join("HEAD"))
            .chain([common.join("HEAD")]);
        let wanted = format!("ref: refs/heads/{branch}");
        let maybe = common.join("reftable").exists()
            || heads.any(|head| {
                // A worktree in the middle of a rebase names its branch elsewhere.
                let rebasing = ["rebase-merge", "rebase-apply", "BISECT_START"];
                fs::read(&head).is_ok_and(|t| t.trim_ascii_end() == wanted.as_bytes())
                    || rebasing.iter().any(|n| head.with_file_name(n).exists())
            });
        if !maybe {
            return Ok(None);
        }
        let mut all = self.worktrees()?.into_iter();
        let found = all.find(|w| w.branch.as_deref() == Some(branch));
        Ok(found.map(|w| w.path))
    }

    /// Points a ref that only Skep owns to `oid`, wherever it was.
    pub(super) fn set_ref(&self, name: &str, oid: &Oid, log: &str) -> Result<(), GitError> {
        if self.reference(name)?.as_ref() == Some(oid) {
            return Ok(());
        }
        moving_refs(self, || {
            let git = self
                .git()
                .args(["update-ref", "-m", log, name, oid.as_str()]);
            git.run().map(drop)
        })
    }
}

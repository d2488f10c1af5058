//! Moving refs: compare-and-set for landing, plain for branches that only Skep owns.

use super::{error::GitError, lock::moving_refs, repo::Repo};
use skep_core::id::Oid;

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
        let actual = self.reference(reference)?;
        if actual.as_ref() == Some(new) {
            return Ok(Land::AlreadyThere);
        }
        if actual.as_ref() != old {
            return Ok(Land::Refused { actual });
        }
        if let Some(old) = old
            && !self.is_ancestor(old, new)?
        {
            return Err(GitError::Refused {
                what: reference.into(),
                why: format!(
                    "is not moved: {} does not descend from {}",
                    new.short(),
                    old.short()
                ),
            });
        }
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            let mut all = self.worktrees()?.into_iter();
            if let Some(other) = all.find(|w| w.branch.as_deref() == Some(branch)) {
                return Err(GitError::CheckedOut {
                    branch: branch.into(),
                    path: other.path,
                });
            }
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

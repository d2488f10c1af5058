//! Whether work in flight will merge (W-9), asked without anybody noticing: no index, no file, no branch and no ref
//! is touched. What is made are loose objects that nothing points to, the same ones as long as the files are the
//! same; git's own housekeeping takes them away.

use super::{
    error::{GitError, shown},
    exec::records,
    merge::Conflict,
    repo::{DIFF_NAMES, Repo},
    snapshot, tree,
};
use skep_core::id::Oid;
use std::path::Path;

/// What a worktree holds while somebody works in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// A commit of it.
    pub commit: Oid,
    /// The paths that differ from where the work began; never none.
    pub files: Vec<String>,
}

impl Repo {
    /// The work in the worktree at `dir` as a commit, if it holds any: all files as they are now, committed or
    /// not, ignored ones aside. What an agent writes at this moment may be half there.
    ///
    /// # Errors
    /// When git fails, or may not read a file: whoever works there may have closed it on purpose.
    pub fn in_flight(&self, dir: &Path, base: &Oid, date: u64) -> Result<Option<Flight>, GitError> {
        let mut place = self.place(dir);
        place.guest = true;
        let (base_tree, head) = snapshot::ends(&place, base)?;
        let tree = tree::write(&place, base)?;
        if tree == base_tree {
            return Ok(None);
        }
        let git = place.objects().args(DIFF_NAMES);
        let listed = git.args([base_tree.as_str(), tree.as_str()]).run()?;
        // What the agent merged by itself is in its branch; what it moved away from is not.
        let parent = match head {
            Some(head) if snapshot::is_ancestor(&place, base, &head)? => head,
            _ => base.clone(),
        };
        let message = "skep: work in flight";
        let commit = snapshot::commit(&place, &tree, [&parent].into_iter(), message, date)?;
        Ok(Some(Flight {
            commit,
            files: records(&listed).map(shown).collect(),
        }))
    }

    /// Whether the two would merge, and where not. A conflict that was settled before is none.
    ///
    /// # Errors
    /// When git fails.
    pub fn forecast(&self, ours: &Oid, theirs: &Oid) -> Result<Vec<Conflict>, GitError> {
        let merged = self.merge_tree(ours, theirs)?;
        if merged.conflicts.is_empty() || self.recall(&merged)?.is_some() {
            return Ok(Vec::new());
        }
        Ok(merged.conflicts)
    }
}

//! The start of a fix task: a merge with its conflicts laid out in a worker's worktree.

use super::{
    error::{GitError, shown},
    exec::{Git, records},
    repo::Repo,
    reset,
    worktree::Want,
};
use skep_core::id::Oid;
use std::{fs, path::Path};

impl Repo {
    /// Leaves the merge of `theirs` in a worktree that [`Repo::prepare`] brought to `base`, uncommitted
    /// and with conflict markers, and names the files in conflict. Once it is laid out, doing it again
    /// changes nothing, so what a fix agent has done since stays.
    ///
    /// # Errors
    /// When the worktree is not at `base` and no such merge is under way in it, and what git says.
    pub fn begin_fix(&self, dir: &Path, base: &Oid, theirs: &Oid) -> Result<Vec<String>, GitError> {
        let dir = super::place::settle(dir)?;
        let place = self.place(&dir);
        let refuse = |why: &str| GitError::Refused {
            what: dir.display().to_string(),
            why: why.into(),
        };
        let Some(admin) = &place.admin else {
            return Err(refuse("is not a worktree of this repository"));
        };
        let head = place.git().args(["rev-parse", "--verify", "HEAD"]).oid()?;
        if head != *base {
            return Err(refuse("is not at the commit that the fix starts from"));
        }
        let under_way = fs::read(admin.join("MERGE_HEAD")).unwrap_or_default();
        if under_way.trim_ascii() != theirs.as_str().as_bytes() {
            let head = fs::read_to_string(admin.join("HEAD")).unwrap_or_default();
            let want = Want {
                dir: &dir,
                branch: head.trim_end().strip_prefix("ref: refs/heads/"),
                base,
            };
            // Killed half way, git leaves files without a MERGE_HEAD: start over.
            reset::to(self, &place, &want, false)?;
            let git: Git = place.git().limit(self.long()).signed(true, 0);
            let git = git.args(["merge", "--quiet", "--no-commit", "--no-ff", "--no-stat"]);
            let git = git.args(["--strategy=ort", theirs.as_str()]);
            let text = git.text();
            let output = git.output()?;
            let laid_out = admin.join("MERGE_HEAD").exists();
            if !output.status.success() && !laid_out {
                return Err(output.failure(text, dir));
            }
        }
        let git = place
            .git()
            .args(["diff", "--name-only", "--diff-filter=U", "-z"]);
        let mut files: Vec<_> = records(&git.run()?).map(shown).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

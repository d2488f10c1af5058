//! Ignored files that an earlier attempt left where the next one is to make them itself.
//!
//! A reused worktree keeps what git ignores (build caches). A path that a task must make would then pass as made
//! although its attempt never touched it.

use super::{
    error::GitError,
    exec::records,
    place::{remove_all, settle},
    repo::Repo,
    worktree::READY,
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Component, Path},
};

impl Repo {
    /// Removes those of `paths` in the worktree at `dir` that git ignores and that have changed since its set-up
    /// was done, and says which.
    ///
    /// # Errors
    /// When git cannot say what is ignored, or something cannot be removed.
    pub fn remove_leftovers(&self, dir: &Path, paths: &[String]) -> Result<Vec<String>, GitError> {
        let place = self.place(&settle(dir)?);
        let Ok(ready) = fs::metadata(place.own().join(READY)) else {
            return Ok(Vec::new());
        };
        let since = (ready.mtime(), ready.mtime_nsec());
        let left: Vec<&String> = paths
            .iter()
            .filter(|path| changed_after(&place.files, path, since))
            .collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        // This command knows no literal paths; behind `./` no path looks like a pattern to it.
        let check = place.git().env("GIT_LITERAL_PATHSPECS", "0");
        let check = check.args(["check-ignore", "-z", "--stdin"]);
        let (text, dir) = (check.text(), place.files.clone());
        let asked: String = left.iter().map(|path| format!("./{path}\0")).collect();
        let said = check.input(asked.into_bytes()).output()?;
        if !matches!(said.code(), Some(0 | 1)) {
            return Err(said.failure(text, dir));
        }
        let ignored: Vec<_> = records(&said.stdout).map(<[u8]>::to_vec).collect();
        let mut removed = Vec::new();
        for path in left {
            if ignored.contains(&format!("./{path}").into_bytes()) {
                remove_all(&place.files.join(path))?;
                removed.push(path.clone());
            }
        }
        Ok(removed)
    }
}

/// Whether the path, with no link on its way out of the worktree, is there and younger than `since`.
fn changed_after(root: &Path, path: &str, since: (i64, i64)) -> bool {
    let path = Path::new(path);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let above = path.ancestors().skip(1);
    let inside = above
        .filter_map(|folder| fs::symlink_metadata(root.join(folder)).ok())
        .all(|meta| meta.is_dir());
    // The time of change, which no program sets at will.
    let young = |meta: fs::Metadata| (meta.ctime(), meta.ctime_nsec()) > since;
    plain && inside && fs::symlink_metadata(root.join(path)).is_ok_and(young)
}

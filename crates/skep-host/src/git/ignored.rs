//! What an attempt made that git does not see: for telling somebody whose work seems to be nothing why.

use super::{
    error::{GitError, shown},
    exec::{path, records},
    place::Place,
};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// So many are named.
const NAMED: usize = 5;
/// So many entries are looked at: an ignored folder may hold all packages of a build.
const LOOKED_AT: usize = 10_000;
/// The kernel's clock for files is a little behind the one that is asked for the time.
const BEHIND: u64 = 20;

/// Ignored files and folders in the worktree in which something was made or changed since `since` (milliseconds
/// since the epoch); a few of them. A guess for people: nothing is decided by it.
///
/// # Errors
/// When git fails; the text is git's.
pub fn ignored_since(worktree: &Path, since: u64) -> Result<Vec<String>, String> {
    list(worktree, since).map_err(|e| e.chain())
}

fn list(worktree: &Path, since: u64) -> Result<Vec<String>, GitError> {
    let place = Place::find(worktree)?;
    let git = place.git().args(["ls-files", "-z", "--others"]);
    let git = git.args(["--ignored", "--exclude-standard", "--directory"]);
    let listed = git.run()?;
    let mut left = LOOKED_AT;
    let since = since.saturating_sub(BEHIND);
    let new = records(&listed).filter(|name| changed(&worktree.join(path(name)), since, &mut left));
    Ok(new.take(NAMED).map(shown).collect())
}

/// Whether it, or something below it, is that new; links are not followed.
fn changed(path: &Path, since: u64, left: &mut usize) -> bool {
    let Some(meta) = fs::symlink_metadata(path).ok().filter(|_| *left > 0) else {
        return false;
    };
    *left -= 1;
    if changed_at(&meta) >= since {
        return true;
    }
    let below = meta.is_dir().then(|| fs::read_dir(path).ok()).flatten();
    let mut below = below.into_iter().flatten().flatten();
    below.any(|entry| changed(&entry.path(), since, left))
}

/// By the time that nobody can set.
fn changed_at(meta: &Metadata) -> u64 {
    let seconds = u64::try_from(meta.ctime()).unwrap_or(0);
    seconds * 1_000 + u64::try_from(meta.ctime_nsec()).unwrap_or(0) / 1_000_000
}

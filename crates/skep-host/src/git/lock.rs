//! Locks: Skep's own around `git worktree`, and git's that a killed git left behind.

use super::{error::GitError, repo::Repo};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// How often a lock between processes is tried again.
const AGAIN: Duration = Duration::from_millis(5);
/// A ref lock younger than this may belong to a process that we cannot see; git holds one for
/// milliseconds.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// How long a living holder of a worktree's lock is waited for.
const HELD_WAIT: Duration = Duration::from_secs(10);

/// The right to change which worktrees the repository has. `git worktree add` and its relatives
/// race with each other over names and lock files, so Skep runs one at a time.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    file: File,
    _thread: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// The lock as a file that a child can hold too.
    pub(super) fn file(&self, repo: &Repo) -> Result<File, GitError> {
        let file = self.file.try_clone();
        file.map_err(GitError::io("share", &repo.state_dir()))
    }
}

impl Repo {
    /// Waits for the right to change the list of worktrees.
    pub(super) fn turn(&self) -> Result<Turn<'_>, GitError> {
        let path = self.ensure_state_dir()?.join("git.lock");
        // A thread that panicked while holding it left nothing half done that the next cannot mend.
        let thread = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let file = lock_file(&path, self.long())?;
        Ok(Turn {
            file,
            _thread: thread,
        })
    }
}

impl Repo {
    /// Lock files of git's that nobody holds, in what belongs to Skep alone: the git folders of its worktrees
    /// below `worktrees`, and its refs. The repository's other locks are its user's business.
    #[must_use]
    pub fn dead_locks(&self, worktrees: &Path) -> Vec<PathBuf> {
        let common = self.common_dir();
        let mut folders = vec![common.join("refs/heads/skep"), common.join("refs/skep")];
        let worktrees = fs::canonicalize(worktrees).unwrap_or_else(|_| worktrees.into());
        let all = fs::read_dir(common.join("worktrees"));
        for admin in all.into_iter().flatten().flatten() {
            let gitdir = fs::read(admin.path().join("gitdir")).unwrap_or_default();
            let files = super::exec::path(gitdir.trim_ascii_end()).to_path_buf();
            if super::place::plain(&admin.path().join(files)).starts_with(&worktrees) {
                folders.push(admin.path());
            }
        }
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(_)
                        if path.extension().is_some_and(|e| e == "lock") && self.is_dead(&path) =>
                    {
                        found.push(path);
                    }
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    /// Removes one of them, unless somebody has taken it since.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_dead_lock(&self, lock: &Path) -> Result<(), GitError> {
        if !lock.exists() || self.is_dead(lock) {
            return remove_if_there(lock);
        }
        Err(GitError::Refused {
            what: lock.display().to_string(),
            why: "is held by a git that lives".into(),
        })
    }

    fn is_dead(&self, lock: &Path) -> bool {
        let made = fs::symlink_metadata(lock).and_then(|meta| meta.modified());
        let age = made.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        age.is_ok_and(|age| age >= STALE_AFTER)
            && holder(lock, &[self.root(), self.common_dir()]).is_none()
    }
}

/// Takes the lock on the file at `path`, which ends with the process.
pub(super) fn lock_file(path: &Path, limit: Duration) -> Result<File, GitError> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(path).map_err(GitError::io("open", path))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < limit => std::thread::sleep(AGAIN),
            Err(TryLockError::WouldBlock) => {
                return Err(GitError::LockWait {
                    path: path.into(),
                    waited: limit,
                });
            }
            Err(TryLockError::Error(source)) => return Err(GitError::io("lock", path)(source)),
        }
    }
}

/// Removes a lock file of git's that nobody holds, below a worktree that only Skep's agents use.
///
/// git writes no process id into its locks, so the proof is the kernel's: no process has the file
/// open, and no git works in `worktree`.
///
/// A holder that lives gets a moment: when a keeper is killed, the git it ran goes on to its end.
pub(super) fn clear(lock: &Path, worktree: &Path, limit: Duration) -> Result<(), GitError> {
    let started = Instant::now();
    while lock.exists() {
        match holder(lock, &[worktree]) {
            None => return remove_if_there(lock),
            Some(_) if started.elapsed() < limit.min(HELD_WAIT) => std::thread::sleep(AGAIN),
            Some(pid) => {
                return Err(GitError::Held {
                    path: lock.into(),
                    pid,
                });
            }
        }
    }
    Ok(())
}

/// Runs a call that moves refs; a lock that a killed git left in the way is removed and the call
/// repeated, once the lock is provably nobody's.
pub(super) fn moving_refs<T>(
    repo: &Repo,
    call: impl Fn() -> Result<T, GitError>,
) -> Result<T, GitError> {
    mending(repo.common_dir(), &[repo.root(), repo.common_dir()], call)
}

/// As [`moving_refs`], in the git folder `common`, whose users work below `dirs`.
pub(super) fn mending<T>(
    common: &Path,
    dirs: &[&Path],
    call: impl Fn() -> Result<T, GitError>,
) -> Result<T, GitError> {
    // Each round mends at most one lock; a transaction over more refs than this is not ours.
    for _ in 0..16 {
        match call() {
            Err(e) => match lock_in_the_way(common, &e) {
                Some(lock) if mend(&lock, dirs)? => {}
                _ => return Err(e),
            },
            done => return done,
        }
    }
    call()
}

/// The lock file that git complains about, if it lies in this repository.
fn lock_in_the_way(common: &Path, error: &GitError) -> Option<PathBuf> {
    let GitError::Failed { stderr, .. } = error else {
        return None;
    };
    let (_, rest) = stderr.split_once("Unable to create '")?;
    let (path, _) = rest.split_once("': File exists")?;
    let path = PathBuf::from(path);
    let ours = path.starts_with(common) && path.extension()? == "lock";
    ours.then_some(path)
}

/// Removes `lock` once it is old enough to be nobody's. `false` when somebody has it.
fn mend(lock: &Path, dirs: &[&Path]) -> Result<bool, GitError> {
    let started = Instant::now();
    loop {
        let Ok(made) = fs::symlink_metadata(lock).and_then(|m| m.modified()) else {
            // Gone already: its holder lived, and has finished.
            return Ok(true);
        };
        let age = SystemTime::now().duration_since(made).unwrap_or_default();
        // A clock that was set back makes locks from the future; our own waiting then counts.
        if age >= STALE_AFTER || started.elapsed() >= STALE_AFTER {
            if holder(lock, dirs).is_some() {
                return Ok(false);
            }
            remove_if_there(lock)?;
            return Ok(true);
        }
        std::thread::sleep(AGAIN);
    }
}

/// The process that has `lock` open, or that is a git working below one of `dirs`.
fn holder(lock: &Path, dirs: &[&Path]) -> Option<u32> {
    let own = std::process::id();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let process = entry.path();
        let fds = fs::read_dir(process.join("fd")).into_iter().flatten();
        let has_it = fds
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == lock));
        let is_git = fs::read(process.join("comm")).is_ok_and(|c| c.starts_with(b"git"));
        let works_there = is_git
            && fs::read_link(process.join("cwd"))
                .is_ok_and(|cwd| dirs.iter().any(|dir| cwd.starts_with(dir)));
        if pid != own && (has_it || works_there) {
            return Some(pid);
        }
    }
    None
}

/// Removes a file; one that is not there is as good.
pub(super) fn remove_if_there(path: &Path) -> Result<(), GitError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(GitError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

//! Ending what a dead shim left behind. In a PID namespace the kernel has done that already, and
//! otherwise the step's holder does it; this waits for them, and then looks for itself.

use super::{COOKIE, cookie, procfs, progress};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, pidfd_send_signal},
};
use std::{
    collections::HashSet,
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a holder gets to end its tree. It needs milliseconds; one that was stopped never will.
const HOLDER: Duration = Duration::from_secs(2);
/// How long killed processes get to be gone: a process deep in a system call dies late.
const GONE: Duration = Duration::from_secs(10);

/// Why a run was not swept.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Its shim lives: stop the run instead.
    #[error("the run's shim is at work")]
    Running,
    /// Some processes would not die.
    #[error("{0} processes of the run do not end")]
    Left(usize),
    /// The folder cannot be read.
    #[error("cannot read the run's folder")]
    Io(#[from] io::Error),
}

/// Finds and ends every process of a run whose shim is dead, and removes what it had only begun to write. Returns how many it ended itself; safe to
/// repeat.
///
/// Found are: what carries the run's cookie in its environment, what is in the session of the step's
/// first process, and whatever descends from these. Numbers are never trusted without start times.
///
/// # Errors
/// See [`SweepError`].
pub fn sweep(folder: &Path) -> Result<u32, SweepError> {
    if matches!(super::look(folder), super::Look::Running(_)) {
        return Err(SweepError::Running);
    }
    let cookie = format!("{COOKIE}={}", cookie(folder)?);
    let note = progress::read(folder).unwrap_or_default();
    if let Some(fd) = note.as_ref().and_then(|n| n.holder).and_then(procfs::hold) {
        wait(&[fd.as_fd()], Instant::now() + HOLDER);
        // Gone by now, unless something stopped it: then its tree must be found without it.
        let _ = pidfd_send_signal(&fd, Signal::KILL);
        wait(&[fd.as_fd()], Instant::now() + GONE);
    }
    let leader = note.and_then(|n| n.leader);
    let deadline = Instant::now() + GONE;
    let mut ended = HashSet::new();
    loop {
        let found = find(&cookie, leader);
        if found.is_empty() {
            // Nobody is left to finish them. One that cannot be removed is found by `skep doctor`.
            for file in unfinished(folder) {
                let _ = fs::remove_file(file);
            }
            return Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX));
        }
        if Instant::now() > deadline {
            return Err(SweepError::Left(found.len()));
        }
        let mut dying = Vec::new();
        for process in found {
            if let Some(fd) = procfs::hold(process) {
                if pidfd_send_signal(&fd, Signal::KILL).is_ok() {
                    ended.insert(process);
                }
                dying.push(fd);
            }
        }
        let dying: Vec<_> = dying.iter().map(AsFd::as_fd).collect();
        wait(&dying, deadline);
    }
}

/// Files of a run whose shim is dead that it or a keeper was killed over before they were renamed or linked.
#[must_use]
pub fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let stale = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "exit.tmp"
            || name == "progress.tmp"
            || (name.ends_with(".tmp")
                && (name.starts_with("spec.") || name.starts_with("started.")))
    });
    let mut stale: Vec<_> = stale.collect();
    stale.sort();
    stale
}

/// The processes that a run whose shim is dead has left; none while the shim lives.
#[must_use]
pub fn survivors(folder: &Path) -> Vec<procfs::ProcessId> {
    if matches!(super::look(folder), super::Look::Running(_)) {
        return Vec::new();
    }
    let Ok(cookie) = cookie(folder) else {
        return Vec::new();
    };
    let leader = progress::read(folder).ok().flatten().and_then(|n| n.leader);
    find(&format!("{COOKIE}={cookie}"), leader)
}

fn find(cookie: &str, leader: Option<procfs::ProcessId>) -> Vec<procfs::ProcessId> {
    let all = procfs::all();
    let me = i32::try_from(std::process::id()).unwrap_or_default();
    // The session's number is its first process's. While that process lives it proves whose the
    // number is; a stranger with the number means that the session is gone and the number reused.
    let session = leader.filter(|leader| {
        all.iter()
            .find(|p| p.id.pid == leader.pid)
            .is_none_or(|p| p.id == *leader)
    });
    let is_root = |p: &procfs::Proc| {
        p.id.pid != me
            && (session.is_some_and(|s| p.session == s.pid && p.id.start >= s.start)
                || procfs::has_env(p.id.pid, cookie.as_bytes()))
    };
    let roots: HashSet<_> = all.iter().filter(|p| is_root(p)).map(|p| p.id).collect();
    let below = procfs::descendants(&all, |p| roots.contains(&p.id))
        .into_iter()
        .map(|p| p.id);
    let zombies: HashSet<_> = all.iter().filter(|p| p.zombie).map(|p| p.id).collect();
    let found = roots.iter().copied().chain(below);
    found
        .filter(|id| id.pid != me && id.pid > 1 && !zombies.contains(id))
        .collect()
}

/// Waits until all these processes have ended, or the deadline.
fn wait(pidfds: &[std::os::fd::BorrowedFd<'_>], deadline: Instant) {
    for fd in pidfds {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut polled = [PollFd::from_borrowed_fd(*fd, PollFlags::IN)];
            if poll(&mut polled, Some(&timeout)) != Err(rustix::io::Errno::INTR) {
                break;
            }
        }
    }
}

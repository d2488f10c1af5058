//! Runs that a keeper waits for (checks, set-ups and tear-downs), told apart from attempts, which live without
//! one; and ending a run whatever state it is in.

use super::{Look, Running, Stop, SweepError, look, sweep};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use skep_core::id::Attempt;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A shim that was told to end its run at once gets so long before it is killed itself.
const SHIM_GRACE: Timespec = Timespec {
    tv_sec: 15,
    tv_nsec: 0,
};
/// And so long to be gone then.
const GONE: Duration = Duration::from_secs(10);

/// The attempt whose folder this is; none for every other run.
#[must_use]
pub fn attempt_of(folder: &Path) -> Option<Attempt> {
    let number = folder.file_name()?.to_str()?.strip_prefix('a')?;
    number.parse().ok().map(Attempt)
}

/// The runs at work below `runs` that are no attempts. Without a keeper nobody waits for them.
#[must_use]
pub fn waited_for(runs: &Path) -> Vec<(PathBuf, Running)> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut found: Vec<_> = folders
        .filter(|folder| attempt_of(folder).is_none())
        .filter_map(|folder| match look(&folder) {
            Look::Running(running) => Some((folder, running)),
            _ => None,
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Ends them and those that are `known` (one that was started this moment is not to be seen yet), and sees that
/// nothing of them is left. Their folders go, so that none is taken for a result.
///
/// # Errors
/// When something would not end.
pub fn end_waited_for(runs: &Path, known: Vec<(PathBuf, Arc<Running>)>) -> Result<(), SweepError> {
    let mut all = known;
    for (folder, running) in waited_for(runs) {
        if !all.iter().any(|(other, _)| *other == folder) {
            all.push((folder, Arc::new(running)));
        }
    }
    for (_, running) in &all {
        let _ = running.stop(Stop::AtOnce);
    }
    for (folder, running) in &all {
        end(folder, running)?;
        match fs::remove_dir_all(folder) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Ends a run at once, saving its work if it can, and sees that no process of it is left.
///
/// # Errors
/// When something would not end.
pub fn end(folder: &Path, running: &Running) -> Result<(), SweepError> {
    running.stop(Stop::AtOnce)?;
    if !has_ended(running, &SHIM_GRACE) {
        running.kill()?;
        let gone = Timespec {
            tv_sec: GONE.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        has_ended(running, &gone);
    }
    match sweep(folder) {
        // Another has removed the folder meanwhile, and with it what the run was known by.
        Err(SweepError::Io(fault)) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        swept => swept.map(drop),
    }
}

fn has_ended(running: &Running, limit: &Timespec) -> bool {
    let pidfd = running.pidfd();
    loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(limit)) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => {}
            _ => return true,
        }
    }
}

//! Starting a shim somewhere else than as a child of this process: in a pane, which makes it tmux's child.
//!
//! Whoever places it says only which number its process had, and that may be another's by now. So the shim is
//! known by what it does: it takes the run. Until then it is waited for.

use super::{
    COOKIE, Look, Ready, Running, StartError, cannot, cookie,
    files::{Passed, RunSpec},
    handover::Handover,
    look, ready, spawn,
};
use crate::pane::{appearing, drain};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a placed shim gets to take its run. It needs some milliseconds; a machine under load, seconds.
const TAKES: Duration = Duration::from_secs(20);

/// What starts a run's shim: `program shim folder`, with this environment and nothing else in it.
#[derive(Clone, Debug)]
pub struct ShimCommand {
    /// The program.
    pub program: PathBuf,
    /// The run's folder.
    pub folder: PathBuf,
    /// The environment.
    pub env: Vec<(OsString, OsString)>,
    /// What must not be seen on its command line, and is handed over in another way.
    pub(super) passed: Handover,
}

impl ShimCommand {
    pub(super) fn new(program: &Path, folder: PathBuf, passed: &Passed) -> io::Result<ShimCommand> {
        let mut env = vec![(COOKIE.into(), cookie(&folder)?.into())];
        // Git, which saves the worktree, must be found and must see its user's settings (what is ignored,
        // for one) just as it does when the keeper runs it.
        for name in ["PATH", "HOME", "XDG_CONFIG_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                env.push((name.into(), value));
            }
        }
        let program = program.into();
        Ok(ShimCommand {
            program,
            folder,
            env,
            passed: Handover::new(passed),
        })
    }
}

/// As [`start`](super::start), by way of `place`, which starts the command and gives its process's number. When
/// it gives none, or that process ends or does nothing, the shim is started as a child of this process after all:
/// should the other come late, it finds the run taken.
///
/// # Errors
/// See [`StartError`].
pub fn start_placed(
    program: &Path,
    folder: &Path,
    spec: &RunSpec,
    place: impl FnOnce(&ShimCommand) -> Option<u32>,
) -> Result<Running, StartError> {
    let mut shim = match ready(program, folder, spec)? {
        Ready::Runs(running) => return Ok(running),
        Ready::Start(shim) => shim,
    };
    // Held until the run is taken: then it has been read.
    let held = shim
        .passed
        .hold()
        .map_err(cannot("hand over the environment"))?;
    shim.env.extend(held.iter().map(|held| held.variable()));
    // Watched before it can happen, so that it cannot be missed.
    let changes = appearing(&shim.folder).map_err(cannot("watch the run's folder"))?;
    match place(&shim).and_then(|pid| taken(&shim.folder, changes.as_fd(), pid)) {
        None => spawn(&shim),
        Some(Look::Running(running)) => Ok(running),
        Some(_) => Err(StartError::Over(shim.folder)),
    }
}

/// Waits until the run is taken, and says how it stands then; none if the placed process does not take it.
fn taken(folder: &Path, changes: BorrowedFd<'_>, pid: u32) -> Option<Look> {
    let deadline = Instant::now() + TAKES;
    // Only ever waited for, never signalled.
    let placed = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let placed = placed.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // Asked before looking: what it did before its end is then seen.
        let over = placed.as_ref().is_none_or(has_ended) || left.is_zero();
        match look(folder) {
            Look::Absent | Look::NotStarted if over => return None,
            Look::Absent | Look::NotStarted => {}
            stands => return Some(stands),
        }
        let mut fds = vec![PollFd::new(&changes, PollFlags::IN)];
        fds.extend(placed.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let _ = poll(&mut fds, Some(&timeout));
        drain(changes);
    }
}

fn has_ended(process: &impl AsFd) -> bool {
    let now = Timespec::default();
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)) != Ok(0)
}

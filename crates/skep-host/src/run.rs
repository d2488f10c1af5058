//! One contained run, as the keeper sees it: a folder with `spec.json`, and in the end `exit.json`.
//!
//! Everything is derived from files, one lock and a pidfd, so that any keeper, the next one
//! included, sees the same. The other side, which runs the steps, is [`crate::shim`].

pub mod files;
pub(crate) mod handover;
mod narrated;
mod output;
mod placed;
pub(crate) mod procfs;
pub(crate) mod progress;
pub(crate) mod stand;
mod sweep;
pub mod talk;
pub(crate) mod usage;
mod waited;

pub use narrated::{Page, is_told, narrated};
pub use output::{Chunk, Output, output, read_output, tail_output};
pub use placed::{ShimCommand, start_placed};
pub use procfs::ProcessId;
pub use progress::{Begun, LogPlace, Phase, Progress, StepProgress, step_progress};
pub use skep_agents::{Kind, Telling, redact::Secrets};
pub use sweep::{SweepError, survivors, sweep, unfinished};
pub use waited::{attempt_of, end, end_waited_for, waited_for};

use crate::command::command;
use files::{RunReport, RunSpec, Started};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, flock},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
    },
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Every process of a run carries this in its environment: see [`sweep()`].
pub(crate) const COOKIE: &str = "SKEP_RUN";
pub(crate) const SPEC: &str = "spec.json";
pub(crate) const STARTED: &str = "started.json";
/// Where an agent may say that there was nothing to do.
pub(crate) const RESULT: &str = "result.json";
pub(crate) const EXIT: &str = "exit.json";

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spec makes no sense.
    #[error("the run's spec is wrong: {0}")]
    Spec(String),
    /// The folder belongs to another run.
    #[error("{0} already holds the spec of another run")]
    Different(PathBuf),
    /// The run was started before and is over; [`look`] says how it went.
    #[error("the run in {0} was started before and is over")]
    Over(PathBuf),
    /// The system refused.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Io { what, source }
}

/// A shim that runs. Dropping this leaves it running.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    pidfd: OwnedFd,
}

/// How to stop a run. Either way its work is saved and its report written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM to the whole tree, SIGKILL a grace later.
    Gracefully,
    /// SIGKILL to the whole tree.
    AtOnce,
}

impl Running {
    /// Becomes readable when the shim has ended: time to [`look`] again. After [`start`] this may be a
    /// shim that found another at work and left; [`look`] then finds the other.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The shim's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How long the shim has run, by the clock that also counts the machine's sleep and that nobody can set; none
    /// if it has ended.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let process = procfs::read(self.pid.as_raw_nonzero().get())?;
        // Of the descriptor's process, and not of one that got its number.
        is_alive(&self.pidfd).then(|| procfs::age(process.id))
    }

    /// Asks the shim to stop the run. Stopping a run that has ended does nothing.
    ///
    /// # Errors
    /// When the shim may not be signalled.
    pub fn stop(&self, how: Stop) -> io::Result<()> {
        self.signal(match how {
            Stop::Gracefully => Signal::TERM,
            Stop::AtOnce => Signal::USR1,
        })
    }

    /// Ends the shim itself, leaving no report. For tests and last resorts; [`sweep()`] afterwards.
    ///
    /// # Errors
    /// When the shim may not be signalled.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Lets go of a dead child's last trace, and says what code it left: one of
    /// [`shim`](crate::shim)'s, none if it runs, was not started by this process, or was killed.
    pub fn reap(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(self.pidfd.as_fd()), options)
            .ok()
            .flatten()?
            .exit_status()
    }
}

impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Starts a run, at most once whatever happens: called twice, by two keepers at once, or by a keeper
/// that is killed half way and its successor, one shim at most ever runs the steps.
///
/// `program` is run as `program shim FOLDER` and must then call [`crate::shim::main`].
///
/// # Errors
/// See [`StartError`].
pub fn start(program: &Path, folder: &Path, spec: &RunSpec) -> Result<Running, StartError> {
    match ready(program, folder, spec)? {
        Ready::Runs(running) => Ok(running),
        Ready::Start(shim) => spawn(&shim),
    }
}

enum Ready {
    Runs(Running),
    Start(ShimCommand),
}

/// Everything up to the start itself.
fn ready(program: &Path, folder: &Path, spec: &RunSpec) -> Result<Ready, StartError> {
    check(spec)?;
    let folder = std::path::absolute(folder).map_err(cannot("find the run's folder"))?;
    let mut builder = fs::DirBuilder::new();
    // Prompts and output are nobody else's business. Values of the user's environment are in no file.
    builder
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(cannot("make the run's folder"))?;
    write_spec(&folder, spec)?;
    match look(&folder) {
        Look::Running(running) => return Ok(Ready::Runs(running)),
        Look::Ended(_) | Look::Lost { .. } => return Err(StartError::Over(folder)),
        Look::Absent | Look::NotStarted => {}
    }
    let shim =
        ShimCommand::new(program, folder, &spec.passed).map_err(cannot("read the run's folder"))?;
    Ok(Ready::Start(shim))
}

fn spawn(shim: &ShimCommand) -> Result<Running, StartError> {
    let mut command = command(&shim.program, Path::new("/"));
    command
        .arg("shim")
        .arg(&shim.folder)
        .env_clear()
        .envs(shim.env.iter().map(|(name, value)| (name, value)))
        .envs(shim.passed.as_child());
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let child = command.spawn().map_err(cannot("start the shim"))?;
    let pid = Pid::from_child(&child);
    // Nobody has waited for the child, so its number is still its own.
    let pidfd =
        pidfd_open(pid, PidfdFlags::empty()).map_err(|e| cannot("watch the shim")(e.into()))?;
    Ok(Running { pid, pidfd })
}

fn check(spec: &RunSpec) -> Result<(), StartError> {
    let wrong = |text: &str| Err(StartError::Spec(text.into()));
    if spec.version != 1 {
        return wrong("its version is not 1");
    }
    if !spec.worktree.is_absolute() {
        return wrong("its worktree is not an absolute path");
    }
    if spec.steps.iter().any(|step| step.argv.is_empty()) {
        return wrong("a step has no command");
    }
    if spec
        .env
        .keys()
        .any(|name| name.is_empty() || name.contains(['=', '\0']))
    {
        return wrong("a name in its environment is empty or holds '=' or NUL");
    }
    Ok(())
}

/// Puts the spec in its place whole, and never changes one that is there.
fn write_spec(folder: &Path, spec: &RunSpec) -> Result<(), StartError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let place = folder.join(SPEC);
    let bytes = serde_json::to_vec(spec).map_err(|e| cannot("write the spec")(e.into()))?;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let next = folder.join(format!("spec.{}.{number}.tmp", std::process::id()));
    let put = || -> io::Result<bool> {
        match fs::read(&place) {
            Ok(there) if there == bytes => return Ok(true),
            Ok(there) if serde_json::from_slice::<RunSpec>(&there).is_ok() => return Ok(false),
            // Damaged: the power failed before it reached the disk, so nothing was started from it.
            Ok(_) if !folder.join(STARTED).exists() => fs::remove_file(&place)?,
            Ok(_) => return Ok(false),
            Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(&bytes)?;
        // A link, unlike a rename, never replaces what another keeper put there meanwhile.
        match fs::hard_link(&next, &place) {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                Ok(fs::read(&place)? == bytes)
            }
            done => done.map(|()| true),
        }
    };
    let result = put();
    let _ = fs::remove_file(&next);
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err(StartError::Different(place)),
        Err(fault) => Err(cannot("write the spec")(fault)),
    }
}

/// What marks the processes of the run in this folder: the folder's identity, which says nothing to
/// an agent and stays the same under whatever path the folder is reached.
pub(crate) fn cookie(folder: &Path) -> io::Result<String> {
    let meta = fs::metadata(folder)?;
    Ok(format!("{:x}-{:x}", meta.dev(), meta.ino()))
}

/// Takes the run's start away, so that no shim can ever begin it. True if it was not taken before; false if
/// a shim has begun it (or it was forbidden already), and [`look`] says more.
///
/// # Errors
/// When the folder cannot be written.
pub fn forbid(folder: &Path) -> io::Result<bool> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let taken = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(folder.join(STARTED));
    match taken {
        // No process has the number 0: whoever looks finds a run that was started and is over.
        Ok(mut file) => {
            let nobody = Started {
                pid: 0,
                boot: boot_id().unwrap_or_default(),
                at: 0,
            };
            file.write_all(&serde_json::to_vec(&nobody)?)?;
            Ok(true)
        }
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// What the run in `folder` was to do.
///
/// # Errors
/// When the spec is not there or cannot be understood.
pub fn read_spec(folder: &Path) -> io::Result<RunSpec> {
    Ok(serde_json::from_slice(&fs::read(folder.join(SPEC))?)?)
}

/// The shim's last sign of life: a time stamp that changes with each. Only whether it changes says something;
/// how it compares with another clock does not.
#[must_use]
pub fn heartbeat(folder: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(folder.join(STARTED))
        .and_then(|meta| meta.modified())
        .ok()
}

/// How a run stands.
#[derive(Debug)]
pub enum Look {
    /// There is no such folder.
    Absent,
    /// There is a folder, and no shim ever took it: [`start`] may be called.
    NotStarted,
    /// A shim is at work.
    Running(Running),
    /// It is over, and this is what happened.
    Ended(Box<RunReport>),
    /// It was started and left no report: call [`sweep()`], then save the worktree.
    Lost {
        /// What is known.
        why: String,
    },
}

/// Looks at the run in `folder`.
#[must_use]
pub fn look(folder: &Path) -> Look {
    let lost = |why: String| Look::Lost { why };
    if let Some(over) = ended(folder) {
        return over;
    }
    let file = match patiently(|| File::open(folder.join(STARTED))) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return if folder.exists() {
                Look::NotStarted
            } else {
                Look::Absent
            };
        }
        Err(fault) => return lost(format!("{STARTED} cannot be read: {fault}")),
    };
    let started: Started = match serde_json::from_reader(&file) {
        Ok(started) => started,
        Err(fault) => return lost(format!("{STARTED} is damaged: {fault}")),
    };
    if boot_id().is_some_and(|boot| boot != started.boot) {
        return lost("the machine was restarted while it ran".into());
    }
    // First the descriptor, then the proof: whoever holds the lock now is the shim, and had this
    // number all its life, so the descriptor is the shim's. A holder that was just forked has the
    // lock for a moment longer than a shim that is killed then, so the shim must live, too.
    let pid = i32::try_from(started.pid).ok().and_then(Pid::from_raw);
    let pidfd = pid.and_then(|pid| Some((pid, hold(pid)?)));
    match pidfd {
        Some((pid, pidfd)) if is_locked(&file) && is_alive(&pidfd) => {
            Look::Running(Running { pid, pidfd })
        }
        // It may have written its report between the first glance and now.
        _ => ended(folder).unwrap_or_else(|| lost("it left no report".into())),
    }
}

/// How long a look waits for descriptors or memory: without them it would take what it cannot read for lost.
const PATIENCE: Duration = Duration::from_secs(600);

fn patiently<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    use rustix::io::Errno;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match read() {
            Err(fault)
                if Instant::now() < deadline
                    && matches!(
                        Errno::from_io_error(&fault),
                        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM)
                    ) =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
}

fn hold(pid: Pid) -> Option<OwnedFd> {
    patiently(|| Ok(pidfd_open(pid, PidfdFlags::empty())?)).ok()
}

fn is_alive(pidfd: &OwnedFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) == Ok(0)
}

fn ended(folder: &Path) -> Option<Look> {
    let why = match patiently(|| fs::read(folder.join(EXIT))) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return None,
        Err(fault) if fault.kind() == io::ErrorKind::NotADirectory => return None,
        Err(fault) => format!("{EXIT} cannot be read: {fault}"),
        Ok(bytes) => match serde_json::from_slice::<RunReport>(&bytes) {
            Ok(report) => return Some(Look::Ended(Box::new(report))),
            Err(fault) => format!("{EXIT} is damaged: {fault}"),
        },
    };
    Some(Look::Lost { why })
}

/// Whether a shim holds the lock. The shim's lock is exclusive and ours is shared, so that any number
/// may look at once.
fn is_locked(started: &File) -> bool {
    flock(started, FlockOperation::NonBlockingLockShared).is_err()
}

/// Which boot of the machine this is.
pub(crate) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

//! The watchdog: a small process that starts another keeper when one has died or hangs.
//!
//! It sees a death at once, by pidfd, and a hang by a heartbeat that does not change. It decides nothing about
//! the swarm and holds nothing of it, so killing it costs nothing but the watching. Whether a keeper died or
//! was ended is written down by the keeper itself (see [`crate::presence`]).

use crate::{
    command::command,
    keeper::clock::wall,
    presence::{
        KeeperFailure, KeeperFile, WatchdogFile, WatchdogLock, WatchdogState, Who, heartbeat,
    },
    shim::{sys, tree},
    site::Site,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use skep_core::{
    restarts::{Limits, Restarts, Verdict},
    time::{Millis, Time},
};
use std::{
    ffi::OsString,
    fs, io,
    os::{fd::AsFd, fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

/// A keeper is hung once so many looks in a row have found no new heartbeat. Looks are counted, not time: when
/// the whole machine stood still, so did the keeper.
const LOOKS: u32 = 8;
/// How long a keeper that was killed gets to be gone: one deep in a system call dies late.
const GONE: Duration = Duration::from_secs(10);
/// A log that has grown beyond this is put aside before the next process writes to it.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// What a watchdog needs to know.
#[derive(Debug)]
pub struct Options {
    /// How a keeper is started.
    pub program: PathBuf,
    /// With these arguments.
    pub args: Vec<OsString>,
    /// Where.
    pub dir: PathBuf,
    /// A keeper without a heartbeat for so long is ended and replaced.
    pub hung_after: Duration,
    /// When to start another, and when not.
    pub limits: Limits,
}

/// Why a watchdog ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The keeper was ended by somebody who wanted it to.
    KeeperEnded,
    /// The watchdog was asked to end, by this signal; the keeper lives on.
    Asked(i32),
    /// Too many keepers failed; this is what is known of the last.
    GaveUp(String),
    /// The site was removed.
    SiteGone,
}

/// What a watchdog has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// It watches this keeper.
    Watching(i32),
    /// A keeper failed; the next is started after a pause.
    Failed(&'a str, Duration),
}

/// Why there is no watchdog.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is one already.
    #[error("a watchdog watches this repository's keeper already")]
    Taken,
    /// The system refuses.
    #[error("cannot watch {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// Opens what detached processes print to, for appending; one that has grown large is put aside first.
///
/// # Errors
/// When the folder cannot be written.
pub fn open_log(site: &Site) -> io::Result<fs::File> {
    let path = site.keeper_log();
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES) {
        fs::rename(&path, path.with_extension("log.old"))?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

/// The watchdog of a site, if one runs.
#[must_use]
pub fn find(site: &Site) -> Option<(WatchdogFile, OwnedFd)> {
    let said = WatchdogFile::read(site)?;
    let fd = said.who.hold()?;
    // The lock is the proof; the file only says whose it is.
    WatchdogLock::is_held(site).then_some((said, fd))
}

/// Watches the site's keeper until that is ended on purpose, a signal asks to end, or too many have failed.
/// Starts a keeper first if none lives. The whole life of a process that has one thread and no runtime.
///
/// # Errors
/// [`WatchError`]; nothing was started then.
pub fn watch(
    site: &Site,
    options: &Options,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<End, WatchError> {
    let io = |error| WatchError::Io(site.dir().into(), error);
    // From here on an order is read, and is not a death. What is started must not inherit that.
    sys::block_signals();
    let orders = sys::signal_fd(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP]).map_err(io)?;
    site.create().map_err(io)?;
    let lock = WatchdogLock::take(site).map_err(io)?;
    let lock = lock.ok_or(WatchError::Taken)?;
    let said = WatchdogFile {
        version: 1,
        who: Who::me().map_err(io)?,
        state: WatchdogState::Watching,
        keeper: None,
        restarts: 0,
        failures: Vec::new(),
    };
    let mut watchdog = Watchdog {
        site,
        options,
        lock,
        said,
        restarts: Restarts::default(),
        began: Instant::now(),
        orders,
        tell,
    };
    let end = watchdog.run().map_err(io)?;
    // What gave up stays to be read; what has nothing to tell leaves nothing.
    if !matches!(end, End::GaveUp(_)) && watchdog.lock.is_in_place() {
        let _ = fs::remove_file(site.watchdog_file());
    }
    Ok(end)
}

struct Watchdog<'a> {
    site: &'a Site,
    options: &'a Options,
    lock: WatchdogLock,
    said: WatchdogFile,
    restarts: Restarts,
    /// Its clock begins here: one that stands still while the machine sleeps, and never jumps.
    began: Instant,
    orders: OwnedFd,
    tell: &'a mut dyn FnMut(News<'_>),
}

/// A keeper that lives, or did a moment ago.
struct Kept {
    pid: i32,
    pidfd: OwnedFd,
    /// It was started here, so it must be waited for and leaves an exit code.
    child: bool,
}

/// What became of a keeper.
enum Became {
    Ended,
    Failed(String),
    Asked(i32),
    SiteGone,
}

impl Watchdog<'_> {
    fn run(&mut self) -> io::Result<End> {
        let mut kept = match self.living()? {
            Some(kept) => kept,
            None => self.start()?,
        };
        loop {
            self.note(WatchdogState::Watching, Some(kept.pid));
            (self.tell)(News::Watching(kept.pid));
            let why = match self.attend(&kept) {
                Became::Asked(signal) => return Ok(End::Asked(signal)),
                Became::SiteGone => return Ok(End::SiteGone),
                // Another may have been quicker to start one, or to start it again.
                Became::Ended => match self.living()? {
                    Some(other) => {
                        kept = other;
                        continue;
                    }
                    None => return Ok(End::KeeperEnded),
                },
                Became::Failed(why) => why,
            };
            kept = match self.living()? {
                Some(other) => other,
                None => match self.again(&why)? {
                    Ok(next) => next,
                    Err(end) => return Ok(end),
                },
            };
        }
    }

    /// The keeper that `keeper.json` names, if it lives.
    fn living(&self) -> io::Result<Option<Kept>> {
        let said = KeeperFile::read(self.site);
        let Some((pidfd, said)) = said.and_then(|said| Some((said.who.hold()?, said))) else {
            return Ok(None);
        };
        Ok(Some(Kept {
            pid: said.who.process.pid,
            pidfd,
            child: false,
        }))
    }

    fn start(&self) -> io::Result<Kept> {
        let log = open_log(self.site)?;
        let mut command = command(&self.options.program, &self.options.dir);
        let command = command.args(&self.options.args);
        let command = command.stdout(Stdio::from(log.try_clone()?)).stderr(log);
        sys::let_signals_in(command);
        let child = command.spawn()?;
        // Nobody has waited for the child, so its number is still its own.
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Kept {
            pid: pid.as_raw_nonzero().get(),
            pidfd,
            child: true,
        })
    }

    /// Takes note of a failure, and starts the next keeper when it is time.
    fn again(&mut self, why: &str) -> io::Result<Result<Kept, End>> {
        let mut why = why.to_string();
        loop {
            let at = wall().0;
            self.said.failures.push(KeeperFailure {
                at,
                why: why.clone(),
            });
            let spare = self
                .said
                .failures
                .len()
                .saturating_sub(self.options.limits.failures);
            self.said.failures.drain(..spare);
            let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let pause = match self.restarts.failed(&self.options.limits, Time(now)) {
                Verdict::GiveUp => {
                    self.note(WatchdogState::GaveUp, None);
                    return Ok(Err(End::GaveUp(why)));
                }
                Verdict::After(Millis(ms)) => Duration::from_millis(ms),
            };
            self.note(WatchdogState::Waiting, None);
            (self.tell)(News::Failed(&why, pause));
            if let Some(signal) = self.wait(None, pause).1 {
                return Ok(Err(End::Asked(signal)));
            }
            if !self.lock.is_in_place() {
                return Ok(Err(End::SiteGone));
            }
            if let Some(other) = self.living()? {
                return Ok(Ok(other));
            }
            match self.start() {
                Ok(kept) => {
                    self.said.restarts += 1;
                    return Ok(Ok(kept));
                }
                Err(error) => why = format!("it could not be started: {error}"),
            }
        }
    }

    /// Watches one keeper to its end.
    fn attend(&mut self, kept: &Kept) -> Became {
        let (mut last, mut missed) = (heartbeat(self.site), 0);
        loop {
            match self.wait(Some(&kept.pidfd), self.options.hung_after / LOOKS) {
                (_, Some(signal)) => return Became::Asked(signal),
                (true, None) => return self.ended(kept, None),
                (false, None) => {}
            }
            if !self.lock.is_in_place() {
                return Became::SiteGone;
            }
            let beat = heartbeat(self.site);
            missed = if beat == last { missed + 1 } else { 0 };
            last = beat;
            if missed >= LOOKS {
                let limit = Millis(u64::try_from(self.options.hung_after.as_millis()).unwrap_or(0));
                let _ = pidfd_send_signal(&kept.pidfd, Signal::KILL);
                // Should it not die now, the next cannot take its lock, and that is a failure of its own.
                let _ = poll(
                    &mut [PollFd::new(&kept.pidfd, PollFlags::IN)],
                    Some(&tree::timespec(GONE)),
                );
                return self.ended(kept, Some(format!("it hung: no heartbeat for {limit}")));
            }
        }
    }

    /// Waits so long at most. Says whether the process has ended, and which signal asked this one to end.
    fn wait(&self, process: Option<&OwnedFd>, most: Duration) -> (bool, Option<i32>) {
        let until = Instant::now() + most;
        loop {
            let mut fds = vec![PollFd::new(&self.orders, PollFlags::IN)];
            fds.extend(process.map(|fd| PollFd::new(fd, PollFlags::IN)));
            let left = tree::timespec(until.saturating_duration_since(Instant::now()));
            if poll(&mut fds, Some(&left)) == Err(rustix::io::Errno::INTR) {
                continue;
            }
            let ended = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            let order = tree::drain_signals(&self.orders).first().copied();
            return (ended, order.and_then(|signal| signal.try_into().ok()));
        }
    }

    /// Tells an end that was wanted from one that was not.
    fn ended(&self, kept: &Kept, hung: Option<String>) -> Became {
        let status = kept.child.then(|| reap(kept)).flatten();
        if let Some(why) = hung {
            return Became::Failed(why);
        }
        let named = KeeperFile::read(self.site).is_some_and(|f| f.who.process.pid == kept.pid);
        match status {
            // It said nothing of itself any more: it ended as it should. A child must also say so by its code,
            // for it may never have come so far as to say anything.
            Some(Status::Code(0 | 130 | 143)) | None if !named => Became::Ended,
            Some(Status::Code(code)) => Became::Failed(format!("it ended with exit code {code}")),
            Some(Status::Signal(signal)) => {
                Became::Failed(format!("it was killed by signal {signal}"))
            }
            None | Some(Status::Unknown) => Became::Failed("it died".into()),
        }
    }

    /// Writes down how it stands; a disk that will not take it must not stop the watching.
    fn note(&mut self, state: WatchdogState, keeper: Option<i32>) {
        (self.said.state, self.said.keeper) = (state, keeper);
        if self.lock.is_in_place() {
            let _ = self.said.write(self.site);
        }
    }
}

enum Status {
    Code(i32),
    Signal(i32),
    Unknown,
}

fn reap(kept: &Kept) -> Option<Status> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::PidFd(kept.pidfd.as_fd()), options).ok()??;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Status::Code(code),
        (None, Some(signal)) => Status::Signal(signal),
        _ => Status::Unknown,
    })
}

//! The holder: one process per step between shim and agent, pid 1 of a namespace where there can be
//! one. It starts the agent, ends what the agent leaves behind, and ends everything when the shim's
//! end of the leash closes, which a kill -9 of the shim does too.

use super::{
    claim::sync_folder,
    exec::{Ends, Prepared, Stage},
    sys::{self, Fork},
    tree,
};
use crate::run::procfs;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, write},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    pipe::{PipeFlags, pipe_with},
    process::{
        Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal, set_child_subreaper,
        set_parent_process_death_signal,
    },
};
use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

/// How long the killed get to be gone; one deep in a system call dies late or never.
const GONE: Duration = Duration::from_secs(5);

/// A way to hold a tree, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A PID namespace, made with the privileges at hand.
    Namespace,
    /// A PID namespace inside a user namespace.
    UserNamespace,
    /// No namespace: the holder is the tree's subreaper.
    Subreaper,
}

/// What the holder is told, one byte each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Go = b'g' as isize,
    /// SIGINT to the main process, for programs that are interrupted so.
    Interrupt = b'i' as isize,
    Ask = b't' as isize,
    Kill = b'k' as isize,
}

/// What the holder tells, a record of three numbers each (small enough to be written whole).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Everything is ready for [`Order::Go`].
    Ready,
    /// This mode does not work here.
    Refused { errno: i32 },
    /// The folder above the run's is on the disk (0), or could not be brought there.
    Synced { errno: i32 },
    /// The agent runs; its number as the holder sees it.
    Leader { pid: i32 },
    /// The agent could not be started.
    NotStarted { stage: i32, errno: i32 },
    /// The agent has ended with this raw status; so many others were left, and have been or are
    /// being ended.
    Ended { status: i32, survivors: i32 },
}

/// The shim's side of a holder.
pub(super) struct Holder {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) reports: OwnedFd,
    leash: OwnedFd,
}

/// What a holder needs of the shim's.
struct Job<'a> {
    mode: Mode,
    prepared: &'a Prepared,
    sync: Option<&'a Path>,
    leash: OwnedFd,
    reports: OwnedFd,
    user: (u32, u32),
}

impl Holder {
    /// Forks a holder. It prepares the ground, reports, syncs the folder `sync` and reports that, and waits
    /// for [`Order::Go`].
    pub(super) fn start(
        mode: Mode,
        prepared: &Prepared,
        sync: Option<&Path>,
        ends: Ends,
    ) -> io::Result<Holder> {
        let (leash_theirs, leash) = pipe_with(PipeFlags::CLOEXEC)?;
        let (reports, reports_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&reports, rustix::fs::OFlags::NONBLOCK)?;
        let user = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let flags = match mode {
            Mode::Namespace => sys::NEW_PID_MOUNT,
            Mode::UserNamespace => sys::NEW_USER_PID_MOUNT,
            Mode::Subreaper => 0,
        };
        match sys::fork(flags)? {
            Fork::Child => {
                let (leash, reports) = (leash_theirs, reports_theirs);
                Job {
                    mode,
                    prepared,
                    sync,
                    leash,
                    reports,
                    user,
                }
                .run(ends)
            }
            Fork::Parent(pid) => {
                // Not waited for yet, so the number is still its own.
                let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
                Ok(Holder {
                    pid,
                    pidfd,
                    reports,
                    leash,
                })
            }
        }
    }

    /// Gives an order. A holder that is gone needs none.
    pub(super) fn order(&self, order: Order) {
        let _ = write(&self.leash, &[order as u8]);
    }

    /// Ends the holder itself, and with it its namespace if it has one.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// The next report, if there is one.
    pub(super) fn report(&self) -> Option<Report> {
        let mut record = [0; 12];
        let length = read(&self.reports, &mut record[..]).ok()?;
        (length == record.len())
            .then(|| Report::from_bytes(record))
            .flatten()
    }

    /// Waits for the first report: whether this mode works.
    pub(super) fn ready(&self, limit: Duration) -> io::Result<()> {
        match self.next_report(limit) {
            Some(Report::Ready) => Ok(()),
            Some(Report::Refused { errno }) => Err(io::Error::from_raw_os_error(errno)),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits for the second report, if a folder was to be synced.
    pub(super) fn synced(&self, limit: Duration) -> io::Result<()> {
        match self.next_report(limit) {
            Some(Report::Synced { errno: 0 }) => Ok(()),
            Some(Report::Synced { errno }) => Err(io::Error::from_raw_os_error(errno)),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn next_report(&self, limit: Duration) -> Option<Report> {
        let deadline = Instant::now() + limit;
        let mut fds = [PollFd::new(&self.reports, PollFlags::IN)];
        loop {
            let left = tree::timespec(deadline.saturating_duration_since(Instant::now()));
            if poll(&mut fds, Some(&left)) != Err(Errno::INTR) {
                return self.report();
            }
        }
    }
}

impl Report {
    fn to_bytes(self) -> [u8; 12] {
        let numbers = match self {
            Report::Ready => [1, 0, 0],
            Report::Refused { errno } => [2, errno, 0],
            Report::Leader { pid } => [3, pid, 0],
            Report::NotStarted { stage, errno } => [4, stage, errno],
            Report::Ended { status, survivors } => [5, status, survivors],
            Report::Synced { errno } => [6, errno, 0],
        };
        let mut bytes = [0; 12];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; 12]) -> Option<Report> {
        let number =
            |at| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(match (number(0), number(4), number(8)) {
            (1, _, _) => Report::Ready,
            (2, errno, _) => Report::Refused { errno },
            (3, pid, _) => Report::Leader { pid },
            (4, stage, errno) => Report::NotStarted { stage, errno },
            (5, status, survivors) => Report::Ended { status, survivors },
            (6, errno, _) => Report::Synced { errno },
            _ => return None,
        })
    }
}

impl Job<'_> {
    /// The holder's life. Never returns: this process shares the shim's memory image but not its role.
    fn run(self, ends: Ends) -> ! {
        if let Err(fault) = self.prepare(&ends) {
            self.tell(Report::Refused {
                errno: fault.raw_os_error().unwrap_or(libc::EIO),
            });
            sys::exit(1);
        }
        self.tell(Report::Ready);
        if let Some(folder) = self.sync {
            let errno = match sync_folder(folder) {
                Ok(()) => 0,
                Err(fault) => fault.raw_os_error().unwrap_or(libc::EIO),
            };
            self.tell(Report::Synced { errno });
        }
        if self.next_order() != Some(Order::Go as u8) {
            sys::exit(0);
        }
        let keep = [self.reports.as_raw_fd()];
        let main = match sys::fork(0) {
            Ok(Fork::Child) => {
                let (stage, fault) = self.prepared.become_it(&ends, &keep);
                self.not_started(stage, &fault);
                sys::exit(127);
            }
            Ok(Fork::Parent(pid)) => pid,
            Err(fault) => {
                self.not_started(Stage::Fork, &fault);
                sys::exit(1);
            }
        };
        // Ours would keep the output open after everyone who writes to it has gone.
        drop(ends);
        self.tell(Report::Leader {
            pid: main.as_raw_nonzero().get(),
        });
        match self.watch(main) {
            Some(status) => self.finish(status),
            // Nobody is left to tell. In a namespace, leaving is enough.
            None if self.mode == Mode::Subreaper => drop(tree::end_children(GONE)),
            None => {}
        }
        sys::exit(0)
    }

    /// Sets up what holds the tree, and lets go of everything else the shim had open: above all the
    /// lock, which must not outlive it.
    fn prepare(&self, ends: &Ends) -> io::Result<()> {
        let own = [&self.leash, &self.reports].map(AsRawFd::as_raw_fd);
        let keep: Vec<i32> = ends.fds().chain(own).collect();
        sys::close_all_but(&keep)?;
        if self.mode == Mode::Subreaper {
            return Ok(set_child_subreaper(Some(rustix::process::getpid()))?);
        }
        if self.mode == Mode::UserNamespace {
            let (user, group) = self.user;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        }
        // What is mounted in here stays in here.
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", "/proc", "proc", flags, None)?;
        // Beside the leash, for a holder that someone has stopped. It belongs to the parent's thread,
        // a trap elsewhere: the shim has but one.
        Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
    }

    /// Waits until the main process has ended, and says how; none if the shim has.
    fn watch(&self, main: Pid) -> Option<i32> {
        let news = sys::signal_fd(&[libc::SIGCHLD]).ok()?;
        let mut status = None;
        loop {
            tree::reap_all(|pid, raw| {
                if pid == main {
                    status = Some(raw);
                }
            });
            if status.is_some() {
                return status;
            }
            let mut fds = [&news, &self.leash].map(|fd| PollFd::new(fd, PollFlags::IN));
            let _ = poll(&mut fds, None);
            let ordered = !fds[1].revents().is_empty();
            tree::drain_signals(&news);
            if !ordered {
                continue;
            }
            match self.next_order()? {
                order if order == Order::Ask as u8 => self.ask(),
                order if order == Order::Interrupt as u8 => {
                    let _ = kill_process(main, Signal::INT);
                }
                // Only the main process: the others follow when it has been seen to end.
                order if order == Order::Kill as u8 => {
                    let _ = kill_process(main, Signal::KILL);
                }
                _ => {}
            }
        }
    }

    fn ask(&self) {
        if self.mode == Mode::Subreaper {
            tree::ask_descendants();
        } else {
            sys::signal_everyone(libc::SIGTERM);
            // One that is stopped would never hear it.
            sys::signal_everyone(libc::SIGCONT);
        }
    }

    fn finish(&self, status: i32) {
        let survivors = if self.mode == Mode::Subreaper {
            tree::end_children(GONE)
        } else {
            // All of them end with this process: the kernel sees to it.
            let others = procfs::all()
                .iter()
                .filter(|p| p.id.pid != 1 && !p.zombie)
                .count();
            u32::try_from(others).unwrap_or(u32::MAX)
        };
        let survivors = i32::try_from(survivors).unwrap_or(i32::MAX);
        self.tell(Report::Ended { status, survivors });
    }

    fn not_started(&self, stage: Stage, fault: &io::Error) {
        let errno = fault.raw_os_error().unwrap_or(libc::EIO);
        self.tell(Report::NotStarted {
            stage: stage as i32,
            errno,
        });
    }

    fn tell(&self, report: Report) {
        let _ = write(&self.reports, &report.to_bytes());
    }

    /// The next order; none if the shim is gone.
    fn next_order(&self) -> Option<u8> {
        let mut byte = [0];
        loop {
            match read(&self.leash, &mut byte[..]) {
                Ok(1) => return Some(byte[0]),
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
    }
}

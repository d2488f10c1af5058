//! Ending every descendant without a namespace: as their subreaper, one generation after the other,
//! until the kernel says that there are none.

use super::sys;
use crate::run::procfs;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitOptions, getpid, kill_process, wait},
};
use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// Kills all children, and theirs as they come to us, until none is left or `limit` has passed.
/// Returns how many there were. The caller is a subreaper with SIGCHLD blocked.
pub(super) fn end_children(limit: Duration) -> u32 {
    let me = getpid().as_raw_nonzero().get();
    let deadline = Instant::now() + limit;
    let news = sys::signal_fd(&[libc::SIGCHLD]).ok();
    let mut seen = HashSet::new();
    while reap_all(|_, _| {}) && Instant::now() < deadline {
        for child in procfs::children(me) {
            let alive = procfs::read(child).is_some_and(|process| !process.zombie);
            // Nobody else waits for our children, so a number cannot have passed to a stranger.
            if let Some(pid) = Pid::from_raw(child)
                && kill_process(pid, Signal::KILL).is_ok()
                && alive
            {
                seen.insert(child);
            }
        }
        // A child's death is news; the millisecond is for children that come to us without any.
        pause(news.as_ref(), Duration::from_millis(1));
    }
    u32::try_from(seen.len()).unwrap_or(u32::MAX)
}

/// Takes note of every child that has ended; says whether any is left.
pub(super) fn reap_all(mut ended: impl FnMut(Pid, i32)) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended(pid, status.as_raw()),
            Ok(None) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Asks every descendant to end. Those that are stopped are woken, or they would never hear it.
pub(super) fn ask_descendants() {
    let me = getpid().as_raw_nonzero().get();
    for process in procfs::descendants(&procfs::all(), |p| p.id.pid == me) {
        procfs::signal(process.id, Signal::TERM);
        procfs::signal(process.id, Signal::CONT);
    }
}

fn pause(news: Option<&OwnedFd>, most: Duration) {
    let timeout = timespec(most);
    match news {
        Some(fd) => {
            let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout));
            drain_signals(fd);
        }
        None => std::thread::sleep(most),
    }
}

/// Reads the numbers of the signals that have arrived.
pub(crate) fn drain_signals(fd: &OwnedFd) -> Vec<u32> {
    // The kernel's `struct signalfd_siginfo`: 128 bytes, the number first.
    let mut buffer = [0; 128 * 16];
    let mut numbers = Vec::new();
    while let Ok(length) = rustix::io::read(fd, &mut buffer[..]) {
        let records = buffer[..length].chunks_exact(128);
        numbers.extend(records.map(|r| u32::from_ne_bytes([r[0], r[1], r[2], r[3]])));
        if length < buffer.len() {
            break;
        }
    }
    numbers
}

/// A length of time as the kernel wants it.
pub(crate) fn timespec(length: Duration) -> Timespec {
    let tv_sec = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec,
        tv_nsec: length.subsec_nanos().into(),
    }
}

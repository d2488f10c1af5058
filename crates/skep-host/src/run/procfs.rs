//! What `/proc` says about processes: who descends from whom, who carries a cookie, and how to
//! signal one without ever hitting a stranger that got its number.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fs, os::fd::OwnedFd, time::Duration};

/// One process for certain: numbers are reused, a number with its start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

/// A line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proc {
    pub(crate) id: ProcessId,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Dead, and waiting only for its parent to notice.
    pub(crate) zombie: bool,
}

/// The unit of `/proc`'s times on every architecture that Rust knows: USER_HZ, which the kernel never changes.
const TICKS: u64 = 100;

/// Reads one process; none if there is no such process.
pub(crate) fn read(pid: i32) -> Option<Proc> {
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// How long a process has existed.
pub(crate) fn age(process: ProcessId) -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    );
    now.saturating_sub(Duration::from_millis(
        process.start.saturating_mul(1_000 / TICKS),
    ))
}

fn parse(pid: i32, stat: &[u8]) -> Option<Proc> {
    // The name, in brackets, may hold anything, brackets and spaces included: begin after the last one.
    let after = stat.iter().rposition(|b| *b == b')')? + 2;
    let mut fields = str::from_utf8(stat.get(after..)?)
        .ok()?
        .split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(15)?.parse().ok()?;
    let zombie = matches!(state, "Z" | "X");
    Some(Proc {
        id: ProcessId { pid, start },
        parent,
        session,
        zombie,
    })
}

/// Every process to be seen.
pub(crate) fn all() -> Vec<Proc> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// The living children of `pid`, a process with one thread.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    // The kernel's own list where it keeps one: a scan of everything takes milliseconds.
    match fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        Ok(list) if !list.is_empty() => list
            .split_ascii_whitespace()
            .filter_map(|text| text.parse().ok())
            .collect(),
        _ => all()
            .iter()
            .filter(|p| p.parent == pid)
            .map(|p| p.id.pid)
            .collect(),
    }
}

/// Everything below the processes that `is_root` picks, without them.
pub(crate) fn descendants(of: &[Proc], is_root: impl Fn(&Proc) -> bool) -> Vec<Proc> {
    let mut known: HashSet<i32> = of.iter().filter(|p| is_root(p)).map(|p| p.id.pid).collect();
    let mut found = Vec::new();
    loop {
        let before = found.len();
        for process in of {
            if known.contains(&process.parent) && known.insert(process.id.pid) {
                found.push(*process);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Holds on to a process by descriptor; none if it is gone, also if another has its number by now.
pub(crate) fn hold(id: ProcessId) -> Option<OwnedFd> {
    // The number may come from a file: zero and below mean groups, or everybody.
    let pid = Pid::from_raw(id.pid.max(0))?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The order matters: the descriptor first, then the proof that it is of the right process.
    (read(id.pid)?.id == id).then_some(fd)
}

/// Signals exactly this process; says whether it was there to be signalled.
pub(crate) fn signal(id: ProcessId, signal: Signal) -> bool {
    hold(id).is_some_and(|fd| pidfd_send_signal(fd, signal).is_ok())
}

/// Whether the process was started with this setting in its environment.
pub(crate) fn has_env(pid: i32, setting: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|env| env.split(|b| *b == 0).any(|entry| entry == setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_confuse() {
        let line = b"7 (a) S 1 (x)) R 5 6 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 1 2\n";
        let process = parse(7, line).unwrap();
        assert_eq!(
            (process.parent, process.session, process.id.start),
            (5, 9, 4711)
        );
        assert!(parse(7, b"7 (a").is_none() && parse(7, b"").is_none());
    }

    #[test]
    fn a_number_with_the_wrong_start_time_is_not_held() {
        let me = read(std::process::id().try_into().unwrap()).unwrap().id;
        assert!(hold(me).is_some());
        assert!(hold(ProcessId { pid: -1, ..me }).is_none());
        assert!(
            hold(ProcessId {
                start: me.start + 1,
                ..me
            })
            .is_none()
        );
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let process = |pid, parent| {
            let id = ProcessId { pid, start: 0 };
            Proc {
                id,
                parent,
                session: 0,
                zombie: false,
            }
        };
        let list = [process(9, 8), process(8, 5), process(5, 1), process(6, 1)];
        let found = descendants(&list, |p| p.id.pid == 5);
        assert_eq!(found.iter().map(|p| p.id.pid).collect::<Vec<_>>(), [8, 9]);
    }
}

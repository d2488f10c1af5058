//! What `/proc` says about what processes do: for whoever asks whether an attempt is alive.
//!
//! Every number is of a moment, and of processes that agents start and end as they like; whatever cannot be read
//! any more simply counts no longer.

use super::procfs::ProcessId;
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

/// One process, as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) parent: i32,
    /// The letter of `/proc/PID/stat`.
    pub(crate) state: u8,
    /// What it is called; a process can call itself anything.
    pub(crate) name: String,
    /// CPU time of its own, and of the children that it has waited for, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Memory that is not swapped out.
    pub(crate) memory_bytes: u64,
}

impl Process {
    /// Dead, and waiting only for its parent to notice.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Stopped by a signal, or by who traces it.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }

    /// What it, and the children that it has waited for, wrote to disks.
    pub(crate) fn written_bytes(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/io", self.id.pid)).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("write_bytes: "));
        line.and_then(|n| n.parse().ok()).unwrap_or_default()
    }

    /// Whether it waits for somebody to type.
    pub(crate) fn reads_a_terminal(&self) -> bool {
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.id.pid));
        let Some(descriptor) = call.ok().and_then(|call| read_from(&call)) else {
            return false;
        };
        fs::read_link(format!("/proc/{}/fd/{descriptor}", self.id.pid))
            .is_ok_and(|to| is_terminal(&to))
    }
}

/// The descriptor that a process reads from, if that is what it waits for.
fn read_from(call: &str) -> Option<u64> {
    let mut fields = call.split_ascii_whitespace();
    let number: i64 = fields.next()?.parse().ok()?;
    let first = fields.next()?.strip_prefix("0x")?;
    (number == libc::SYS_read).then(|| u64::from_str_radix(first, 16).ok())?
}

fn is_terminal(path: &Path) -> bool {
    path.starts_with("/dev/pts")
        || path == Path::new("/dev/tty")
        || path == Path::new("/dev/console")
}

/// Every process to be seen.
pub(crate) fn all() -> Vec<Process> {
    let tick = 1000 / rustix::param::clock_ticks_per_second().max(1);
    let page = rustix::param::page_size() as u64;
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            parse(pid, &fs::read(entry.path().join("stat")).ok()?, tick, page)
        })
        .collect()
}

fn parse(pid: i32, stat: &[u8], tick: u64, page: u64) -> Option<Process> {
    // The name, in brackets, may hold anything: from the first one to the last.
    let (open, close) = (
        stat.iter().position(|b| *b == b'(')?,
        stat.iter().rposition(|b| *b == b')')?,
    );
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let rest = str::from_utf8(stat.get(close + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    // User and system time, then those of children that were waited for, which the kernel keeps signed.
    let ticks = [11, 12, 13, 14].map(|n| number(n).unwrap_or_default());
    Some(Process {
        id: ProcessId {
            pid,
            start: number(19)?,
        },
        parent: fields.get(1)?.parse().ok()?,
        state: *fields.first()?.as_bytes().first()?,
        name,
        cpu_ms: ticks.iter().sum::<u64>() * tick,
        memory_bytes: number(21)? * page,
    })
}

/// Who is whose child.
pub(crate) struct Tree<'p> {
    children: HashMap<i32, Vec<&'p Process>>,
}

impl<'p> Tree<'p> {
    pub(crate) fn new(all: &'p [Process]) -> Tree<'p> {
        let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
        for process in all {
            children.entry(process.parent).or_default().push(process);
        }
        Tree { children }
    }

    /// Everything below `root`, without it.
    pub(crate) fn below(&self, root: i32) -> Vec<&'p Process> {
        let (mut found, mut known) = (Vec::new(), HashSet::from([root]));
        let mut open = vec![root];
        while let Some(parent) = open.pop() {
            for child in self.children.get(&parent).into_iter().flatten() {
                // Numbers may be reused while all this is read.
                if known.insert(child.id.pid) {
                    found.push(*child);
                    open.push(child.id.pid);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let line = b"7 (a) b\n (x)) T 5 6 9 0 -1 4 0 0 0 0 3 4 10 20 20 0 1 0 4711 1 2 0\n";
        let process = parse(7, line, 10, 4096).unwrap();
        assert_eq!(
            (process.parent, process.id.start, process.cpu_ms),
            (5, 4711, 370)
        );
        assert_eq!(
            (process.memory_bytes, process.name.as_str()),
            (8192, "a) b? (x)")
        );
        assert!(process.is_stopped() && !process.is_zombie());
        assert!(parse(7, b"7 (a", 10, 1).is_none() && parse(7, b"", 10, 1).is_none());
    }

    #[test]
    fn this_process_is_seen_to_compute_below_its_parent() {
        let mut sum = 0u64;
        for n in 0..40_000_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        let all = all();
        let me = i32::try_from(std::process::id()).unwrap();
        let mine = all.iter().find(|p| p.id.pid == me).unwrap();
        assert!(mine.cpu_ms > 0 && mine.memory_bytes > 0, "{mine:?} {sum}");
        assert!(Tree::new(&all).below(mine.parent).contains(&mine));
    }

    #[test]
    fn only_a_read_names_a_descriptor() {
        let read = format!("{} 0x3 0x7f 0x1", libc::SYS_read);
        assert_eq!(read_from(&read), Some(3));
        assert_eq!(read_from("-1 0x7f 0x1"), None);
        assert_eq!(read_from("running"), None);
        assert!(is_terminal(Path::new("/dev/pts/3")) && !is_terminal(Path::new("/dev/null")));
    }
}

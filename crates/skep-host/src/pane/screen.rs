//! The pane that a shim runs in, if it runs in one: what its steps print is shown there as it comes. Showing
//! is for people and never holds the run up: a pane that takes nothing more misses some of it.

use super::filter::Filter;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    stdio::stdout,
};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// The most that waits for the pane to take it. tmux takes tens of megabytes in a second; a pane that a person
/// has stopped takes none.
const MOST: usize = 256 * 1024;
const SKIPPED: &[u8] =
    "\x1b[0m\n── some output is not shown here: `skep logs` has it ──\n".as_bytes();

/// The terminal that is this process's own.
#[derive(Debug)]
pub(crate) struct Screen {
    filter: Filter,
    pending: Vec<u8>,
    /// Where the line ended that was filtered last.
    whole_line: bool,
}

impl Screen {
    /// The terminal on standard output, if it was made for this process (as tmux makes one for each pane).
    /// A person's own, on which somebody tries a shim by hand, is left alone.
    pub(crate) fn own() -> Option<Screen> {
        let me = rustix::process::getpid();
        let leads = rustix::process::getsid(None).is_ok_and(|session| session == me);
        if !leads || !io::stdout().is_terminal() {
            return None;
        }
        let flags = fcntl_getfl(stdout()).ok()?;
        fcntl_setfl(stdout(), flags | OFlags::NONBLOCK).ok()?;
        Some(Screen {
            filter: Filter::default(),
            pending: Vec::new(),
            whole_line: true,
        })
    }

    /// Shows what a step printed.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.filter.push(bytes, &mut self.pending);
        self.whole_line = bytes.last().map_or(self.whole_line, |byte| *byte == b'\n');
        if self.pending.len() > MOST {
            // The newest is what a person looks for.
            let from = self.pending.len() - MOST / 2;
            let line = self.pending[from..].iter().position(|byte| *byte == b'\n');
            let from = line.map_or(from, |line| from + line + 1);
            self.pending.splice(..from, SKIPPED.iter().copied());
        }
        self.flush();
    }

    /// Shows a line about the run. Its text may be anybody's.
    pub(crate) fn say(&mut self, text: &str) {
        let before = if self.whole_line { "" } else { "\n" };
        let text = text.lines().next().unwrap_or_default();
        self.show(format!("\x1b[0m{before}\x1b[2m── {text}").as_bytes());
        self.show(b"\x1b[0m\n");
    }

    /// Whether something waits for the pane to take it.
    pub(crate) fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes what the pane takes now. Once the pane is gone everything is taken and goes nowhere.
    pub(crate) fn flush(&mut self) {
        let mut written = 0;
        while written < self.pending.len() {
            match rustix::io::write(stdout(), &self.pending[written..]) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => written = self.pending.len(),
            }
        }
        self.pending.drain(..written);
    }

    /// Writes the rest, for at most `limit`.
    pub(crate) fn finish(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.flush();
        while self.waits() {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let out = stdout();
            match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&timeout)) {
                Ok(0) => return,
                _ => self.flush(),
            }
        }
    }
}

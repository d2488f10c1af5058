//! Running tmux's client: bounded in time, and in what is kept of its answer.

use super::TmuxError;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    io::Errno,
};
use std::{
    io,
    os::fd::AsFd,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A list of a thousand panes has a tenth of this.
const MOST: usize = 1 << 20;

/// Runs a client to its end, and gives what it printed.
pub(super) fn run(mut command: Command, what: &str, limit: Duration) -> Result<String, TmuxError> {
    let deadline = Instant::now() + limit;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(TmuxError::Missing)?;
    let out = child.stdout.take().ok_or_else(no_pipe)?;
    let err = child.stderr.take().ok_or_else(no_pipe)?;
    let read = read_both(&out, &err, deadline);
    if !matches!(read, Ok(Some(_))) {
        // Ended or not, it must not stay.
        let _ = child.kill();
    }
    // Both of its pipes are closed, or it was killed: it is at its end.
    let status = child.wait()?;
    match read? {
        None => Err(TmuxError::Silent {
            what: what.into(),
            limit,
        }),
        Some([out, _]) if status.success() => Ok(String::from_utf8_lossy(&out).into_owned()),
        Some([_, err]) => Err(TmuxError::Refused {
            what: what.into(),
            said: String::from_utf8_lossy(&err).trim().to_string(),
        }),
    }
}

fn no_pipe() -> TmuxError {
    TmuxError::Io(io::ErrorKind::BrokenPipe.into())
}

/// Reads both to their ends; none if the deadline comes first.
fn read_both(
    out: &impl AsFd,
    err: &impl AsFd,
    deadline: Instant,
) -> io::Result<Option<[Vec<u8>; 2]>> {
    let from = [out.as_fd(), err.as_fd()];
    let mut read = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    for fd in from {
        fcntl_setfl(fd, OFlags::NONBLOCK)?;
    }
    let mut buffer = [0; 8192];
    while open.contains(&true) {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = Vec::new();
        for n in (0..2).filter(|n| open[*n]) {
            fds.push(PollFd::new(&from[n], PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Ok(None),
            Ok(_) | Err(Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
        for n in (0..2).filter(|n| open[*n]).collect::<Vec<_>>() {
            match rustix::io::read(from[n], &mut buffer[..]) {
                Ok(0) => open[n] = false,
                Ok(length) => {
                    let room = MOST.saturating_sub(read[n].len());
                    read[n].extend_from_slice(&buffer[..length.min(room)]);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
    }
    Ok(Some(read))
}

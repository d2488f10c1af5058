//! Runs that a performer waits for: checks and set-up commands. Found again after a crash by their folder.

use super::World;
use crate::run::{
    self, Look, Running,
    files::{RunReport, RunSpec},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How often a run whose shim died is begun again before it counts as impossible.
const TRIES: u32 = 3;
/// Beyond a run's own ceiling, before it is given up.
const MARGIN: Duration = Duration::from_secs(60);

/// Runs `spec` in `folder` to its end. If it runs or has run there already, waits for that, or takes its
/// result.
pub(super) fn finish(world: &World, folder: &Path, spec: &RunSpec) -> Result<RunReport, String> {
    let mut reason = String::new();
    for _ in 0..TRIES {
        let running = match run::look(folder) {
            Look::Ended(report) => return Ok(*report),
            Look::Running(running) => running,
            Look::Lost { why } => {
                reason = format!("its shim died: {why}");
                run::sweep(folder).map_err(|e| e.to_string())?;
                fs::remove_dir_all(folder).map_err(|e| e.to_string())?;
                continue;
            }
            Look::Absent | Look::NotStarted => run::start(&world.options.program, folder, spec)
                .map_err(|e| super::attempts::chain(&e))?,
        };
        let limit = Duration::from_millis(spec.ceiling_ms + 2 * spec.grace_ms) + MARGIN;
        if !wait(&running, Instant::now() + limit) {
            super::attempts::end_now(&running);
            return Err(format!("{} did not end at its ceiling", spec.run));
        }
    }
    match run::look(folder) {
        Look::Ended(report) => Ok(*report),
        _ => Err(reason),
    }
}

/// Waits for a run's end; false when the deadline came first.
pub(super) fn wait(running: &Running, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let pidfd = running.pidfd();
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

//! Runs that a performer waits for: checks and set-up commands. Found again after a crash by their folder.

use super::World;
use crate::run::{
    self, Look, Running,
    files::{Cut, RunReport, RunSpec},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use skep_core::{limits, time::Millis};
use std::{
    fs,
    path::Path,
    sync::Arc,
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
        if world.handle.is_hurried() {
            return Err(format!("{} was stopped", spec.run));
        }
        let running = match run::look(folder) {
            // Somebody stopped it, which says nothing about what it was to find out.
            Look::Ended(report) if report.cut == Some(Cut::Stopped) => {
                reason = "it was stopped".into();
                fs::remove_dir_all(folder).map_err(|e| e.to_string())?;
                continue;
            }
            Look::Ended(report) => return Ok(*report),
            Look::Running(running) => Some(running),
            Look::Lost { why } => {
                reason = format!("its shim died: {why}");
                run::sweep(folder).map_err(|e| e.to_string())?;
                fs::remove_dir_all(folder).map_err(|e| e.to_string())?;
                continue;
            }
            Look::Absent | Look::NotStarted => None,
        };
        let running = hold(world, folder, spec, running)?;
        let limit = Millis(
            spec.ceiling_ms
                .saturating_add(spec.grace_ms.saturating_mul(2)),
        );
        let limit = limit.min(limits::LENGTH).std() + MARGIN;
        let ended = wait(&running, Instant::now() + limit);
        world.waited().remove(folder);
        if !ended {
            super::attempts::end_now(&running);
            return Err(format!("{} did not end at its ceiling", spec.run));
        }
    }
    match run::look(folder) {
        Look::Ended(report) if report.cut != Some(Cut::Stopped) => Ok(*report),
        _ => Err(reason),
    }
}

/// Starts the run unless it is `running`, and has it known to who ends them all: one or the other sees it.
fn hold(
    world: &World,
    folder: &Path,
    spec: &RunSpec,
    running: Option<Running>,
) -> Result<Arc<Running>, String> {
    let mut waited = world.waited();
    if world.handle.is_hurried() {
        running.iter().for_each(super::attempts::end_now);
        return Err(format!("{} was stopped", spec.run));
    }
    let running = match running {
        Some(running) => running,
        None => run::start(&world.options.program, folder, spec)
            .map_err(|e| super::attempts::chain(&e))?,
    };
    let running = Arc::new(running);
    waited.insert(folder.to_path_buf(), Arc::clone(&running));
    Ok(running)
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

//! The numbers that steer a swarm, with the defaults of SPEC. All can be changed while it runs.

mod scaling;

pub use scaling::Scaling;

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Every tunable number. Field docs give the unit and the requirement it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Attempts that may run at once (L-7).
    pub concurrency: u32,
    /// Retries of a failed attempt.
    pub max_retries: u32,
    /// Retries of a crashed, stale or rate-limited attempt, on a count of their own.
    pub crash_retries: u32,
    /// Failures on one model after which it may no longer claim the task.
    pub model_failures: u32,
    /// The time an agent is told (L-1).
    pub timebox: Millis,
    /// The hard stop of the agent, in percent of the timebox (L-1: 45m of 30m).
    pub hard_stop_percent: u32,
    /// The end of the whole attempt with its checks, in percent of the timebox (L-1: 60m of 30m).
    pub ceiling_percent: u32,
    /// How often the agent is asked to report (L-1).
    pub checkpoint_interval: Millis,
    /// Between SIGTERM and SIGKILL (L-1).
    pub grace: Millis,
    /// How often a worker's host reports (L-3).
    pub heartbeat: Millis,
    /// Without a heartbeat for so long, a worker counts as crashed (L-3).
    pub heartbeat_timeout: Millis,
    /// First wait before a crashed worker is restarted; doubles each time (L-5).
    pub backoff: Millis,
    /// The longest such wait (L-5).
    pub backoff_cap: Millis,
    /// Consecutive spawn failures that halt the swarm (L-5).
    pub spawn_failures: u32,
    /// How long one success criterion's command may run.
    pub criterion_timeout: Millis,
    /// How long one setup command may run in a fresh worktree.
    pub setup_timeout: Millis,
    /// The most output kept of one attempt, in bytes; older output goes first (U-12).
    pub output_bytes: u64,
    /// Ports reserved for each worktree (W-13).
    pub ports_per_worktree: u16,
    /// How many workers there are, and which of them takes what.
    pub scaling: Scaling,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            concurrency: 6,
            max_retries: 1,
            crash_retries: 3,
            model_failures: 2,
            timebox: Millis::mins(30),
            hard_stop_percent: 150,
            ceiling_percent: 200,
            checkpoint_interval: Millis::mins(10),
            grace: Millis::secs(30),
            heartbeat: Millis::secs(60),
            heartbeat_timeout: Millis::mins(3),
            backoff: Millis::secs(5),
            backoff_cap: Millis::mins(5),
            spawn_failures: 5,
            criterion_timeout: Millis::mins(10),
            setup_timeout: Millis::mins(10),
            output_bytes: 64 * 1024 * 1024,
            ports_per_worktree: 10,
            scaling: Scaling::default(),
        }
    }
}

impl Policy {
    /// The hard stop of an agent whose task has `timebox` (or the policy's).
    #[must_use]
    pub fn hard_stop(&self, timebox: Option<Millis>) -> Millis {
        Millis(percent(
            timebox.unwrap_or(self.timebox),
            self.hard_stop_percent,
        ))
    }
    /// The end of a whole attempt whose task has `timebox` (or the policy's); never before the hard stop.
    #[must_use]
    pub fn ceiling(&self, timebox: Option<Millis>) -> Millis {
        let ceiling = percent(timebox.unwrap_or(self.timebox), self.ceiling_percent);
        Millis(ceiling.max(self.hard_stop(timebox).0))
    }
}

fn percent(length: Millis, percent: u32) -> u64 {
    length.0.saturating_mul(u64::from(percent)) / 100
}

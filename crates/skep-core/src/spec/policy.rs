//! The numbers that steer a swarm, with the defaults of SPEC. All can be changed while it runs.

mod agents;
mod alerts;
mod budget;
mod reports;
mod routing;
mod scaling;
mod targets;

pub use agents::Agents;
pub use alerts::Alerts;
pub use budget::{Budget, Cap, OnCap};
pub use reports::Reports;
pub use routing::{Providers, RouteBy, Routing, Slo};
pub use scaling::Scaling;
pub use targets::Targets;

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
    /// How often at most work in flight is test-merged (W-9); zero: never.
    pub forecast_interval: Millis,
    /// How many workers there are, and which of them takes what.
    pub scaling: Scaling,
    /// When an attempt, a worker or a wait counts as unhealthy.
    pub health: Health,
    /// Caps on spending.
    pub budget: Budget,
    /// Which model an attempt gets.
    pub routing: Routing,
    /// What is asked of providers.
    pub providers: Providers,
    /// From when on a worker, an agent or a model does badly.
    pub slo: Slo,
    /// What the swarm should come to.
    pub targets: Targets,
    /// How agents that speak a protocol are spoken with.
    pub agents: Agents,
    /// When people are told that something needs them.
    pub alerts: Alerts,
    /// Which reports are written by themselves.
    pub reports: Reports,
}

/// The numbers of supervision. An attempt's silence is measured from the last sign of progress of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// How often a changed score is logged (L-4).
    pub interval: Millis,
    /// No agent is judged before it has run for so long (L-4a).
    pub grace: Millis,
    /// Silent for so long, an agent is nudged.
    pub nudge: Millis,
    /// Silent for so long, it is asked what it is doing.
    pub ask: Millis,
    /// Silent for so long, it is asked to leave its work as it is.
    pub checkpoint: Millis,
    /// Silent for so long, it is ended, if its task may be retried (L-4).
    pub stale: Millis,
    /// Silent for so long, it is ended whatever follows (L-4).
    pub silent: Millis,
    /// Claimed for so long, it is ended, unless its own timebox allows it more (L-4).
    pub claimed: Millis,
    /// From this CPU use of its whole tree on, in percent of one core, an agent that prints nothing is at work.
    pub busy_percent: u32,
    /// An attempt that takes so much longer than the median of its like is called slow, in percent.
    pub slow_percent: u32,
    /// Crashes in a row after which a worker is replaced by a new one (L-6).
    pub worker_crashes: u32,
    /// A task whose agents died under so many workers is quarantined (L-6).
    pub poison_workers: u32,
    /// What waits for longer, on something that moves no more, is told, and freed where it can be (L-8).
    pub wait: Millis,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            interval: Millis::mins(5),
            grace: Millis::mins(2),
            nudge: Millis::mins(10),
            ask: Millis::mins(12),
            checkpoint: Millis::mins(14),
            stale: Millis::mins(15),
            silent: Millis::mins(30),
            claimed: Millis::mins(60),
            busy_percent: 2,
            slow_percent: 300,
            worker_crashes: 3,
            poison_workers: 2,
            wait: Millis::mins(30),
        }
    }
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
            forecast_interval: Millis::mins(1),
            scaling: Scaling::default(),
            health: Health::default(),
            budget: Budget::default(),
            routing: Routing::default(),
            providers: Providers::default(),
            slo: Slo::default(),
            targets: Targets::default(),
            agents: Agents::default(),
            alerts: Alerts::default(),
            reports: Reports::default(),
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
    /// How long a shim may not be heard of that was told to report every `told` (L-3). One that was started before
    /// heartbeats became more frequent keeps to what it was told, and is no worse for that.
    #[must_use]
    pub fn unheard(&self, told: Millis) -> Millis {
        if told <= self.heartbeat {
            return self.heartbeat_timeout;
        }
        self.heartbeat_timeout.max(told.times(3))
    }
    /// How long an attempt whose task has `timebox` (or the policy's) may hold it (L-4). A plan that gives a task
    /// more time than usual means it.
    #[must_use]
    pub fn longest_claim(&self, timebox: Option<Millis>) -> Millis {
        self.health.claimed.max(self.ceiling(timebox))
    }
}

fn percent(length: Millis, percent: u32) -> u64 {
    length.0.saturating_mul(u64::from(percent)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: L-3, S-8
    #[test]
    fn a_shim_is_held_to_the_heartbeat_that_it_was_told() {
        let mut policy = Policy::default();
        assert_eq!(policy.unheard(policy.heartbeat), Millis::mins(3));
        (policy.heartbeat, policy.heartbeat_timeout) = (Millis::secs(10), Millis::secs(30));
        assert_eq!(policy.unheard(Millis::mins(1)), Millis::mins(3));
        assert_eq!(policy.unheard(Millis::secs(10)), Millis::secs(30));
        assert_eq!(policy.unheard(Millis::secs(1)), Millis::secs(30));
        policy.heartbeat_timeout = Millis::mins(10);
        assert_eq!(policy.unheard(Millis::mins(1)), Millis::mins(10));
    }
}

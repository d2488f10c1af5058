//! The numbers that steer how many workers there are (S-1, S-2, S-3) and which of them takes what.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Every tunable number of scaling and affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scaling {
    /// Never fewer workers than this, where neither the plan nor a person says (S-2).
    pub min_workers: u32,
    /// Never more workers than this, whatever else would allow them (S-1).
    pub max_workers: u32,
    /// Tasks that can run at once for which one worker is enough (S-1).
    pub tasks_per_worker: u32,
    /// Between two looks at whether there are enough workers; tasks that become ready are a reason to look at
    /// once (S-1).
    pub check_interval: Millis,
    /// The most workers that one such look adds (S-1).
    pub step: u32,
    /// Workers are added when more than so many percent of them work, or none is idle (S-1).
    pub utilisation_percent: u32,
    /// A worker that had nothing to do for so long may leave (S-2).
    pub idle_after: Millis,
    /// Between two workers that leave; doubles with each that was missed soon after (S-2).
    pub down_interval: Millis,
    /// Over how long the rate at which tasks are added is measured (S-3).
    pub arrival_window: Millis,
    /// When more tasks than this are added in a minute, workers are made ready ahead of them (S-3).
    pub arrivals_per_minute: u32,
    /// The most workers made ready ahead; one, and only at twice the rate more (S-3).
    pub spare_workers: u32,
    /// Memory that must be free for each worker that is added, in bytes; 0 does not look (S-1).
    pub memory_per_worker: u64,
    /// A worker that idles takes from one with more tasks than this in its backlog.
    pub backlog: u32,
    /// A ready task waits for the worker it suits best for no longer than this.
    pub affinity_wait: Millis,
}

impl Scaling {
    /// The longest [`arrival_window`](Self::arrival_window): what is remembered of arrivals.
    pub const LONGEST_WINDOW: Millis = Millis::mins(10);
}

impl Default for Scaling {
    fn default() -> Self {
        Scaling {
            min_workers: 1,
            max_workers: 32,
            // An agent's task takes minutes: to queue behind another costs more than a worktree does.
            tasks_per_worker: 1,
            check_interval: Millis::secs(5),
            step: 4,
            utilisation_percent: 80,
            idle_after: Millis::mins(5),
            down_interval: Millis::secs(30),
            arrival_window: Millis::mins(2),
            arrivals_per_minute: 3,
            spare_workers: 2,
            memory_per_worker: 256 * 1024 * 1024,
            backlog: 5,
            affinity_wait: Millis::mins(5),
        }
    }
}

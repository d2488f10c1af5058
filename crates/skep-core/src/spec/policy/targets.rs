//! What a swarm should come to (U-5, G-9), and from where on somebody is told.

use crate::{money::Usd, time::Millis};
use serde::{Deserialize, Serialize};

/// What is aimed at. Nought asks for nothing, but for stale attempts, of which there should be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Targets {
    /// Over so long.
    pub window: Millis,
    /// Of fewer attempts, tasks or questions nothing is said.
    pub fewest: u32,
    /// An attempt takes at most so long on average.
    pub duration: Millis,
    /// Told when it is longer.
    pub duration_alert: Millis,
    /// At least so many attempts succeed.
    pub success_percent: u32,
    /// Told when there are fewer.
    pub success_alert_percent: u32,
    /// At least so many attempts run at once, where there is something to do.
    pub concurrent_least: u32,
    /// At most so many do.
    pub concurrent_most: u32,
    /// Told when there are more.
    pub concurrent_alert: u32,
    /// At most so many attempts are ended because they made no progress.
    pub stale_percent: u32,
    /// Told when there are more.
    pub stale_alert_percent: u32,
    /// At most so many attempts lead to another.
    pub restart_percent: u32,
    /// Told when there are more.
    pub restart_alert_percent: u32,
    /// At least so many of the tasks that come to an end are merged.
    pub completion_percent: u32,
    /// From a task's first failure to its acceptance, at most so long on average.
    pub mend: Millis,
    /// A merged task costs at most so much on average.
    pub merged_usd: Usd,
    /// At most so many attempts end neither well nor on purpose.
    pub error_percent: u32,
    /// From a crash to the task's next claim, at most so long on average.
    pub recovery: Millis,
    /// For at least so many of a hundred attempts a person is asked: fewer may mean that nobody dares to.
    pub escalation_least_percent: u32,
    /// And for at most so many.
    pub escalation_most_percent: u32,
    /// Nineteen of twenty questions are answered within so long.
    pub decision: Millis,
    /// At most so much of the spending comes to nothing (G-9).
    pub waste_percent: u32,
}

impl Default for Targets {
    fn default() -> Self {
        Targets {
            window: Millis::mins(24 * 60),
            fewest: 10,
            duration: Millis::mins(30),
            duration_alert: Millis::mins(45),
            success_percent: 80,
            success_alert_percent: 50,
            concurrent_least: 4,
            concurrent_most: 6,
            concurrent_alert: 8,
            stale_percent: 0,
            stale_alert_percent: 10,
            restart_percent: 20,
            restart_alert_percent: 50,
            completion_percent: 0,
            mend: Millis(0),
            merged_usd: Usd(0),
            error_percent: 0,
            recovery: Millis(0),
            escalation_least_percent: 1,
            escalation_most_percent: 3,
            decision: Millis::secs(10),
            waste_percent: 5,
        }
    }
}

//! The `[policy.targets]` table.

use super::Duration;
use schemars::JsonSchema;

/// What the swarm should come to, and from where on somebody is told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Targets")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct TargetsDoc {
    /// Targets are measured over so long. At most 45 days are remembered.
    #[schemars(extend("default" = "24h"))]
    window: Option<Duration>,
    /// Of fewer attempts, tasks or questions nothing is said.
    #[schemars(extend("default" = 10))]
    fewest: Option<u32>,
    /// An attempt takes at most so long on average; 0s asks for nothing.
    #[schemars(extend("default" = "30m"))]
    duration: Option<Duration>,
    /// Longer is told; 0s tells nothing.
    #[schemars(extend("default" = "45m"))]
    duration_alert: Option<Duration>,
    /// At least so many attempts succeed.
    #[schemars(extend("default" = 80))]
    success_percent: Option<u32>,
    /// Fewer are told; 0 tells nothing.
    #[schemars(extend("default" = 50))]
    success_alert_percent: Option<u32>,
    /// At least so many attempts run at once, where there is something to do.
    #[schemars(extend("default" = 4))]
    concurrent_least: Option<u32>,
    /// At most so many attempts run at once; 0 asks for nothing.
    #[schemars(extend("default" = 6))]
    concurrent_most: Option<u32>,
    /// More are told; 0 tells nothing.
    #[schemars(extend("default" = 8))]
    concurrent_alert: Option<u32>,
    /// At most so many attempts are ended because they made no progress.
    #[schemars(extend("default" = 0))]
    stale_percent: Option<u32>,
    /// More are told; 0 tells nothing.
    #[schemars(extend("default" = 10))]
    stale_alert_percent: Option<u32>,
    /// At most so many attempts lead to another; 0 asks for nothing.
    #[schemars(extend("default" = 20))]
    restart_percent: Option<u32>,
    /// More are told; 0 tells nothing.
    #[schemars(extend("default" = 50))]
    restart_alert_percent: Option<u32>,
    /// At least so many of the tasks that come to an end are merged.
    #[schemars(extend("default" = 0))]
    completion_percent: Option<u32>,
    /// From a task's first failure to its acceptance, at most so long on average; 0s asks for nothing.
    #[schemars(extend("default" = "0s"))]
    mend: Option<Duration>,
    /// A merged task costs at most so many US dollars on average; 0 asks for nothing.
    #[schemars(extend("default" = 0))]
    merged_usd: Option<f64>,
    /// At most so many attempts end neither well nor on purpose; 0 asks for nothing.
    #[schemars(extend("default" = 0))]
    error_percent: Option<u32>,
    /// From a crash to the task's next claim, at most so long on average; 0s asks for nothing.
    #[schemars(extend("default" = "0s"))]
    recovery: Option<Duration>,
    /// For at least so many of a hundred attempts a person is asked: fewer may mean that nobody dares to.
    #[schemars(extend("default" = 1))]
    escalation_least_percent: Option<u32>,
    /// And for at most so many; 0 asks for nothing.
    #[schemars(extend("default" = 3))]
    escalation_most_percent: Option<u32>,
    /// Nineteen of twenty questions are answered within so long; 0s asks for nothing.
    #[schemars(extend("default" = "10s"))]
    decision: Option<Duration>,
    /// At most so much of the spending comes to nothing; 0 asks for nothing.
    #[schemars(extend("default" = 5))]
    waste_percent: Option<u32>,
}

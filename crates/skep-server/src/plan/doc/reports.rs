//! The `[policy.reports]` table.

use schemars::JsonSchema;

/// Which reports are written to `.skep/reports` by themselves.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Reports")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ReportsDoc {
    /// One of every run, when it has ended.
    #[schemars(extend("default" = true))]
    run: Option<bool>,
    /// One of every hour in which there was work.
    #[schemars(extend("default" = false))]
    hourly: Option<bool>,
    /// One of every day in which there was work.
    #[schemars(extend("default" = true))]
    daily: Option<bool>,
    /// One of every week in which there was work.
    #[schemars(extend("default" = true))]
    weekly: Option<bool>,
}

//! The schema of `[hooks]`.

use super::Duration;
use schemars::JsonSchema;

/// A command of your own at set moments. It is run without a shell, gets JSON on its standard input, and has an
/// environment without secrets. What it is told of has a stable `id`: after a crash it may be told twice.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Hook")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct HookDoc {
    /// When: one moment, or a list of them.
    on: MomentsDoc,
    /// Program and arguments, which no shell sees.
    #[schemars(length(min = 1))]
    command: Vec<String>,
    /// How long it may take, 10m at most.
    #[schemars(extend("default" = "30s"))]
    timeout: Option<Duration>,
    /// What it means when it does not exit 0 in time, at `before_attempt` and `before_merge`: `refuse` keeps the
    /// attempt or the merge from beginning, `warn` only tells.
    #[schemars(extend("default" = "refuse"))]
    on_fail: Option<OnFailDoc>,
}

#[derive(JsonSchema)]
#[schemars(untagged, rename = "Moments")]
#[expect(dead_code, reason = "only its schema is used")]
enum MomentsDoc {
    One(MomentDoc),
    Many(#[schemars(length(min = 1))] Vec<MomentDoc>),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Moment")]
#[expect(dead_code, reason = "only its schema is used")]
enum MomentDoc {
    WorktreeCreated,
    BeforeAttempt,
    AfterAttempt,
    BeforeMerge,
    Failed,
    Removed,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "OnFail")]
#[expect(dead_code, reason = "only its schema is used")]
enum OnFailDoc {
    Refuse,
    Warn,
}

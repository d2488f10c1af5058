//! The budget's part of the schema.

use super::{Dollars, Duration};
use schemars::JsonSchema;

/// Caps on spending, and how they are kept. Without a key there is no such cap.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Budget")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct BudgetDoc {
    /// In US dollars, for all that the swarm spends on its plan.
    #[schemars(extend("default" = null))]
    usd: Option<Dollars>,
    /// In tokens, read and written, for all that the swarm spends on its plan.
    #[schemars(extend("default" = null))]
    tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for all that the swarm spends on its plan.
    #[schemars(extend("default" = null))]
    minutes: Option<u64>,
    /// In US dollars, for each task that names no budget of its own.
    #[schemars(extend("default" = null))]
    per_task_usd: Option<Dollars>,
    /// In tokens, read and written, for each task that names no budget of its own.
    #[schemars(extend("default" = null))]
    per_task_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each task that names no budget of its own.
    #[schemars(extend("default" = null))]
    per_task_minutes: Option<u64>,
    /// In US dollars, for each worker.
    #[schemars(extend("default" = null))]
    per_worker_usd: Option<Dollars>,
    /// In tokens, read and written, for each worker.
    #[schemars(extend("default" = null))]
    per_worker_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each worker.
    #[schemars(extend("default" = null))]
    per_worker_minutes: Option<u64>,
    /// In US dollars, for each role of tasks.
    #[schemars(extend("default" = null))]
    per_role_usd: Option<Dollars>,
    /// In tokens, read and written, for each role of tasks.
    #[schemars(extend("default" = null))]
    per_role_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each role of tasks.
    #[schemars(extend("default" = null))]
    per_role_minutes: Option<u64>,
    /// In US dollars, for each calendar day.
    #[schemars(extend("default" = null))]
    per_day_usd: Option<Dollars>,
    /// In tokens, read and written, for each calendar day.
    #[schemars(extend("default" = null))]
    per_day_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each calendar day.
    #[schemars(extend("default" = null))]
    per_day_minutes: Option<u64>,
    /// In US dollars, for each day's active hours, 07:00 to 23:00.
    #[schemars(extend("default" = null))]
    active_usd: Option<Dollars>,
    /// In tokens, read and written, for each day's active hours, 07:00 to 23:00.
    #[schemars(extend("default" = null))]
    active_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each day's active hours, 07:00 to 23:00.
    #[schemars(extend("default" = null))]
    active_minutes: Option<u64>,
    /// In US dollars, for each night, 23:00 to 07:00.
    #[schemars(extend("default" = null))]
    night_usd: Option<Dollars>,
    /// In tokens, read and written, for each night, 23:00 to 07:00.
    #[schemars(extend("default" = null))]
    night_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, for each night, 23:00 to 07:00.
    #[schemars(extend("default" = null))]
    night_minutes: Option<u64>,
    /// In US dollars, that a subscription allows in one of its windows.
    #[schemars(extend("default" = null))]
    subscription_usd: Option<Dollars>,
    /// In tokens, read and written, that a subscription allows in one of its windows.
    #[schemars(extend("default" = null))]
    subscription_tokens: Option<u64>,
    /// In minutes for which attempts run, added up over all of them, that a subscription allows in one of its windows.
    #[schemars(extend("default" = null))]
    subscription_minutes: Option<u64>,
    /// How long a subscription's window is; it begins with the first attempt after the last one.
    #[schemars(extend("default" = "5h"))]
    subscription_window: Option<Duration>,
    /// The part of a subscription's window that the swarm may use, in percent.
    #[schemars(extend("default" = 100), range(min = 1, max = 100))]
    subscription_percent: Option<u32>,
    /// The time zone in which days and nights begin, such as "Europe/Berlin"; "local" is this machine's.
    #[schemars(extend("default" = "UTC"))]
    zone: Option<String>,
    /// When a cap leaves room for nothing more: ask and go on with a higher cap or the next window ("pause"), the
    /// same with a run in the foreground waiting for that window ("sleep"), or halt until a person resumes ("stop").
    #[schemars(extend("default" = "pause"))]
    on_cap: Option<OnCapDoc>,
    /// Between two meterings of an attempt; what passes what was set aside for it is metered at once.
    #[schemars(extend("default" = "1m"))]
    interval: Option<Duration>,
    /// Set aside, in US dollars, for an attempt of which no like is known.
    #[schemars(extend("default" = 0.5))]
    reserve_usd: Option<Dollars>,
    /// The same in tokens.
    #[schemars(extend("default" = 500_000))]
    reserve_tokens: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "OnCap")]
#[expect(dead_code, reason = "only its schema is used")]
enum OnCapDoc {
    Pause,
    Sleep,
    Stop,
}

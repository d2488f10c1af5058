//! The schema of what steers models and providers.

use super::Duration;
use schemars::JsonSchema;

/// Which model an attempt gets.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Routing")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct RoutingDoc {
    /// How the model is found where neither task, worker, role nor complexity says one: the swarm's `model`, by
    /// `shares` of cheap, default and smart models, or by `cost`: the model with which a success is cheapest, by what
    /// was measured. The last two choose among the swarm's `models`.
    #[schemars(extend("default" = "model"))]
    by: Option<RouteByDoc>,
    /// The share of attempts that cheap models get, against the other two.
    #[schemars(extend("default" = 30))]
    cheap_percent: Option<u32>,
    /// The share of models that are neither cheap nor smart.
    #[schemars(extend("default" = 50))]
    default_percent: Option<u32>,
    /// The share of smart models.
    #[schemars(extend("default" = 20))]
    smart_percent: Option<u32>,
    /// The model for tasks whose complexity is simple; empty: none in particular.
    #[schemars(extend("default" = ""))]
    simple: Option<String>,
    /// The model for tasks whose complexity is moderate; empty: none in particular.
    #[schemars(extend("default" = ""))]
    moderate: Option<String>,
    /// The model for tasks whose complexity is complex; empty: none in particular.
    #[schemars(extend("default" = ""))]
    complex: Option<String>,
    /// By cost, no model is taken that succeeds less often than this, if another does better.
    #[schemars(extend("default" = 50))]
    floor_percent: Option<u32>,
    /// By cost, so many attempts go to the model of which least is known.
    #[schemars(extend("default" = 5))]
    explore_percent: Option<u32>,
    /// The models tried in turn while the wanted one's provider takes nothing. Empty: those of the swarm's `models`
    /// that are as strong.
    #[schemars(extend("default" = Vec::<String>::new()))]
    fallback: Option<Vec<String>>,
}

/// How a model is found.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "RouteBy")]
#[expect(dead_code, reason = "only its schema is used")]
enum RouteByDoc {
    /// The swarm's model.
    Model,
    /// By shares.
    Shares,
    /// By measured cost.
    Cost,
}

/// What is asked of providers, and for how long one that refuses is left alone.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Providers")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ProvidersDoc {
    /// Attempts that may run at one provider at once.
    #[schemars(extend("default" = 10))]
    attempts: Option<u32>,
    /// So many failures within the window park a provider. At most 100.
    #[schemars(extend("default" = 5))]
    failures: Option<u32>,
    /// The window in which a provider's failures are counted.
    #[schemars(extend("default" = "2m"))]
    window: Option<Duration>,
    /// How long a provider is parked that does not say until when; doubles while it goes on refusing.
    #[schemars(extend("default" = "30s"))]
    park: Option<Duration>,
    /// The longest such wait.
    #[schemars(extend("default" = "15m"))]
    park_cap: Option<Duration>,
    /// The wait where waiting rarely helps: a quota is used up, a login was refused.
    #[schemars(extend("default" = "1h"))]
    quota_park: Option<Duration>,
    /// No provider is parked for longer without being tried, whatever it says.
    #[schemars(extend("default" = "1d"))]
    longest_park: Option<Duration>,
    /// The one attempt that tries a provider again has done so when it has run for so long without trouble.
    #[schemars(extend("default" = "1m"))]
    probe: Option<Duration>,
}

/// From when on a worker, an agent or a model does badly.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Slo")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct SloDoc {
    /// Of fewer attempts nothing is said. At most 40.
    #[schemars(extend("default" = 10))]
    attempts: Option<u32>,
    /// Fewer successes than this are told; 0 tells nothing.
    #[schemars(extend("default" = 50))]
    success_percent: Option<u32>,
    /// When one attempt in twenty takes longer than this, that is told; 0s tells nothing.
    #[schemars(extend("default" = "45m"))]
    p95: Option<Duration>,
    /// When an accepted task costs more US dollars than this on average, that is told; 0 tells nothing.
    #[schemars(extend("default" = 0))]
    cost: Option<f64>,
}

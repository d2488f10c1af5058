//! The numbers that steer which model an attempt gets (S-4), what is asked of providers (S-5, S-6), and from when on
//! a worker, an agent or a model does badly (G-6).

use crate::{money::Usd, time::Millis};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// How the model of a task is found for which nothing says one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteBy {
    /// The swarm's model.
    #[default]
    Model,
    /// By shares of cheap, default and smart models that are held over time.
    Shares,
    /// The model with which a success is cheapest, by what was measured.
    Cost,
}

impl RouteBy {
    /// All of them.
    pub const ALL: [RouteBy; 3] = [RouteBy::Model, RouteBy::Shares, RouteBy::Cost];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RouteBy::Model => "model",
            RouteBy::Shares => "shares",
            RouteBy::Cost => "cost",
        }
    }
}

/// Which model an attempt gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// How the model is found where neither task, worker, role nor complexity says one (S-4).
    pub by: RouteBy,
    /// The share of attempts that cheap models get, against the other two.
    pub cheap_percent: u32,
    /// The share of models that are neither.
    pub default_percent: u32,
    /// The share of smart models.
    pub smart_percent: u32,
    /// The model for simple tasks.
    pub simple: Option<String>,
    /// The model for moderate tasks.
    pub moderate: Option<String>,
    /// The model for complex tasks.
    pub complex: Option<String>,
    /// By cost, no model is taken that succeeds less often than this, if another does better.
    pub floor_percent: u32,
    /// By cost, so many attempts go to the model of which least is known.
    pub explore_percent: u32,
    /// The models tried in turn while the wanted one's provider takes nothing (S-5). Empty: those of
    /// [`models`](crate::spec::SwarmSpec::models) that are as strong.
    pub fallback: Vec<String>,
}

impl Default for Routing {
    fn default() -> Self {
        Routing {
            by: RouteBy::Model,
            cheap_percent: 30,
            default_percent: 50,
            smart_percent: 20,
            simple: None,
            moderate: None,
            complex: None,
            floor_percent: 50,
            explore_percent: 5,
            fallback: Vec::new(),
        }
    }
}

/// What is asked of providers, and for how long one that refuses is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Providers {
    /// Attempts that may run at one provider at once (S-6).
    pub attempts: u32,
    /// So many failures within the window park a provider (S-6).
    pub failures: u32,
    /// The window.
    pub window: Millis,
    /// How long a provider is parked that does not say until when; doubles while it goes on refusing (S-5).
    pub park: Millis,
    /// The longest such wait.
    pub park_cap: Millis,
    /// The same where waiting rarely helps: a quota is used up, a login was refused.
    pub quota_park: Millis,
    /// No provider is parked for longer without being tried, whatever it says: clocks and texts can be wrong, and a
    /// try is charged to nobody.
    pub longest_park: Millis,
    /// The one attempt that tries a provider again has done so when it has run for so long without trouble.
    pub probe: Millis,
}

impl Default for Providers {
    fn default() -> Self {
        Providers {
            attempts: 10,
            failures: 5,
            window: Millis::mins(2),
            park: Millis::secs(30),
            park_cap: Millis::mins(15),
            quota_park: Millis::mins(60),
            longest_park: Millis::mins(24 * 60),
            probe: Millis::mins(1),
        }
    }
}

/// From when on a worker, an agent or a model does badly (G-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slo {
    /// Of fewer attempts nothing is said.
    pub attempts: u32,
    /// Fewer successes than this are told; 0 tells nothing.
    pub success_percent: u32,
    /// When one attempt in twenty takes longer than this, that is told; 0 tells nothing.
    pub p95: Millis,
    /// When an accepted task costs more than this on average, that is told; 0 tells nothing.
    pub cost: Usd,
}

impl Default for Slo {
    fn default() -> Self {
        Slo {
            attempts: 10,
            success_percent: 50,
            p95: Millis::mins(45),
            cost: Usd(0),
        }
    }
}

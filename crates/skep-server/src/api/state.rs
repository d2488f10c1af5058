//! The state of the swarm in the words of SPEC A-9: `skep state`, and `.skep/state.json`, which the keeper keeps.

use super::SCHEMA;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    attempt::Outcome,
    budget::{self, Scope},
    health::Rung,
    plan::{self, Action},
    state::State,
    time::{Millis, Time},
};

/// What is pending is shown up to so many: a file for people and small programs.
const PENDING: usize = 100;
const HOUR: Millis = Millis::mins(60);

/// How the swarm stands. Moments are milliseconds since the epoch; what is not known, or does not exist yet, is null
/// or empty, and never made up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateDoc {
    /// The version of this document.
    pub version: u32,
    /// `active`, `night`, `maintenance` or `crisis`.
    pub mode: String,
    /// When a keeper last wrote this; null where none runs.
    pub last_heartbeat: Option<u64>,
    /// When everything was last checked.
    pub last_full_check: Option<u64>,
    /// `running`, `paused`, `merging`, `sleeping`, `halted` or `draining`.
    pub status: String,
    /// What is at work, and what there is to spend.
    pub operational_state: OperationalDoc,
    /// The numbers of the mode.
    pub mode_config: Option<serde_json::Value>,
    /// How far what is wrong was escalated, from 1 to 3.
    pub escalation_level: Option<u8>,
    /// When the last crisis began.
    pub last_crisis: Option<u64>,
    /// What wake cycles decided, the newest last.
    pub recent_decisions: Vec<DecisionDoc>,
    /// What the keeper is about to do or is doing.
    pub pending_actions: Vec<String>,
    /// Whether it is night.
    pub night_mode_active: Option<bool>,
    /// When something is next due by itself.
    pub next_scheduled_event: Option<u64>,
}

/// What is at work, and what there is to spend. A swarm here is one agent at work, an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationalDoc {
    /// Attempts that run.
    pub active_swarms: usize,
    /// How many may.
    pub max_swarms: u32,
    /// What is left of the day, in US dollars; null without a cap.
    pub budget_remaining: Option<f64>,
    /// The day's cap, in US dollars; null without one.
    pub budget_daily: Option<f64>,
    /// Attempts of which nothing is heard or seen.
    pub agents_stuck: usize,
    /// `passing` if the branch's tip passed the integration check; null where that is not known.
    pub build_status: Option<String>,
    /// How much of the code tests cover.
    pub coverage_percent: Option<f64>,
    /// Attempts that did not succeed in the last hour.
    pub errors_last_hour: usize,
}

/// What a wake cycle decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionDoc {
    /// When.
    pub timestamp: u64,
    /// What kind of decision.
    #[serde(rename = "type")]
    pub kind: String,
    /// What came of it.
    pub result: String,
    /// How many agents it set to work.
    pub swarms_spawned: u32,
}

impl StateDoc {
    /// The view of a state that a keeper keeps, or, with `kept` false, that nobody does.
    #[must_use]
    pub fn of(state: &State, now: Time, kept: bool) -> StateDoc {
        let steps = plan::plan(state, now);
        let pending = steps.actions.iter().take(PENDING).filter(|_| kept);
        StateDoc {
            version: SCHEMA,
            // No other mode exists yet; the hour that no mode names is active.
            mode: "active".into(),
            last_heartbeat: kept.then_some(now.0),
            last_full_check: None,
            status: state.swarm_state().to_string(),
            operational_state: OperationalDoc::of(state, now),
            mode_config: None,
            escalation_level: None,
            last_crisis: None,
            recent_decisions: Vec::new(),
            pending_actions: pending.map(said).collect(),
            night_mode_active: None,
            next_scheduled_event: steps.wake_at.filter(|_| kept).map(|at| at.0),
        }
    }

    /// Whether another says the same, but for when it was said.
    #[must_use]
    pub fn says_the_same(&self, other: &StateDoc) -> bool {
        let at = self.last_heartbeat;
        *self
            == StateDoc {
                last_heartbeat: at,
                ..other.clone()
            }
    }
}

impl OperationalDoc {
    fn of(state: &State, now: Time) -> OperationalDoc {
        let shared = budget::shared(state, now);
        let day = shared.iter().find(|s| s.scope == Scope::Day);
        let cap = day.and_then(|s| s.cap.usd);
        let spent = day.map_or(0.0, |s| s.spent.usd.dollars());
        let stuck = |live: &&skep_core::attempt::Live| {
            live.health.as_ref().is_some_and(|h| h.rung > Rung::Fine)
        };
        let past = state.tasks().iter().flat_map(|task| &task.history);
        let failed = past.filter(|p| {
            let well = matches!(p.outcome, Outcome::Succeeded | Outcome::Cancelled);
            !well && now.since(p.ended) < HOUR
        });
        let passing = state.swarm().is_some_and(|s| s.tip_checked);
        OperationalDoc {
            active_swarms: state.live().len(),
            max_swarms: state.policy().concurrency,
            budget_remaining: cap.map(|cap| (cap.dollars() - spent).max(0.0)),
            budget_daily: cap.map(|cap| cap.dollars()),
            agents_stuck: state.live().filter(stuck).count(),
            build_status: passing.then(|| "passing".into()),
            coverage_percent: None,
            errors_last_hour: failed.count(),
        }
    }
}

/// An action in words.
fn said(action: &Action) -> String {
    match action {
        Action::Start { attempt } => format!("start attempt {attempt}"),
        Action::Stop { attempt, .. } => format!("stop attempt {attempt}"),
        Action::Tell { attempt, .. } => format!("speak to attempt {attempt}"),
        Action::Answer { attempt, number } => format!("answer {attempt}.{number}"),
        Action::Prepare { worker, .. } => format!("make {worker} ready"),
        Action::Remove { worker } => format!("remove {worker}"),
        Action::Build { wave, .. } => format!("merge wave {wave}"),
        Action::Check { wave, .. } => format!("check wave {wave}"),
        Action::Land { wave, .. } => format!("land wave {wave}"),
        Action::Forecast { .. } => "test-merge work in flight".into(),
        Action::Hook { owed } => format!("run the hook {}", owed.hook),
        Action::LandTarget { .. } => "move the target branch".into(),
    }
}

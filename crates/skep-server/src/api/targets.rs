//! Whether the swarm comes to what it should: `GET /api/v1/targets`, `skep metrics` (U-5, G-9).

use super::SCHEMA;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    state::State,
    targets::{self, Alarm, Target, Unit},
    time::Time,
};

/// One target. All its numbers are in its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetDoc {
    /// Its name.
    pub name: String,
    /// What it is of.
    pub about: String,
    /// `seconds`, `percent`, `number` or `usd`.
    pub unit: String,
    /// What was measured; null while nothing is known, which is not nought.
    pub value: Option<f64>,
    /// It should be at least this.
    pub least: Option<f64>,
    /// It should be at most this.
    pub most: Option<f64>,
    /// Somebody is told when it is under this.
    pub alert_under: Option<f64>,
    /// Somebody is told when it is over this.
    pub alert_over: Option<f64>,
    /// `met`, `missed`, `alert`, or `unknown`: nothing is known, or of too few, or nothing is asked for.
    pub verdict: String,
    /// Of what it was measured.
    pub basis: String,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetsDoc {
    /// The document's version.
    pub schema: u32,
    /// Over how long they are measured, in milliseconds.
    pub window_ms: u64,
    /// Each, in a fixed order.
    pub targets: Vec<TargetDoc>,
}

impl TargetsDoc {
    /// The view of a state.
    #[must_use]
    pub fn of(state: &State, now: Time) -> TargetsDoc {
        let all = targets::targets(state, now);
        TargetsDoc {
            schema: SCHEMA,
            window_ms: state.policy().targets.window.0,
            targets: all.into_iter().map(TargetDoc::of).collect(),
        }
    }
}

impl TargetDoc {
    fn of(target: Target) -> TargetDoc {
        let (unit, scale) = match target.unit {
            Unit::Millis => ("seconds", 1e3),
            Unit::Share => ("percent", 1e2),
            Unit::Number => ("number", 1.0),
            Unit::MicroUsd => ("usd", 1e6),
        };
        let shown = |n: u64| n as f64 / scale;
        let (under, over) = match target.alarm {
            Some(Alarm::Under(edge)) => (Some(edge), None),
            Some(Alarm::Over(edge)) => (None, Some(edge)),
            None => (None, None),
        };
        TargetDoc {
            name: target.name.into(),
            about: target.about.into(),
            unit: unit.into(),
            value: target.value.map(shown),
            least: target.aim.least.map(shown),
            most: target.aim.most.map(shown),
            alert_under: under.map(shown),
            alert_over: over.map(shown),
            verdict: target.verdict.word().into(),
            basis: target.basis,
        }
    }
}

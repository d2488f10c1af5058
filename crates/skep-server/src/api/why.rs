//! Why something is not moving (L-4a).

use super::{SCHEMA, Stamp};
use crate::near;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{id::WorkerId, state::State, time::Time, waiting};

/// Why a task or a worker is where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyDoc {
    /// The document's version.
    pub schema: u32,
    /// The task's or worker's name.
    pub name: String,
    /// `task` or `worker`.
    pub kind: String,
    /// Its state.
    pub state: String,
    /// Since when.
    pub since: Stamp,
    /// In one line.
    pub reason: String,
    /// The same for programs (tasks only).
    pub waiting: Option<serde_json::Value>,
}

impl WhyDoc {
    /// The view of the task or worker called `name`; `None` when there is neither.
    #[must_use]
    pub fn of(state: &State, name: &str, now: Time) -> Option<WhyDoc> {
        if let Some(task) = near::is_task(state, name).and_then(|id| state.task(&id)) {
            let waiting = waiting::task(state, task, now);
            return Some(WhyDoc {
                schema: SCHEMA,
                name: name.into(),
                kind: "task".into(),
                state: task.state.to_string(),
                since: Stamp(task.since),
                reason: waiting.to_string(),
                waiting: serde_json::to_value(&waiting).ok(),
            });
        }
        let worker = state.worker(name.parse::<WorkerId>().ok()?)?;
        Some(WhyDoc {
            schema: SCHEMA,
            name: name.into(),
            kind: "worker".into(),
            state: worker.state(state.swarm().map(|s| &s.tip)).to_string(),
            since: Stamp(worker.since),
            reason: waiting::worker(state, worker, now),
            waiting: None,
        })
    }
}

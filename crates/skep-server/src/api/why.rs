//! Why something is not moving (L-4a).

use super::{SCHEMA, Stamp};
use crate::near;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    claim::{self, Closed},
    forecast,
    id::{TaskId, WorkerId},
    reputation::{self, Subject},
    scale,
    state::State,
    time::Time,
    waiting,
};

/// The name of the swarm itself, and its kind. A task of this name goes first.
const SWARM: &str = "swarm";

/// Why a task or a worker is where it is, or why the swarm is as large as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyDoc {
    /// The document's version.
    pub schema: u32,
    /// The task's or worker's name, or `swarm`.
    pub name: String,
    /// `task`, `worker` or `swarm`.
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
    /// The view of the task, worker or swarm called `name`; `None` when there is neither.
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
                reason: with_collisions(state, Some(task.id()), waiting.to_string()),
                waiting: serde_json::to_value(&waiting).ok(),
            });
        }
        if name == SWARM {
            return WhyDoc::swarm(state, now);
        }
        let worker = state.worker(name.parse::<WorkerId>().ok()?)?;
        Some(WhyDoc {
            schema: SCHEMA,
            name: name.into(),
            kind: "worker".into(),
            state: worker.state(state.swarm().map(|s| &s.tip)).to_string(),
            since: Stamp(worker.since),
            reason: {
                let live = worker.current.and_then(|attempt| state.attempt(attempt));
                let reason = waiting::worker(state, worker, now);
                let reason = with_collisions(state, live.map(|l| &l.task), reason);
                with_record(state, name, reason)
            },
            waiting: None,
        })
    }

    /// Why the swarm has as many workers as it has, and what keeps it from going on, if anything does.
    fn swarm(state: &State, now: Time) -> Option<WhyDoc> {
        let swarm = state.swarm()?;
        let closed = claim::open(state, now).err();
        // The cap has a sentence of its own, which also comes before it is reached.
        let closed = closed.filter(|why| !matches!(why, Closed::AtCap(_)));
        let closed = closed.map(|why| why.to_string());
        let sentences = closed.into_iter().chain(scale::cap(state));
        let sentences: Vec<_> = sentences.chain([scale::explain(state, now)]).collect();
        Some(WhyDoc {
            schema: SCHEMA,
            name: SWARM.into(),
            kind: SWARM.into(),
            state: state.swarm_state().to_string(),
            since: Stamp(swarm.since),
            reason: sentences.join("; "),
            waiting: None,
        })
    }
}

/// If a worker does badly, that stands behind the rest (G-6).
fn with_record(state: &State, name: &str, reason: String) -> String {
    let is_it = |subject: &Subject| matches!(subject, Subject::Worker(worker) if worker == name);
    match reputation::short(state).find(|(subject, _)| is_it(subject)) {
        Some((_, said)) => format!("{reason}; {said}"),
        None => reason,
    }
}

/// What is known of whether a task's work will merge stands behind the rest.
fn with_collisions(state: &State, task: Option<&TaskId>, reason: String) -> String {
    match task.and_then(|task| forecast::tell(state, task)) {
        Some(what) => format!("{reason}; {what}"),
        None => reason,
    }
}

//! What will be done in which order, and when, as far as that can be told.

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    claim,
    queue::{self, Place},
    state::State,
    time::Time,
    waiting,
};

/// The queue, or a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueueDoc {
    /// The document's version.
    pub schema: u32,
    /// Why nothing is claimed at this moment; null: something can be.
    pub closed: Option<String>,
    /// How many tasks are still to be done, those at work included.
    pub total: usize,
    /// When the last of them will be done; null where one cannot be told.
    pub done: Option<Stamp>,
    /// The tasks: those at work, then in the order in which they will be claimed.
    pub tasks: Vec<QueuedDoc>,
}

/// A task in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueuedDoc {
    /// Its place, from 1.
    pub place: usize,
    /// Its id.
    pub id: String,
    /// The goal in one sentence.
    pub mission: String,
    /// Where it stands.
    pub state: String,
    /// Why it is there, in one line.
    pub reason: String,
    /// `P0` to `P3`.
    pub priority: String,
    /// The wave it merges with.
    pub wave: u32,
    /// The only worker that may claim it.
    pub assigned: Option<String>,
    /// The attempt that is at it.
    pub attempt: Option<u64>,
    /// Whether all that must be merged before it is.
    pub dependencies_met: bool,
    /// Which of them are not.
    pub waits_for: Vec<String>,
    /// How long its attempt is expected to take.
    pub takes_ms: u64,
    /// What that rests on: `kind` (the median of this agent's attempts at such tasks), `agent` (at anything), or
    /// `timebox` (nothing is known, so the time it is given).
    pub basis: String,
    /// When it will begin, or began; null where that cannot be told.
    pub begins: Option<Stamp>,
    /// When it will be done if its first attempt succeeds; null where that cannot be told.
    pub eta: Option<Stamp>,
}

impl QueueDoc {
    /// So many places after the first `skip`.
    #[must_use]
    pub fn of(state: &State, now: Time, skip: usize, limit: usize) -> QueueDoc {
        let places = queue::places(state, now);
        let done = places.iter().map(|place| place.ends);
        let done = done.reduce(|one, other| one.zip(other).map(|(a, b)| a.max(b)));
        let shown = places.iter().enumerate().skip(skip).take(limit);
        QueueDoc {
            schema: SCHEMA,
            closed: claim::open(state, now).err().map(|why| why.to_string()),
            total: places.len(),
            done: done.flatten().map(Stamp),
            tasks: shown
                .filter_map(|(at, place)| QueuedDoc::of(state, now, at + 1, place))
                .collect(),
        }
    }
}

impl QueuedDoc {
    fn of(state: &State, now: Time, at: usize, place: &Place) -> Option<QueuedDoc> {
        let task = state.task(&place.task)?;
        Some(QueuedDoc {
            place: at,
            id: task.id().to_string(),
            mission: task.spec.mission.clone(),
            state: task.state.to_string(),
            reason: waiting::task(state, task, now).to_string(),
            priority: format!("{:?}", task.priority),
            wave: task.wave,
            assigned: task.assigned.map(|w| w.to_string()),
            attempt: place.attempt.map(|a| a.0),
            dependencies_met: place.unmet.is_empty(),
            waits_for: place.unmet.iter().map(ToString::to_string).collect(),
            takes_ms: place.takes.0,
            basis: place.basis.word().into(),
            begins: place.begins.map(Stamp),
            eta: place.ends.map(Stamp),
        })
    }
}

//! The whole swarm at a glance: `skep status` (SPEC appendix C).

use super::{BudgetDoc, ConflictDoc, Live, SCHEMA, WorkerDoc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    ask,
    state::State,
    task::{Task, TaskState},
    time::Time,
    waiting,
};
use skep_host::tmux::Session;
use std::collections::BTreeMap;

/// The swarm. Every key is always there; what is not known is null, never 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The document's version.
    pub schema: u32,
    /// The name its tmux session has, or would have.
    pub session: Option<String>,
    /// Its name; null before the first plan.
    pub swarm: Option<String>,
    /// `running`, `paused`, `merging`, `sleeping`, `halted` or `draining`.
    pub status: String,
    /// Whether a person paused it.
    pub paused: bool,
    /// `active`, `night`, `maintenance` or `crisis`.
    pub mode: String,
    /// The wave that is being worked on, or the last one when all have landed.
    pub wave: u32,
    /// All waves, merged ones first.
    pub waves: Vec<WaveDoc>,
    /// All workers.
    pub workers: Vec<WorkerDoc>,
    /// How many tasks are in each state.
    pub tasks: TaskCounts,
    /// Money.
    pub budget: BudgetDoc,
    /// Questions that wait for a person.
    pub asks: u32,
    /// What was raised and is not over: `skep alerts`. Left out when nothing is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub alerts: u32,
    /// Where work in flight would not merge as it is now. Left out when nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collisions: Vec<ConflictDoc>,
    /// What keeps the swarm from going on until a person acts: why it is halted, or what its tasks wait for in vain.
    /// Left out when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// What keeps the keeper from going on, such as a full disk; it goes on by itself once that is over.
    /// Left out when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it.
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// One wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveDoc {
    /// Its number, from 1.
    pub id: u32,
    /// Its tasks.
    pub tasks: Vec<String>,
    /// `merged`, `merging`, `running` or `waiting`.
    pub state: String,
}

/// How many tasks are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // The words of SPEC §0.
pub struct TaskCounts {
    pub waiting: usize,
    pub ready: usize,
    pub running: usize,
    pub verifying: usize,
    pub accepted: usize,
    pub merged: usize,
    pub blocked: usize,
    pub flagged: usize,
    pub dead: usize,
    pub cancelled: usize,
}

impl TaskCounts {
    /// The counts of a state.
    #[must_use]
    pub fn of(state: &State) -> TaskCounts {
        TaskCounts {
            waiting: state.count(TaskState::Waiting),
            ready: state.count(TaskState::Ready),
            running: state.count(TaskState::Running),
            verifying: state.count(TaskState::Verifying),
            accepted: state.count(TaskState::Accepted),
            merged: state.count(TaskState::Merged),
            blocked: state.count(TaskState::Blocked),
            flagged: state.count(TaskState::Flagged),
            dead: state.count(TaskState::Dead),
            cancelled: state.count(TaskState::Cancelled),
        }
    }
    /// With the words, in the order in which a status shows them.
    #[must_use]
    pub fn words(&self) -> [(&'static str, usize); 10] {
        [
            ("waiting", self.waiting),
            ("ready", self.ready),
            ("running", self.running),
            ("verifying", self.verifying),
            ("accepted", self.accepted),
            ("merged", self.merged),
            ("blocked", self.blocked),
            ("flagged", self.flagged),
            ("dead", self.dead),
            ("cancelled", self.cancelled),
        ]
    }
    /// All tasks.
    #[must_use]
    pub fn total(&self) -> usize {
        self.words().iter().map(|(_, n)| n).sum()
    }
}

impl Status {
    /// The view of the whole swarm.
    #[must_use]
    pub fn of(state: &State, now: Time, live: &Live) -> Status {
        let swarm = state.swarm();
        let name = swarm.map(|s| s.spec.name.to_string());
        Status {
            schema: SCHEMA,
            session: swarm.map(|s| Session::name_of(&s.spec.name)),
            swarm: name,
            status: state.swarm_state().to_string(),
            paused: state.paused(),
            // No other mode exists yet; the hour that no mode names is active.
            mode: "active".into(),
            wave: state.open_wave().min(state.last_wave()),
            waves: waves(state),
            workers: state
                .workers()
                .map(|w| WorkerDoc::of(state, w, now, live))
                .collect(),
            tasks: TaskCounts::of(state),
            budget: BudgetDoc::of(state, now),
            asks: u32::try_from(ask::unanswered(state).count()).unwrap_or(u32::MAX),
            alerts: u32::try_from(state.alerts().open().count()).unwrap_or(u32::MAX),
            collisions: state
                .collisions()
                .iter()
                .flat_map(|c| c.conflicts.iter().map(ConflictDoc::of))
                .collect(),
            stuck: waiting::stuck(state, now).filter(|_| !state.paused()),
            // The state knows nothing of the machine: the keeper adds it.
            held: None,
        }
    }
}

pub(super) fn waves(state: &State) -> Vec<WaveDoc> {
    let landed = state.waves().iter().map(|wave| WaveDoc {
        id: wave.id,
        tasks: wave.tasks.iter().map(ToString::to_string).collect(),
        state: "merged".into(),
    });
    let mut all: Vec<WaveDoc> = landed.collect();
    let mut open: BTreeMap<u32, Vec<&Task>> = BTreeMap::new();
    for task in state
        .tasks()
        .iter()
        .filter(|t| t.state != TaskState::Merged)
    {
        open.entry(task.wave.max(state.open_wave()))
            .or_default()
            .push(task);
    }
    all.extend(open.into_iter().map(|(id, tasks)| {
        let over = tasks.iter().all(|t| t.state.is_over());
        let word = if state.merge().is_some_and(|m| m.wave == id) {
            "merging"
        } else if id == state.open_wave() && !over {
            "running"
        } else {
            "waiting"
        };
        let tasks = tasks.iter().map(|t| t.id().to_string()).collect();
        WaveDoc {
            id,
            tasks,
            state: word.into(),
        }
    }));
    all
}

//! Attempts one after another, and tasks as a graph.

use super::{FailureDoc, ReceiptDoc, SCHEMA, Stamp, WaveDoc, status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    attempt::{Live, Phase},
    id::Attempt,
    money::Usd,
    spec::RelationKind,
    state::State,
    task::{Past, Task},
    time::Time,
};

/// An attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptDoc {
    /// Its number.
    pub attempt: u64,
    /// The task it is of.
    pub task: String,
    /// Who runs it.
    pub worker: String,
    /// With which model.
    pub model: Option<String>,
    /// `claimed`, `running` or `verifying` while it lives, and then how it ended.
    pub state: String,
    /// Whether it is over.
    pub over: bool,
    /// When it began; null where an old log does not say.
    pub began: Option<Stamp>,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// What it has cost; null is unknown.
    pub cost_usd: Option<f64>,
    /// Tokens that it read and wrote; null is unknown.
    pub tokens: Option<u64>,
    /// Why it ended, in a sentence.
    pub reason: Option<String>,
}

/// Attempts of this plan's tasks, or some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptList {
    /// The document's version.
    pub schema: u32,
    /// How many there are in all.
    pub total: usize,
    /// The attempts, by number.
    pub attempts: Vec<AttemptDoc>,
    /// What to give as `after` for those that follow; null: these are the last.
    pub next: Option<u64>,
}

/// An attempt with the evidence of how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptDetail {
    /// The document's version.
    pub schema: u32,
    /// What the list shows.
    #[serde(flatten)]
    pub attempt: AttemptDoc,
    /// The evidence with which its task closed, if it was accepted.
    pub receipt: Option<ReceiptDoc>,
    /// What went wrong, if it is the task's last failure.
    pub failure: Option<FailureDoc>,
}

impl AttemptDoc {
    fn live(live: &Live) -> AttemptDoc {
        let state = match live.phase {
            Phase::Claimed => "claimed",
            Phase::Running => "running",
            Phase::Verifying => "verifying",
        };
        let charge = &live.account.charge;
        AttemptDoc {
            attempt: live.attempt.0,
            task: live.task.to_string(),
            worker: live.worker.to_string(),
            model: live.model.clone(),
            state: state.into(),
            over: false,
            began: Some(Stamp(live.claimed)),
            ended: None,
            cost_usd: charge.usd.map(Usd::dollars),
            tokens: charge.tokens(),
            reason: None,
        }
    }

    fn past(task: &Task, past: &Past) -> AttemptDoc {
        let took = past.took.0;
        let began = past.ended.0.saturating_sub(took);
        AttemptDoc {
            attempt: past.attempt.0,
            task: task.id().to_string(),
            worker: past.worker.to_string(),
            model: past.model.clone(),
            state: past.outcome.to_string(),
            over: true,
            began: (took > 0).then_some(Stamp(Time(began))),
            ended: Some(Stamp(past.ended)),
            cost_usd: past.charge.usd.map(Usd::dollars),
            tokens: past.charge.tokens(),
            reason: Some(past.reason.clone()),
        }
    }
}

impl AttemptList {
    /// So many attempts after number `after`.
    #[must_use]
    pub fn of(state: &State, after: u64, limit: usize) -> AttemptList {
        let past = state.tasks().iter();
        let past = past.flat_map(|task| {
            task.history
                .iter()
                .map(move |past| (past.attempt, Some((task, past))))
        });
        let mut all: Vec<_> = past
            .chain(state.live().map(|live| (live.attempt, None)))
            .collect();
        all.sort_by_key(|(attempt, _)| *attempt);
        let total = all.len();
        all.retain(|(attempt, _)| attempt.0 > after);
        let more = all.len() > limit;
        all.truncate(limit);
        let shown = all.iter().filter_map(|(attempt, past)| match past {
            Some((task, past)) => Some(AttemptDoc::past(task, past)),
            None => state.attempt(*attempt).map(AttemptDoc::live),
        });
        let attempts: Vec<AttemptDoc> = shown.collect();
        let next = attempts.last().filter(|_| more).map(|last| last.attempt);
        AttemptList {
            schema: SCHEMA,
            total,
            attempts,
            next,
        }
    }
}

impl AttemptDetail {
    /// The view of an attempt of a task of this plan; `None` when there is none of this number.
    #[must_use]
    pub fn of(state: &State, number: Attempt) -> Option<AttemptDetail> {
        let live = state
            .attempt(number)
            .map(|live| (state.task(&live.task), None, AttemptDoc::live(live)));
        let past = || {
            let mut all = state
                .tasks()
                .iter()
                .flat_map(|t| t.history.iter().map(move |p| (t, p)));
            let (task, past) = all.find(|(_, past)| past.attempt == number)?;
            Some((Some(task), Some(past), AttemptDoc::past(task, past)))
        };
        let (task, past, attempt) = live.or_else(past)?;
        let accepted = task.and_then(|t| t.accepted.as_ref());
        let accepted = accepted.filter(|a| a.attempt == number);
        let failure = task.and_then(|t| t.last_failure.as_ref());
        Some(AttemptDetail {
            schema: SCHEMA,
            attempt,
            receipt: accepted.map(|a| ReceiptDoc::of(&a.receipt, past)),
            failure: failure.filter(|f| f.attempt == number).map(FailureDoc::of),
        })
    }
}

/// Tasks and what ties them together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphDoc {
    /// The document's version.
    pub schema: u32,
    /// All tasks, oldest first.
    pub tasks: Vec<NodeDoc>,
    /// What ties them together.
    pub edges: Vec<EdgeDoc>,
    /// All waves, merged ones first.
    pub waves: Vec<WaveDoc>,
}

/// A task in the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDoc {
    /// Its id.
    pub id: String,
    /// The goal in one sentence.
    pub mission: String,
    /// Where it stands.
    pub state: String,
    /// The wave it merges with.
    pub wave: u32,
    /// How many tasks deep the longest chain behind it is, itself included.
    pub critical_path: u32,
}

/// A tie between two tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeDoc {
    /// The task that says so.
    pub from: String,
    /// The other one.
    pub to: String,
    /// `depends_on`, `fixes`, `parent`, `supports`, `complements` or `peer`.
    pub kind: String,
}

impl GraphDoc {
    /// The view of all tasks.
    #[must_use]
    pub fn of(state: &State) -> GraphDoc {
        let mut edges = Vec::new();
        for task in state.tasks() {
            let mut edge = |to: &dyn ToString, kind: &str| {
                let from = task.id().to_string();
                let to = to.to_string();
                edges.push(EdgeDoc {
                    from,
                    to,
                    kind: kind.into(),
                });
            };
            for to in &task.spec.depends_on {
                edge(to, "depends_on");
            }
            for relation in &task.spec.relations {
                let kind = match relation.kind {
                    RelationKind::Parent => "parent",
                    RelationKind::Supports => "supports",
                    RelationKind::Complements => "complements",
                    RelationKind::Peer => "peer",
                };
                edge(&relation.to, kind);
            }
            if let Some(fix) = task.fix() {
                edge(&fix.of, "fixes");
            }
        }
        let node = |task: &Task| NodeDoc {
            id: task.id().to_string(),
            mission: task.spec.mission.clone(),
            state: task.state.to_string(),
            wave: task.wave,
            critical_path: task.critical,
        };
        GraphDoc {
            schema: SCHEMA,
            tasks: state.tasks().iter().map(node).collect(),
            edges,
            waves: status::waves(state),
        }
    }
}

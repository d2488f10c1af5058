//! A worker, as `skep status` and `skep workers` show it (SPEC appendix C).

use super::{RecordDoc, SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    ask::Ask,
    attempt::Live as Attempt,
    health,
    money::Usd,
    spec::Host,
    state::State,
    time::Time,
    waiting,
    worker::{Worker, WorkerState},
};
use skep_host::git::names;
use std::collections::BTreeMap;

/// What a host measures of a live attempt. Nothing of it is in the log, so without a keeper it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// When its host last heard of it.
    pub last_heartbeat: Option<Time>,
    /// CPU use of its whole tree, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Memory of its whole tree.
    pub memory_bytes: Option<u64>,
    /// How full the agent's context is.
    pub context_percent: Option<f64>,
    /// What it has cost so far.
    pub cost_usd: Option<f64>,
    /// Tokens that it has read and written so far, where it tells them.
    pub tokens: Option<[Option<u64>; 2]>,
    /// Health score, 0 to 100.
    pub health: Option<u8>,
}

/// Facts by attempt number.
pub type Live = BTreeMap<u64, Facts>;

/// What the keeper's hosts have measured of live attempts.
#[must_use]
pub fn measured(state: &State, now: Time) -> Live {
    let of = |live: &Attempt| {
        let reading = state.facts().reading(live.attempt);
        let told = Facts {
            context_percent: reading.and_then(|r| r.context).map(f64::from),
            cost_usd: reading.and_then(|r| r.usage.usd).map(|usd| usd.dollars()),
            tokens: reading.map(|r| [r.usage.read_tokens(), r.usage.output_tokens]),
            ..Facts::default()
        };
        let Some(track) = state.facts().of(live.attempt) else {
            return reading.map(|_| (live.attempt.0, told));
        };
        let sample = &track.sample;
        let facts = Facts {
            last_heartbeat: sample
                .beat_age
                .map(|age| Time(track.at.0.saturating_sub(age.0))),
            // One core is a thousand thousandths; a tenth of a percent is as exact as it gets.
            cpu_percent: track.cpu_per_mille().map(|n| n as f64 / 10.0),
            memory_bytes: Some(sample.memory_bytes),
            health: health::checkup(state, live, now).map(|c| c.score),
            ..told
        };
        Some((live.attempt.0, facts))
    };
    state.live().filter_map(of).collect()
}

/// A worker. Every key is always there; what is not known is null, never 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerDoc {
    /// `w1`, `w2`, …
    pub id: String,
    /// The only role whose tasks it takes; null takes any.
    pub role: Option<String>,
    /// `headless` or `tmux`.
    pub host: String,
    /// The tmux pane.
    pub pane: Option<String>,
    /// Whether it can work: it works, or could begin now. Without a keeper, whether its attempt's shim runs.
    pub alive: bool,
    /// `spawning`, `idle`, `working`, `paused`, `crashed` or `stopped`.
    pub status: String,
    /// Whether a person paused it: at work, it takes no more tasks once its attempt has ended. Left out where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Why it does not work, or will not for long, in a sentence.
    pub reason: Option<String>,
    /// The agent of its attempt.
    pub agent: Option<String>,
    /// The model of its attempt, or else the one it would use.
    pub model: Option<String>,
    /// The task of its attempt.
    pub current_task: Option<String>,
    /// Its attempt.
    pub attempt: Option<u64>,
    /// When its host was last heard of.
    pub last_heartbeat: Option<Stamp>,
    /// Its worktree, relative to the repository's root.
    pub worktree: Option<String>,
    /// Its branch.
    pub branch: Option<String>,
    /// CPU use, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// How full its agent's context is.
    pub context_percent: Option<f64>,
    /// What its attempt has cost.
    pub cost_usd: Option<f64>,
    /// Tokens that its attempt has read. Left out, as the next, where its agent tells none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens that its attempt has written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Health score, 0 to 100.
    pub health: Option<u8>,
    /// How its attempts went so far. Left out before one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordDoc>,
}

impl WorkerDoc {
    /// The view of one worker.
    #[must_use]
    pub fn of(state: &State, worker: &Worker, now: Time, live: &Live) -> WorkerDoc {
        let swarm = state.swarm();
        let status = worker.state(swarm.map(|s| &s.tip));
        let attempt = worker.current.and_then(|a| state.attempt(a));
        let facts = attempt
            .and_then(|a| live.get(&a.attempt.0))
            .copied()
            .unwrap_or_default();
        let own = swarm.is_none_or(|s| s.spec.worktree);
        let model = attempt.and_then(|a| a.model.clone());
        let model = model.or_else(|| worker.model.clone());
        WorkerDoc {
            id: worker.id.to_string(),
            role: worker.role.clone(),
            host: swarm.map_or(Host::Headless, |s| s.spec.host).word().into(),
            pane: None,
            alive: !matches!(status, WorkerState::Crashed | WorkerState::Stopped),
            status: status.to_string(),
            paused: worker.paused,
            // Who works needs no reason, unless it is for a person to go on.
            reason: (status != WorkerState::Working
                || worker.paused
                || attempt.is_some_and(|a| a.asks.iter().any(Ask::waits)))
            .then(|| waiting::worker(state, worker, now)),
            agent: attempt.map(|a| a.agent.clone()),
            model: model.or_else(|| swarm.and_then(|s| s.spec.model.clone())),
            current_task: attempt.map(|a| a.task.to_string()),
            attempt: attempt.map(|a| a.attempt.0),
            last_heartbeat: facts.last_heartbeat.map(Stamp),
            worktree: Some(if own {
                format!(".skep/worktrees/{}", worker.id)
            } else {
                format!(".skep/worktrees/{}", names::SHARED)
            }),
            branch: swarm.map(|s| match own {
                true => names::worker(&s.spec.name, worker.id),
                false => names::shared(&s.spec.name),
            }),
            cpu_percent: facts.cpu_percent,
            memory_bytes: facts.memory_bytes,
            context_percent: facts.context_percent,
            cost_usd: facts.cost_usd.or_else(|| {
                let charged = attempt.and_then(|a| a.account.charge.usd);
                charged.map(Usd::dollars)
            }),
            input_tokens: facts.tokens.and_then(|[read, _]| read),
            output_tokens: facts.tokens.and_then(|[_, written]| written),
            health: facts.health,
            record: RecordDoc::of_worker(state, worker.id),
        }
    }
}

/// All workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerList {
    /// The document's version.
    pub schema: u32,
    /// The workers, by number.
    pub workers: Vec<WorkerDoc>,
}

impl WorkerList {
    /// The view of all workers.
    #[must_use]
    pub fn of(state: &State, now: Time, live: &Live) -> WorkerList {
        let workers = state
            .workers()
            .map(|w| WorkerDoc::of(state, w, now, live))
            .collect();
        WorkerList {
            schema: SCHEMA,
            workers,
        }
    }
}

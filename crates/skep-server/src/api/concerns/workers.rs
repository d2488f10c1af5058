//! Concerns of workers and of the attempts they run.

use super::{About, ConcernDoc, Gravity, RemedyDoc};
use crate::api::Stamp;
use skep_core::{
    attempt::Live,
    health::{self, Rung},
    reputation::{self, Subject},
    state::State,
    time::Time,
    waiting,
    worker::{Worker, WorkerState},
};

pub(super) fn concerns(state: &State, now: Time) -> Vec<ConcernDoc> {
    let base = state.swarm().map(|s| &s.tip);
    let crashed = |w: &&Worker| w.state(base) == WorkerState::Crashed;
    let crashed = state.workers().filter(crashed);
    let crashed = crashed.map(|worker| ConcernDoc {
        // It restarts by itself, and a storm of these halts the swarm.
        severity: Gravity::Info,
        kind: "crashed".into(),
        about: About::Worker,
        subject: worker.id.to_string(),
        sentence: format!("{} {}", worker.id, waiting::worker(state, worker, now)),
        since: Some(Stamp(worker.since)),
        remedies: vec![RemedyDoc::wake(&worker.id.to_string())],
    });
    let unhealthy = state.live().filter_map(|live| unhealthy(state, live, now));
    unhealthy.chain(crashed).collect()
}

/// Who does worse than the policy asks for (G-6). Routing prefers others by itself.
pub(super) fn records(state: &State) -> impl Iterator<Item = ConcernDoc> {
    reputation::short(state).map(|(subject, sentence)| {
        let (about, subject, remedies) = match subject {
            Subject::Worker(name) => {
                let remedies = vec![RemedyDoc::logs(&name), RemedyDoc::restart(&name)];
                (About::Worker, name, remedies)
            }
            Subject::Agent(name) => (About::Agent, name, Vec::new()),
            Subject::Model(name) => (About::Model, name, Vec::new()),
        };
        ConcernDoc {
            severity: Gravity::Info,
            kind: "slo".into(),
            about,
            subject,
            sentence,
            since: None,
            remedies,
        }
    })
}

fn unhealthy(state: &State, live: &Live, now: Time) -> Option<ConcernDoc> {
    // One that waits for a person is an ask of its own.
    if live.stopping.is_some() || live.asks.iter().any(skep_core::ask::Ask::waits) {
        return None;
    }
    let found = health::checkup(state, live, now)?;
    let severity = match found.rung {
        Rung::Fine => return None,
        Rung::Nudge | Rung::Ask => Gravity::Info,
        Rung::Checkpoint | Rung::Stop => Gravity::Warning,
    };
    let worker = live.worker.to_string();
    let how = health::tell(state, live, now).unwrap_or_else(|| format!("health {}", found.score));
    Some(ConcernDoc {
        severity,
        kind: "unhealthy".into(),
        about: About::Worker,
        sentence: format!("{worker} ({}): {how}", live.task),
        since: live.health.as_ref().map(|logged| Stamp(logged.at)),
        remedies: vec![RemedyDoc::logs(&worker), RemedyDoc::restart(&worker)],
        subject: worker,
    })
}

//! Concerns of the swarm as a whole.

use super::{ConcernDoc, Gravity, RemedyDoc, of_swarm};
use crate::api::Stamp;
use skep_core::{
    merge::{Conflict, Severity},
    state::{State, SwarmState},
    time::Time,
    waiting,
};

/// The keeper cannot go on, such as for want of room on its disk.
pub(super) fn held(state: &State, why: Option<&str>) -> Option<ConcernDoc> {
    let concern = of_swarm(state, Gravity::Critical, "held", why?.into());
    let remedy = RemedyDoc::shell("see what can be removed", "skep clean --dry-run");
    Some(ConcernDoc {
        remedies: vec![remedy],
        ..concern
    })
}

/// Nobody keeps a swarm that has something left to do.
pub(super) fn no_keeper(state: &State) -> Option<ConcernDoc> {
    let rests = state.swarm_state() == SwarmState::Sleeping && state.finished().is_some();
    if state.swarm().is_none() || rests {
        return None;
    }
    let sentence = "no keeper runs, so nothing goes on but what agents are at";
    Some(ConcernDoc {
        remedies: vec![
            RemedyDoc::shell("go on until the plan is done", "skep run"),
            RemedyDoc::shell("go on for good", "skep up"),
        ],
        ..of_swarm(state, Gravity::Critical, "no_keeper", sentence.into())
    })
}

pub(super) fn concerns(state: &State, now: Time) -> Vec<ConcernDoc> {
    let mut all = Vec::new();
    if let Some(halt) = state.halted() {
        let (severity, sentence) = match halt.probe_at {
            None => (Gravity::Critical, halt.reason.clone()),
            Some(_) => (
                Gravity::Warning,
                format!("{}; one attempt tries by itself", halt.reason),
            ),
        };
        all.push(ConcernDoc {
            since: Some(Stamp(halt.since)),
            remedies: vec![RemedyDoc::resume("go on")],
            ..of_swarm(state, severity, "halted", sentence)
        });
    } else if state.paused() {
        all.push(ConcernDoc {
            remedies: vec![RemedyDoc::resume("claim again")],
            ..of_swarm(
                state,
                Gravity::Warning,
                "paused",
                "a person paused the swarm: nothing more is claimed".into(),
            )
        });
    } else if let Some(why) = waiting::stuck(state, now) {
        all.push(ConcernDoc {
            remedies: vec![RemedyDoc::shell("see what tasks wait for", "skep tasks")],
            ..of_swarm(
                state,
                Gravity::Critical,
                "stuck",
                format!("nothing moves: {why}"),
            )
        });
    }
    if let Some(why) = waiting::landing(state) {
        all.push(of_swarm(state, Gravity::Warning, "landing", why));
    }
    all.extend(state.collisions().iter().map(|collision| {
        let grave = |c: &Conflict| c.severity == Severity::Critical;
        let severity = match collision.conflicts.iter().any(grave) {
            true => Gravity::Warning,
            false => Gravity::Info,
        };
        let tells = collision.conflicts.first();
        let sentence = tells.map_or_else(
            || collision.sentence(),
            |first| format!("{}: {}", collision.sentence(), first.description),
        );
        of_swarm(state, severity, "collision", sentence)
    }));
    all
}

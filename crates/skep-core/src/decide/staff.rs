//! Workers come and go: with a plan, by hand, and who decides how many there are (W-1, S-1).

use super::commands::{Decision, find_worker, once, stop};
use crate::{
    attempt::StopWhy,
    due,
    event::Event,
    id::{TaskId, WorkerId},
    limits,
    request::Refusal,
    scale::Mode,
    spec::{self, Plan, Workers},
    state::State,
};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

/// The workers that the plan asks for, less those that are there already (W-1).
pub(super) fn of_plan(state: &State, plan: &Plan) -> Vec<Event> {
    let mut wanted: Vec<Option<String>> = Vec::new();
    match &plan.swarm.workers {
        Workers::Count(n) => wanted.extend((0..*n).map(|_| None)),
        Workers::PerRole(roles) => {
            for (role, n) in roles {
                wanted.extend((0..*n).map(|_| Some(role.clone())));
            }
        }
        Workers::Auto => wanted = auto(plan),
        // The tasks then say how many more.
        Workers::Between { min, .. } => wanted.extend(between(plan, *min as usize)),
    }
    for worker in state.workers().filter(|w| !w.stopping) {
        if let Some(at) = wanted.iter().position(|role| *role == worker.role) {
            wanted.swap_remove(at);
        }
    }
    wanted.sort();
    let ids = due::new_workers(state, wanted.len() as u32);
    ids.zip(wanted)
        .map(|(worker, role)| Event::WorkerAdded {
            worker,
            role,
            why: None,
        })
        .collect()
}

/// One worker per distinct role. A plan without roles would then get one worker and run in single file, so it
/// gets as many as its widest wave can use, within the cap.
fn auto(plan: &Plan) -> Vec<Option<String>> {
    let roles: BTreeSet<Option<String>> = plan.tasks.iter().map(|t| t.role.clone()).collect();
    if roles.iter().any(Option::is_some) {
        return roles.into_iter().collect();
    }
    let index = |id: &TaskId| plan.tasks.iter().position(|t| t.id == *id);
    let edges = plan
        .tasks
        .iter()
        .map(|t| t.depends_on.iter().filter_map(index).collect());
    let waves = spec::Graph {
        edges: edges.collect(),
    }
    .waves();
    let deepest = waves.iter().flatten().max().copied().unwrap_or(1);
    let width = |wave| waves.iter().filter(|w| **w == Some(wave)).count();
    let widest = (1..=deepest).map(width).max().unwrap_or(1).max(1);
    let cap = plan.swarm.policy.concurrency.max(1) as usize;
    (0..widest.min(cap)).map(|_| None).collect()
}

/// The first workers of a plan that says how few there may be: of the roles that come first, one each, and the
/// rest of any.
fn between(plan: &Plan, min: usize) -> impl Iterator<Item = Option<String>> + use<> {
    let mut roles: Vec<Option<String>> = Vec::new();
    for task in plan.tasks.iter().filter(|t| t.depends_on.is_empty()) {
        if roles.len() < min && !roles.contains(&task.role) {
            roles.push(task.role.clone());
        }
    }
    let rest = min.saturating_sub(roles.len());
    roles.into_iter().chain((0..rest).map(|_| None))
}

pub(super) fn add(state: &State, count: u32, role: Option<&String>) -> Decision {
    state.swarm().ok_or(Refusal::NoPlan)?;
    let room = limits::WORKERS.saturating_sub(state.workers().len() as u32);
    if count > room {
        let max = limits::WORKERS;
        return Err(Refusal::Limit(format!(
            "a swarm has at most {max} workers; {room} more fit"
        )));
    }
    let ids = due::new_workers(state, count);
    let added = ids.map(|worker| Event::WorkerAdded {
        worker,
        role: role.cloned(),
        why: None,
    });
    Ok(by_hand(state).into_iter().chain(added).collect())
}

pub(super) fn remove(state: &State, id: WorkerId, now: bool) -> Decision {
    let worker = find_worker(state, id)?;
    let mut events = Vec::new();
    if !worker.stopping {
        events.extend(by_hand(state));
        events.push(Event::WorkerLeaving {
            worker: id,
            why: None,
        });
        // No other worker ever has its id: what was for it alone would wait for ever.
        let its_own = state.tasks().iter().filter(|t| t.assigned == Some(id));
        events.extend(its_own.map(|t| Event::TaskAssigned {
            task: t.id().clone(),
            worker: None,
        }));
    }
    events.extend(
        worker
            .current
            .filter(|_| now)
            .and_then(|a| stop(state, a, StopWhy::WorkerGone, false)),
    );
    if events.is_empty() {
        return Err(Refusal::NothingToDo("the worker is leaving already".into()));
    }
    Ok(events)
}

/// Who changes the number of workers by hand decides it from then on: the tasks would undo it. `skep scale auto`
/// gives it back to them.
fn by_hand(state: &State) -> Option<Event> {
    (state.scale().mode() != Mode::Manual).then_some(Event::ScaleSet { mode: Mode::Manual })
}

/// Says who decides how many workers there are. What follows from that is for [`scale`](crate::scale).
pub(super) fn scale(state: &State, mode: Mode) -> Decision {
    state.swarm().ok_or(Refusal::NoPlan)?;
    if let Mode::Between { min, max } = mode {
        if max < min {
            return Err(Refusal::Fault(format!(
                "{min} to {max} workers; the most must be at least the fewest"
            )));
        }
        if max > limits::WORKERS {
            let most = limits::WORKERS;
            return Err(Refusal::Limit(format!(
                "a swarm has at most {most} workers, not {max}"
            )));
        }
    }
    once(
        state.scale().mode() != mode,
        Event::ScaleSet { mode },
        "the number of workers is decided so already",
    )
}

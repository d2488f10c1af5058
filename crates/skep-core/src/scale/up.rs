//! Adding workers (S-1, S-3).

use super::{
    Added, Ceiling, Limit, Mode, ceiling, count,
    demand::{Group, groups},
    floor, lasting_ceiling, shut, spare,
};
use crate::{
    event::Event,
    limits,
    spec::Scaling,
    state::State,
    time::{Millis, Time},
    worker::WorkerState,
};
use alloc::{string::String, vec::Vec};

/// Tasks that become ready are looked at once, but not more often than this: a stream of single tasks would
/// otherwise be a way around the most that one look adds.
const BETWEEN_ARRIVALS: Millis = Millis(500);

/// The next worker that is to be added, if any is.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    if state.scale().mode == Mode::Manual || shut(state, now) {
        return None;
    }
    let total = count(state);
    if total < floor(state) {
        let role = first_missing(state, now);
        let floor = floor(state);
        return add(state, role, Added::Floor { floor });
    }
    if total >= lasting_ceiling(state).most {
        return None;
    }
    let wanted = wanted(state, now)?;
    (wanted.at_once || may_look(state, now)).then(|| add(state, wanted.role, wanted.why))?
}

/// When workers that are missing now may be added, if time alone is what they wait for.
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    let (at, _) = state.scale().up?;
    if count(state) >= lasting_ceiling(state).most || may_look(state, now) {
        return None;
    }
    wanted(state, now)?;
    let scaling = scaling(state)?;
    let arrived = state.scale().arrived.is_some_and(|arrived| arrived > at);
    Some(
        at + if arrived {
            BETWEEN_ARRIVALS
        } else {
            scaling.check_interval
        },
    )
}

/// Whether only memory keeps workers from being added: then a host should look again now and then.
#[must_use]
pub fn waits_for_memory(state: &State, now: Time) -> bool {
    state.scale().mode != Mode::Manual
        && !shut(state, now)
        && ceiling(state).by == Limit::Memory
        && groups(state, now).iter().any(|g| lacks(state, g))
}

struct Wanted {
    role: Option<String>,
    why: Added,
    /// Without it some task could never run.
    at_once: bool,
}

/// The next worker that the tasks ask for, whether or not it is time to look.
fn wanted(state: &State, now: Time) -> Option<Wanted> {
    let scaling = scaling(state)?;
    let groups = groups(state, now);
    if let Some(group) = starved(state, &groups) {
        let role = group.role.cloned();
        return Some(Wanted {
            role: role.clone(),
            why: Added::Role { role },
            at_once: true,
        });
    }
    let Ceiling { most, .. } = ceiling(state);
    // While agents cannot be started, more workers would be more of the same (L-5).
    if count(state) >= most || state.spawn_failures() > 0 {
        return None;
    }
    let for_tasks = groups.iter().find(|g| lacks(state, g)).map(|group| Wanted {
        role: group.role.cloned(),
        why: Added::Tasks {
            ready: group.ready,
            workers: group.fitting,
        },
        at_once: false,
    });
    for_tasks.or_else(|| ahead(state, &scaling, now))
}

fn lacks(state: &State, group: &Group<'_>) -> bool {
    scaling(state).is_some_and(|scaling| {
        group.missing(scaling.tasks_per_worker) > 0
            && group.is_stretched(scaling.utilisation_percent)
    })
}

/// The first group whose tasks no worker can take; before it the one for which another worker made room.
fn starved<'g, 's>(state: &State, groups: &'g [Group<'s>]) -> Option<&'g Group<'s>> {
    let promised = state.scale().promised.as_ref();
    let is_promised = |g: &&Group<'_>| promised.is_some_and(|role| role.as_ref() == g.role);
    let mut starved = groups.iter().filter(|g| g.fitting == 0);
    starved.clone().find(is_promised).or_else(|| starved.next())
}

/// S-3: a worker ahead of tasks that keep coming. They will be like the last one.
fn ahead(state: &State, scaling: &Scaling, now: Time) -> Option<Wanted> {
    let spare = spare(state, now);
    if spare == 0 {
        return None;
    }
    let role = state.tasks().last().and_then(|t| t.spec.role.as_ref());
    let base = state.swarm().map(|s| &s.tip);
    let free = state.workers().filter(|w| {
        let waits = matches!(w.state(base), WorkerState::Idle | WorkerState::Spawning);
        waits && (w.role.is_none() || role.is_none() || w.role.as_ref() == role)
    });
    let per_minute = state
        .scale()
        .arrivals_per_minute(scaling.arrival_window, now);
    ((free.count() as u32) < spare).then(|| Wanted {
        role: role.cloned(),
        why: Added::Arrivals { per_minute },
        at_once: false,
    })
}

/// The role that most needs one more worker; none: one that takes any task.
fn first_missing(state: &State, now: Time) -> Option<String> {
    let groups = groups(state, now);
    let per_worker = scaling(state).map_or(1, |s| s.tasks_per_worker);
    let short = groups.iter().find(|g| g.missing(per_worker) > 0);
    starved(state, &groups).or(short)?.role.cloned()
}

/// The tasks of a role that no worker can take, while there is no place for one more worker.
pub(super) fn without_room(state: &State, now: Time) -> Vec<Group<'_>> {
    if count(state) < lasting_ceiling(state).most {
        return Vec::new();
    }
    let mut groups = groups(state, now);
    groups.retain(|g| g.fitting == 0);
    groups
}

/// One look adds at most a step; the next comes after the interval, or when more tasks have become ready.
fn may_look(state: &State, now: Time) -> bool {
    let (Some((at, added)), Some(scaling)) = (state.scale().up, scaling(state)) else {
        return true;
    };
    if now == at {
        return added < scaling.step;
    }
    let arrived = state.scale().arrived.is_some_and(|arrived| arrived > at);
    let wait = if arrived {
        BETWEEN_ARRIVALS.min(scaling.check_interval)
    } else {
        scaling.check_interval
    };
    now.since(at) >= wait
}

fn scaling(state: &State) -> Option<Scaling> {
    state.swarm().map(|s| s.spec.policy.scaling)
}

fn add(state: &State, role: Option<String>, why: Added) -> Option<Event> {
    // Those that leave still have worktrees.
    let room = (state.workers().len() as u32) < limits::WORKERS;
    room.then(|| Event::WorkerAdded {
        worker: state.next_worker(),
        role,
        why: Some(why),
    })
}

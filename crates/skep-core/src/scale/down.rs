//! Letting workers go (S-2): one at a time, and never one that has something to do.

use super::{Engaged, Mode, Retired, asked_ceiling, count, floor, free_to_leave, shut, spare, up};
use crate::{
    budget, claim,
    event::Event,
    spec::Scaling,
    state::State,
    time::{Millis, Time},
    worker::Worker,
};

/// While spare workers are kept ahead of tasks that may come, this often it is seen whether they still do.
const RATE_FALLS: Millis = Millis::secs(10);

/// The next worker that is to leave before it takes another task, if any is: its place is not its own any more.
pub(crate) fn before_claims(state: &State, now: Time) -> Option<Event> {
    if state.scale().mode == Mode::Manual || shut(state, now) {
        return None;
    }
    over(state).or_else(|| make_room(state, now))
}

/// The next worker that is to leave because it has nothing to do, if any is.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    if state.scale().mode == Mode::Manual || shut(state, now) {
        return None;
    }
    let (worker, at) = first_idle(state, now)?;
    let for_ms = now.since(worker.free_since).0;
    (at <= now).then(|| leave(worker, Retired::Idle { for_ms }))
}

/// When a worker may next leave because it has nothing to do.
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    first_idle(state, now).map(|(_, at)| at)
}

/// Beyond what people asked for, workers leave as soon as they are free.
fn over(state: &State) -> Option<Event> {
    let most = asked_ceiling(state).most;
    if count(state) <= most {
        return None;
    }
    let free = between_tasks(state).max_by_key(|w| w.id)?;
    Some(leave(free, Retired::Over { most }))
}

/// Where there is no place for a worker of a role that has none, one that could not take any ready task gives up
/// its own; and any that has had its turn, once the tasks of that role have waited for long.
fn make_room(state: &State, now: Time) -> Option<Event> {
    // One that takes any task leaves no role without a worker.
    if between_tasks(state).next().is_none()
        || state.workers().any(|w| !w.stopping && w.role.is_none())
    {
        return None;
    }
    let starved = up::without_room(state, now);
    let first = starved.first()?;
    let scaling = state.swarm()?.spec.policy.scaling;
    let patience = now.since(first.first.since) < scaling.affinity_wait;
    let has_work = |worker: &Worker| {
        let mut ready = state.ready().filter(|t| claim::free(state, t, now).is_ok());
        ready.any(|task| claim::suits(state, task, worker).is_ok())
    };
    let free = between_tasks(state).find(|worker| {
        // One that came and left again without a task would help neither role.
        let had_turn = worker.last.is_some();
        !has_work(worker) || (!patience && had_turn)
    })?;
    let role = first.role.cloned();
    Some(leave(free, Retired::Room { role }))
}

/// The worker that has had nothing to do for longest, and when it may leave.
fn first_idle(state: &State, now: Time) -> Option<(&Worker, Time)> {
    let scaling = state.swarm()?.spec.policy.scaling;
    // Tasks that wait for budget would call for another at once.
    if count(state) <= floor(state) || budget::starved(state, now).is_some() {
        return None;
    }
    let idle = free(state).min_by_key(|w| (w.free_since, core::cmp::Reverse(w.id)))?;
    let mut at = (idle.free_since + scaling.idle_after).max(pause_ends(state, &scaling));
    if free(state).count() as u32 <= spare(state, now) {
        at = at.max(now + RATE_FALLS);
    }
    Some((idle, at))
}

/// Not soon after another left, nor after one had to be added.
fn pause_ends(state: &State, scaling: &Scaling) -> Time {
    let book = state.scale();
    let last = book.down.max(book.up.map(|(at, _)| at));
    last.map_or(Time(0), |at| at + book.down_interval(scaling))
}

fn free(state: &State) -> impl Iterator<Item = &Worker> {
    state
        .workers()
        .filter(|worker| free_to_leave(state, worker).is_ok())
}

/// Workers without an attempt, those too that are being made ready for one.
fn between_tasks(state: &State) -> impl Iterator<Item = &Worker> {
    state.workers().filter(|worker| {
        matches!(
            free_to_leave(state, worker),
            Ok(()) | Err(Engaged::Spawning)
        )
    })
}

fn leave(worker: &Worker, why: Retired) -> Event {
    Event::WorkerLeaving {
        worker: worker.id,
        why: Some(why),
    }
}

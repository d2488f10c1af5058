//! Nobody waits unnoticed for what moves no more (L-8).
//!
//! What a task can wait for, and what is done about it after [`Health::wait`](crate::spec::Health::wait):
//!
//! | it waits for | which moves no more when | then |
//! |---|---|---|
//! | the worker it is assigned to | that is gone, leaving or paused | any worker may claim it |
//! | a worker of its role | there is none, or all are paused | a person is told: only they know whether another role will do |
//! | the attempt that holds its ownership key | that outlives its limits | the attempt is ended ([`health`](crate::health)) |
//! | dependencies, a fix | those wait for it in turn | a person is told, at once: commands refuse what leads there |
//! | dependencies, a fix | those need a person | nothing more: they say so themselves |
//!
//! Whoever waits for longest goes first. While a person or a halt keeps everything from being claimed, nothing of
//! this is anybody's fault, and nothing is done.

use crate::{
    claim::{self, Unfit},
    event::Event,
    state::State,
    task::Task,
    time::Time,
    worker::Worker,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// The next event that is due, if any.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    if let Some(event) = circle(state) {
        return Some(event);
    }
    stuck(state, Some(now))
        .min_by_key(|entry| (entry.task.since, entry.task.order))
        .map(|entry| Event::WaitedTooLong {
            task: entry.task.id().clone(),
            text: entry.text,
            freed: entry.frees,
        })
}

/// When a person is to be told of something.
pub(crate) fn tells_at(state: &State) -> Option<Time> {
    first(state, false)
}

/// When a task is freed from what it waits for.
pub(crate) fn frees_at(state: &State) -> Option<Time> {
    first(state, true)
}

fn first(state: &State, frees: bool) -> Option<Time> {
    let limit = state.swarm()?.spec.policy.health.wait;
    let due = stuck(state, None).filter(|entry| entry.frees == frees);
    due.map(|entry| entry.task.since + limit).min()
}

/// A task that waits for what does not move.
struct Entry<'s> {
    task: &'s Task,
    text: String,
    frees: bool,
}

/// Tasks that wait for what does not move, and of which nobody was told: of each role the one that waits for
/// longest stands for the others. With `by`, only those that have waited for too long by then.
fn stuck(state: &State, by: Option<Time>) -> impl Iterator<Item = Entry<'_>> {
    let limit = state.swarm().map(|s| s.spec.policy.health.wait);
    let counts = move |task: &&Task| {
        let old = |now| limit.is_some_and(|limit| task.since + limit <= now);
        task.waited.is_none() && by.is_none_or(old)
    };
    let shut = state.swarm().is_none()
        || state.paused()
        || state.draining()
        || state.halted().is_some()
        || state.merge().is_some();
    let assigned = state.assigned().filter(counts);
    let assigned = assigned.filter_map(|task| for_one(state, task));
    let roles = state.oldest_by_role().filter(counts);
    let roles = roles.filter_map(|task| for_role(state, task));
    assigned.chain(roles).filter(move |_| !shut)
}

fn for_one<'s>(state: &State, task: &'s Task) -> Option<Entry<'s>> {
    let worker = task.assigned?;
    let what = match state.worker(worker) {
        None => "is gone",
        Some(w) if w.stopping => "is being removed",
        Some(w) if w.paused => "is paused",
        Some(_) => return None,
    };
    Some(Entry {
        task,
        text: format!("it was assigned to {worker}, which {what}; any worker may claim it now"),
        frees: true,
    })
}

fn for_role<'s>(state: &State, task: &'s Task) -> Option<Entry<'s>> {
    let could = |w: &&Worker| {
        !matches!(
            claim::suits(state, task, w),
            Err(Unfit::Role(_) | Unfit::Capability(_))
        )
    };
    let mut able = state.workers().filter(could).peekable();
    if able.peek().is_none() {
        let add = task.spec.role.as_ref();
        let add = add.map_or(String::new(), |role| format!(" --role {role}"));
        let text = format!("no worker can take it; `skep workers add{add}` adds one");
        return Some(Entry {
            task,
            text,
            frees: false,
        });
    }
    let mut paused: Vec<String> = Vec::new();
    for worker in able {
        if !worker.paused && !worker.stopping {
            return None;
        }
        paused.push(worker.id.to_string());
    }
    let text = format!(
        "every worker that could take it is paused or leaving ({})",
        paused.join(", ")
    );
    Some(Entry {
        task,
        text,
        frees: false,
    })
}

/// Tasks that wait for each other are told of as one, by the oldest of them.
fn circle(state: &State) -> Option<Event> {
    let oldest = state.circle().min_by_key(|t| t.order)?;
    if state.circle().any(|t| t.waited.is_some()) {
        return None;
    }
    let ids: Vec<&str> = state.circle().map(|t| t.id().as_str()).collect();
    let first = ids.first().copied().unwrap_or_default();
    let text = format!(
        "it waits for itself, by way of {} → {first}; `skep tasks edit` can cut one of these",
        ids.join(" → ")
    );
    Some(Event::WaitedTooLong {
        task: oldest.id().clone(),
        text,
        freed: false,
    })
}

//! The end of an attempt's account: what its report adds, what a late one does, and what its cost means for its task.

use super::{Charge, Level, Scope, price, standings};
use crate::{
    attempt::{Live, Usage},
    event::{Event, Next},
    state::State,
    task::{Past, Task},
    time::Time,
};
use alloc::{format, string::String};

/// What is still to be metered when an attempt ends: what its report says, and what was read of it since the last
/// metering. Whatever becomes of it then, its charge is settled with its end.
pub(crate) fn settled(state: &State, live: &Live, report: Option<&Usage>) -> Option<Event> {
    let price = price(state, live.model.as_deref());
    let mut charge = live.account.charge;
    if let Some(reading) = state.facts().reading(live.attempt) {
        charge = charge.with(&reading.usage, price);
    }
    if let Some(usage) = report {
        charge = charge.with(usage, price);
    }
    (charge != live.account.charge).then(|| Event::Metered {
        attempt: live.attempt,
        task: live.task.clone(),
        charge,
        reserved: live.account.reserved,
    })
}

/// What the report of an attempt whose lease was revoked adds to what it was charged.
pub(crate) fn late(state: &State, task: &Task, past: &Past, report: &Usage) -> Option<Event> {
    let charge = past
        .charge
        .with(report, price(state, past.model.as_deref()));
    (charge != past.charge).then(|| Event::Metered {
        attempt: past.attempt,
        task: task.id().clone(),
        charge,
        reserved: super::nothing(),
    })
}

/// What becomes of a task after an attempt that ended with this charge: one whose own budget is spent is not begun
/// again before a person has looked. Says why, if that is so.
pub(crate) fn afterwards(
    state: &State,
    live: &Live,
    charge: Charge,
    next: Next,
    now: Time,
) -> (Next, Option<String>) {
    let again = matches!(
        next,
        Next::RetryFailed | Next::RetryCrashed(_) | Next::Release
    );
    let Some(task) = state.task(&live.task).filter(|_| again) else {
        return (next, None);
    };
    let all = standings(state, task, live.worker, now);
    let Some(mut own) = all.into_iter().find(|s| s.scope == Scope::Task) else {
        return (next, None);
    };
    let unmetered = charge.amounts().less(live.account.charge.amounts());
    own.spent = own.spent.plus(unmetered);
    match own.fullest().filter(|_| own.level() == Level::Full) {
        Some((measure, spent, cap)) => {
            let (spent, cap) = (measure.shown(spent), measure.shown(cap));
            let why = format!("its own budget is spent: {spent} of {cap}");
            (Next::Flag, Some(why))
        }
        None => (next, None),
    }
}

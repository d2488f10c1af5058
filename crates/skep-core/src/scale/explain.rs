//! Why there are as many workers as there are, in a sentence: `skep why swarm` and `skep status`.

use super::{
    Mode, ceiling, count,
    demand::{Group, groups},
    floor, noun, shut, spare, up, workers,
};
use crate::{
    state::State,
    time::{Millis, Time},
};
use alloc::{format, string::String};
use core::fmt::Write;

/// Why there are as many workers as there are.
#[must_use]
pub fn explain(state: &State, now: Time) -> String {
    let (total, ceiling) = (count(state), ceiling(state));
    let mut text = match state.scale().mode {
        Mode::Manual => {
            return format!(
                "{}, as added by hand or by the plan; `skep scale auto` lets the tasks decide",
                workers(total)
            );
        }
        Mode::Between { min, max } if min == max => {
            let (most, by) = (ceiling.most, ceiling.by);
            let asked = format!("{} of {min}", workers(total));
            // Who asks for more than the policy lets be sees a number that is never reached.
            match most < min {
                true => format!("{asked}, but never more than {most} ({by})"),
                false => asked,
            }
        }
        Mode::Auto | Mode::Between { .. } => {
            let least = floor(state);
            let (most, by) = (ceiling.most, ceiling.by);
            format!("{} of {least} to {most} ({by})", workers(total))
        }
    };
    // Writing to a string cannot fail.
    let _ = if shut(state, now) {
        write!(text, "; none comes or goes while claims are shut")
    } else if let Some(note) = next_step(state, now, total < ceiling.most) {
        write!(text, "; {note}")
    } else {
        Ok(())
    };
    text
}

/// What is about to change, if anything is.
fn next_step(state: &State, now: Time, room: bool) -> Option<String> {
    let scaling = state.swarm()?.spec.policy.scaling;
    let groups = groups(state, now);
    let lacks = |g: &&Group<'_>| g.missing(scaling.tasks_per_worker) > 0;
    if let Some(group) = groups.iter().find(lacks) {
        let want = group.missing(scaling.tasks_per_worker);
        let tasks = format!("{} ready {}", group.ready, noun(group.ready, "task"));
        return Some(match up::wake_at(state, now) {
            _ if !room => format!("{tasks} could use {want} more, and there is no room for any"),
            Some(at) => format!(
                "{tasks} could use {want} more, looked at in {}",
                age(at, now)
            ),
            None => format!("{tasks} could use {want} more"),
        });
    }
    if spare(state, now) > 0 {
        let rate = state
            .scale()
            .arrivals_per_minute(scaling.arrival_window, now);
        return Some(format!(
            "{rate} tasks a minute arrive, so {} kept ready for more",
            if spare(state, now) == 1 {
                "one is"
            } else {
                "two are"
            }
        ));
    }
    let at = super::down::wake_at(state, now)?;
    Some(format!("one with nothing to do leaves in {}", age(at, now)))
}

fn age(at: Time, now: Time) -> Millis {
    // Rounded up: never "in 0s" for what has not happened.
    Millis(at.since(now).0.div_ceil(1000) * 1000)
}

/// How near the swarm is to the cap on attempts (L-7): nothing while two more could begin.
#[must_use]
pub fn cap(state: &State) -> Option<String> {
    let cap = state.swarm()?.spec.policy.concurrency as usize;
    let (live, ready) = (state.live().len(), state.ready().count());
    if live >= cap {
        let queued = match ready {
            0 => String::new(),
            1 => "; 1 ready task queues".into(),
            n => format!("; {n} ready tasks queue"),
        };
        return Some(format!(
            "{live} of at most {cap} attempts run (policy.concurrency){queued}"
        ));
    }
    state
        .cap_warned()
        .then(|| format!("{live} of at most {cap} attempts run; more will queue"))
}

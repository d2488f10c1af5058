//! What health makes due: changes of verdict, stops, and the end of a lease whose shim does not obey.

use super::{
    Checkup, Logged, Pace, Rung, Track,
    checkup::{self, Setting},
};
use crate::{
    attempt::{Live, Phase, StopWhy, Stopping},
    event::Event,
    spec::Policy,
    state::State,
    task::Task,
    time::{Millis, Time},
};
use alloc::boxed::Box;

/// A score that has changed by less is not worth an event.
const WORTH_LOGGING: u8 = 10;
/// A machine under load gets so much longer than the rules say before it is called disobedient.
const LOAD: Millis = Millis::mins(1);

/// The next event that is due, if any.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    let policy = &state.swarm()?.spec.policy;
    state.live().find_map(|live| {
        claimed_too_long(state, live, policy, now)
            .or_else(|| disobeys(live, policy, now))
            .or_else(|| verdict(state, live, policy, now))
    })
}

/// When something of it is due next, or must be measured to know whether it is.
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    let policy = &state.swarm()?.spec.policy;
    let each = state.live().flat_map(|live| {
        let task = state.task(&live.task);
        let claim = task.map(|t| claim_ends(live, t, policy));
        let claim = claim.filter(|_| live.stopping.is_none());
        let obeys = stale_stop(live).map(|stop| stop.since + patience(policy));
        [claim, obeys, measure_at(state, live, policy)]
            .into_iter()
            .flatten()
    });
    each.filter(|at| *at > now).min()
}

/// Whether a verdict hangs on a measurement that is not there yet: the host should look now.
#[must_use]
pub fn must_measure(state: &State, now: Time) -> bool {
    let Some(swarm) = state.swarm() else {
        return false;
    };
    let at = |live| measure_at(state, live, &swarm.spec.policy);
    state.live().filter_map(at).any(|at| at <= now)
}

/// The moment at which the rung changes if nothing has happened by then.
fn measure_at(state: &State, live: &Live, policy: &Policy) -> Option<Time> {
    let (track, task) = judged(state, live)?;
    checkup::next_rung(&track.clocks, &setting(live, task, policy), track.at)
}

/// Whether an attempt that was ended for its silence is still there long after that: its lease is revoked, so
/// that its task can go on.
pub(crate) fn revoked(live: &Live, policy: &Policy, now: Time) -> bool {
    stale_stop(live).is_some_and(|stop| stop.at_once && stop.since + patience(policy) <= now)
}

fn stale_stop(live: &Live) -> Option<Stopping> {
    live.stopping.filter(|stop| stop.why == StopWhy::Stale)
}

/// A shim that obeys has ended its attempt by then, and has saved what was there.
fn patience(policy: &Policy) -> Millis {
    Millis(policy.grace.times(2).0.saturating_add(LOAD.0))
}

/// L-4: claimed for too long is always ended.
fn claimed_too_long(state: &State, live: &Live, policy: &Policy, now: Time) -> Option<Event> {
    let task = state.task(&live.task).filter(|_| live.stopping.is_none())?;
    (claim_ends(live, task, policy) <= now).then_some(Event::StopAsked {
        attempt: live.attempt,
        why: StopWhy::Overtime,
        at_once: false,
    })
}

fn claim_ends(live: &Live, task: &Task, policy: &Policy) -> Time {
    let stood = live.waited.moves_by(policy.agents.ask_total);
    live.age_from + policy.longest_claim(task.spec.timebox) + stood
}

fn disobeys(live: &Live, policy: &Policy, now: Time) -> Option<Event> {
    let stop = stale_stop(live).filter(|stop| !stop.at_once)?;
    (stop.since + patience(policy) <= now).then_some(Event::StopAsked {
        attempt: live.attempt,
        why: StopWhy::Stale,
        at_once: true,
    })
}

/// Attempts whose agent is at work are judged; what comes before and after has limits of its own.
fn judged<'s>(state: &'s State, live: &Live) -> Option<(&'s Track, &'s Task)> {
    // Who waits for a person, or says until when the provider lets it wait, is not silent.
    if live.phase != Phase::Running || live.stopping.is_some() || live.waited.since.is_some() {
        return None;
    }
    let track = state.facts().of(live.attempt)?;
    let reading = state.facts().reading(live.attempt);
    if reading.is_some_and(|r| r.waits_until.is_some_and(|until| until > track.at)) {
        return None;
    }
    Some((track, state.task(&live.task)?))
}

pub(super) fn setting<'p>(live: &Live, task: &Task, policy: &'p Policy) -> Setting<'p> {
    Setting {
        policy,
        began: live.since,
        restarts_left: task.crashes < policy.crash_retries,
        usual: None,
    }
}

/// The rung has changed, or the score has, by enough and for long enough. An attempt is judged as of its last
/// measurement: nobody is ended for what nobody has looked at.
fn verdict(state: &State, live: &Live, policy: &Policy, now: Time) -> Option<Event> {
    let (track, task) = judged(state, live)?;
    let known = live.health.as_deref();
    let mut setting = setting(live, task, policy);
    let rung = checkup::rung(&track.clocks, &setting, track.at);
    let was = known.map_or(Rung::Fine, |h| h.rung);
    if rung == Rung::Stop && was == Rung::Stop {
        return Some(Event::StopAsked {
            attempt: live.attempt,
            why: StopWhy::Stale,
            at_once: false,
        });
    }
    // Its first checkup is logged whatever it says: the next keeper counts from it.
    let last = known.map_or(live.since, |h| h.at);
    let again = track.at > last && last + policy.health.interval <= now;
    if rung == was && !again {
        return None;
    }
    setting.usual = state.usual_pace(&Pace::key(&live.agent, &task.spec));
    let found = Checkup::of(track, &setting, track.at);
    let near = known.is_some_and(|h| h.score.abs_diff(found.score) < WORTH_LOGGING);
    if rung == was && near {
        return None;
    }
    Some(Event::HealthChanged {
        attempt: live.attempt,
        health: Box::new(Logged {
            score: found.score,
            rung: found.rung,
            reasons: found.reasons,
            clocks: track.clocks,
            counts: track.sample.counts.clone(),
            at: track.at,
        }),
    })
}

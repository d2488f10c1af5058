//! What follows from a hook's run (U-11).

use super::observations::{Ending, ended};
use crate::{
    attempt::{Live, Outcome, Phase, StopWhy},
    event::{Event, Next},
    hook::{About, Ran},
    merge::MergeStep,
    request::Refusal,
    spec::Moment,
    state::State,
    time::Time,
};
use alloc::{boxed::Box, format, string::String, vec::Vec};

pub(super) fn decide(state: &State, now: Time, ran: &Ran) -> Result<Vec<Event>, Refusal> {
    let told = Event::HookRan {
        ran: Box::new(ran.clone()),
    };
    match (ran.on, ran.about) {
        (Moment::AfterAttempt | Moment::Failed, About::Attempt(attempt)) => {
            let mut owed = state.hooks_owed().iter();
            let is_owed = owed.any(|o| o.is(&ran.hook, ran.on, attempt));
            is_owed.then(|| [told].into()).ok_or(Refusal::OutOfDate)
        }
        (Moment::BeforeAttempt, About::Attempt(attempt)) => {
            let live = state.attempt(attempt).ok_or(Refusal::Fenced(attempt))?;
            if live.phase > Phase::Claimed {
                return Err(Refusal::OutOfDate);
            }
            let mut events = Vec::from([told]);
            if ran.refused {
                events.extend(not_begun(state, now, live, why(ran)));
            }
            Ok(events)
        }
        (Moment::BeforeMerge, About::Wave(wave)) => {
            let merge = state.merge().filter(|merge| merge.wave == wave);
            let merge = merge.ok_or(Refusal::OutOfDate)?;
            if merge.step != MergeStep::Building || state.needs_person() {
                return Err(Refusal::OutOfDate);
            }
            let mut events = Vec::from([told]);
            if ran.refused {
                events.push(Event::SwarmHalted {
                    reason: format!("wave {wave} is not merged: {}", why(ran)),
                    probe_at: None,
                });
            }
            Ok(events)
        }
        _ => Ok([told].into()),
    }
}

fn why(ran: &Ran) -> String {
    let why = ran.failed.as_deref().unwrap_or("it said no");
    format!("the hook {} refused: {why}", ran.hook)
}

/// An attempt that a hook keeps from beginning. A refusal is a decision and no accident: trying again would be asking
/// until the answer is another, so the task waits for a person. No worker's and no model's record suffers.
fn not_begun(state: &State, now: Time, live: &Live, reason: String) -> Vec<Event> {
    let given_up = live.stopping.map(|s| s.why) == Some(StopWhy::TaskCancelled);
    let end = Ending {
        reason,
        ..Ending::default()
    };
    let mut events = ended(state, now, live, Outcome::Cancelled, end);
    for event in &mut events {
        if let Event::AttemptEnded { failure, next, .. } = event {
            failure.model = None;
            if !given_up {
                *next = Next::Flag;
            }
        }
    }
    events
}

//! Trying a parked provider again: one attempt first, and everybody once it got somewhere.

use crate::{
    attempt::{Live, Outcome, Phase},
    event::Event,
    id::Attempt,
    state::State,
    time::Time,
};

/// The end of an attempt shows that its provider works, if it was the one that tried it.
pub(crate) fn passed(state: &State, live: &Live, outcome: Outcome) -> Option<Event> {
    // One that died or was stopped may never have come so far as to ask its provider.
    let asked = matches!(
        outcome,
        Outcome::Succeeded | Outcome::Failed | Outcome::TimedOut | Outcome::OverBudget
    );
    let (name, probe) = probe_of(state, live)?;
    asked.then(|| Event::ProviderResumed {
        provider: name.into(),
        probe,
    })
}

/// The provider whose probe this attempt is.
fn probe_of<'s>(state: &'s State, live: &'s Live) -> Option<(&'s str, Attempt)> {
    let name = live.provider.as_deref()?;
    let parked = state.providers().get(name)?.parked.as_ref()?;
    (parked.probe == Some(live.attempt)).then_some((name, live.attempt))
}

/// A probe has answered, or has run for long enough without trouble: it need not end first.
pub(crate) fn resumed(state: &State, now: Time) -> Option<Event> {
    probes(state).find_map(|(name, live)| {
        let due = answered(state, live) || quiet_until(state, live)? <= now;
        due.then(|| Event::ProviderResumed {
            provider: name.into(),
            probe: live.attempt,
        })
    })
}

/// When a provider can be tried again, or counts as tried.
pub(crate) fn wake_at(state: &State) -> impl Iterator<Item = Time> {
    let parked = state.providers().values().filter_map(|p| p.parked.as_ref());
    let ends = parked.filter(|p| p.probe.is_none()).map(|p| p.until);
    ends.chain(probes(state).filter_map(|(_, live)| quiet_until(state, live)))
}

fn probes(state: &State) -> impl Iterator<Item = (&str, &Live)> {
    state.providers().iter().filter_map(|(name, provider)| {
        let probe = provider.parked.as_ref()?.probe?;
        Some((name.as_str(), state.attempt(probe)?))
    })
}

/// Whether its model has said anything, by the agent's own account.
fn answered(state: &State, live: &Live) -> bool {
    state.facts().reading(live.attempt).is_some_and(|seen| {
        let wrote = seen.usage.output_tokens.unwrap_or_default() > 0;
        wrote && seen.retries == 0 && seen.waits_until.is_none()
    })
}

/// When it will have run for long enough, if it has no trouble that is known of.
fn quiet_until(state: &State, live: &Live) -> Option<Time> {
    let seen = state.facts().reading(live.attempt);
    let trouble = seen.is_some_and(|seen| seen.retries > 0 || seen.waits_until.is_some());
    // While it checks, its agent has said that it is done; one that was refused has ended long before that.
    let runs = live.phase > Phase::Claimed && live.stopping.is_none() && !trouble;
    let probe = state.swarm()?.spec.policy.providers.probe;
    runs.then(|| live.since + probe)
}

//! Parking a provider: whether, and until when.

use super::{Fault, Provider, advice};
use crate::{
    attempt::Live,
    event::Event,
    fault::ErrorKind,
    retry::jittered,
    spec::Providers,
    state::State,
    time::{Millis, Time},
};
use alloc::{
    format,
    string::{String, ToString},
};

/// A moment that differs by less from the one that is known says nothing new.
const TOLERANCE: Millis = Millis::secs(60);

/// What a refusal of an attempt leads to, if it does not know of it yet.
pub(crate) fn after(
    state: &State,
    live: &Live,
    fault: Fault,
    reason: &str,
    now: Time,
) -> Option<Event> {
    let policy = state.swarm()?.spec.policy.providers;
    let name = live.provider.as_ref()?;
    let unknown = Provider::default();
    let provider = state.providers().get(name).unwrap_or(&unknown);
    let until = until(provider, fault, live, &policy, now);
    let parks = match &provider.parked {
        // Whoever was at work when it was parked is refused one after the other: only a later moment is news.
        Some(parked) if now < parked.until => {
            fault.until.is_some() && until > parked.until + TOLERANCE
        }
        Some(parked) if parked.probe == Some(live.attempt) => true,
        _ => trips(provider, fault.kind, &policy, now),
    };
    let probe = provider.parked.as_ref().and_then(|parked| parked.probe);
    parks.then(|| Event::ProviderParked {
        provider: name.clone(),
        kind: fault.kind,
        until,
        reason: told(fault.kind, reason),
        attempt: live.attempt,
        tried: (probe == Some(live.attempt)).then(|| live.task.clone()),
    })
}

/// A limit, a quota and a login are facts; a failure is one only if it is not alone.
fn trips(provider: &Provider, kind: ErrorKind, policy: &Providers, now: Time) -> bool {
    if !matches!(kind, ErrorKind::Server | ErrorKind::Network) {
        return true;
    }
    let recent = |at: &&Time| now.since(**at) <= policy.window;
    let recent = provider.failures.iter().filter(recent).count();
    recent + 1 >= policy.failures as usize
}

fn until(provider: &Provider, fault: Fault, live: &Live, policy: &Providers, now: Time) -> Time {
    let wait = match fault.until {
        // The provider's clock may be ahead: what has passed already was not meant.
        Some(at) if at > now => at.since(now),
        _ => guessed(provider, fault.kind, live.attempt.0, policy),
    };
    now + wait.min(policy.longest_park)
}

/// How long to wait where nobody says: doubling with each refusal in a row, less a jitter, so that swarms that share
/// a provider do not come back together.
fn guessed(provider: &Provider, kind: ErrorKind, seed: u64, policy: &Providers) -> Millis {
    if matches!(kind, ErrorKind::Quota | ErrorKind::Auth) {
        return policy.quota_park;
    }
    let factor = 1u64
        .checked_shl(provider.strikes.min(32))
        .unwrap_or(u64::MAX);
    jittered(policy.park.times(factor).min(policy.park_cap), seed)
}

fn told(kind: ErrorKind, reason: &str) -> String {
    match advice(kind) {
        Some(advice) => format!("{reason}; {advice}"),
        None => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = ErrorKind> {
        prop::sample::select(alloc::vec![
            ErrorKind::RateLimit,
            ErrorKind::Quota,
            ErrorKind::Server,
            ErrorKind::Network,
            ErrorKind::Auth,
        ])
    }

    proptest! {
        // proves: S-5, S-5a
        #[test]
        fn whatever_is_said_a_provider_is_tried_again_within_the_longest_park(
            kind in kinds(), strikes in 0u32..100, seed: u64, now in 0u64..1 << 50,
            stated in prop::option::of(any::<u64>()),
        ) {
            let policy = Providers::default();
            let provider = Provider { strikes, ..Provider::default() };
            let live = crate::testing::live(seed);
            let fault = Fault { kind, until: stated.map(Time) };
            let (now, at) = (Time(now), until(&provider, fault, &live, &policy, Time(now)));
            prop_assert!(at > now && at.since(now) <= policy.longest_park);
            if let Some(stated) = stated.map(Time).filter(|at| *at > now) {
                prop_assert!(at == stated.min(now + policy.longest_park));
            } else if !matches!(kind, ErrorKind::Quota | ErrorKind::Auth) {
                let whole = policy.park.times(1 << strikes.min(20)).min(policy.park_cap).0;
                prop_assert!((whole * 3 / 4..=whole).contains(&at.since(now).0));
            }
        }
    }

    // proves: S-6
    #[test]
    fn a_single_failure_parks_nothing_and_so_many_within_the_window_do() {
        let policy = Providers::default();
        let mut provider = Provider::default();
        let now = Time(1_000_000_000);
        assert!(trips(&provider, ErrorKind::Auth, &policy, now));
        for n in 1..policy.failures {
            assert!(!trips(&provider, ErrorKind::Server, &policy, now), "{n}");
            provider.failures.push_back(now);
        }
        assert!(trips(&provider, ErrorKind::Network, &policy, now));
        let later = now + policy.window + Millis(1);
        assert!(!trips(&provider, ErrorKind::Network, &policy, later));
    }
}

//! Providers and records: what an attempt's claim and end make of them.

use crate::{
    attempt::{Live, Outcome},
    event::Event,
    id::Attempt,
    limits,
    money::Usd,
    provider::{self, Parked},
    reputation::{self, Seen, Subject, kind_of},
    state::State,
    time::Time,
};
use alloc::{string::ToString, vec::Vec};

impl State {
    pub(super) fn apply_provider(&mut self, event: &Event, now: Time) {
        match event {
            Event::ProviderParked {
                provider,
                kind,
                until,
                reason,
                tried,
                ..
            } => {
                let after = self.policy().providers.probe;
                if let Some(task) = tried {
                    // A task that is refused whatever others are must not be the only one that ever tries.
                    self.edit(task, |t| t.not_before = Some(*until + after));
                }
                let provider = provider::entry(&mut self.providers, provider);
                let since = provider.parked.as_ref().filter(|p| p.until > now);
                let since = since.map(|p| p.since);
                // A later moment for a park that goes on is not another refusal in a row.
                provider.strikes = provider.strikes.saturating_add(u32::from(since.is_none()));
                provider.failures.clear();
                provider.parked = Some(Parked {
                    kind: *kind,
                    reason: reason.clone(),
                    since: since.unwrap_or(now),
                    until: *until,
                    probe: None,
                });
            }
            Event::ProviderResumed { provider, .. } => {
                let provider = provider::entry(&mut self.providers, provider);
                provider.parked = None;
                provider.failures.clear();
            }
            _ => {}
        }
    }

    /// A person says that it is worth trying.
    pub(super) fn retry_providers(&mut self, now: Time) {
        let parked = self
            .providers
            .values_mut()
            .filter_map(|p| p.parked.as_mut());
        for parked in parked {
            parked.until = parked.until.min(now);
        }
    }

    pub(super) fn provider_claimed(&mut self, name: &str, attempt: Attempt) {
        let provider = provider::entry(&mut self.providers, name);
        provider.running += 1;
        if let Some(parked) = &mut provider.parked {
            parked.probe = Some(attempt);
        }
    }

    /// An attempt is over: how it ended does not matter yet.
    pub(super) fn provider_released(&mut self, live: &Live) {
        let Some(name) = &live.provider else { return };
        let provider = provider::entry(&mut self.providers, name);
        provider.running = provider.running.saturating_sub(1);
        if let Some(parked) = &mut provider.parked
            && parked.probe == Some(live.attempt)
        {
            parked.probe = None;
        }
    }

    /// What its provider did.
    pub(super) fn provider_seen(&mut self, live: &Live, outcome: Outcome, fault: bool, now: Time) {
        let Some(name) = &live.provider else { return };
        let provider = provider::entry(&mut self.providers, name);
        if fault {
            provider.failures.push_back(now);
            if provider.failures.len() > limits::PROVIDER_FAILURES {
                provider.failures.pop_front();
            }
        } else if matches!(outcome, Outcome::Succeeded | Outcome::Failed) {
            provider.served += 1;
            provider.strikes = 0;
        }
    }

    /// Puts an attempt's end on the records of whoever had a part in it (G-6).
    pub(super) fn record(&mut self, live: &Live, outcome: Outcome, usd: Option<Usd>, now: Time) {
        let succeeded = match outcome {
            Outcome::Succeeded => true,
            Outcome::Failed | Outcome::TimedOut | Outcome::Stale => false,
            // A machine, a provider, a budget or a person: nobody's record.
            _ => return,
        };
        let seen = Seen {
            succeeded,
            took: now.since(live.age_from),
            usd,
        };
        let slo = self.policy().slo;
        let mut keys = Vec::from([
            Subject::Worker(live.worker.to_string()).key(),
            Subject::Agent(live.agent.clone()).key(),
        ]);
        if let Some(model) = &live.model {
            let kind = self.task(&live.task).map(|t| kind_of(&t.spec));
            keys.push(Subject::Model(model.clone()).key());
            keys.push(reputation::model_key(&live.agent, model));
            keys.extend(kind.map(|kind| reputation::kind_key(&kind, &live.agent, model)));
        }
        for key in keys {
            self.reputations.add(key, &seen, &slo, now);
        }
    }
}

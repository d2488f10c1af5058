//! Providers: who serves an attempt's model, and what is done when one refuses (S-5, S-5a, S-6).
//!
//! An attempt's provider is its model's, by the catalog; else its agent's `provider`; else the agent's own name. A
//! task's own command (the shell agent) is served by nobody.
//!
//! A provider is a bulkhead and a circuit breaker:
//!
//! | it is | when | attempts |
//! |---|---|---|
//! | closed | nothing is wrong | as many as [`Providers::attempts`](crate::spec::Providers::attempts) |
//! | parked | it refused (limit, quota, login: at once; failures: so many within a window), until a moment | none |
//! | half-open | that moment has passed | one, the probe |
//!
//! A probe that got somewhere closes it again; one that is refused parks it for longer. Nothing of this is charged to
//! a task, a worker or a model, and nothing is ended for it.
//!
//! *The clock.* A park ends by the keeper's clock, which never runs backwards; if it jumped ahead, the park ends early,
//! and the probe finds out. A moment that a provider states is a date of the real world, which may be years away from
//! what the keeper takes for today: no park is longer than
//! [`longest_park`](crate::spec::Providers::longest_park) without a probe.

mod park;
mod probe;

pub(crate) use park::after;
pub(crate) use probe::{passed, resumed, wake_at};

use crate::{
    attempt::{Outcome, Report, Said},
    fault::ErrorKind,
    id::Attempt,
    limits,
    spec::{SwarmSpec, TaskSpec},
    state::State,
    time::{Millis, Time},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Who serves an attempt of `task` by `agent` with `model`, if anybody does.
#[must_use]
pub fn of<'s>(
    swarm: &'s SwarmSpec,
    task: &TaskSpec,
    agent: &'s str,
    model: Option<&str>,
) -> Option<&'s str> {
    if task.command.is_some() {
        return None;
    }
    let by_model = model.and_then(|model| swarm.catalog.get(model));
    let by_agent = || swarm.agents.get(agent)?.provider.as_deref();
    let found = by_model.map(|model| model.provider.as_str());
    found.or_else(by_agent).or(Some(agent))
}

/// A refusal by a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub kind: ErrorKind,
    /// Until when, if it said so.
    pub until: Option<Time>,
}

/// Whether a failure of this kind is the provider's.
#[must_use]
pub const fn is_providers(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RateLimit
            | ErrorKind::Quota
            | ErrorKind::Server
            | ErrorKind::Network
            | ErrorKind::Auth
    )
}

/// What a report that was judged as `outcome` says of the provider. Only what the agent's protocol said, or the exit
/// code that a plan names for it: text that merely talks of limits is never looked at.
#[must_use]
pub fn fault(report: &Report, outcome: Outcome) -> Option<Fault> {
    let by_itself = matches!(
        outcome,
        Outcome::RateLimited | Outcome::Crashed | Outcome::Failed
    );
    let told = match &report.said {
        Some(Said::Failed { fault, until, .. }) => fault.map(|kind| (kind, *until)),
        Some(Said::Done { .. }) | None => None,
    };
    let told = told.filter(|(kind, _)| is_providers(*kind));
    // Said, or meant by the exit code: a limit of whose kind nothing more is known.
    let limit = (outcome == Outcome::RateLimited).then_some((ErrorKind::RateLimit, None));
    let (kind, until) = told.or(limit).filter(|_| by_itself)?;
    Some(Fault { kind, until })
}

/// What is remembered of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Attempts that it serves now.
    pub running: u32,
    /// Attempts that it served to an end that was not its doing.
    pub served: u64,
    /// Refusals in a row that parked it.
    pub strikes: u32,
    /// When it failed last.
    pub failures: VecDeque<Time>,
    /// Why it is left alone, and until when.
    pub parked: Option<Parked>,
}

/// Why a provider is left alone, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What went wrong.
    pub kind: ErrorKind,
    /// In a sentence.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// From then on one attempt tries it.
    pub until: Time,
    /// The attempt that does.
    pub probe: Option<Attempt>,
}

/// Why a provider takes no attempt now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shut {
    /// It refused.
    Parked {
        /// Whose name.
        provider: String,
        /// How.
        kind: ErrorKind,
        /// Until then.
        until: Time,
        /// Which is so far away.
        for_ms: u64,
    },
    /// One attempt tries whether it still refuses.
    Probing {
        /// Whose name.
        provider: String,
        /// The attempt.
        probe: Attempt,
    },
    /// It serves as many as it may.
    Full {
        /// Whose name.
        provider: String,
        /// So many.
        most: u32,
    },
}

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shut::Parked {
                provider,
                kind,
                until,
                for_ms,
            } => write!(
                f,
                "waits for provider {provider}: {} until {} (in {}){}",
                standing(*kind),
                hour(*until),
                Millis(for_ms - for_ms % 1000),
                advice(*kind).map_or_else(String::new, |advice| format!("; {advice}"))
            ),
            Shut::Probing { provider, probe } => write!(
                f,
                "waits for provider {provider}: attempt {probe} tries whether it works again"
            ),
            Shut::Full { provider, most } => write!(
                f,
                "waits for provider {provider}: {most} attempts run there, which is the most \
                 (policy.providers.attempts)"
            ),
        }
    }
}

/// What a provider is, that refuses like this.
const fn standing(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Quota => "its quota is used up, left alone",
        ErrorKind::Auth => "it refused the login, left alone",
        ErrorKind::Server | ErrorKind::Network => "it is down, left alone",
        _ => "limited",
    }
}

/// Hour and minute of a moment. The core knows of no time zone but this one.
fn hour(at: Time) -> String {
    let minutes = at.0 / 60_000;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

/// What a person can do about a provider that refuses like this, if anything helps.
#[must_use]
pub const fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Auth => {
            Some("log in again or mend the key, then `skep resume` tries it at once")
        }
        ErrorKind::Quota => {
            Some("add credit or change the plan there, then `skep resume` tries it at once")
        }
        _ => None,
    }
}

/// Whether a provider takes one more attempt.
///
/// # Errors
/// Why not.
pub fn open(state: &State, name: &str, now: Time) -> Result<(), Shut> {
    let Some(provider) = state.providers().get(name) else {
        return Ok(());
    };
    let whose = || String::from(name);
    if let Some(parked) = &provider.parked {
        if now < parked.until {
            return Err(Shut::Parked {
                provider: whose(),
                kind: parked.kind,
                until: parked.until,
                for_ms: parked.until.since(now).0,
            });
        }
        if let Some(probe) = parked.probe {
            let provider = whose();
            return Err(Shut::Probing { provider, probe });
        }
    }
    let most = state
        .swarm()
        .map_or(0, |s| s.spec.policy.providers.attempts);
    if provider.running >= most {
        let provider = whose();
        return Err(Shut::Full { provider, most });
    }
    Ok(())
}

/// What is remembered of all providers, by name.
pub type Book = BTreeMap<String, Provider>;

/// The entry of a provider. Those of which nothing matters any more make room for it.
pub(crate) fn entry<'b>(book: &'b mut Book, name: &str) -> &'b mut Provider {
    if book.len() >= limits::PROVIDERS && !book.contains_key(name) {
        book.retain(|_, p| p.running > 0 || p.parked.is_some());
    }
    book.entry(name.into()).or_default()
}

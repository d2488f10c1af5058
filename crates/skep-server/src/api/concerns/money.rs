//! Concerns of providers and caps.

use super::{About, ConcernDoc, Gravity, RemedyDoc};
use crate::api::Stamp;
use skep_core::{
    budget::{self, Level, Standing},
    provider,
    state::State,
    time::Time,
};

/// Providers that are left alone.
pub(super) fn providers(state: &State, now: Time) -> impl Iterator<Item = ConcernDoc> {
    state.providers().iter().filter_map(move |(name, entry)| {
        let parked = entry.parked.as_ref()?;
        let advice = provider::advice(parked.kind);
        let severity = advice.map_or(Gravity::Info, |_| Gravity::Warning);
        let mut sentence = format!("provider {name} is left alone: {}", parked.reason);
        if let Some(advice) = advice {
            sentence = format!("{sentence}; {advice}");
        } else if now >= parked.until {
            sentence.push_str("; the next attempt tries it");
        }
        Some(ConcernDoc {
            severity,
            kind: "provider".into(),
            about: About::Provider,
            subject: name.clone(),
            sentence,
            since: Some(Stamp(parked.since)),
            remedies: vec![RemedyDoc::resume("try it at once")],
        })
    })
}

/// Caps of which so much is spent that people are told.
pub(super) fn caps(state: &State, now: Time) -> Vec<ConcernDoc> {
    let standings = budget::shared(state, now);
    standings.iter().filter_map(cap).collect()
}

fn cap(standing: &Standing) -> Option<ConcernDoc> {
    let level = standing.level();
    let severity = match level {
        Level::Fine => return None,
        Level::Alert => Gravity::Info,
        Level::Critical | Level::Last | Level::Full => Gravity::Warning,
    };
    Some(ConcernDoc {
        severity,
        kind: "budget".into(),
        about: About::Budget,
        subject: standing.scope.to_string(),
        sentence: budget::text(standing, level),
        since: None,
        remedies: vec![
            RemedyDoc::shell("see what was spent", "skep costs"),
            RemedyDoc::shell("see the caps that can be raised", "skep config"),
        ],
    })
}

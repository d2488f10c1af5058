//! What a record is of, and what people are told of it (G-6).

use super::Record;
use crate::{event::Event, state::State};
use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a record is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A worker.
    Worker(String),
    /// An agent.
    Agent(String),
    /// A model.
    Model(String),
}

impl Subject {
    /// Where its record is.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Subject::Worker(name) => format!("worker/{name}"),
            Subject::Agent(name) => format!("agent/{name}"),
            Subject::Model(name) => format!("model/{name}"),
        }
    }

    pub(super) fn of_key(key: &str) -> Option<Subject> {
        let (what, name) = key.split_once('/')?;
        let name = name.to_string();
        match what {
            "worker" => Some(Subject::Worker(name)),
            "agent" => Some(Subject::Agent(name)),
            "model" => Some(Subject::Model(name)),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Worker(name) => write!(f, "worker {name}"),
            Subject::Agent(name) => write!(f, "agent {name}"),
            Subject::Model(name) => write!(f, "model {name}"),
        }
    }
}

/// What a worker, an agent or a model falls short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// It succeeds too rarely.
    Success,
    /// It takes too long.
    Slow,
    /// A success costs too much.
    Cost,
}

/// The next breach that people are to be told of.
pub(crate) fn next(state: &State) -> Option<Event> {
    let book = state.reputations();
    let key = book.untold.first()?;
    let subject = Subject::of_key(key)?;
    let record = book.records.get(key)?;
    let slo = &state.swarm()?.spec.policy.slo;
    let breach = record.breached()?;
    Some(Event::SloBreached {
        text: text(&subject, record, breach, slo),
        subject,
        breach,
    })
}

/// Who falls short of what the policy asks for now, each with what of, in a sentence.
pub fn short(state: &State) -> impl Iterator<Item = (Subject, String)> {
    let swarm = state.swarm().into_iter();
    swarm.flat_map(|swarm| {
        let all = state.reputations().all();
        all.filter_map(|(subject, record)| {
            let said = text(&subject, record, record.breached()?, &swarm.spec.policy.slo);
            Some((subject, said))
        })
    })
}

fn text(subject: &Subject, record: &Record, breach: Breach, slo: &crate::spec::Slo) -> String {
    let percent = record.success_percent().unwrap_or_default();
    let p95 = record.took(95).unwrap_or_default();
    match breach {
        Breach::Success => format!(
            "{subject} succeeded in {percent} % of its last attempts, under {} % (policy.slo.success_percent)",
            slo.success_percent
        ),
        Breach::Slow => format!(
            "of the last attempts of {subject} one in twenty took over {p95}, more than {} (policy.slo.p95)",
            slo.p95
        ),
        Breach::Cost => {
            let usd = record.usd_per_success().unwrap_or_default();
            format!(
                "an accepted task of {subject} costs {usd}, more than {} (policy.slo.cost)",
                slo.cost
            )
        }
    }
}

//! How workers, agents and models do (G-6): how often they succeed, how long they take, what a success costs.
//!
//! Derived from the log, with a bound on what is kept. What a provider did, what a person stopped and what a machine
//! broke is nobody's record.

mod record;
mod told;

pub use record::Record;
pub(crate) use told::next;
pub use told::{Breach, Subject, short};

use crate::{limits, routing::complexity_word, spec::TaskSpec, time::Time};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
};
use serde::{Deserialize, Serialize};

/// The kind of a task: how hard it is, if the plan says; else its category; else its role.
#[must_use]
pub fn kind_of(task: &TaskSpec) -> String {
    let complexity = task.complexity.map(|c| String::from(complexity_word(c)));
    let other = || task.category.clone().or_else(|| task.role.clone());
    complexity.or_else(other).unwrap_or_default()
}

/// The key of what is known of a model with an agent.
#[must_use]
pub fn model_key(agent: &str, model: &str) -> String {
    format!("with/{agent}/{model}")
}

/// The key of what is known of the two on a kind of task.
#[must_use]
pub fn kind_key(kind: &str, agent: &str, model: &str) -> String {
    format!("kind/{kind}/{agent}/{model}")
}

/// All records, by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    records: BTreeMap<String, Record>,
    /// Those that do badly and of which nobody was told yet.
    untold: BTreeSet<String>,
}

impl Book {
    /// What is known of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.records.get(key)
    }

    /// All records whose key says what they are of.
    pub fn all(&self) -> impl Iterator<Item = (Subject, &Record)> {
        let records = self.records.iter();
        records.filter_map(|(key, record)| Some((Subject::of_key(key)?, record)))
    }

    /// Takes an attempt into account.
    pub(crate) fn add(
        &mut self,
        key: String,
        seen: &record::Seen,
        slo: &crate::spec::Slo,
        now: Time,
    ) {
        if self.records.len() >= limits::REPUTATIONS && !self.records.contains_key(&key) {
            self.forget_one();
        }
        let record = self.records.entry(key.clone()).or_default();
        record.add(seen, now);
        let named = Subject::of_key(&key).is_some();
        if named && record.fell_short(slo) {
            self.untold.insert(key);
        } else if record.breached().is_none() {
            self.untold.remove(&key);
        }
    }

    pub(crate) fn told(&mut self, key: &str) {
        self.untold.remove(key);
    }

    fn forget_one(&mut self) {
        let oldest = self.records.iter().min_by_key(|(_, record)| record.last);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.records.remove(&key);
            self.untold.remove(&key);
        }
    }
}

pub(crate) use record::Seen;

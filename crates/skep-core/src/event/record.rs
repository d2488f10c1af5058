//! An event as it stands in the log: with its number, its moment and its cause.

use super::Event;
use crate::{id::Attempt, time::Time};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Time,
    /// Ties together everything that one request led to.
    pub trace: String,
    /// Who or what caused it.
    pub by: By,
    /// The idempotency key of the command it answers; on the first event of that command only.
    pub key: Option<Key>,
    /// What happened.
    pub event: Event,
}

/// An idempotency key, and which command it was used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key, as its sender made it.
    pub name: String,
    /// The command's [fingerprint](crate::request::Command::fingerprint): the key is good for no other.
    pub command: u64,
}

/// Who or what caused an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person or a program acting for one; how they are known to the edge.
    Person(String),
    /// A host saw something.
    Host,
    /// Whoever holds this attempt's token.
    Agent(Attempt),
    /// Skep's own policy.
    Policy,
}

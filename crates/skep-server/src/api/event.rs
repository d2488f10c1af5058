//! One event of the log, as `skep events --json` prints it: one object a line.

use super::Stamp;
use serde::{Deserialize, Serialize};
use skep_core::event::{By, Event, Key, Record};

/// An event. Its `type` and fields are those of the log, where moments and lengths are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventDoc {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Stamp,
    /// Ties together everything that one request led to.
    pub trace: String,
    /// `"policy"`, `"host"`, `{"agent": ATTEMPT}` or `{"person": …}`.
    pub by: By,
    /// The idempotency key of the command it answers.
    pub key: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl From<Record> for EventDoc {
    fn from(record: Record) -> EventDoc {
        let Record {
            seq,
            at,
            trace,
            by,
            key,
            event,
        } = record;
        EventDoc {
            seq,
            at: Stamp(at),
            trace,
            by,
            key: key.map(|key| key.name),
            event,
        }
    }
}

impl From<EventDoc> for Record {
    fn from(doc: EventDoc) -> Record {
        let EventDoc {
            seq,
            at,
            trace,
            by,
            key,
            event,
        } = doc;
        Record {
            seq,
            at: at.0,
            trace,
            by,
            // A reader's fold answers no commands, so which one it was for does not matter there.
            key: key.map(|name| Key { name, command: 0 }),
            event,
        }
    }
}

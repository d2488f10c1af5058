//! One event of the log, as `skep events --json` prints it: one object a line.

use super::Stamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use skep_core::event::{By, Event, Key, Record};
use std::borrow::Cow;

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

impl JsonSchema for EventDoc {
    fn schema_name() -> Cow<'static, str> {
        "EventDoc".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // The core derives no schemas: each kind's own fields are the log's, and more come with every version.
        json_schema!({
            "description": "An event. Beside these fields stand those of its kind; moments and lengths in them are milliseconds.",
            "type": "object",
            "properties": {
                "seq": { "type": "integer", "minimum": 1, "description": "Its number, without gaps." },
                "at": generator.subschema_for::<Stamp>(),
                "trace": { "type": "string", "description": "Ties together everything that one request led to." },
                "by": {
                    "description": "Who or what caused it.",
                    "oneOf": [
                        { "enum": ["policy", "host"] },
                        { "type": "object", "properties": { "agent": { "type": "integer" } }, "required": ["agent"],
                          "additionalProperties": false },
                        { "type": "object", "properties": { "person": { "type": "string" } }, "required": ["person"],
                          "additionalProperties": false },
                    ],
                },
                "key": { "type": ["string", "null"], "description": "The idempotency key of the command it answers." },
                "type": { "type": "string", "description": "What happened, such as `claimed`." },
            },
            "required": ["seq", "at", "trace", "by", "key", "type"],
        })
    }
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

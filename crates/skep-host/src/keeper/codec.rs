//! Between records and the log's entries. The stored form of an event is its JSON; `v` tells versions apart.

use serde::{Deserialize, Serialize};
use skep_core::event::{By, Event, Key, Record};
use skep_store::{Entry, NewEntry};

/// The version of the stored form that this program writes.
const VERSION: u32 = 1;

/// Why an entry cannot be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Written by a newer Skep.
    #[error(
        "entry {seq} was written by a newer skep (form {version}); this one reads up to {VERSION}"
    )]
    Newer {
        /// Which entry.
        seq: u64,
        /// Its version.
        version: u32,
    },
    /// Not an event this program knows.
    #[error("entry {seq} ({kind}) is not an event that this skep knows")]
    Unknown {
        /// Which entry.
        seq: u64,
        /// Its kind.
        kind: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize)]
struct Stored<'r> {
    v: u32,
    by: &'r By,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: &'r Option<Key>,
    event: &'r Event,
}

#[derive(Deserialize)]
struct Read {
    by: By,
    #[serde(default)]
    key: Option<Key>,
    event: Event,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// A record as an entry to append.
#[must_use]
pub fn encode(record: &Record) -> NewEntry {
    let stored = Stored {
        v: VERSION,
        by: &record.by,
        key: &record.key,
        event: &record.event,
    };
    // Events are plain data with string keys: their JSON cannot fail.
    let body = serde_json::to_string(&stored).unwrap_or_default();
    NewEntry {
        at: record.at,
        kind: record.event.kind().into(),
        trace: record.trace.clone(),
        body,
    }
}

/// An entry as a record.
///
/// # Errors
/// When a newer program wrote it, or it is not an event.
pub fn decode(entry: &Entry) -> Result<Record, CodecError> {
    let read: Read =
        serde_json::from_str(&entry.body).map_err(|source| {
            match serde_json::from_str::<Version>(&entry.body) {
                Ok(Version { v }) if v > VERSION => CodecError::Newer {
                    seq: entry.seq,
                    version: v,
                },
                _ => CodecError::Unknown {
                    seq: entry.seq,
                    kind: entry.kind.clone(),
                    source,
                },
            }
        })?;
    Ok(Record {
        seq: entry.seq,
        at: entry.at,
        trace: entry.trace.clone(),
        by: read.by,
        key: read.key,
        event: read.event,
    })
}

//! Where the log lives: the [`Log`] trait, a log in memory, a log in SQLite, and the suite both pass.
//!
//! The log is the only truth of a swarm. This crate knows that entries are numbered, ordered, durable
//! and chained; what an entry's body says is none of its business.
#![forbid(unsafe_code)]

mod chain;
pub mod conformance;
mod error;
mod memory;
mod sqlite;

pub use error::{AppendError, Cause, Damage, Fault, LoadError, OpenError};
pub use memory::{Failure, MemoryLog};
pub use sqlite::{
    Finding, OpenMode, PATH_MAX, Repair, Severity, SqliteLog, accept_shorter, check_path, doctor,
    sqlite_version,
};

use skep_core::time::Time;
use std::ops::ControlFlow;

/// The largest body of one entry, in bytes. Output lives in files, so an entry that reaches this is a
/// mistake; the bound keeps one such mistake from filling every reader's memory.
pub const BODY_MAX: usize = 16 * 1024 * 1024;

/// An entry to be appended. It gets its number when it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// When it happened, by the keeper's clock. The log stores it and never orders by it.
    pub at: Time,
    /// What kind of entry it is, for readers that filter.
    pub kind: String,
    /// What caused it, so that one request can be followed through the log.
    pub trace: String,
    /// One JSON object, opaque here.
    pub body: String,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: 1 for the first entry, then without gaps.
    pub seq: u64,
    /// When it happened, by the keeper's clock.
    pub at: Time,
    /// What kind of entry it is.
    pub kind: String,
    /// What caused it.
    pub trace: String,
    /// One JSON object, opaque here.
    pub body: String,
}

/// The state folded up to an entry: a shortcut for readers, never the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that is folded in; 0 for none.
    pub seq: u64,
    /// The format of `body`. A reader that does not know it folds from the first entry instead.
    pub format: u32,
    /// The state, opaque here.
    pub body: Vec<u8>,
}

/// An append-only log with compare-and-set on its sequence number.
///
/// After any error of [`append`](Log::append) but [`Conflict`](AppendError::Conflict), the entries may or
/// may not be in the log, all or none of them. [`load`](Log::load) settles it: a log that failed refuses
/// further appends as [`Stale`](AppendError::Stale) until it has been loaded from, and what that load
/// gives is what every later open gives too.
pub trait Log: Send {
    /// The number of the last entry, 0 when there is none. A reader's is as of its last `load`.
    fn head(&self) -> u64;

    /// Appends `entries` after entry `expected`, all or none, and returns the new head. They are durable
    /// when it returns: a power cut does not undo them.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the log's head is not `expected`; nothing was written, and nothing
    /// is in doubt. For every other error see the trait.
    fn append(&mut self, expected: u64, entries: &[NewEntry]) -> Result<u64, AppendError>;

    /// Whether what was written is still where everybody else would look for it. Reads no entry, so it is quick
    /// enough for every turn of a loop.
    ///
    /// # Errors
    /// The damage: a file was moved, replaced or cut while in use.
    fn in_place(&self) -> Result<(), Damage>;

    /// Gives `each` the entries that follow entry `after`, in order, until it breaks or the log ends.
    /// To follow a growing log, load again from the last entry seen.
    ///
    /// # Errors
    /// A damaged entry is never given: the load ends before it with [`Fault::Damaged`].
    fn load(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), LoadError>;

    /// Keeps `snapshot` for later readers. Only the newest few are kept.
    ///
    /// # Errors
    /// As `append`; [`AppendError::Conflict`] when the log has not reached the snapshot's entry.
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), AppendError>;

    /// The newest snapshot that is sound and belongs to this log. A damaged one is passed over, since
    /// the entries it was folded from still say everything.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn latest_snapshot(&mut self) -> Result<Option<Snapshot>, LoadError>;
}

/// Refuses what no log accepts, before anything is written.
fn check_sizes(entries: &[NewEntry]) -> Result<(), AppendError> {
    match entries.iter().find(|e| e.body.len() > BODY_MAX) {
        Some(entry) => Err(AppendError::TooLarge {
            kind: entry.kind.clone(),
            bytes: entry.body.len(),
        }),
        None => Ok(()),
    }
}

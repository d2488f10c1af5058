//! What can go wrong with a log, said so that a person knows what to do.
//!
//! Messages are fragments that fit "failed to …: {error}"; what to do about it is apart, in `hint`.
//! No SQL type leaks: a cause is only ever shown.

use crate::{BODY_MAX, PATH_MAX};
use std::path::PathBuf;

/// The underlying error, for people to read.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How a log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Entries that were acknowledged are gone from the end: a cut file, or an old copy put back.
    #[error("the log ends at entry {has}, but entry {had} had been written: its end is missing")]
    Shorter {
        /// The last entry that is there.
        has: u64,
        /// The last entry known to have been written.
        had: u64,
    },
    /// The log holds another history than the one that was written here.
    #[error("entry {seq} is not the one that was written: the log was replaced or rewritten")]
    Rewritten {
        /// The entry that differs.
        seq: u64,
    },
    /// An entry does not match its hash.
    #[error("entry {seq} does not match its hash: it, or the entry before it, was altered")]
    Entry {
        /// The first entry that cannot be trusted.
        seq: u64,
    },
    /// An entry is missing from the middle.
    #[error("entry {expected} is missing; entry {found} follows instead")]
    Gap {
        /// The entry that should be there.
        expected: u64,
        /// The one found.
        found: u64,
    },
    /// A file of the log is not at its path any more.
    #[error("{} is gone", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another file has taken the path of a file in use.
    #[error("{} was replaced by another file while in use", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// A file shrank while in use.
    #[error("{} was cut from {was} to {is} bytes while in use", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Its size after the last append.
        was: u64,
        /// Its size now.
        is: u64,
    },
    /// Someone else wrote to the log although this process holds its lock.
    #[error("another program wrote to the log after entry {head}")]
    Foreign {
        /// The last entry known here.
        head: u64,
    },
    /// The file itself cannot be understood.
    #[error("{} cannot be read as a log: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
}

/// What keeps a log from being read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The disk is full.
    #[error("the disk is full: {free} bytes are free for {}", path.display())]
    Full {
        /// The log.
        path: PathBuf,
        /// Bytes that are left for an ordinary user.
        free: u64,
    },
    /// The log may not be written, or not even be opened, where it is.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The log.
        path: PathBuf,
    },
    /// The log is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Another program keeps the database busy.
    #[error("{} is kept busy by another program", path.display())]
    Busy {
        /// The log.
        path: PathBuf,
    },
    /// The system failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done, as in "cannot {doing} {path}".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Cause,
    },
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Fault::Full { .. } => "free some space; the log goes on as soon as there is room",
            Fault::ReadOnly { .. } => {
                "make its folder writable for you, or copy the whole folder to one that is"
            }
            Fault::Damaged(_) => {
                "stop the keeper, keep a copy of the folder, and run `skep doctor`; \
                 `skep doctor --fix` keeps what is sound and saves the rest aside"
            }
            Fault::Busy { .. } => "end the program that has the database open, and try again",
            Fault::Io { .. } => "see the cause; `skep doctor` checks the log",
        }
    }
}

/// Why an append did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The log's head is not the one the caller decided on. Nothing was written.
    #[error("the log is at entry {head}, not at {expected}")]
    Conflict {
        /// The head that the caller knew.
        expected: u64,
        /// The head as it is.
        head: u64,
    },
    /// An earlier append failed, and nothing was loaded since.
    #[error("an earlier append failed; the log must be loaded from before the next one")]
    Stale,
    /// A body is over [`BODY_MAX`]. Nothing was written.
    #[error("the body of an entry of kind {kind:?} is {bytes} bytes; {BODY_MAX} is the most")]
    TooLarge {
        /// The entry's kind.
        kind: String,
        /// The size of its body.
        bytes: usize,
    },
    /// The disk is full.
    #[error("the disk is full: {free} bytes are free for {}", path.display())]
    Full {
        /// The log.
        path: PathBuf,
        /// Bytes that are left for an ordinary user.
        free: u64,
    },
    /// The log is open for reading only, or its place is.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The log.
        path: PathBuf,
    },
    /// The log is not what was written. Nothing more is written to it.
    #[error(transparent)]
    Damaged(Damage),
    /// Another program keeps the database busy.
    #[error("{} is kept busy by another program", path.display())]
    Busy {
        /// The log.
        path: PathBuf,
    },
    /// The system failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done, as in "cannot {doing} {path}".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Cause,
    },
}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full { path, free } => Self::Full { path, free },
            Fault::ReadOnly { path } => Self::ReadOnly { path },
            Fault::Damaged(damage) => Self::Damaged(damage),
            Fault::Busy { path } => Self::Busy { path },
            Fault::Io {
                doing,
                path,
                source,
            } => Self::Io {
                doing,
                path,
                source,
            },
        }
    }
}

impl AppendError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "load what was appended meanwhile and decide again",
            Self::Stale => "load from the last entry seen, then decide again",
            Self::TooLarge { .. } => "keep large output in a file and name the file in the entry",
            Self::Full { .. } => "free some space; the log goes on as soon as there is room",
            Self::ReadOnly { .. } => "make its folder writable for you",
            Self::Damaged(_) => "stop the keeper, keep a copy of the folder, and run `skep doctor`",
            Self::Busy { .. } => "end the program that has the database open, and try again",
            Self::Io { .. } => "see the cause; `skep doctor` checks the log",
        }
    }
}

/// Why a load did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The log cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The reader stands behind the log's end: it has seen an entry that is not there any more.
    #[error("the log ends at entry {head}, but the reader has seen entry {after}")]
    Beyond {
        /// Where the reader stands.
        after: u64,
        /// The log's head.
        head: u64,
    },
    /// An append failed, and whether it took effect cannot be settled yet. Load again later.
    #[error("whether the last append took effect cannot be settled yet")]
    Unsettled(#[source] Box<OpenError>),
}

impl From<Damage> for LoadError {
    fn from(damage: Damage) -> Self {
        Self::Fault(damage.into())
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no log at this path.
    #[error("there is no log at {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// Another process writes to this log.
    #[error("{} is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The log.
        path: PathBuf,
        /// The process that holds it, if it could say so.
        pid: Option<u32>,
    },
    /// The log would lie on a network file system, where locks and durability are not what they say.
    #[error("{} lies on a network file system ({kind})", path.display())]
    Network {
        /// The log.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// SQLite opens no path of this length.
    #[error("the path {} is {} bytes long; {PATH_MAX} is the most that SQLite opens", path.display(), path.as_os_str().len())]
    PathTooLong {
        /// The log.
        path: PathBuf,
    },
    /// A newer Skep wrote this log.
    #[error("{} has format {found}; this version of Skep knows formats up to {known}", path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// An older Skep wrote this log, and it is open for reading only.
    #[error("{} has the old format {found} of {known} and is open for reading only", path.display())]
    Older {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The one that is read here.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a log of Skep", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// SQLite is too old: before 3.51.3 it can lose commits when two connections write and checkpoint.
    #[error("SQLite {found} is older than 3.51.3, which fixed a bug that loses commits")]
    OldLibrary {
        /// The version in use.
        found: &'static str,
    },
    /// The log cannot be read or written.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> Self {
        Self::Fault(damage.into())
    }
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "start a swarm here, or name the folder it lives in",
            Self::Locked { .. } => "a keeper is running; talk to it, or stop it first",
            Self::Network { .. } => "keep the log on a local disk",
            Self::PathTooLong { .. } => "move the repository to a folder with a shorter path",
            Self::Newer { .. } => "use the newer Skep that wrote it",
            Self::Older { .. } => {
                "start its keeper once: it keeps a copy and brings the log up to date"
            }
            Self::NotALog { .. } => "name another path; nothing was changed in this file",
            Self::OldLibrary { .. } => "build Skep with its bundled SQLite",
            Self::Fault(fault) => fault.hint(),
        }
    }
}

//! What can go wrong with git, in types: what was run, where, and what git said.

use skep_core::id::Oid;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A git operation that did not work.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git ran and said no.
    #[error("`{command}` in {dir} failed ({status}): {stderr}", dir = .dir.display())]
    Failed {
        /// The command line, without the hardening options.
        command: String,
        /// Where it ran.
        dir: PathBuf,
        /// Its exit code or the signal that ended it.
        status: String,
        /// What it said, control characters escaped.
        stderr: String,
    },
    /// git did not finish in time, and was ended with everything that it had started.
    #[error("`{command}` in {dir} took longer than {limit:?} and was ended", dir = .dir.display())]
    TimedOut {
        /// The command line.
        command: String,
        /// Where it ran.
        dir: PathBuf,
        /// The deadline it missed.
        limit: Duration,
    },
    /// git printed something that this version of Skep cannot read.
    #[error("`{command}` answered something unexpected: {detail}")]
    Unexpected {
        /// The command line.
        command: String,
        /// What was not understood.
        detail: String,
    },
    /// A file operation of our own failed.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A branch that Skep wants to move is checked out, so moving it would falsify that checkout.
    #[error(
        "branch {branch} is checked out at {path}; switch that checkout to another branch first",
        path = .path.display()
    )]
    CheckedOut {
        /// The branch, without `refs/heads/`.
        branch: String,
        /// The worktree that has it.
        path: PathBuf,
    },
    /// A lock file is held by a process that still lives.
    #[error("{path} is held by process {pid}; wait for it or end it", path = .path.display())]
    Held {
        /// The lock file, or the worktree in which the process works.
        path: PathBuf,
        /// Who holds it.
        pid: u32,
    },
    /// Another Skep process kept the repository's lock too long.
    #[error("another process has held {path} for {waited:?}", path = .path.display())]
    LockWait {
        /// Skep's lock file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// Removing was refused: something in the worktree exists nowhere else.
    #[error("{path} is not removed: {why}", path = .path.display())]
    NotSaved {
        /// The worktree.
        path: PathBuf,
        /// What would be lost.
        why: String,
    },
    /// A ref or a worktree that should exist does not, or is not what it should be.
    #[error("{what} {why}")]
    Refused {
        /// The ref, branch or path.
        what: String,
        /// Why it cannot be used.
        why: String,
    },
}

/// What is wrong with a directory that should be a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// git is not installed, or not on the path.
    #[error("git cannot be started; install git {MIN_VERSION} or newer and put it on PATH")]
    NoGit(#[source] io::Error),
    /// git is too old for merging without a checkout.
    #[error("git is {found}; Skep needs {MIN_VERSION} or newer (for `merge-tree --write-tree`)")]
    TooOld {
        /// The version found.
        found: String,
    },
    /// The directory does not exist or cannot be entered.
    #[error("cannot enter {dir}", dir = .dir.display())]
    NoDirectory {
        /// Where.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not in a repository.
    #[error("{dir} is not in a git repository; run `git init` and commit something first", dir = .dir.display())]
    NotARepository {
        /// Where we looked.
        dir: PathBuf,
    },
    /// A repository without a worktree.
    #[error("{dir} is a bare repository; run Skep in a clone that has files", dir = .dir.display())]
    Bare {
        /// Where.
        dir: PathBuf,
    },
    /// Nothing was committed yet.
    #[error("{root} has no commit yet; run `git commit` first (an empty one will do: `git commit --allow-empty -m start`)", root = .root.display())]
    Unborn {
        /// The worktree's root.
        root: PathBuf,
    },
    /// The repository belongs to somebody else, and git refuses to trust it.
    #[error("git does not trust {dir}: {stderr}", dir = .dir.display())]
    Untrusted {
        /// Where.
        dir: PathBuf,
        /// git's text, which says what to do.
        stderr: String,
    },
    /// Skep may not write where it has to.
    #[error("{path} cannot be written; Skep needs to write there", path = .path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Anything else that git said.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The oldest git that has `merge-tree --write-tree`.
pub const MIN_VERSION: &str = "2.38";

impl GitError {
    /// A file operation that failed.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
    /// Whether git's own text contains `needle`.
    pub(crate) fn says(&self, needle: &str) -> bool {
        matches!(self, Self::Failed { stderr, .. } if stderr.contains(needle))
    }
    /// The whole chain of causes in one line, for places that carry text only.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// What `Oid`s and numbers are read from: text that git printed.
pub(crate) fn oid(command: &str, text: &[u8]) -> Result<Oid, GitError> {
    let text = String::from_utf8_lossy(text);
    text.trim().parse().map_err(|_| GitError::Unexpected {
        command: command.into(),
        detail: format!("{:?} is not an object id", text.trim()),
    })
}

/// Bytes as text that is safe to show: what is not UTF-8 and what drives a terminal is escaped.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Bidirectional overrides re-order what a person reads, so they are escaped too.
            let hidden = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || hidden {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

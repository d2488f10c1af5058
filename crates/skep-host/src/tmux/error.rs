//! What can go wrong with tmux, and what to do about it.

use std::{io, time::Duration};

/// Why tmux did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TmuxError {
    /// There is none.
    #[error("tmux cannot be started")]
    Missing(#[source] io::Error),
    /// There is one from before all that is needed.
    #[error("tmux is version {0}; 3.0 or newer is needed")]
    TooOld(String),
    /// The session's name is taken.
    #[error("the tmux session {name} is not this swarm's: it belongs to {whose}")]
    Foreign {
        /// The session.
        name: String,
        /// Another swarm's place, or somebody else.
        whose: String,
    },
    /// It said no.
    #[error("tmux {what} failed: {said}")]
    Refused {
        /// The command.
        what: String,
        /// What it said.
        said: String,
    },
    /// It says nothing.
    #[error("tmux {what} did not answer within {} s", limit.as_secs())]
    Silent {
        /// The command.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The answer could not be read.
    #[error("cannot hear what tmux says")]
    Io(#[from] io::Error),
}

impl TmuxError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            TmuxError::Missing(_) | TmuxError::TooOld(_) => {
                "install tmux 3.0 or newer, or leave out `host = \"tmux\"`: headless needs no tmux"
            }
            TmuxError::Foreign { .. } => {
                "give this swarm another `name` under [swarm], or end that session with `tmux kill-session -t NAME`"
            }
            TmuxError::Refused { .. } | TmuxError::Silent { .. } | TmuxError::Io(_) => {
                "does `tmux list-sessions` answer? `--host headless` needs no tmux"
            }
        }
    }
}

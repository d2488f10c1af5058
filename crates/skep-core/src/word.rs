//! What an attempt says of itself (U-8): how far it is, what it found out, that it cannot go on.
//!
//! Words come from whoever holds the attempt's token, so they are claims. They accept nothing and prolong nothing;
//! at most they end the attempt that they are of, keep it from being taken for silent as a health marker does, and
//! tell people and other agents something, as data (T-3).

use crate::{
    id::{Attempt, TaskId, WorkerId},
    limits,
    time::Time,
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// "So far I am."
    Checkpoint {
        /// What is done, and what is next.
        text: String,
        /// How much of it all, from 0 to 100.
        percent: Option<u8>,
    },
    /// "I am still at it." Leaves no trace in the log.
    Heartbeat,
    /// "I cannot go on." Ends the attempt; its work so far is kept.
    Block {
        /// Why.
        reason: String,
        /// The task that must be merged first, if that is it. Otherwise a person must help.
        on: Option<TaskId>,
    },
    /// "What shall it be?" To a person (L-4b); the state holds the question.
    Ask {
        /// What is asked.
        text: String,
        /// What is offered; any text will do if nothing is.
        options: Vec<String>,
    },
    /// "I have heard the answer", or "I need none any more".
    Close {
        /// The question's number.
        number: u32,
    },
    /// "This is so" (G-5).
    Memo {
        /// What it is about.
        key: String,
        /// What was found.
        value: String,
        /// How that is known.
        source: String,
    },
}

/// Why a word cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordFault {
    /// It says nothing.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// It says too much.
    #[error("{field} is {found} bytes long; {most} is the most")]
    TooLong {
        /// Of what.
        field: &'static str,
        /// How long it is.
        found: usize,
        /// How long it may be.
        most: usize,
    },
    /// More than everything.
    #[error("percent is {0}; it is from 0 to 100")]
    Percent(u8),
    /// More to choose from than a person can.
    #[error("there are {0} options; {most} is the most", most = limits::ASK_OPTIONS)]
    Options(usize),
}

impl Word {
    /// Checks that it can be taken: every word is short, since it goes into the log.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), WordFault> {
        match self {
            Word::Checkpoint { text, percent } => {
                said("text", text, limits::WORD)?;
                match percent {
                    Some(percent) if *percent > 100 => Err(WordFault::Percent(*percent)),
                    _ => Ok(()),
                }
            }
            Word::Heartbeat | Word::Close { .. } => Ok(()),
            Word::Ask { text, options } => {
                said("question", text, limits::WORD)?;
                if options.len() > limits::ASK_OPTIONS {
                    return Err(WordFault::Options(options.len()));
                }
                let mut each = options.iter();
                each.try_for_each(|option| said("an option", option, limits::ASK_OPTION))
            }
            Word::Block { reason, .. } => said("reason", reason, limits::WORD),
            Word::Memo { key, value, source } => {
                said("key", key, limits::MEMO_KEY)?;
                said("value", value, limits::WORD)?;
                said("source", source, limits::WORD)
            }
        }
    }
}

fn said(field: &'static str, text: &str, most: usize) -> Result<(), WordFault> {
    if text.trim().is_empty() {
        return Err(WordFault::Empty(field));
    }
    let found = text.len();
    if found > most {
        return Err(WordFault::TooLong { field, found, most });
    }
    Ok(())
}

/// What a live attempt has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// How often it has reported progress; bounded by [`limits::CHECKPOINTS`].
    pub checkpoints: u32,
    /// Its last report of progress.
    pub last: Option<Checkpoint>,
    /// That it cannot go on.
    pub block: Option<Block>,
}

impl Words {
    /// Whether it has said nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Words::default()
    }
}

/// A report of progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What is done, and what is next.
    pub text: String,
    /// How much of it all.
    pub percent: Option<u8>,
    /// When.
    pub at: Time,
}

/// Why an agent could not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// In its own words.
    pub reason: String,
    /// The task that must be merged first.
    pub on: Option<TaskId>,
}

/// Something that an agent found out, for people and for the others (G-5). That two may say different things of the
/// same key is no fault of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// What it is about.
    pub key: String,
    /// What was found.
    pub value: String,
    /// How that is known.
    pub source: String,
    /// In doing which task.
    pub task: TaskId,
    /// By which attempt.
    pub attempt: Attempt,
    /// By which worker.
    pub worker: WorkerId,
    /// When.
    pub at: Time,
}

//! What a reader can see in an agent's output, as typed observations.
//!
//! Every text in here is an [`excerpt`](crate::text::excerpt): short, one line, without control characters.
//! It is shown to people and kept with a failure; nothing is ever decided from it.

use crate::fault::Fault;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};
use skep_core::{
    money::Usd,
    time::{Millis, Time},
};

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The session has begun; with this id it can be resumed.
    Started {
        /// The vendor's id of it.
        session: String,
    },
    /// The agent works (again): what was said of the end before this does not hold any more.
    TurnBegan,
    /// Something moved that is not worth a name of its own.
    Progress,
    /// A part of a reply came: the model is alive.
    Writing,
    /// A tool was called.
    ToolBegan {
        /// The vendor's id of the call.
        id: String,
        /// Which tool.
        name: String,
    },
    /// A tool call is over.
    ToolEnded {
        /// The vendor's id of the call.
        id: String,
        /// Whether the tool says that it succeeded.
        ok: bool,
    },
    /// Tokens.
    Usage {
        /// How many.
        tokens: Tokens,
        /// Of what.
        span: Span,
    },
    /// Money, as the agent reckons it.
    Cost {
        /// How much.
        usd: Usd,
        /// For what.
        span: Span,
    },
    /// How full the context is.
    Context {
        /// In percent, at most 100.
        percent: u8,
    },
    /// The provider refuses for now, or will soon. Alone it does not end the attempt.
    RateLimited {
        /// Until when, if it says so.
        until: Option<Until>,
        /// In its words.
        text: String,
    },
    /// The agent tries a request to its provider again, by itself.
    Retrying {
        /// Which time.
        attempt: Option<u32>,
        /// After which it waits so long.
        wait: Option<Millis>,
        /// Why.
        fault: Fault,
    },
    /// The agent asks a person something and waits for the answer.
    Question {
        /// To answer it by.
        id: String,
        /// What it asks.
        text: String,
        /// What it offers; any text will do if it offers nothing.
        options: Vec<String>,
    },
    /// The agent asks whether it may use a tool, and waits for the answer.
    PermissionAsked {
        /// To answer it by.
        id: String,
        /// Which tool.
        tool: String,
        /// What for.
        text: String,
    },
    /// A question does not wait any more, answered or not.
    Settled {
        /// Which.
        id: String,
    },
    /// The agent said something.
    Said {
        /// The beginning of it.
        text: String,
    },
    /// Something failed for good. Only [`Seen::Done`] ends the attempt.
    Error(Fault),
    /// The agent says that it has ended its turn.
    Done {
        /// Whether it says that all is well.
        ok: bool,
        /// In its words.
        text: String,
    },
}

/// Tokens by kind; kinds do not overlap, except that `reasoning` is a part of `output`. Unknown stays unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read anew.
    pub input: Option<u64>,
    /// Read from a cache.
    pub cache_read: Option<u64>,
    /// Read, and written to a cache.
    pub cache_write: Option<u64>,
    /// Written, reasoning included.
    pub output: Option<u64>,
    /// Written while reasoning.
    pub reasoning: Option<u64>,
}

impl Tokens {
    /// Both together; what only one of them knows is kept.
    #[must_use]
    pub fn plus(self, other: Tokens) -> Tokens {
        self.zip(other, u64::saturating_add)
    }

    /// What is left after `other` was counted already.
    #[must_use]
    pub fn minus(self, other: Tokens) -> Tokens {
        let less = |a: Option<u64>, b: Option<u64>| a.map(|a| a.saturating_sub(b.unwrap_or(0)));
        Tokens {
            input: less(self.input, other.input),
            cache_read: less(self.cache_read, other.cache_read),
            cache_write: less(self.cache_write, other.cache_write),
            output: less(self.output, other.output),
            reasoning: less(self.reasoning, other.reasoning),
        }
    }

    /// All that was read; `None` if nothing is known of it.
    #[must_use]
    pub fn read(self) -> Option<u64> {
        sum(
            sum(self.input, self.cache_read, u64::saturating_add),
            self.cache_write,
            u64::saturating_add,
        )
    }

    fn zip(self, other: Tokens, with: fn(u64, u64) -> u64) -> Tokens {
        Tokens {
            input: sum(self.input, other.input, with),
            cache_read: sum(self.cache_read, other.cache_read, with),
            cache_write: sum(self.cache_write, other.cache_write, with),
            output: sum(self.output, other.output, with),
            reasoning: sum(self.reasoning, other.reasoning, with),
        }
    }
}

fn sum(a: Option<u64>, b: Option<u64>, with: fn(u64, u64) -> u64) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(with(a, b)),
        (a, b) => a.or(b),
    }
}

/// What a number is of. Vendors differ, and adding what is cumulative charges a long session many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Of one step: add it.
    Step,
    /// Of this process so far: it replaces what was known.
    Process,
    /// Of the whole session, earlier processes included: it replaces what was known, and what the session
    /// had used before this attempt must be taken off.
    Session,
}

/// When a limit is lifted, as the provider says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// At a moment.
    At(Time),
    /// So long after it was said. Readers know no clock: turn it into a moment when it is read.
    After(Millis),
}

impl Until {
    /// The moment, if it was said at `now`.
    #[must_use]
    pub fn at(self, now: Time) -> Time {
        match self {
            Until::At(time) => time,
            Until::After(wait) => now + wait,
        }
    }
}

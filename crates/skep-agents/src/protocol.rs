//! What every agent's protocol must be able to do; one implementation for each vendor.

use crate::{
    dialogue::CannotSay,
    json::Json,
    seen::Seen,
    text::{EXCERPT, NAME, excerpt},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use serde_json::Value;

/// How many questions may be open at once. An agent has one or a few; more are refused in its own protocol.
pub(crate) const ASKS_MAX: usize = 32;

/// The answer to a question or to a permission prompt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes, this once.
    Allow,
    /// No, and why.
    Deny(String),
    /// One of the options, or a text.
    Text(String),
}

/// A state machine over lines of output. Lines that say nothing to it are ignored, never an error.
pub(crate) trait Protocol: fmt::Debug + Send {
    /// Says what comes first: the prompt, or a handshake that leads to it.
    fn begin(&mut self, _out: &mut Out) {}
    /// Reads a line.
    fn line(&mut self, line: &str, out: &mut Out);
    /// Reads a line of standard error. Only an agent that tells nowhere else what matters is listened to there.
    fn complaint(&mut self, _line: &str, _out: &mut Out) {}
    /// Reads the beginning of a line that was too long to be kept.
    fn cut(&mut self, _head: &str, out: &mut Out) {
        out.see(Seen::Progress);
    }
    /// The output has ended.
    fn end(&mut self, _out: &mut Out) {}
    /// Answers an open question.
    fn answer(&mut self, id: &str, _answer: &Answer, _out: &mut Out) -> Result<(), CannotSay> {
        Err(CannotSay::NotAsked(id.to_string()))
    }
    /// Ends the turn by the protocol, before any signal.
    fn interrupt(&mut self, _out: &mut Out) -> Result<(), CannotSay> {
        Err(CannotSay::NotByProtocol)
    }
    /// Tells the agent something while it works, or after it has ended a turn.
    fn nudge(&mut self, _text: &str, _out: &mut Out) -> Result<(), CannotSay> {
        Err(CannotSay::NotByProtocol)
    }
}

/// Where a protocol puts what it sees and what it has to say.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) seen: Vec<Seen>,
    pub(crate) say: Vec<u8>,
}

impl Out {
    pub(crate) fn see(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    /// One line of JSON to the agent. JSON escapes line ends, so no text can end the line early.
    pub(crate) fn say(&mut self, message: &Value) {
        self.say_line(&message.to_string());
    }

    pub(crate) fn say_line(&mut self, line: &str) {
        self.say.extend_from_slice(line.as_bytes());
        self.say.push(b'\n');
    }

    pub(crate) fn said(&mut self, text: &str) {
        let text = excerpt(text, EXCERPT);
        if !text.is_empty() {
            self.see(Seen::Said { text });
        }
    }

    pub(crate) fn tool_began(&mut self, id: &str, name: &str) {
        self.see(Seen::ToolBegan {
            id: excerpt(id, NAME),
            name: excerpt(name, NAME),
        });
    }

    pub(crate) fn tool_ended(&mut self, id: &str, ok: bool) {
        self.see(Seen::ToolEnded {
            id: excerpt(id, NAME),
            ok,
        });
    }

    pub(crate) fn started(&mut self, session: &str) {
        if !session.is_empty() {
            self.see(Seen::Started {
                session: excerpt(session, NAME),
            });
        }
    }

    pub(crate) fn done(&mut self, ok: bool, text: &str) {
        self.see(Seen::Done {
            ok,
            text: excerpt(text, EXCERPT),
        });
    }

    /// How full a context is, if its size is known.
    pub(crate) fn context(&mut self, used: Option<u64>, size: Option<u64>) {
        if let (Some(used), Some(size)) = (used, size)
            && size > 0
        {
            // At most 100, so the cast fits.
            let percent = (u128::from(used) * 100 / u128::from(size)).min(100) as u8;
            self.see(Seen::Context { percent });
        }
    }
}

/// An amount of money in dollars, if it is one.
pub(crate) fn usd(value: &Json) -> Option<skep_core::money::Usd> {
    skep_core::money::Usd::from_dollars(value.f64()?).ok()
}

//! A dialogue with one running agent: bytes in, observations and bytes out.

use crate::{
    lines::{Line, Lines},
    protocol::{Answer, Out, Protocol},
    seen::Seen,
    summary::Summary,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::mem;
use serde::{Deserialize, Serialize};

/// Something to be said to an agent. It can be sent to the process that holds the agent's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// The answer to a question.
    Answer {
        /// To which.
        id: String,
        /// What.
        answer: Answer,
    },
    /// End the turn.
    Interrupt,
    /// Tell it something while it works.
    Nudge(String),
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSay {
    /// It has been answered, has been withdrawn, or never was.
    #[error("no question {0:?} is open")]
    NotAsked(String),
    /// The agent would not understand it.
    #[error(
        "that is no answer to {0:?}: a permission is allowed or denied, a question is answered or denied"
    )]
    NotAnAnswer(String),
    /// Its protocol has no words for this, or not at this moment.
    #[error("the agent's protocol cannot say that now")]
    NotByProtocol,
}

/// The state of a dialogue. Everything in it is bounded, whatever the agent prints.
///
/// It is a function of the bytes read and the things said, in their order: the same gives the same observations
/// and the same bytes, however the bytes were split.
#[derive(Debug)]
pub struct Dialogue {
    protocol: Box<dyn Protocol>,
    lines: Lines,
    complaints: Lines,
    out: Out,
    summary: Summary,
}

impl Dialogue {
    pub(crate) fn new(protocol: impl Protocol + 'static) -> Dialogue {
        let mut dialogue = Dialogue {
            protocol: Box::new(protocol),
            lines: Lines::default(),
            complaints: Lines::default(),
            out: Out::default(),
            summary: Summary::default(),
        };
        dialogue.protocol.begin(&mut dialogue.out);
        dialogue
    }

    /// Reads what the agent has written to its standard error. Few agents have anything there that counts.
    pub fn read_errors(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let Dialogue {
            protocol,
            complaints,
            out,
            ..
        } = self;
        complaints.push(bytes, |line| match line {
            Line::Whole(line) => protocol.complaint(line, out),
            Line::Cut(_) => {}
        });
        self.seen()
    }

    /// Reads what the agent has written to its standard output (and to nothing else).
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let Dialogue {
            protocol,
            lines,
            out,
            ..
        } = self;
        let mut cut = 0;
        lines.push(bytes, |line| match line {
            Line::Whole(line) => protocol.line(line, out),
            Line::Cut(head) => {
                cut += 1;
                protocol.cut(head, out);
            }
        });
        self.summary.cut_lines += cut;
        self.seen()
    }

    /// The agent's standard output has ended.
    pub fn end(&mut self) -> Vec<Seen> {
        let Dialogue {
            protocol,
            lines,
            out,
            ..
        } = self;
        lines.end(|line| match line {
            Line::Whole(line) | Line::Cut(line) => protocol.line(line, out),
        });
        protocol.end(out);
        self.seen()
    }

    /// Says something. What it means in bytes is in [`Dialogue::to_write`] afterwards.
    ///
    /// # Errors
    /// [`CannotSay`]; nothing is to be written then.
    pub fn say(&mut self, what: &Say) -> Result<Vec<Seen>, CannotSay> {
        match what {
            Say::Answer { id, answer } => self.protocol.answer(id, answer, &mut self.out)?,
            Say::Interrupt => self.protocol.interrupt(&mut self.out)?,
            Say::Nudge(text) => self.protocol.nudge(text, &mut self.out)?,
        }
        Ok(self.seen())
    }

    /// The bytes that are to be written to the agent's standard input now, in order. They are given once.
    #[must_use]
    pub fn to_write(&mut self) -> Vec<u8> {
        mem::take(&mut self.out.say)
    }

    /// What the observations so far amount to.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn seen(&mut self) -> Vec<Seen> {
        let seen = mem::take(&mut self.out.seen);
        for one in &seen {
            self.summary.add(one);
        }
        seen
    }
}

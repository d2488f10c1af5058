//! What an attempt printed, in lines that people read.

use super::SCHEMA;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::id::Attempt;
use skep_host::run::{Kind, Page};

/// A page of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// Format version.
    pub schema: u32,
    /// Whose.
    pub attempt: u64,
    /// Where in the whole output the page begins, in bytes. Later than asked for if that part was dropped already.
    pub at: u64,
    /// Where to go on: the next `from`.
    pub next: u64,
    /// There is more already.
    pub more: bool,
    /// The attempt's processes are gone: what is not there now never comes.
    pub ended: bool,
    /// The lines.
    pub lines: Vec<LogLine>,
}

/// A line for people: text without anything that drives a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// What it is: `said`, `thought`, `tool`, `result`, `usage`, `error`, `note`, or `plain` for what is no line of an
    /// agent's protocol.
    pub kind: String,
    /// The line.
    pub text: String,
}

impl LogPage {
    /// From what was read.
    #[must_use]
    pub fn of(attempt: Attempt, page: Page) -> LogPage {
        let lines = page.lines.into_iter().map(|line| LogLine {
            kind: word(line.kind).into(),
            text: line.text,
        });
        LogPage {
            schema: SCHEMA,
            attempt: attempt.0,
            at: page.at,
            next: page.next,
            more: page.more,
            ended: page.ended,
            lines: lines.collect(),
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Said => "said",
        Kind::Thought => "thought",
        Kind::Tool => "tool",
        Kind::Result => "result",
        Kind::Usage => "usage",
        Kind::Error => "error",
        Kind::Note => "note",
        Kind::Plain => "plain",
    }
}

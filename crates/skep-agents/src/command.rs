//! Any program, by configuration: rules that say what its lines mean. No new CLI needs new code.
//!
//! Rules are data (JSON, or the same in a plan's language). For a program that prints JSON lines a rule says which
//! fields must have which values and where the facts are; for one that prints text it is a pattern with holes:
//! `Tokens: {input} sent, {output} received.{}`. There are no regular expressions: a pattern matches a whole
//! line, in time linear in it.
//!
//! A program that prints text prints its agent's words among its own. So whatever text rules see is only as
//! good as the order of lines: end a good reply by a rule that says `done`, which stands after the agent's words,
//! and what those words forged is overridden. JSON has no such doubt.

mod narrate;
mod pattern;
mod reader;

pub(crate) use narrate::narrate;
pub(crate) use reader::Reader;

use crate::{fault::ErrorKind, seen::Span};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use pattern::Pattern;
use serde::Deserialize;

/// The most rules of one program: each is tried on each line.
pub const RULES_MAX: usize = 100;

/// aider, which prints text. Recorded with 0.86.2. To be started with `aider --message {prompt} --yes-always
/// --no-pretty --no-check-update --analytics-disable --no-show-model-warnings --no-auto-commits --no-dirty-commits`:
/// its own commits print the agent's words after the end of a reply, where they could be taken for its own.
pub const AIDER: &str = include_str!("../rules/aider.json");
/// gemini without a dialogue (`-o stream-json`).
pub const GEMINI: &str = include_str!("../rules/gemini.json");
/// opencode without a dialogue (`run --format json`).
pub const OPENCODE: &str = include_str!("../rules/opencode.json");

/// What a program's output means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What a line is.
    pub lines: Format,
    /// What it means: every rule that matches a line is applied, in order.
    pub rules: Vec<Rule>,
}

/// What a line of output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON object; other lines are noise.
    Json,
    /// Text.
    Text,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// JSON: paths of fields (`part.tokens`), and the values that they must have.
    #[serde(default)]
    pub when: BTreeMap<String, Value>,
    /// Text: what the whole line must look like.
    #[serde(default)]
    pub line: Option<Pattern>,
    /// What is seen then. Texts in it are paths (JSON) or names of holes (text).
    pub see: Vec<See>,
}

/// A value that a field must have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(u64),
    /// A text.
    Text(String),
}

/// What a rule sees. The names are those of [`Seen`](crate::Seen).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum See {
    /// The session's id.
    Started {
        /// Where.
        session: String,
    },
    /// A turn begins.
    TurnBegan {},
    /// Nothing but a mark of life.
    Progress {},
    /// The agent said something.
    Said {
        /// Where.
        text: String,
    },
    /// A part of what the agent says; parts are shown together.
    Words {
        /// Where.
        text: String,
    },
    /// A tool was called.
    ToolBegan {
        /// Where its id is.
        #[serde(default)]
        id: String,
        /// Where its name is.
        name: String,
    },
    /// A tool call ended.
    ToolEnded {
        /// Where its id is.
        #[serde(default)]
        id: String,
        /// Whether it succeeded.
        ok: bool,
    },
    /// Tokens.
    Usage {
        /// Where each number is.
        #[serde(default)]
        input: String,
        /// See there.
        #[serde(default)]
        cache_read: String,
        /// See there.
        #[serde(default)]
        cache_write: String,
        /// See there.
        #[serde(default)]
        output: String,
        /// See there.
        #[serde(default)]
        reasoning: String,
        /// Of what.
        span: Span,
        /// `output` leaves out what was reasoned.
        #[serde(default)]
        reasoning_apart: bool,
    },
    /// Money in dollars.
    Cost {
        /// Where.
        usd: String,
        /// For what.
        span: Span,
    },
    /// How full the context is.
    Context {
        /// Where the tokens in it are.
        used: String,
        /// Where its size is.
        size: String,
    },
    /// It tries again; for the reason of the last error.
    Retrying {
        /// Where the seconds are that it waits.
        #[serde(default)]
        seconds: String,
    },
    /// A failure. One that is a limit of the provider is seen as such, too.
    Error {
        /// Its kind, if the rule knows it.
        #[serde(default)]
        kind: Option<ErrorKind>,
        /// Where an HTTP status is.
        #[serde(default)]
        status: String,
        /// Where the seconds are after which a limit is lifted.
        #[serde(default)]
        retry_after: String,
        /// Where its text is; the whole line of text, if it is not said.
        #[serde(default)]
        text: String,
    },
    /// The end of a turn.
    Done {
        /// Whether all is well.
        ok: bool,
        /// Where its text is.
        #[serde(default)]
        text: String,
    },
}

/// Why rules are not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesFault {
    /// They cannot be read.
    #[error("cannot read the output rules: {0}")]
    NotRules(String),
    /// There are none, or too many.
    #[error("expected 1 to {RULES_MAX} output rules, found {0}")]
    Number(usize),
    /// A rule does not say what lines it is about.
    #[error("output rule {rule} needs `{needs}`: the lines are {lines}")]
    NoMatch {
        /// Its number, from 1.
        rule: usize,
        /// What is missing.
        needs: &'static str,
        /// What lines are.
        lines: &'static str,
    },
    /// A text rule uses a hole that its pattern does not have.
    #[error("output rule {rule} uses {{{hole}}}, which its line does not have; it has {has}")]
    NoHole {
        /// Its number, from 1.
        rule: usize,
        /// What it uses.
        hole: String,
        /// What there is.
        has: String,
    },
}

impl Rules {
    /// Reads rules from JSON.
    ///
    /// # Errors
    /// [`RulesFault`].
    pub fn parse(text: &str) -> Result<Rules, RulesFault> {
        use alloc::string::ToString;
        let rules: Rules =
            serde_json::from_str(text).map_err(|e| RulesFault::NotRules(e.to_string()))?;
        rules.check()?;
        Ok(rules)
    }

    /// Whether they are usable.
    ///
    /// # Errors
    /// [`RulesFault`].
    pub fn check(&self) -> Result<(), RulesFault> {
        if self.rules.is_empty() || self.rules.len() > RULES_MAX {
            return Err(RulesFault::Number(self.rules.len()));
        }
        for (at, rule) in self.rules.iter().enumerate() {
            let number = at + 1;
            let no_match = |needs, lines| RulesFault::NoMatch {
                rule: number,
                needs,
                lines,
            };
            match (self.lines, &rule.line) {
                (Format::Json, _) if rule.when.is_empty() => {
                    return Err(no_match("when", "JSON"));
                }
                (Format::Json, _) => {}
                (Format::Text, None) => return Err(no_match("line", "text")),
                (Format::Text, Some(pattern)) => {
                    let used = rule.see.iter().flat_map(See::places);
                    for hole in used.filter(|hole| !hole.is_empty()) {
                        if !pattern.holes().any(|has| has == hole) {
                            return Err(RulesFault::NoHole {
                                rule: number,
                                hole: hole.into(),
                                has: pattern.holes().collect::<Vec<_>>().join(", "),
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.clone())
    }
}

impl See {
    /// The paths or holes that it uses.
    fn places(&self) -> Vec<&str> {
        match self {
            See::TurnBegan {} | See::Progress {} => Vec::new(),
            See::Started { session: one }
            | See::Said { text: one }
            | See::Words { text: one }
            | See::ToolEnded { id: one, .. }
            | See::Cost { usd: one, .. }
            | See::Retrying { seconds: one }
            | See::Done { text: one, .. } => [one.as_str()].into(),
            See::ToolBegan { id, name } => [id.as_str(), name].into(),
            See::Context { used, size } => [used.as_str(), size].into(),
            See::Error {
                status,
                retry_after,
                text,
                ..
            } => [status.as_str(), retry_after, text].into(),
            See::Usage {
                input,
                cache_read,
                cache_write,
                output,
                reasoning,
                ..
            } => [input.as_str(), cache_read, cache_write, output, reasoning].into(),
        }
    }
}

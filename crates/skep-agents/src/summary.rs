//! What an agent's observations amount to so far: enough to judge its end, to watch it, and to meter it.

use crate::{
    fault::Fault,
    seen::{Seen, Span, Tokens, Until},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};
use serde::{Deserialize, Serialize};
use skep_core::{attempt::Usage, money::Usd, time::Millis};

/// How many tool calls at once are known by name. More are counted, not named.
const TOOLS_MAX: usize = 64;

/// The sum of observations. Its size is bounded by constants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The session, to resume it by.
    pub session: Option<String>,
    /// How many turns have begun.
    pub turns: u64,
    /// How the last turn ended; none while one runs, or if none ever ended.
    pub done: Option<Ended>,
    /// The last failure of this turn.
    pub error: Option<Fault>,
    /// The limit that was hit in this turn.
    pub limited: Option<Limited>,
    /// How often it has tried again since something last came of it, and why.
    pub retries: u32,
    /// The last reason for that.
    pub retrying: Option<Fault>,
    /// How long it said it would wait before it goes on; none once it has.
    pub waits: Option<Millis>,
    /// Whether this turn has brought a reply of the model.
    pub replied: bool,
    /// Tool calls that run: their ids and names.
    pub tools: BTreeMap<String, String>,
    /// Tool calls that have begun, and those that have failed.
    pub tool_calls: u64,
    /// See there.
    pub tool_failures: u64,
    /// Questions and permission prompts that wait for a person.
    pub asks: BTreeSet<String>,
    /// What it said last.
    pub said: String,
    /// How full its context is, in percent.
    pub context: Option<u8>,
    /// Observations in all.
    pub seen: u64,
    /// Lines that were too long to be read whole.
    pub cut_lines: u64,
    tokens: Meter<Tokens>,
    usd: Meter<Usd>,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Whether the agent says that all is well.
    pub ok: bool,
    /// In its words.
    pub text: String,
}

/// A limit that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// Until when, if the provider says so.
    pub until: Option<Until>,
    /// In its words.
    pub text: String,
}

/// What a session had used before this process, for agents whose numbers are of the whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// The session is new.
    #[default]
    Nothing,
    /// So much.
    Used(Tokens, Option<Usd>),
    /// It was resumed, and nobody knows. Then the sums of the session say nothing of this attempt.
    Unknown,
}

/// A number that comes in steps and in sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Meter<T> {
    sum: Option<(T, Span)>,
    /// What came after the last sum.
    steps: Option<T>,
}

impl<T: Copy> Meter<T> {
    fn add(&mut self, value: T, span: Span, plus: fn(T, T) -> T) {
        if span == Span::Step {
            self.steps = Some(self.steps.map_or(value, |steps| plus(steps, value)));
        } else {
            *self = Meter {
                sum: Some((value, span)),
                steps: None,
            };
        }
    }

    /// What this process used; `before` is taken off a sum of the session, if it is known.
    fn read(&self, before: Option<T>, plus: fn(T, T) -> T, minus: fn(T, T) -> T) -> Option<T> {
        let sum = match self.sum {
            None => return self.steps,
            Some((sum, Span::Session)) => minus(sum, before?),
            Some((sum, _)) => sum,
        };
        Some(self.steps.map_or(sum, |steps| plus(sum, steps)))
    }
}

impl Summary {
    /// Adds an observation.
    pub fn add(&mut self, seen: &Seen) {
        self.seen += 1;
        match seen {
            Seen::Retrying { .. }
            | Seen::Context { .. }
            | Seen::Usage { .. }
            | Seen::Cost { .. } => {}
            _ => self.waits = None,
        }
        match seen {
            Seen::Started { session } => self.session = Some(session.clone()),
            Seen::TurnBegan => {
                self.turns += 1;
                self.done = None;
                self.error = None;
                self.limited = None;
                self.replied = false;
                self.tools.clear();
            }
            Seen::Progress => {}
            // A reply that begins is none yet: streams that are cut again and again begin again and again.
            Seen::Writing => self.replied = true,
            Seen::ToolBegan { id, name } => {
                self.tool_calls += 1;
                if self.tools.len() < TOOLS_MAX {
                    self.tools.insert(id.clone(), name.clone());
                }
                self.came();
            }
            Seen::ToolEnded { id, ok } => {
                self.tools.remove(id);
                self.tool_failures += u64::from(!ok);
                self.came();
            }
            Seen::Usage { tokens, span } => {
                self.tokens.add(*tokens, *span, Tokens::plus);
                if *span == Span::Step {
                    self.came();
                }
            }
            Seen::Cost { usd, span } => self.usd.add(*usd, *span, more),
            Seen::Context { percent } => self.context = Some(*percent),
            Seen::RateLimited { until, text } => {
                self.limited = Some(Limited {
                    until: *until,
                    text: text.clone(),
                });
            }
            Seen::Retrying { wait, fault, .. } => {
                self.retries = self.retries.saturating_add(1);
                self.retrying = Some(fault.clone());
                self.waits = *wait;
                // Some say that it is over before they say that they try again.
                self.done = None;
            }
            Seen::Question { id, .. } | Seen::PermissionAsked { id, .. } => {
                self.asks.insert(id.clone());
            }
            Seen::Settled { id } => {
                self.asks.remove(id);
            }
            Seen::Said { text } => {
                self.said.clone_from(text);
                self.came();
            }
            Seen::Error(fault) => self.error = Some(fault.clone()),
            Seen::Done { ok, text } => {
                self.done = Some(Ended {
                    ok: *ok,
                    text: text.clone(),
                });
                self.tools.clear();
            }
        }
    }

    /// Something came of the model: what was tried again has succeeded, and what was refused is not any more.
    fn came(&mut self) {
        self.replied = true;
        self.retries = 0;
        self.retrying = None;
        self.error = None;
        self.limited = None;
    }

    /// The tokens of this process.
    #[must_use]
    pub fn tokens(&self, before: Before) -> Option<Tokens> {
        let before = match before {
            Before::Nothing => Some(Tokens::default()),
            Before::Used(tokens, _) => Some(tokens),
            Before::Unknown => None,
        };
        self.tokens.read(before, Tokens::plus, Tokens::minus)
    }

    /// The money that this process has cost, as the agent reckons it.
    #[must_use]
    pub fn usd(&self, before: Before) -> Option<Usd> {
        let before = match before {
            Before::Nothing => Some(Usd(0)),
            Before::Used(_, usd) => usd,
            Before::Unknown => None,
        };
        self.usd
            .read(before, more, |a, b| Usd(a.0.saturating_sub(b.0)))
    }

    /// What is kept with the attempt. Unknown stays unknown (W-14).
    #[must_use]
    pub fn usage(&self, before: Before) -> Usage {
        let tokens = self.tokens(before).unwrap_or_default();
        Usage {
            input_tokens: tokens.input,
            cache_read_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write,
            output_tokens: tokens.output,
            usd: self.usd(before),
        }
    }
}

fn more(a: Usd, b: Usd) -> Usd {
    Usd(a.0.saturating_add(b.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens {
            input: Some(input),
            output: Some(output),
            ..Tokens::default()
        }
    }

    fn after(seen: &[(Tokens, Span)]) -> Summary {
        let mut summary = Summary::default();
        for (tokens, span) in seen {
            let (tokens, span) = (*tokens, *span);
            summary.add(&Seen::Usage { tokens, span });
        }
        summary
    }

    // proves: X-2, W-14
    #[test]
    fn sums_replace_and_steps_add_up() {
        let used = |summary: &Summary| summary.tokens(Before::Nothing);
        assert_eq!(used(&after(&[])), None, "unknown, not zero");
        let steps = after(&[(tokens(1, 2), Span::Step), (tokens(10, 20), Span::Step)]);
        assert_eq!(used(&steps), Some(tokens(11, 22)));
        let summed = after(&[
            (tokens(1, 2), Span::Step),
            (tokens(100, 200), Span::Process),
            (tokens(150, 250), Span::Process),
            (tokens(5, 5), Span::Step),
        ]);
        assert_eq!(used(&summed), Some(tokens(155, 255)));
    }

    // proves: X-2, W-14
    #[test]
    fn what_a_resumed_session_had_used_before_is_not_charged_again() {
        let thread = after(&[(tokens(6300, 120), Span::Session)]);
        let before = Before::Used(tokens(4200, 80), None);
        assert_eq!(thread.tokens(before), Some(tokens(2100, 40)));
        assert_eq!(thread.tokens(Before::Unknown), None);
        assert_eq!(thread.usage(Before::Unknown), Usage::default());
    }

    // proves: X-1a
    #[test]
    fn a_reply_forgets_the_retries_before_it_and_a_turn_that_begins_the_end_before_it() {
        let mut summary = Summary::default();
        let fault = Fault::of(Some(429), "slow down");
        for _ in 0..3 {
            summary.add(&Seen::Retrying {
                attempt: None,
                wait: Some(Millis(9)),
                fault: fault.clone(),
            });
        }
        assert_eq!((summary.retries, summary.waits), (3, Some(Millis(9))));
        summary.add(&Seen::Said { text: "hi".into() });
        assert_eq!((summary.retries, summary.waits), (0, None));
        summary.add(&Seen::Done {
            ok: true,
            text: String::new(),
        });
        summary.add(&Seen::TurnBegan);
        assert_eq!(summary.done, None);
    }
}

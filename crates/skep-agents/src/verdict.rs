//! Judging an agent: how its end is to be taken (X-1a), and, while it runs, whether it still gets anywhere.
//!
//! An end is judged from what the agent's protocol said of it, never from the exit code alone. Several CLIs exit
//! with 0 after every request failed, and with 1 after all was done.

use crate::{
    fault::{ErrorKind, Fault},
    seen::Until,
    summary::Summary,
    text::{EXCERPT, excerpt},
};
use alloc::{
    format,
    string::{String, ToString},
};
use serde::{Deserialize, Serialize};
use skep_core::{
    attempt::{End, Outcome},
    time::Millis,
};

/// How an agent's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How.
    pub end: End,
    /// Whether the host ended it, and why.
    pub by_us: Option<ByUs>,
}

/// Why the host ended an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByUs {
    /// Somebody asked for it.
    Asked,
    /// It got nowhere.
    Trouble(Trouble),
}

/// What an agent's end means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentEnd {
    /// It says that it is done. Whether that is so, its work must show.
    Claims {
        /// In its words.
        said: String,
    },
    /// It is not done.
    Ended {
        /// How the attempt ended.
        outcome: Outcome,
        /// What failed, if it is known: decides about provider, key and model.
        kind: Option<ErrorKind>,
        /// When the provider's limit is lifted, if it said so.
        until: Option<Until>,
        /// In a sentence.
        reason: String,
    },
}

/// How an agent's end is to be taken.
#[must_use]
pub fn verdict(summary: &Summary, exit: &Exit) -> AgentEnd {
    // Done is done: what happened to the process afterwards changes nothing of the work.
    if let Some(done) = &summary.done
        && done.ok
    {
        return AgentEnd::Claims {
            said: done.text.clone(),
        };
    }
    if let End::NotStarted(why) = &exit.end {
        let reason = format!("the agent could not be started: {}", excerpt(why, EXCERPT));
        return ended(Outcome::Crashed, None, reason);
    }
    match &exit.by_us {
        Some(ByUs::Asked) => {
            let reason = format!("the agent was stopped while {}", doing(summary));
            return ended(Outcome::Cancelled, None, reason);
        }
        Some(ByUs::Trouble(trouble)) => return of_trouble(trouble, summary),
        None => {}
    }
    // Time that a provider's refusals took is not the task's fault either.
    if exit.end == End::TimedOut && summary.retrying.is_none() {
        let reason = format!("the agent ran out of time while {}", doing(summary));
        return ended(Outcome::TimedOut, None, reason);
    }
    if let Some(fault) = summary.error.as_ref().or(summary.retrying.as_ref()) {
        return of_fault(fault, summary);
    }
    let (outcome, what) = match summary.done {
        Some(_) => (Outcome::Failed, "said that it had failed, and"),
        None if summary.seen == 0 => (Outcome::Crashed, "said nothing at all and"),
        None => (Outcome::Crashed, "never said that it was done and"),
    };
    let reason = format!("the agent {what} {} while {}", exit.end, doing(summary));
    ended(outcome, None, reason)
}

fn ended(outcome: Outcome, kind: Option<ErrorKind>, reason: String) -> AgentEnd {
    AgentEnd::Ended {
        outcome,
        kind,
        until: None,
        reason,
    }
}

fn of_trouble(trouble: &Trouble, summary: &Summary) -> AgentEnd {
    match trouble {
        Trouble::Retries(fault) => match of_fault(fault, summary) {
            AgentEnd::Ended {
                outcome,
                kind,
                until,
                reason,
            } => AgentEnd::Ended {
                outcome,
                kind,
                until: match outcome {
                    Outcome::RateLimited => until.or(summary.waits.map(Until::After)),
                    _ => None,
                },
                reason: format!("{reason} (tried {} times)", summary.retries),
            },
            claims @ AgentEnd::Claims { .. } => claims,
        },
        Trouble::Silent(place) => {
            let reason = match place {
                Silence::Start => "the agent started and said nothing".to_string(),
                Silence::FirstReply => "the model never answered".to_string(),
                Silence::Reply => "the model stopped in the middle of its work".to_string(),
                Silence::Tool(name) => format!("the tool {name} ran on and said nothing"),
            };
            ended(Outcome::Stale, None, reason)
        }
    }
}

/// Whose fault it is decides what is retried, and at whose cost: what a provider does is never charged to the task.
fn of_fault(fault: &Fault, summary: &Summary) -> AgentEnd {
    let outcome = match fault.kind {
        ErrorKind::RateLimit | ErrorKind::Quota => Outcome::RateLimited,
        ErrorKind::Budget => Outcome::OverBudget,
        // Nobody asked for the interruption, else it were not judged here. A tool can send signals too; if
        // that were free of charge, a task could go round for ever.
        ErrorKind::Auth
        | ErrorKind::Server
        | ErrorKind::Network
        | ErrorKind::Protocol
        | ErrorKind::Interrupted => Outcome::Crashed,
        ErrorKind::Context
        | ErrorKind::Request
        | ErrorKind::Policy
        | ErrorKind::Bound
        | ErrorKind::Other => Outcome::Failed,
    };
    let words = fault.kind.words();
    AgentEnd::Ended {
        outcome,
        kind: Some(fault.kind),
        until: match outcome {
            Outcome::RateLimited => summary.limited.as_ref().and_then(|limit| limit.until),
            _ => None,
        },
        reason: if fault.text.is_empty() {
            words.to_string()
        } else {
            format!("{words}: {}", fault.text)
        },
    }
}

/// What it did last, as the end of a sentence.
fn doing(summary: &Summary) -> String {
    if !summary.asks.is_empty() {
        "it waited for a person's answer".to_string()
    } else if let Some(name) = summary.tools.values().next() {
        format!("the tool {name} ran")
    } else if let Some(fault) = &summary.retrying {
        format!("it tried again ({})", fault.kind.words())
    } else if summary.done.is_some() {
        "it waited".to_string()
    } else if summary.replied {
        "the model worked".to_string()
    } else if summary.turns > 0 {
        "it waited for the model's first reply".to_string()
    } else {
        "it started".to_string()
    }
}

/// How long an agent may get nowhere. Its own bounds do not help: no CLI ends a stream that stalls, and its
/// retries can be hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the model's first sign of life.
    pub first: Millis,
    /// Between two signs of life of the model.
    pub reply: Millis,
    /// While a tool runs: builds and tests are silent for long.
    pub tool: Millis,
    /// How often it may try again by itself without anything coming of it.
    pub retries: u32,
}

/// Whether an agent gets anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works, or there is still time.
    Fine,
    /// It waits for a person: the clock that counts is another one.
    Asks,
    /// It has ended its turn. It ends by itself once its standard input is closed.
    Done,
    /// It should be ended, for this reason.
    Trouble(Trouble),
}

/// Why an agent gets nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It tries again and again, for this reason.
    Retries(Fault),
    /// Nothing comes from it.
    Silent(Silence),
}

/// Where it fell silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Before its session began.
    Start,
    /// Before the model's first reply: the server is silent, or the agent hides that it tries again.
    FirstReply,
    /// In the middle of a reply.
    Reply,
    /// While a tool ran.
    Tool(String),
}

/// Whether an agent gets anywhere, if nothing was seen for `silent`.
#[must_use]
pub fn health(summary: &Summary, silent: Millis, patience: &Patience) -> Health {
    if !summary.asks.is_empty() {
        return Health::Asks;
    }
    if summary.done.is_some() {
        return Health::Done;
    }
    if let Some(fault) = &summary.retrying
        // A key that is refused once is refused again; and a long wait is Skep's to wait, not a worker's.
        && (summary.retries > patience.retries
            || fault.kind == ErrorKind::Auth
            || summary.waits.is_some_and(|wait| wait > patience.reply))
    {
        return Health::Trouble(Trouble::Retries(fault.clone()));
    }
    let (most, place) = if let Some(name) = summary.tools.values().next() {
        (patience.tool, Silence::Tool(name.clone()))
    } else if summary.replied {
        (patience.reply, Silence::Reply)
    } else if summary.turns > 0 {
        (patience.first, Silence::FirstReply)
    } else {
        (patience.first, Silence::Start)
    };
    // A wait that was announced is not silence.
    let most = most
        .0
        .saturating_add(summary.waits.map_or(0, |wait| wait.0));
    match &summary.retrying {
        _ if silent.0 < most => Health::Fine,
        // What it said last is that it was refused: it waits, and does not say for how long.
        Some(fault) => Health::Trouble(Trouble::Retries(fault.clone())),
        None => Health::Trouble(Trouble::Silent(place)),
    }
}

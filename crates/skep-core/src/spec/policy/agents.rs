//! The numbers of speaking with agents that say what they do (X-1a, X-2, L-4b, L-9).

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// How patient Skep is with agents that speak a protocol, and for how long a person may let them wait. An attempt
/// keeps the numbers that it was begun with, the times for people aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agents {
    /// The longest wait for a model's first sign of life.
    pub first_reply: Millis,
    /// The longest silence between two signs of life of a model.
    pub reply: Millis,
    /// The longest silence while a tool runs: builds and tests say nothing for long.
    pub tool: Millis,
    /// How often an agent may try its provider again by itself, with nothing coming of it.
    pub retries: u32,
    /// How often what an agent has used is read (S-7).
    pub metering: Millis,
    /// A question that no person has answered for so long is answered for them: no, or "decide yourself" (L-4b).
    pub ask_timeout: Millis,
    /// The clock of an attempt stands still for questions no longer than this in all.
    pub ask_total: Millis,
    /// An agent whose context is fuller than this is not gone on with: the next attempt begins afresh (L-9).
    pub context_percent: u32,
}

impl Default for Agents {
    fn default() -> Self {
        Agents {
            first_reply: Millis::mins(5),
            reply: Millis::mins(5),
            tool: Millis::mins(30),
            retries: 5,
            metering: Millis::secs(5),
            ask_timeout: Millis::mins(30),
            ask_total: Millis::mins(120),
            context_percent: 80,
        }
    }
}

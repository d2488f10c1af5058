//! Speaking to an agent that is at work: the ladder's words (L-4a).

use alloc::string::String;
use skep_core::health::Rung;

/// What is said, for the adapter's own channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub String);

/// What the adapter called `agent` is told at a rung of the ladder. None for agents that take no more input once
/// they run, which are all there are so far: commands get their prompt as an argument, a file or a standard input
/// that is closed after it.
#[must_use]
pub fn speak(_agent: &str, _rung: Rung) -> Option<Words> {
    None
}

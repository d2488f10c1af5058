//! Speaking to an agent that is at work: the ladder's words (L-4a).

use crate::adapter::Adapter;
use alloc::string::{String, ToString};
use skep_core::health::Rung;

/// What is said, for the adapter's own channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub String);

/// What the agent of the adapter called `name` is told at a rung of the ladder. None for agents that take no more
/// input once they run, and where there is nothing to say.
#[must_use]
pub fn speak(name: &str, rung: Rung) -> Option<Words> {
    if !Adapter::named(name)?.about()?.can.nudge {
        return None;
    }
    let text = match rung {
        Rung::Nudge => {
            "Nothing has been heard of you for a while. Say in a line where you are, and go on."
        }
        Rung::Ask => "What are you doing? Say it in a line. If something keeps you, say what.",
        Rung::Checkpoint => {
            "You will be ended soon for your silence. Leave your work in a state that another can go on from, and \
             say in a line what is done and what is open."
        }
        Rung::Fine | Rung::Stop => return None,
    };
    Some(Words(text.to_string()))
}

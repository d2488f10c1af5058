//! From a request to events, or a refusal. Pure; the arms only route.

mod commands;
mod conflict;
mod hooks;
mod observations;
mod staff;
mod words;

use crate::{
    event::Event,
    request::{Refusal, Request, What},
    state::State,
    time::Time,
};
use alloc::vec::Vec;

/// What `request` leads to in `state` at `now`. What follows from that in turn is for [`due`](crate::due).
///
/// # Errors
/// A refusal, which changes nothing.
pub fn decide(state: &State, now: Time, request: &Request) -> Result<Vec<Event>, Refusal> {
    match &request.what {
        What::Command(command) => commands::decide(state, now, command),
        What::Observation(observation) => observations::decide(state, now, observation),
        What::Tick => Ok(Vec::new()),
    }
}

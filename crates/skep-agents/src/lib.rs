//! How Skep speaks with agents: an adapter is two pure functions, from an order to a command
//! ([`launch()`]) and from what the agent leaves behind to observations ([`result_file`]).
//!
//! Nothing here starts a process or reads a file; `skep-host` does both.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod launch;
mod result;

pub use launch::{Launch, LaunchFault, Place, launch};
pub use result::{RESULT_MAX, result_file};

//! How Skep speaks with agents: an adapter is two pure functions, from an order to a command
//! ([`launch()`]) and from what the agent leaves behind to observations ([`result_file`], [`Signs`]).
//!
//! Nothing here starts a process or reads a file; `skep-host` does both.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod launch;
mod result;
mod signs;
mod speak;

pub use launch::{Launch, LaunchFault, Place, launch};
pub use result::{RESULT_MAX, result_file};
pub use signs::{LineCounts, Signs};
pub use speak::{Words, speak};

//! How Skep speaks with agents. Nothing here starts a process, reads a file, or knows a clock; `skep-host` does.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod acp;
mod adapter;
mod claude;
mod codex;
pub mod command;
mod dialogue;
mod fault;
mod json;
mod launch;
mod lines;
mod pi;
mod protocol;
mod result;
mod rpc;
mod seen;
mod summary;
pub mod text;
mod verdict;

pub use acp::{Model, Program};
pub use adapter::{About, Adapter, Can, Cancel, KNOWN, LoginBy, Resume, Told};
pub use dialogue::{CannotSay, Dialogue, Say};
pub use fault::{ErrorKind, Fault};
pub use launch::{
    HomeFile, Launch, LaunchFault, Login, Permission, Place, Settings, Stdin, launch,
};
pub use lines::LINE_MAX;
pub use protocol::Answer;
pub use result::{RESULT_MAX, result_file};
pub use seen::{Seen, Span, Tokens, Until};
pub use summary::{Before, Ended, Limited, Summary};
pub use verdict::{AgentEnd, ByUs, Exit, Health, Patience, Silence, Trouble, health, verdict};

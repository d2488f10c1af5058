//! How Skep speaks with agents. Nothing here starts a process, reads a file, or knows a clock; `skep-host` does.
//!
//! An [`Adapter`] is a description ([`About`]), a [`Launch`], and a [`Dialogue`]: a state machine that reads what
//! the agent prints, tells what is [`Seen`] in it, and says what is to be written to it. What is seen adds up to a
//! [`Summary`]; from it, [`health`] says whether an agent that runs gets anywhere, and [`verdict`] how the end of
//! one is to be taken.
//!
//! Read in this order: `seen`, `dialogue`, `protocol`, one vendor (`codex/exec` is the smallest), `summary`, `verdict`.
//!
//! # What a host does, and when
//!
//! The process that holds the agent's pipes runs the dialogue: the shim, since it outlives the keeper.
//!
//! 1. **Choose.** [`Adapter::named`] for what is built in. For a command of the user's own: [`launch()`], and
//!    [`Adapter::Command`] if there are rules for its output.
//! 2. **Prepare.** [`Adapter::launch`]. [`Settings::home`] is a folder of that worker and agent alone, outside of the
//!    worktree and not below `TMPDIR` (codex), kept for as long as its sessions may be resumed. Write
//!    [`Launch::files`], link [`Launch::logins`]; both are harmless to do again. The environment is what is in
//!    [`Launch::pass`] and set, then [`Launch::tools`], then [`Launch::env`], and nothing else.
//! 3. **Start.** In the worktree. Standard input by [`Stdin`]. Standard output goes to the dialogue alone:
//!    whoever can write into it can forge what is seen. Standard error is the log's, and [`Dialogue::read_errors`] looks
//!    in it for what an agent tells nowhere else: that its provider fails.
//! 4. **Make the dialogue** ([`Adapter::dialogue`]), and from then on, **after every call to it**, write
//!    [`Dialogue::to_write`] to the agent's standard input: whole, in order, and never waiting for it without reading
//!    on, or both sides wait for ever.
//! 5. **Read.** Every piece of output: [`Dialogue::read`], whatever its size. At its end: [`Dialogue::end`].
//!    An [`Until::After`] counts from the moment it was read: turn it into a moment then.
//! 6. **On [`Seen::Done`]** close standard input, unless something is still to be said. The agent ends by itself;
//!    if it does not within the grace, end its tree. Nothing about the work is lost by that.
//! 7. **On [`Seen::Question`] and [`Seen::PermissionAsked`]** ask a person. The answer, or after the time that the
//!    policy gives [`Answer::Deny`], goes to [`Dialogue::say`]. [`CannotSay`] means that nobody waits any more.
//! 8. **Now and then**, a few seconds apart: [`health`], with the time since something was last seen. On
//!    [`Health::Trouble`] stop it, and keep the reason for the verdict. [`Health::Asks`] stops the attempt's clock.
//! 9. **To stop it**: [`Say::Interrupt`]; at [`Seen::Done`], or after the grace, close standard input; then the
//!    signals (see [`Cancel`]); at last the whole tree, always.
//! 10. **When it has ended**: [`verdict`], with [`ByUs`] if it was ended from here. [`AgentEnd::Claims`] goes on to
//!     the checks, whatever the exit code is; anything else has its outcome. [`Summary::usage`] is what it used.
//!
//! A keeper that comes back needs no dialogue: the shim keeps the [`Summary`], which can be written down, beside
//! the output (with the output's bounded log alone it could not be made again), and a keeper's [`Say`] goes to
//! the shim. A dialogue is a function of what was read and said, so nothing else is to be saved.
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
mod mcp;
mod narrate;
mod pi;
mod protocol;
pub mod redact;
mod result;
mod rpc;
mod seen;
mod signs;
mod speak;
mod summary;
pub mod text;
mod verdict;
mod wait;

pub use acp::{Model, Program};
pub use adapter::{About, Adapter, Can, Cancel, KNOWN, LoginBy, Resume, Told, version_in};
pub use dialogue::{CannotSay, Dialogue, Say};
pub use fault::{ErrorKind, Fault};
pub use launch::{
    HomeFile, Launch, LaunchFault, Login, Permission, Place, Settings, Stdin, launch,
};
pub use lines::LINE_MAX;
pub use narrate::{Kind, Narrator, Telling};
pub use protocol::Answer;
pub use result::{RESULT_MAX, result_file};
pub use seen::{Seen, Span, Tokens, Until};
pub use signs::{LineCounts, Signs};
pub use speak::{Words, speak};
pub use summary::{Before, Ended, Limited, Summary};
pub use verdict::{AgentEnd, ByUs, Exit, Health, Patience, Silence, Trouble, health, verdict};

//! A scripted model server: what real agent CLIs are tested against. For tests only; nothing of it is shipped.
//!
//! It speaks Anthropic Messages, OpenAI Chat Completions and Responses, and Gemini, streamed or not, on loopback.
//! What each task's model does is a [`Script`]: it says things, calls tools by what they are for (the server finds the
//! tool that the agent declared for it), fails in every way a provider can, and hangs. A script is chosen by a mark in
//! the prompt, `[[script:NAME]]`, so the tasks of one swarm can have one each; or by the key `script-NAME`.
//! `[[script:NAME#WHO]]` is a conversation of its own: faults are counted for each. The last mark of a request counts;
//! an attempt that is made again has the same one, so its requests are counted on.
//!
//! ```no_run
//! use skep_models::{Call, Fault, Script, Server, agents};
//! use std::time::Duration;
//!
//! let server = Server::start()?;
//! server.script("greet", Script::write("hello.txt", "hello\n"));
//! server.script("limited", Script::write("a.txt", "a\n").first(Fault::RateLimit { reset: Some(5) }));
//! server.script("stuck", Script::fails(Fault::Hang));
//!
//! // In a test of the whole program: skip loudly what is not installed, point what is at the server.
//! match agents::installed("claude") {
//!     Err(why) => println!("SKIPPED: {why}"),
//!     Ok(_) => {
//!         let wiring = agents::wiring("claude", &server.url(), "sk-scripted").expect("claude is known");
//!         // Give the agent `wiring.env`, `wiring.args`, `wiring.model` and `wiring.files`, a PATH of
//!         // `agents::path()`, `agents::nowhere()` for proxies, and a task whose mission ends with `[[script:greet]]`.
//!         // Then:
//!         assert!(server.wait(Duration::from_secs(60), |asked| !asked.is_empty()));
//!         assert_eq!(server.asked_by("greet").len(), 2);
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! By hand: `cargo run -p skep-models -- scripts.json` prints the base URL, then a line for each request.
//!
//! Read in this order: `script`, `request`, `tools`, `reply`, one file of `wire`, `refusal`, `server`, `agents`.
#![forbid(unsafe_code)]

pub mod agents;
mod log;
mod refusal;
mod reply;
mod request;
mod script;
mod server;
mod tools;
mod wire;

pub use log::{Asked, Got};
pub use request::Api;
pub use script::{Call, Fault, Script, Stop, Turn, Usage};
pub use server::Server;

//! What Skep decides: the words, the rules, and nothing that touches the world.
//!
//! Read in the order of the `mod` lines. The crate is `no_std`, so the compiler itself keeps clocks,
//! files, processes and randomness out: `now` is always an argument, and every effect is an
//! [`Action`](plan::Action) that a host performs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod affinity;
pub mod alert;
pub mod ask;
pub mod attempt;
pub mod budget;
pub mod claim;
pub mod deadlock;
pub mod decide;
pub mod due;
pub mod engine;
pub mod event;
pub mod fault;
pub mod forecast;
pub mod health;
pub mod history;
pub mod hook;
pub mod id;
pub mod judge;
pub mod limits;
pub mod merge;
pub mod money;
pub mod plan;
pub mod prompt;
pub mod provider;
pub mod queue;
pub mod reputation;
pub mod request;
pub mod restarts;
pub mod retry;
pub mod routing;
pub mod scale;
pub mod spec;
pub mod state;
pub mod targets;
pub mod task;
pub mod time;
pub mod violations;
pub mod waiting;
pub mod word;
pub mod worker;

#[cfg(test)]
mod testing;

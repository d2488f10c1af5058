//! What Skep decides: the words, the rules, and nothing that touches the world.
//!
//! Read in the order of the `mod` lines. The crate is `no_std`, so the compiler itself keeps clocks,
//! files, processes and randomness out: `now` is always an argument, and every effect is an
//! [`Action`](plan::Action) that a host performs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod id;
pub mod limits;
pub mod money;
pub mod spec;
pub mod time;

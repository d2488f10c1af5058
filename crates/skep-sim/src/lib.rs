//! The simulator: a second shell around the same decider, with a fake clock, log, hosts and git.
//!
//! One seed is one world: a plan, its agents, its faults and its people. Everything is decided by the seed,
//! so a failure is replayed by its number. Read in the order of the `mod` lines.
#![forbid(unsafe_code)]

mod agents;
mod asks;
mod audit;
mod bills;
mod checkups;
mod clinic;
mod coverage;
mod dice;
mod ending;
mod faults;
mod foresight;
mod git;
mod hosts;
mod keeper;
mod lives;
mod log;
pub mod mill;
mod mutant;
mod people;
mod perform;
mod plans;
mod shared;
mod steady;
mod weather;

mod world;

pub use audit::{Failure, Kind};
pub use clinic::{Fate, clinic};
pub use coverage::{Coverage, EXPECTED};
pub use lives::Manner;
pub use mutant::Mutant;
pub use steady::{Month, month};
pub use world::{Options, Outcome, run, shrink};

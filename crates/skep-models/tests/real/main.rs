//! The real agent CLIs, each through its adapter, against a scripted model: one test for each agent and scenario.
//!
//! An agent that `cargo xtask agents` could not install is skipped: said, and counted as ignored, never as passed.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may panic, and says what it skips.

mod driver;
mod expect;
mod scenarios;
mod world;

use libtest_mimic::{Arguments, Trial};
use skep_models::{Server, agents};
use std::sync::Arc;

fn main() {
    let mut arguments = Arguments::from_args();
    // They wait for time-outs and for each other's processes more than they compute.
    arguments.test_threads.get_or_insert(4);
    let server = Arc::new(Server::start().unwrap());
    let mut trials = Vec::new();
    for agent in agents::AGENTS {
        let missing = agents::installed(agent).err();
        if let Some(why) = &missing {
            println!("SKIPPED: {why}");
        }
        for scenario in scenarios::ALL {
            if !(scenario.fits)(agent) {
                continue;
            }
            let server = Arc::clone(&server);
            let test = move || {
                (scenario.test)(&server, agent);
                Ok(())
            };
            let name = format!("{agent}::{}", scenario.name);
            trials.push(Trial::test(name, test).with_ignored_flag(missing.is_some()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

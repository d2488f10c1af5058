//! `skep run` with the real agent CLIs, against scripted models: from a plan to merged work, its receipt and its bill.
//!
//! An agent that `cargo xtask agents` could not install is skipped: said, and counted as ignored, never as passed.
//! Homes are empty, keys made up, and nothing but loopback can be reached.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may panic, and says what it skips.

mod asks;
mod leaks;
mod limits;
mod money;
mod plan;
mod refusals;
mod together;
mod tools;
mod works;
mod world;

use libtest_mimic::{Arguments, Trial};
use skep_models::agents;

/// The agents that are driven. `codex-server` is codex again, and `skep-models` drives its protocol.
const AGENTS: [&str; 6] = ["claude", "codex", "gemini", "opencode", "pi", "aider"];

fn main() {
    let mut arguments = Arguments::from_args();
    // Agents take seconds of processor time to start: more at once only makes each slower.
    arguments.test_threads.get_or_insert(3);
    let here: Vec<&'static str> = AGENTS
        .into_iter()
        .filter(|agent| match agents::installed(agent) {
            Ok(_) => true,
            Err(why) => {
                println!("SKIPPED: {why}");
                false
            }
        })
        .collect();
    let trial = |name: String, needs: &[&str], test: Box<dyn FnOnce() + Send>| {
        let missing = needs.iter().any(|agent| !here.contains(agent));
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(missing || here.is_empty())
    };
    let mut trials = Vec::new();
    // Those that take longest begin first.
    type Each = fn(&[&'static str]);
    let all: [(&str, Each); 4] = [
        ("all::merged_in_one_swarm", together::merged_in_one_swarm),
        ("all::hostile_text", together::hostile_text),
        ("all::refused_logins", refusals::logins),
        ("all::failing_servers", refusals::servers),
    ];
    for (name, test) in all {
        let here = here.clone();
        trials.push(trial(name.into(), &[], Box::new(move || test(&here))));
    }
    type Needing = (&'static str, &'static [&'static str], fn());
    let some: [Needing; 6] = [
        (
            "claude::the_rungs_of_a_shared_budget",
            &["claude"],
            money::rungs,
        ),
        (
            "claude::what_it_writes_is_metered",
            &["claude"],
            money::words,
        ),
        ("claude::the_ladder_of_a_budget", &["claude"], money::ladder),
        ("claude::asked_and_answered", &["claude"], asks::answered),
        ("claude::asked_in_vain", &["claude"], asks::in_vain),
        ("pi::limited_until", &["pi", "claude"], limits::until_then),
    ];
    for (name, needs, test) in some {
        trials.push(trial(name.into(), needs, Box::new(test)));
    }
    for agent in AGENTS {
        let test = move || works::merged(agent);
        trials.push(trial(format!("{agent}::merged"), &[agent], Box::new(test)));
    }
    for agent in ["claude", "codex", "opencode"] {
        let test = move || tools::withheld(agent);
        trials.push(trial(
            format!("{agent}::owners_tools_are_withheld"),
            &[agent],
            Box::new(test),
        ));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

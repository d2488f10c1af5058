//! The dashboard: its pure parts by vitest, and the page itself in Debian's Chromium against a keeper with a plan that
//! runs. What the tests do is in `web/tests`; this makes the world that they look at.
//!
//! Where Node, npm's packages or Chromium cannot be had, the tests are skipped: said, and counted as ignored, never as
//! passed. Screenshots are left in `target/screenshots`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may panic, and says what it skips.

mod workshop;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use workshop::Workshop;
use world::World;

/// Every kind of trouble and of work that the page shows. `OUTSIDE` is a folder that no task's worktree is in.
const PLAN: &str = include_str!("plan.toml");

fn main() {
    let arguments = Arguments::from_args();
    let workshop = match arguments.list {
        true => Err("nothing is run".into()),
        false => Workshop::open(),
    };
    if let Err(why) = &workshop {
        println!("SKIPPED: {why}");
    }
    let chromium = workshop::chromium();
    if chromium.is_none() {
        println!("SKIPPED: chromium is not here (`apt-get install chromium`)");
    }
    let trial = |name: &str, browser: bool, test: fn(&Workshop) -> Result<(), Failed>| {
        let missing = workshop.is_err() || (browser && chromium.is_none());
        let workshop = workshop.as_ref().ok().cloned();
        let run = move || workshop.as_ref().map_or(Ok(()), test);
        Trial::test(name, run).with_ignored_flag(missing)
    };
    let trials = vec![
        trial("types", false, Workshop::types),
        trial("unit", false, |w| w.vitest("unit", &[])),
        trial("live", true, live),
        trial("load", true, load),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

// proves: U-3, L-4b
fn live(workshop: &Workshop) -> Result<(), Failed> {
    let mut world = World::new();
    world.run(PLAN);
    workshop.vitest("browser", &world.told())
}

// proves: U-3
fn load(workshop: &Workshop) -> Result<(), Failed> {
    let mut world = World::new();
    world.run(&world::large());
    workshop.vitest("load", &world.told())
}

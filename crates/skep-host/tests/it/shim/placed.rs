//! Shims that somebody else starts: they are known by the run they take, never by a number.

use super::{World, ended};
use skep_host::{
    command::command,
    run::{self, ShimCommand, StartError, files::StepEnd},
    shim::code,
};
use std::process::{Child, Stdio};

/// Starts the shim as tmux would.
fn place(shim: &ShimCommand) -> Child {
    let mut command = command(&shim.program, "/".as_ref());
    command.arg("shim").arg(&shim.folder).env_clear();
    command.envs(shim.env.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::null()).spawn().unwrap()
}

// proves: W-2, W-4
#[test]
fn a_shim_placed_elsewhere_is_found_whatever_number_is_given_for_it() {
    for told in [None, Some(std::process::id())] {
        let world = World::new();
        let spec = world.script("echo done");
        let mut child = None;
        let running = run::start_placed(&world.program(), &world.folder(), &spec, |shim| {
            let placed = child.insert(place(shim));
            Some(told.unwrap_or(placed.id()))
        });
        let running = running.unwrap();
        let mut child = child.unwrap();
        assert_eq!(running.pid(), child.id());
        let report = ended(&running, &world.folder());
        assert_eq!(report.steps[0].end, StepEnd::Exited(0));
        child.wait().unwrap();
        // Twice is once.
        let again = run::start_placed(&world.program(), &world.folder(), &spec, |_| {
            panic!("it is over")
        });
        assert!(matches!(again, Err(StartError::Over(_))), "{again:?}");
    }
}

// proves: W-2
#[test]
fn a_shim_that_nobody_places_is_started_all_the_same() {
    let world = World::new();
    let spec = world.script("echo done");
    let running = run::start_placed(&world.program(), &world.folder(), &spec, |_| None).unwrap();
    let report = ended(&running, &world.folder());
    assert_eq!(report.steps[0].end, StepEnd::Exited(0));
}

// proves: W-2, Q-6
#[test]
fn a_placed_process_that_takes_nothing_is_done_without_and_comes_too_late() {
    let world = World::new();
    let go = world.tree().join("go");
    let mut begun = world.pipe("begun");
    let script = "echo x >>count; echo begun >begun; until test -e go; do sleep 0.02; done";
    let spec = world.script(script);
    let mut late = None;
    let running = run::start_placed(&world.program(), &world.folder(), &spec, |shim| {
        late = Some(shim.clone());
        let mut other = command("true", "/".as_ref()).spawn().unwrap();
        other.wait().unwrap();
        Some(other.id())
    });
    // Until then it would not be late: whoever takes the run first has it.
    begun.word();
    let late = place(&late.unwrap()).wait().unwrap();
    assert_eq!(late.code(), Some(code::TAKEN.into()));
    std::fs::write(go, "").unwrap();
    ended(&running.unwrap(), &world.folder());
    let count = std::fs::read_to_string(world.tree().join("count"));
    assert_eq!(count.unwrap(), "x\n");
}

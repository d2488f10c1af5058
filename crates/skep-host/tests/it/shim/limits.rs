//! Deadlines and stops: they hold whatever the agent does and whoever has died.

use super::{LONG, World, end_of, ended, marked, marker, readable, step};
use skep_host::command::command;
use skep_host::run::{
    self, Look, Stop,
    files::{Cut, StepEnd, StepKind},
};
use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

// proves: W-4, L-1: the hard limit holds while no keeper runs.
#[test]
fn the_limit_holds_when_the_keeper_is_dead() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    let marker = marker();
    let mut spec = world.script(&format!("echo ready >ready; sleep {marker}"));
    (spec.steps[0].timeout_ms, spec.grace_ms) = (1_500, 200);
    fs::write(
        world.tree().join("spec"),
        serde_json::to_vec(&spec).unwrap(),
    )
    .unwrap();
    let mut keeper = command(std::env::current_exe().unwrap(), world.base.path())
        .args(["--exact", "shim::limits::in_the_role_of_a_keeper"])
        .env("SKEP_TEST_KEEPER", world.base.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    ready.word();
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    let Look::Running(running) = run::look(&world.folder()) else {
        panic!("it goes on")
    };
    let report = ended(&running, &world.folder());
    assert_eq!(end_of(&report), &StepEnd::TimedOut);
    assert!(report.steps[0].ms >= 1_500);
    assert_eq!(marked(&marker), [""; 0]);
}

// Only plays its role when the test above starts it, as a process of its own that can be killed.
#[test]
fn in_the_role_of_a_keeper() {
    let Some(base) = std::env::var_os("SKEP_TEST_KEEPER") else {
        return;
    };
    let base = std::path::PathBuf::from(base);
    let spec = serde_json::from_slice(&fs::read(base.join("tree/spec")).unwrap()).unwrap();
    let program = env!("CARGO_BIN_EXE_skep-test-shim").as_ref();
    let running = run::start(program, &base.join("runs/a1"), &spec).unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(running);
}

// proves: L-1
#[test]
fn an_agent_that_ignores_sigterm_is_killed_after_its_grace() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    let script = "trap '' TERM; echo ready >ready; while :; do sleep 1000 & wait; done";
    let mut spec = world.script(script);
    spec.grace_ms = 300;
    let running = world.start(&spec);
    ready.word();
    let asked = Instant::now();
    running.stop(Stop::Gracefully).unwrap();
    let report = ended(&running, &world.folder());
    assert_eq!(
        (end_of(&report), report.cut),
        (&StepEnd::Stopped, Some(Cut::Stopped))
    );
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

// proves: L-1
#[test]
fn a_graceful_stop_lets_the_agent_finish() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    let script = "trap 'sleep 0.1; echo saved >saved; exit 3' TERM; echo ready >ready
        while :; do sleep 1000 & wait; done";
    let running = world.start(&world.script(script));
    ready.word();
    let asked = Instant::now();
    running.stop(Stop::Gracefully).unwrap();
    let report = ended(&running, &world.folder());
    assert_eq!(end_of(&report), &StepEnd::Stopped);
    assert_eq!(
        fs::read_to_string(world.tree().join("saved")).unwrap(),
        "saved\n"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "the grace of 20 s was not waited for"
    );
}

// proves: L-1, T-1
#[test]
fn a_stopped_agent_does_not_escape_its_limit() {
    for containment in [
        run::files::Containment::PidNamespace,
        run::files::Containment::Subreaper,
    ] {
        let world = World::with(containment);
        let mut ready = world.pipe("ready");
        // It stops itself again as often as it is woken.
        let script = "trap 'kill -STOP $$' TERM CONT; echo ready >ready; kill -STOP $$
            while :; do sleep 1000 & wait; done";
        let mut spec = world.script(script);
        (spec.steps[0].timeout_ms, spec.grace_ms) = (600, 200);
        let running = world.start(&spec);
        ready.word();
        let report = ended(&running, &world.folder());
        assert_eq!(end_of(&report), &StepEnd::TimedOut);
    }
}

// proves: L-1: the ceiling counts for all steps together, grace included.
#[test]
fn at_the_ceiling_everything_is_over() {
    let world = World::new();
    let ignoring = [
        "sh",
        "-c",
        "trap '' TERM; while :; do sleep 1000 & wait; done",
    ];
    let mut spec = world.spec(vec![step(StepKind::Agent, &ignoring)]);
    spec.steps[0].go_on = true;
    spec.steps.push(step(StepKind::Check, &["true"]));
    spec.ceiling_ms = 800;
    let began = Instant::now();
    let report = world.run(&spec);
    assert!(began.elapsed() >= Duration::from_millis(800));
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the grace of 20 s was cut short"
    );
    assert_eq!(
        (end_of(&report), report.cut),
        (&StepEnd::Stopped, Some(Cut::Ceiling))
    );
    assert_eq!(report.steps.len(), 1, "no step begins after it");
}

// proves: L-1: at once overtakes gracefully.
#[test]
fn a_second_thought_is_heeded() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    let script =
        "trap 'echo asked >ready' TERM; echo ready >ready; while :; do sleep 1000 & wait; done";
    let running = world.start(&world.script(script));
    ready.word();
    running.stop(Stop::Gracefully).unwrap();
    assert_eq!(ready.word(), "asked");
    let asked = Instant::now();
    running.stop(Stop::AtOnce).unwrap();
    ended(&running, &world.folder());
    assert!(asked.elapsed() < Duration::from_secs(15));
    running.stop(Stop::AtOnce).unwrap();
}

// proves: L-1, L-3: the keeper learns of an end from the descriptor, at once.
#[test]
fn the_end_is_noticed_within_a_tenth_of_a_second() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let world = World::new();
        let mut ready = world.pipe("ready");
        let running = world.start(&world.script("echo ready >ready; sleep 1000"));
        ready.word();
        let killed = Instant::now();
        running.kill().unwrap();
        assert!(readable(&running, LONG));
        times.push(killed.elapsed());
        assert!(matches!(run::look(&world.folder()), Look::Lost { .. }));
    }
    // The middle one: a machine that is busy with other things may be late once.
    times.sort();
    assert!(times[2] < Duration::from_millis(100), "{times:?}");
}

// proves: L-1, L-4b, U-8
#[test]
fn a_deadline_is_later_by_what_a_keeper_says_and_no_later() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    let marker = marker();
    let mut spec = world.script(&format!("echo ready >ready; sleep {marker}"));
    (spec.steps[0].timeout_ms, spec.grace_ms) = (1_000, 200);
    let running = world.start(&spec);
    ready.word();
    fs::write(world.folder().join("stand"), "1500").unwrap();
    let report = ended(&running, &world.folder());
    assert_eq!(end_of(&report), &StepEnd::TimedOut);
    assert!(report.steps[0].ms >= 2_500, "{}", report.steps[0].ms);
    assert_eq!(marked(&marker), [""; 0]);
}

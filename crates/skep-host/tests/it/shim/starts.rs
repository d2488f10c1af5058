//! A run is started at most once, and what is seen of it is true.

use super::{LONG, World, ended, marked, marker, readable, step};
use skep_host::{
    run::{self, Look, StartError, SweepError, files::StepKind},
    shim::code,
};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

// proves: W-4, Q-6
#[test]
fn fifty_starts_are_one_run() {
    let world = World::new();
    let spec = world.script("echo x >>count");
    let handles: Vec<_> = std::thread::scope(|scope| {
        let start = || match run::start(&world.program(), &world.folder(), &spec) {
            Ok(running) => Some(running),
            Err(StartError::Over(_)) => None,
            Err(fault) => panic!("{fault:?}"),
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut done = 0;
    for running in &handles {
        assert!(readable(running, LONG));
        match running.reap() {
            // Another handle of the same shim may have seen it first.
            None => {}
            Some(exit) if exit == i32::from(code::DONE) => done += 1,
            Some(exit) => assert_eq!(exit, i32::from(code::TAKEN)),
        }
    }
    assert!(done <= 1);
    assert!(matches!(run::look(&world.folder()), Look::Ended(_)));
    assert_eq!(
        fs::read_to_string(world.tree().join("count")).unwrap(),
        "x\n"
    );
    let again = run::start(&world.program(), &world.folder(), &spec);
    assert!(matches!(again, Err(StartError::Over(_))), "{again:?}");
    let litter = fs::read_dir(world.folder())
        .unwrap()
        .flatten()
        .map(|e| e.file_name());
    let litter: Vec<_> = litter
        .filter(|n| n.to_string_lossy().ends_with(".tmp"))
        .collect();
    assert!(litter.is_empty(), "{litter:?}");
}

// proves: W-4, T-1
#[test]
fn a_shim_killed_at_any_moment_is_lost_or_has_ended_or_never_began() {
    let (mut never, mut lost, mut over) = (0, 0, 0);
    for round in 0..80u64 {
        let world = World::new();
        let marker = marker();
        let spec = world.script(&format!("echo x >>count; sleep 0.01; : {marker}"));
        let running = world.start(&spec);
        // Spread over the whole life of a run, which is about 20 ms.
        readable(&running, Duration::from_micros(round * 400));
        running.kill().unwrap();
        assert!(readable(&running, LONG));
        let count = || fs::read_to_string(world.tree().join("count")).unwrap_or_default();
        match run::look(&world.folder()) {
            Look::NotStarted => {
                never += 1;
                assert_eq!(count(), "");
                assert!(readable(&world.start(&spec), LONG));
                assert!(matches!(run::look(&world.folder()), Look::Ended(_)));
                assert_eq!(count(), "x\n");
            }
            Look::Lost { .. } => {
                lost += 1;
                run::sweep(&world.folder()).unwrap();
                assert_eq!(marked(&marker), [""; 0]);
                let again = run::start(&world.program(), &world.folder(), &spec);
                assert!(matches!(again, Err(StartError::Over(_))), "{again:?}");
                assert!(count().len() <= 2);
            }
            Look::Ended(report) => {
                over += 1;
                assert_eq!(report.steps.len(), 1);
                assert_eq!(count(), "x\n");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        lost > 0 && never + over > 0,
        "{never} never began, {lost} lost, {over} over"
    );
}

// proves: W-4: a second keeper sees what the first did, and may stop it.
#[test]
fn another_keeper_adopts() {
    let world = World::new();
    let mut ready = world.pipe("ready");
    assert!(matches!(run::look(&world.folder()), Look::Absent));
    let first = world.start(&world.script("echo ready >ready; sleep 1000"));
    ready.word();
    let Look::Running(second) = run::look(&world.folder()) else {
        panic!("it runs")
    };
    assert_eq!(first.pid(), second.pid());
    assert!(matches!(
        run::sweep(&world.folder()),
        Err(SweepError::Running)
    ));
    drop(first);
    second.stop(run::Stop::AtOnce).unwrap();
    ended(&second, &world.folder());
    assert!(run::sweep(&world.folder()).is_ok());
}

// proves: T-1
#[test]
fn damage_and_a_restart_of_the_machine_are_told_apart_from_running() {
    let world = World::new();
    let spec = world.script("exit 0");
    world.run(&spec);
    let why = || match run::look(&world.folder()) {
        Look::Lost { why } => why,
        other => panic!("{other:?}"),
    };
    let file = |name: &str| world.folder().join(name);
    let whole = fs::read(file("exit.json")).unwrap();
    fs::write(file("exit.json"), &whole[..whole.len() / 2]).unwrap();
    assert!(why().starts_with("exit.json is damaged"), "{}", why());
    fs::remove_file(file("exit.json")).unwrap();
    assert_eq!(why(), "it left no report");
    let started = fs::read_to_string(file("started.json")).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(
        file("started.json"),
        started.replace(boot.trim(), "earlier"),
    )
    .unwrap();
    assert_eq!(why(), "the machine was restarted while it ran");
    fs::write(file("started.json"), "").unwrap();
    assert!(why().starts_with("started.json is damaged"), "{}", why());
    // The lock alone does not make it run: the number must be of a living process.
    let dead = started.replace(&format!("\"pid\":{}", pid_of(&started)), "\"pid\":4194303");
    fs::write(file("started.json"), dead).unwrap();
    assert_eq!(why(), "it left no report");
}

fn pid_of(started: &str) -> String {
    let after = started.split("\"pid\":").nth(1).unwrap();
    after.chars().take_while(char::is_ascii_digit).collect()
}

// proves: T-2, W-4
#[test]
fn a_spec_is_private_and_never_replaced() {
    let world = World::new();
    let spec = world.script("exit 0");
    world.run(&spec);
    let mode = |name: &str| {
        fs::metadata(world.folder().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("spec.json"), mode("."), mode("output.log")),
        (0o600, 0o700, 0o600)
    );
    let other = world.script("exit 1");
    let refused = run::start(&world.program(), &world.folder(), &other);
    assert!(
        matches!(refused, Err(StartError::Different(_))),
        "{refused:?}"
    );
    let mut wrong = other;
    wrong.worktree = "relative".into();
    let refused = run::start(&world.program(), &world.folder().join("x"), &wrong);
    assert!(matches!(refused, Err(StartError::Spec(_))), "{refused:?}");
    assert!(!world.folder().join("x").exists());
}

// proves: T-1: a spec that a power cut left empty does not block its run for ever.
#[test]
fn a_damaged_spec_that_nothing_was_started_from_is_replaced() {
    let world = World::new();
    fs::create_dir_all(world.folder()).unwrap();
    fs::write(world.folder().join("spec.json"), "").unwrap();
    assert!(matches!(run::look(&world.folder()), Look::NotStarted));
    world.run(&world.spec(vec![step(StepKind::Check, &["true"])]));
}

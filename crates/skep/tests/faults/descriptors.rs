//! A keeper with few descriptors and many clients: some wait, none takes what the keeper needs for its work, and it
//! does not spin.

use crate::{
    alone,
    programs::until,
    world::{GATE, Shape, World},
};
use std::{
    fs,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

// proves: T-1, A-2
#[test]
fn with_more_clients_than_descriptors_the_work_goes_on_and_nothing_spins() {
    let _alone = alone();
    let world = World::new(Shape {
        tasks: 6,
        wide: 3,
        meanwhile: GATE,
        ..Shape::default()
    });
    let mut keeper = world.wrapped(&["prlimit", "--nofile=64:64"], &[]);
    world.wait_for_agents(3);
    let socket = world.site().join("keeper.sock");
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(UnixStream::connect(&socket).unwrap());
    }
    // Two beats of a shim: long enough to see whether the keeper spins.
    let started = world.site().join("runs/a1/started.json");
    let beat = || fs::metadata(&started).unwrap().modified().unwrap();
    let (began, before) = (Instant::now(), keeper.cpu());
    for _ in 0..2 {
        let last = beat();
        until("the shim beats", || beat() != last);
    }
    let (took, used) = (began.elapsed(), keeper.cpu() - before);
    println!("the keeper used {used:?} of {took:?}");
    assert!(
        used < took / 5 + Duration::from_millis(50),
        "{used:?} of {took:?}"
    );
    // Nobody leaves, and yet all of the work is done.
    world.open_gate();
    until("all is merged", || {
        assert!(
            keeper.ended().is_none_or(|s| s.success()),
            "{}",
            world.said()
        );
        world.try_git(&["cat-file", "-e", "skep/field:f5"]).code == 0
    });
    let begun = world.noted("begin").len();
    assert_eq!(begun, 6, "attempts were thrown away:\n{}", world.said());
    drop(clients);
    world.ends_well(&mut keeper);
    world.check();
}

// proves: T-1
#[test]
fn clients_that_had_to_wait_are_answered_when_others_leave() {
    let world = World::new(Shape {
        tasks: 1,
        wide: 1,
        meanwhile: GATE,
        ..Shape::default()
    });
    let mut keeper = world.wrapped(&["prlimit", "--nofile=64:64"], &[]);
    world.wait_for_agents(1);
    let socket = world.site().join("keeper.sock");
    let clients: Vec<_> = (0..40)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let mut status = world.command(&["status"]);
    let mut status = status.stdout(std::process::Stdio::null()).spawn().unwrap();
    drop(clients);
    until("it is answered", || {
        status.try_wait().unwrap().is_some_and(|s| s.success())
    });
    world.open_gate();
    world.ends_well(&mut keeper);
    world.check();
}

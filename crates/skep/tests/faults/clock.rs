//! The wall clock wrong, and jumping between two keepers' lives: no attempt is given up early, none is kept past its
//! hard limit, the log's times never run backwards, and no back-off waits for a date.
//!
//! The lie is libfaketime's, told to the keeper alone: its shims start with an environment of their own, and the
//! clocks that count what passes are left alone, as the kernel leaves them when the wall clock is set.

use crate::{
    skip,
    world::{GATE, Shape, World},
};
use std::path::Path;

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clocks that a keeper may find. Without the @ time stands still.
const CLOCKS: [&str; 8] = [
    "-3h",
    "+3h",
    "-40d",
    "+40d",
    "@1970-01-01 12:00:00",
    "@2040-02-03 04:05:06",
    "2024-02-03 04:05:06",
    "+0",
];

fn library(test: &str) -> Option<String> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    ];
    let found = folders
        .iter()
        .map(|f| Path::new(f).join(LIBRARY))
        .find(|p| p.exists());
    if found.is_none() {
        skip(test, "libfaketime is not installed (Debian: faketime)");
    }
    found.map(|path| path.to_string_lossy().into_owned())
}

fn lie<'a>(library: &'a str, clock: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("LD_PRELOAD", library),
        ("FAKETIME", clock),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
}

/// The moments of the log's events, in its order.
fn moments(world: &World) -> Vec<jiff::Timestamp> {
    let events = world.expect(0, &["events", "--json"]).out;
    let at = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["at"].as_str().unwrap().parse().unwrap()
    };
    events.lines().map(at).collect()
}

#[track_caller]
fn monotonic(world: &World) {
    let moments = moments(world);
    assert!(moments.len() > 10);
    assert!(moments.is_sorted(), "{moments:#?}");
}

// proves: T-1, L-10
#[test]
fn a_keeper_runs_under_any_clock() {
    let Some(library) = library("a_keeper_runs_under_any_clock") else {
        return;
    };
    for clock in CLOCKS {
        let world = World::new(Shape {
            tasks: 3,
            wide: 2,
            ..Shape::default()
        });
        let mut keeper = world.wrapped(&[], &lie(&library, clock));
        world.ends_well(&mut keeper);
        world.check();
        monotonic(&world);
    }
}

// proves: T-1, W-4, L-10
#[test]
fn a_clock_that_jumps_between_two_lives_gives_no_attempt_up() {
    let Some(library) = library("a_clock_that_jumps_between_two_lives_gives_no_attempt_up") else {
        return;
    };
    for (first, second) in [
        ("+0", "+40d"),
        ("+0", "-40d"),
        ("@2040-02-03 04:05:06", "@1970-01-01 12:00:00"),
        ("2024-02-03 04:05:06", "+40d"),
    ] {
        let world = World::new(Shape {
            tasks: 4,
            wide: 2,
            meanwhile: GATE,
            ..Shape::default()
        });
        let mut keeper = world.wrapped(&[], &lie(&library, first));
        world.wait_for_agents(2);
        keeper.kill();
        let mut keeper = world.wrapped(&[], &lie(&library, second));
        world.wait_for_answer();
        world.open_gate();
        world.ends_well(&mut keeper);
        world.check();
        monotonic(&world);
        let counts = (world.noted("begin").len(), world.noted("end").len());
        assert_eq!(
            counts,
            (4, 4),
            "{first} → {second}: an attempt was given up\n{}",
            world.said()
        );
    }
}

// proves: T-1, L-1
#[test]
fn a_clock_set_back_keeps_no_attempt_past_its_hard_limit() {
    let Some(library) = library("a_clock_set_back_keeps_no_attempt_past_its_hard_limit") else {
        return;
    };
    let world = World::new(Shape {
        tasks: 1,
        wide: 1,
        workers: 1,
        policy: "timebox = \"2s\"\nmax_retries = 0\n",
        meanwhile: GATE,
        ..Shape::default()
    });
    let mut keeper = world.wrapped(&[], &lie(&library, "+40d"));
    world.wait_for_agents(1);
    keeper.kill();
    let began = std::time::Instant::now();
    let mut keeper = world.wrapped(&[], &lie(&library, "-40d"));
    assert_eq!(keeper.wait().code(), Some(1), "{}", world.said());
    // Its hard stop is at three seconds.
    assert!(began.elapsed().as_secs() < 20, "{}", world.said());
    assert!(
        world.said().contains("reached its ceiling"),
        "{}",
        world.said()
    );
    world.sound();
}

// proves: T-1, L-5
#[test]
fn a_clock_set_back_makes_no_back_off_wait_for_the_old_date() {
    let Some(library) = library("a_clock_set_back_makes_no_back_off_wait_for_the_old_date") else {
        return;
    };
    let world = World::new(Shape {
        tasks: 1,
        wide: 1,
        workers: 1,
        swarm: "setup = [\"test -e ../../../../gate\"]",
        policy: "spawn_failures = 1000",
        ..Shape::default()
    });
    let mut keeper = world.wrapped(&[], &lie(&library, "@2040-02-03 04:05:06"));
    world.wait_for_word("could not be made ready");
    keeper.kill();
    world.open_gate();
    let mut keeper = world.wrapped(&[], &lie(&library, "@1970-01-01 12:00:00"));
    world.ends_well(&mut keeper);
    world.check();
    monotonic(&world);
}

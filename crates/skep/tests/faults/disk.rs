//! The disk full, of bytes or of files: the keeper says what is lacking and waits, and goes on by itself once there
//! is room. Nothing that was acknowledged is lost, and no task pays for it.

use crate::{
    is_root,
    programs::{fill, until},
    skip,
    world::{GATE, Shape, World},
};
use std::{fs, path::PathBuf};

fn small(test: &str, shape: Shape) -> Option<World> {
    let world = is_root().then(|| World::on_disk(shape, "size=40m,nr_inodes=4000,mode=755"));
    let world = world.flatten();
    if world.is_none() {
        skip(test, "a small disk can only be mounted by root");
    }
    world
}

/// What fills a disk.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Bytes,
    Files,
}

fn ballast(world: &World) -> PathBuf {
    world.repo().join(".git/ballast")
}

fn fill_with(world: &World, what: Of) {
    let place = ballast(world);
    if what == Of::Bytes {
        return fill(&place);
    }
    fs::create_dir(&place).unwrap();
    let mut n = 0;
    while fs::File::create(place.join(format!("{n}"))).is_ok() {
        n += 1;
    }
}

fn make_room(world: &World) {
    let place = ballast(world);
    if place.is_dir() {
        fs::remove_dir_all(place).unwrap();
    } else {
        fs::remove_file(place).unwrap();
    }
}

// proves: T-1, Q-6, W-12
#[test]
fn full_while_tasks_run_it_is_said_and_they_are_all_merged_once_there_is_room() {
    for what in [Of::Bytes, Of::Files] {
        let shape = Shape {
            tasks: 8,
            wide: 4,
            workers: 4,
            meanwhile: GATE,
            ..Shape::default()
        };
        let Some(world) = small("full_while_tasks_run", shape) else {
            return;
        };
        let mut keeper = world.run();
        world.wait_for_agents(4);
        world.expect(0, &["tasks", "boost", "t7"]);
        fill_with(&world, what);
        world.open_gate();
        world.wait_for_word("the disk is full");
        // Whoever asks is told so, at once, whether the keeper can still answer or not.
        until("status says it", || {
            let status = world.skep(&["status"]);
            (status.out + &status.err).contains("the disk is full")
        });
        let boosted = world.skep(&["tasks", "boost", "t6"]);
        assert!(
            boosted.code == 0 || boosted.err.contains("the disk is full"),
            "{}",
            boosted.err
        );
        assert!(keeper.ended().is_none(), "{}", world.said());
        make_room(&world);
        world.ends_well(&mut keeper);
        world.check();
        let events = world.expect(0, &["events", "--json"]).out;
        let acknowledged = if boosted.code == 0 { 2 } else { 1 };
        assert!(
            events.matches("task_boosted").count() >= acknowledged,
            "{events}"
        );
        assert!(
            !world.said().contains("flagged"),
            "a task paid for it:\n{}",
            world.said()
        );
    }
}

// proves: T-1
#[test]
fn full_at_the_very_start_it_is_said_and_the_next_start_finds_all_in_order() {
    for what in [Of::Bytes, Of::Files] {
        let Some(world) = small("full_at_the_very_start", Shape::default()) else {
            return;
        };
        fill_with(&world, what);
        let refused = world.expect(3, &["run", world.plan().to_str().unwrap()]);
        let full = ["full", "No space left"]
            .iter()
            .any(|w| refused.err.contains(w));
        assert!(full && !refused.err.contains("panicked"), "{}", refused.err);
        make_room(&world);
        world.finish();
    }
}

// proves: T-1, W-6
#[test]
fn full_while_a_wave_merges_it_is_said_and_the_wave_lands_once_there_is_room() {
    let shape = Shape {
        tasks: 6,
        wide: 3,
        check: "test -e $SKEP_REPO/../filled || head -c 100M /dev/zero > $SKEP_REPO/.git/ballast; \
                touch $SKEP_REPO/../filled; test -f README",
        ..Shape::default()
    };
    let Some(world) = small("full_while_a_wave_merges", shape) else {
        return;
    };
    let mut keeper = world.run();
    world.wait_for_word("the disk is full");
    make_room(&world);
    world.ends_well(&mut keeper);
    world.check();
}

// proves: T-1, W-4
#[test]
fn a_keeper_killed_on_a_full_disk_is_followed_by_one_that_waits_or_says_so() {
    let shape = Shape {
        tasks: 4,
        wide: 2,
        meanwhile: GATE,
        ..Shape::default()
    };
    let Some(world) = small("a_keeper_killed_on_a_full_disk", shape) else {
        return;
    };
    let mut keeper = world.run();
    world.wait_for_agents(2);
    fill_with(&world, Of::Bytes);
    world.open_gate();
    world.wait_for_word("the disk is full");
    keeper.kill();
    let mut next = world.run();
    until("the next waits, or has said that it cannot", || {
        let said = world.said();
        next.ended().is_some() || said.matches("the disk is full").count() >= 2
    });
    make_room(&world);
    if next.ended().is_some() {
        next = world.run();
    }
    world.ends_well(&mut next);
    world.check();
}

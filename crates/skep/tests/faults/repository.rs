//! The git repository damaged under a run: recovery, or a halt with a sentence that says what to do.

use crate::{
    programs::until,
    world::{GATE, Shape, World},
};
use std::fs;

fn gated() -> World {
    World::new(Shape {
        tasks: 6,
        wide: 3,
        meanwhile: GATE,
        ..Shape::default()
    })
}

// proves: T-1, W-12
#[test]
fn a_worktrees_admin_folder_removed_mid_attempt() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    fs::remove_dir_all(world.repo().join(".git/worktrees/w1")).unwrap();
    world.open_gate();
    world.ends_well(&mut keeper);
    world.check();
}

// proves: T-1, W-12
#[test]
fn a_worktree_removed_mid_attempt() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    fs::remove_dir_all(world.site().join("worktrees/w1")).unwrap();
    world.open_gate();
    world.ends_well(&mut keeper);
    world.check();
}

// proves: T-1, W-6
#[test]
fn the_target_moved_by_its_user_mid_run() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    fs::write(world.repo().join("mine"), "mine\n").unwrap();
    world.git(&["add", "mine"]);
    world.git(&["commit", "-q", "-m", "mine"]);
    world.open_gate();
    world.ends_well(&mut keeper);
    world.check();
}

// proves: T-1, W-6
#[test]
fn the_integration_branch_deleted_mid_run_halts_with_what_to_do_and_goes_on_once_mended() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    let tip = world.git(&["rev-parse", "skep/field"]);
    world.git(&["update-ref", "-d", "refs/heads/skep/field"]);
    world.open_gate();
    assert_eq!(keeper.wait().code(), Some(3), "{}", world.said());
    let said = world.said();
    assert!(
        said.contains("deleted") && said.contains("put it back to"),
        "{said}"
    );
    world.git(&["branch", "skep/field", tip.trim()]);
    world.finish();
}

// proves: T-1, W-6, W-12
#[test]
fn the_integration_branch_forced_elsewhere_mid_run_halts_and_goes_on_once_mended() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    let tip = world.git(&["rev-parse", "skep/field"]);
    let tree = world.git(&["write-tree"]);
    let other = world.git(&["commit-tree", tree.trim(), "-m", "elsewhere"]);
    world.git(&["update-ref", "refs/heads/skep/field", other.trim()]);
    world.open_gate();
    assert_eq!(keeper.wait().code(), Some(3), "{}", world.said());
    let said = world.said();
    assert!(said.contains("moved to a commit without"), "{said}");
    assert_eq!(world.git(&["rev-parse", "skep/field"]), other);
    world.git(&["update-ref", "refs/heads/skep/field", tip.trim()]);
    world.finish();
}

// proves: T-1, W-13
#[test]
fn a_ref_locked_by_somebody_is_waited_for_or_said() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    let lock = world.repo().join(".git/refs/heads/skep/field.lock");
    fs::write(&lock, "").unwrap();
    world.open_gate();
    until("the wave has landed or the halt is said", || {
        keeper.ended().is_some()
    });
    let said = world.said();
    if keeper.wait().code() != Some(0) {
        assert!(said.contains("field.lock"), "{said}");
        let _ = fs::remove_file(&lock);
        world.finish();
    } else {
        world.check();
    }
}

// proves: T-1, W-12
#[test]
fn a_missing_object_is_named_and_once_it_is_back_the_run_goes_on() {
    let world = gated();
    let mut keeper = world.run();
    world.wait_for_agents(3);
    let blob = world.git(&["rev-parse", "skep/field:README"]);
    let (folder, name) = blob.trim().split_at(2);
    let place = world.repo().join(".git/objects").join(folder).join(name);
    let away = world.root().join("object");
    fs::copy(&place, &away).unwrap();
    fs::remove_file(&place).unwrap();
    world.open_gate();
    let status = keeper.wait();
    let said = world.said();
    assert_ne!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(blob.trim()),
        "the object is not named:\n{said}"
    );
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(&away, &place).unwrap();
    world.finish();
}

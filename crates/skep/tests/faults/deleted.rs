//! `.skep` deleted while a swarm runs: the keeper says so and ends, shims end their trees, and the next run says
//! what the branches still hold.

use crate::{
    programs::until,
    world::{GATE, Shape, World},
};
use std::fs;

// proves: T-1, W-5, W-12
#[test]
fn deleted_by_a_person_it_is_said_and_the_next_run_says_what_the_branches_hold() {
    let world = World::new(Shape {
        tasks: 4,
        wide: 2,
        workers: 2,
        // The first wave is merged; the second is under way.
        meanwhile: "case $SKEP_TASK in t2|t3) until test -e $GATE; do sleep 0.02; done;; esac",
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(4);
    fs::remove_dir_all(world.site()).unwrap();
    let status = keeper.wait();
    let said = world.said();
    assert_eq!(status.code(), Some(3), "{said}");
    // The log or what belongs to it, whichever went first.
    assert!(
        said.contains("/log.db") && said.contains(" is gone"),
        "{said}"
    );
    world.nothing_runs();

    let before = world.git(&["rev-parse", "skep/field"]);
    world.open_gate();
    let plan = world.plan();
    let again = world.expect(2, &["run", plan.to_str().unwrap()]);
    assert!(
        again.err.contains("log is gone") && again.err.contains(": t0, t1"),
        "{}",
        again.err
    );
    assert!(again.err.contains("git merge skep/field"), "{}", again.err);
    assert_eq!(world.git(&["rev-parse", "skep/field"]), before);

    // Done as it says: what was merged is kept, and the plan is begun anew.
    world.git(&["merge", "-q", "--ff-only", "skep/field"]);
    world.forget_notes();
    let mut keeper = world.run();
    // t0 and t1 are done already, so doing them again changes nothing, which a person is told; what counts here is
    // that the plan was begun on what was kept.
    assert_eq!(keeper.wait().code(), Some(1), "{}", world.said());
    assert_eq!(
        world.git(&["show", "skep/field:f0", "skep/field:f1"]),
        "0\n1\n"
    );
    world.sound();
}

// proves: T-1, W-5, W-12
#[test]
fn given_up_as_the_hint_says_the_plan_is_run_anew_and_merges_all_of_it() {
    let world = World::new(Shape {
        tasks: 4,
        wide: 2,
        workers: 2,
        meanwhile: "case $SKEP_TASK in t2|t3) until test -e $GATE; do sleep 0.02; done;; esac",
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(4);
    fs::remove_dir_all(world.site()).unwrap();
    keeper.wait();
    world.nothing_runs();
    world.open_gate();
    let refused = world.expect(2, &["run", world.plan().to_str().unwrap()]);
    let (_, commands) = refused.err.split_once("give it up: ").unwrap();
    let commands = commands.lines().next().unwrap();
    for command in commands.split(';').next().unwrap().split("&&") {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        world.git(&words);
    }
    // The numbers of attempts begin anew, too.
    world.forget_notes();
    let before = world.git(&["for-each-ref", "refs/skep/salvage"]);
    world.finish();
    let after = world.git(&["for-each-ref", "refs/skep/salvage"]);
    for line in before.lines() {
        assert!(after.contains(line), "saved work is gone: {line}\n{after}");
    }
}

// proves: T-1, W-5
#[test]
fn deleted_by_a_hostile_task_it_is_said_and_nothing_runs_on() {
    let world = World::new(Shape {
        meanwhile: "case $SKEP_TASK in t1) until test -e $GATE; do sleep 0.02; done; rm -rf $SKEP_REPO/.skep;; esac; \
                    sleep 1000",
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(3);
    world.open_gate();
    let status = keeper.wait();
    let said = world.said();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(
        said.contains("is gone") && !said.contains("panicked"),
        "{said}"
    );
    world.nothing_runs();
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    world.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
    assert!(!world.site().exists(), "{:?}", fs::read_dir(world.site()));
}

// proves: T-1, W-12
#[test]
fn a_log_that_is_deleted_alone_ends_the_keeper_and_what_the_agents_made_is_saved() {
    let world = World::new(Shape {
        tasks: 2,
        wide: 2,
        meanwhile: GATE,
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(2);
    fs::remove_file(world.site().join("log.db")).unwrap();
    let status = keeper.wait();
    assert_eq!(status.code(), Some(3), "{}", world.said());
    // The shims' own folders are there, so the agents go on to their ends, and their work is on refs.
    world.open_gate();
    world.nothing_runs();
    until("both are saved", || {
        world
            .git(&["for-each-ref", "refs/skep/salvage"])
            .lines()
            .count()
            == 2
    });
    // The next start says what is missing, and what to do; it does not begin an empty log by itself.
    let next = world.expect(3, &["run", world.plan().to_str().unwrap()]);
    assert!(next.err.contains("log.db is gone"), "{}", next.err);
    assert!(next.err.contains("skep doctor"), "{}", next.err);
}

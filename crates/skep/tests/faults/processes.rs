//! No process or thread to be had: that counts against the swarm and not against its tasks, it is halted, and goes on
//! by itself once there are some.

use crate::{
    alone, is_root,
    programs::until,
    skip,
    world::{Shape, World},
};
use std::process::{Child, Stdio};

/// The most processes and threads of its user's that the keeper may see and still start one.
const LIMIT: usize = 150;

/// Processes that do nothing.
struct Crowd(Vec<Child>);

impl Crowd {
    fn gather(world: &World) -> Crowd {
        let one = |_| {
            let mut cat = world.program("cat");
            cat.stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        Crowd((0..LIMIT).map(one).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

// proves: T-1, L-5
#[test]
fn out_of_processes_the_swarm_waits_or_is_halted_and_goes_on_by_itself() {
    if !is_root() {
        skip(
            "out_of_processes",
            "another user's limit can only be set by root",
        );
        return;
    }
    let _alone = alone();
    let world = World::of_another_user(Shape {
        tasks: 6,
        wide: 3,
        // Without a process of its own: agents cannot start any either, and that would be their failure.
        meanwhile: "case $SKEP_TASK in t0|t1|t2) test -e $GATE.open || read line < $GATE;; esac",
        ..Shape::default()
    });
    world.program("mkfifo").arg(world.gate()).status().unwrap();
    let limit = format!("--nproc={LIMIT}:{LIMIT}");
    let mut keeper = world.keeper(&["prlimit", &limit], &["up"], &[]);
    world.wait_for_word("the keeper runs");
    let mut run = world.run();
    world.wait_for_agents(3);
    let crowd = Crowd::gather(&world);
    std::fs::write(world.gate().with_extension("open"), "").unwrap();
    world.open_gate();
    until("it waits or is halted", || {
        assert!(keeper.ended().is_none(), "{}", world.said());
        let status = world.skep(&["status", "--json"]).out;
        status.contains("\"halted\"") || status.contains("\"held\"")
    });

    assert_eq!(world.merged_count(), 0);
    drop(crowd);
    until("all is merged", || world.merged_count() == 6);
    // The run was left with what it said, or had the patience.
    let _ = run.wait();
    assert!(!world.said().contains("panicked"), "{}", world.said());
    assert!(
        !world.said().contains("flagged"),
        "a task paid for it:\n{}",
        world.said()
    );
    world.expect(0, &["down"]);
    until("the keeper has ended", || keeper.ended().is_some());
    world.check();
}

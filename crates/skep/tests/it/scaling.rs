//! How many workers there are, through the program: up for a plan, by word of a person, and down again.

use crate::{Sandbox, until};
use std::fmt::Write;

/// Thirty tasks that wait for a file before they end, so that the test says when.
fn plan(sandbox: &Sandbox) -> String {
    let mut text = String::from(
        "[swarm]\nname = \"grown\"\nworkers = { min = 1, max = 6 }\n[policy.scaling]\ncheck_interval = \"1s\"\n\
         idle_after = \"1s\"\ndown_interval = \"50ms\"\nmemory_per_worker = 0\n",
    );
    let go = sandbox.path().join(".git/go");
    for n in 0..30 {
        let _ = write!(
            text,
            "[[task]]\nid = \"t{n}\"\nmission = \"Do it.\"\n\
             command = \"until [ -e '{}' ]; do sleep 0.1; done; echo {n} > t{n}.txt\"\n",
            go.display()
        );
    }
    text
}

/// The workers that are to stay.
fn workers(sandbox: &Sandbox) -> usize {
    let list = sandbox.json(&["workers", "--json"]);
    let all = list["workers"].as_array().unwrap();
    all.iter().filter(|w| w["status"] != "stopped").count()
}

// proves: S-1, S-2, L-7, U-1
#[test]
fn a_swarm_grows_for_its_tasks_and_shrinks_when_they_are_done() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &plan(&sandbox));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("six work", || {
        let tasks = sandbox.json(&["status", "--json"])["tasks"].clone();
        tasks["running"] == 6
    });
    assert_eq!(workers(&sandbox), 6);
    let why = sandbox.expect(0, &["why", "swarm"]).out;
    assert!(why.contains("6 of at most 6 attempts run"), "{why}");
    assert!(why.contains("6 workers of 1 to 6"), "{why}");
    assert!(
        sandbox
            .expect(0, &["status"])
            .out
            .contains("size: 6 of at most 6")
    );
    let why = sandbox.expect(0, &["why", "w3"]).out;
    assert!(
        why.contains("added: ") && why.contains("ready tasks for "),
        "{why}"
    );

    // Two from now on: those that work first end what they do.
    let said = sandbox.expect(0, &["scale", "2"]).err;
    assert!(said.contains("2 workers from now on"), "{said}");
    assert_eq!(workers(&sandbox), 6);
    sandbox.write(".git/go", "");
    until("two are left", || workers(&sandbox) == 2);
    let said = sandbox.expect(0, &["scale", "2"]).err;
    assert!(said.contains("nothing to do"), "{said}");
    sandbox.expect(0, &["scale", "1..6"]);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let files = sandbox.git(&["ls-tree", "--name-only", "skep/grown"]);
    assert_eq!(files.lines().count(), 30);
    until("one is left", || workers(&sandbox) == 1);
    let events = sandbox.expect(0, &["events"]).out;
    assert!(events.contains("leaves: nothing to do for"), "{events}");
    assert!(
        events.contains("leaves: no more than 2 workers"),
        "{events}"
    );
    until("their worktrees are gone", || {
        let left = std::fs::read_dir(sandbox.path().join(".skep/worktrees")).unwrap();
        left.count() == 1
    });

    // By hand, and then by the tasks again.
    sandbox.expect(0, &["workers", "add", "1"]);
    let why = sandbox.expect(0, &["why", "swarm"]).out;
    assert!(why.contains("2 workers, as added by hand"), "{why}");
    sandbox.expect(0, &["scale", "auto"]);
    until("one is left again", || workers(&sandbox) == 1);
    for bad in ["3..1", "many", "1..9999"] {
        let no = sandbox.expect(2, &["scale", bad]).err;
        assert!(no.contains("1..8") && no.contains(bad), "{no}");
    }
    sandbox.expect(0, &["down"]);
}

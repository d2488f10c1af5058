//! What went wrong in the field, scaled down: minutes become seconds by configuration, and nothing else changes.
//! ARCHITECTURE.md ("Scenarios") says where each is told at its full length.

use crate::{Ran, Sandbox, ran, until};
use serde_json::Value;
use std::{fmt::Write, process::Child};

/// Back-offs are short; an agent waits for the file `go`, a whole swarm for `all`.
fn plan(workers: usize, policy: &str, tasks: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[swarm]\nname = \"field\"\nworkers = {workers}\n[policy]\nbackoff = \"50ms\"\nbackoff_cap = \"200ms\"\n\
         grace = \"100ms\"\n{policy}\n"
    );
    for (id, command) in tasks {
        let _ = write!(
            text,
            "[[task]]\nid = \"{id}\"\nmission = \"Do it.\"\ncommand = {command:?}\n"
        );
    }
    text
}

const WAIT: &str = "until test -e ../../../.git/go; do sleep 0.02; done; echo x > $SKEP_TASK";

fn begin(sandbox: &Sandbox) -> Child {
    sandbox.command(&["run", "plan.toml"]).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    ran(child.wait_with_output().unwrap())
}

/// How each attempt of the task ended, oldest first.
fn outcomes(sandbox: &Sandbox, task: &str) -> Vec<String> {
    let task = sandbox.json(&["tasks", "show", task, "--json"]);
    let history = task["history"].as_array().unwrap().iter();
    history
        .map(|past| past["outcome"].as_str().unwrap().into())
        .collect()
}

fn count(sandbox: &Sandbox, event: &str) -> usize {
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let of = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["type"] == event
    };
    events.lines().filter(of).count()
}

// proves: L-1, L-4
#[test]
fn what_runs_past_its_hard_stop_is_ended_and_the_reason_is_logged() {
    let sandbox = Sandbox::new();
    let spins = "timeout 60 sh -c 'while :; do :; done'";
    let policy = "timebox = \"1s\"\nmax_retries = 0";
    sandbox.write("plan.toml", &plan(1, policy, &[("a", spins)]));
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(ran.out.contains("ended at its hard stop"), "{}", ran.out);
    assert_eq!(outcomes(&sandbox, "a"), ["timed_out"]);
    let why = sandbox.expect(0, &["why", "a"]).out;
    assert!(why.contains("hard stop, after 1s"), "{why}");
}

// proves: L-7
#[test]
fn more_than_the_cap_waits_in_the_queue_and_one_before_it_there_is_a_warning() {
    let sandbox = Sandbox::new();
    let tasks = ["a", "b", "c", "d", "e"].map(|id| (id, WAIT));
    sandbox.write("plan.toml", &plan(5, "concurrency = 3", &tasks[..2]));
    let mut run = begin(&sandbox);
    until("two run", || {
        let status = sandbox.skep(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
        status["tasks"]["running"] == 2
    });
    let why = sandbox.expect(0, &["why", "swarm"]).out;
    assert!(
        why.contains("2 of at most 3 attempts run; more will queue"),
        "{why}"
    );
    for id in ["c", "d"] {
        let add = ["tasks", "add", id, "--mission", "Do it.", "--command", WAIT];
        sandbox.expect(0, &add);
    }
    until("the third runs", || {
        sandbox.json(&["status", "--json"])["tasks"]["running"] == 3
    });
    let why = sandbox.expect(0, &["why", "d"]).out;
    assert!(why.contains("3 attempts run, which is the cap"), "{why}");
    sandbox.write(".git/go", "");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.json(&["status", "--json"])["tasks"]["merged"], 4);
}

// proves: L-5, T-1
#[test]
fn when_all_workers_crash_at_once_the_swarm_halts_and_says_so_and_there_is_no_storm() {
    let sandbox = Sandbox::new();
    let crash = "if test -e ../../../.git/mended; then echo x > $SKEP_TASK; else kill -9 $$; fi";
    let tasks = ["a", "b", "c", "d"].map(|id| (id, crash));
    let policy = "crash_retries = 50\nhealth.poison_workers = 50\nhealth.worker_crashes = 50";
    sandbox.write("plan.toml", &plan(4, policy, &tasks));
    let ran = sandbox.expect(3, &["run", "plan.toml"]);
    assert!(ran.err.contains("halted"), "{}", ran.err);
    assert_eq!(count(&sandbox, "swarm_halted"), 1);
    // Each is begun anew, later each time; when all have crashed three times in a row nothing is any more.
    let claims = count(&sandbox, "claimed");
    assert!(
        (12..=24).contains(&claims),
        "{claims} attempts\n{}",
        ran.err
    );
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["status"], "halted", "{status}");
    // A person mends it, and all of it goes on.
    sandbox.write(".git/mended", "");
    sandbox.expect(0, &["resume"]);
    sandbox.expect(0, &["run", "plan.toml"]);
    assert_eq!(sandbox.json(&["status", "--json"])["tasks"]["merged"], 4);
}

// proves: Q-8
#[test]
fn what_fails_is_tried_once_more_with_the_failure_shown_and_then_flagged() {
    let sandbox = Sandbox::new();
    let fails = "echo try: $SKEP_PREVIOUS_OUTCOME; exit 3";
    sandbox.write("plan.toml", &plan(2, "", &[("a", fails), ("b", WAIT)]));
    sandbox.write(".git/go", "");
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(ran.out.contains("a is flagged"), "{}", ran.out);
    assert_eq!(outcomes(&sandbox, "a"), ["failed", "failed"]);
    let log = sandbox.expect(0, &["logs", "a"]).out;
    assert!(log.contains("try: failed"), "{log}");
}

// proves: S-2, Q-3
#[test]
fn a_worker_that_leaves_while_a_task_is_given_to_it_takes_no_task_with_it() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &plan(3, "", &[("first", WAIT)]));
    let run = begin(&sandbox);
    until("a worker is at work", || {
        let status = sandbox.skep(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
        status["tasks"]["running"] == 1
    });
    for n in 0..6 {
        let id = format!("t{n}");
        let add = [
            "tasks",
            "add",
            &id,
            "--mission",
            "Do it.",
            "--command",
            WAIT,
        ];
        sandbox.expect(0, &add);
        let worker = format!("w{}", n + 2);
        // Both at once: whichever comes first, the task is claimed by somebody who stays.
        let assign = sandbox.command(&["tasks", "assign", &id, &worker]).spawn();
        let leave = sandbox.command(&["workers", "remove", &worker]).spawn();
        let (assigned, left) = (end(assign.unwrap()), end(leave.unwrap()));
        assert!([0, 2, 3].contains(&assigned.code), "{}", assigned.err);
        assert_eq!(left.code, 0, "{}", left.err);
        sandbox.expect(0, &["workers", "add", "1"]);
    }
    sandbox.write(".git/go", "");
    let ran = end(run);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(sandbox.json(&["status", "--json"])["tasks"]["merged"], 7);
}

// proves: U-1, L-10
#[test]
fn what_is_done_ends_well_and_leaves_its_figures() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &plan(2, "", &[("a", WAIT), ("b", WAIT)]));
    sandbox.write(".git/go", "");
    let ran = sandbox.expect(0, &["run", "plan.toml"]);
    assert!(ran.out.contains("2 of 2 tasks merged in "), "{}", ran.out);
    for task in ["a", "b"] {
        let task = sandbox.json(&["tasks", "show", task, "--json"]);
        assert_eq!(task["state"], "merged");
        let receipt = &task["receipt"];
        assert_eq!(receipt["files"][0], task["id"], "{receipt}");
        assert!(receipt["took_ms"].as_u64().is_some(), "{receipt}");
        assert!(
            receipt["usage"]["usd"].is_null(),
            "unknown is not zero: {receipt}"
        );
    }
}

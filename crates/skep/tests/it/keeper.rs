//! The keeper that stays: `up`, `down`, and changing a swarm while it runs.

use crate::{HELD, Sandbox, until};
use std::collections::BTreeSet;

fn keys(value: &serde_json::Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The keys of SPEC appendix C, from its own text.
const APPENDIX_C: &str = r#"{ "schema": 1, "session": "skep-modernise", "swarm": "modernise", "status": "running", "paused": false, "mode": "active", "wave": 2, "waves": [{"id": 1, "tasks": ["schema"], "state": "merged"}],
  "workers": [{ "id": "w1", "role": "backend", "host": "headless", "pane": null, "alive": true, "status": "working", "reason": null, "agent": "claude", "model": "sonnet",
    "current_task": "login", "attempt": 7, "last_heartbeat": "2026-01-26T10:15:00Z", "worktree": ".skep/worktrees/w1", "branch": "skep/modernise/w1",
    "cpu_percent": 45.0, "memory_bytes": 210000000, "context_percent": 62.0, "cost_usd": 0.41, "health": 97 }],
  "tasks": {"waiting": 3, "ready": 1, "running": 2, "verifying": 0, "accepted": 1, "merged": 4, "blocked": 0, "flagged": 0, "dead": 0, "cancelled": 0},
  "budget": {"spent_usd": 3.2, "reserved_usd": 1.1, "cap_usd": 20.0, "window": "day"}, "asks": 0 }"#;

// proves: Q-3, W-1
#[test]
fn a_swarm_is_changed_while_it_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HELD);
    sandbox.expect(0, &["up", "--detach"]);
    assert!(
        sandbox
            .expect(0, &["up", "--detach"])
            .err
            .contains("runs already")
    );
    // Handed to the keeper, which has no workers yet; leaving the run does not end it.
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("loaded", || sandbox.skep(&["tasks"]).out.contains("two"));
    sandbox.expect(0, &["tasks", "boost", "two", "p1"]);
    sandbox.expect(0, &["tasks", "skip", "one"]);
    let add = [
        "tasks",
        "add",
        "three",
        "-m",
        "Make three.",
        "--command",
        "echo 3 > three.txt",
    ];
    sandbox.expect(0, &[&add[..], &["--after", "two"]].concat());
    sandbox.expect(
        0,
        &["tasks", "edit", "three", "--mission", "Make three well."],
    );
    sandbox.expect(0, &["cancel", "three"]);
    sandbox.expect(0, &["retry", "three"]);
    let two = sandbox.json(&["tasks", "show", "two", "--json"]);
    assert_eq!(
        (&two["priority"], &two["state"]),
        (&"P1".into(), &"ready".into())
    );
    assert!(
        sandbox
            .expect(0, &["why", "two"])
            .out
            .contains("no workers")
    );
    sandbox.expect(0, &["workers", "add", "2"]);
    sandbox.expect(0, &["workers", "pause", "w2"]);
    let end = run.wait().unwrap();
    assert_eq!(end.code(), Some(0));
    assert_eq!(sandbox.git(&["show", "skep/held:three.txt"]), "3\n");

    let wanted: serde_json::Value = serde_json::from_str(APPENDIX_C).unwrap();
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(keys(&status), keys(&wanted));
    for key in ["tasks", "budget"] {
        assert_eq!(keys(&status[key]), keys(&wanted[key]), "{key}");
    }
    for key in ["waves", "workers"] {
        let mut there = keys(&status[key][0]);
        // Beside what the appendix names, and only of a worker that has finished something.
        there.remove("record");
        assert_eq!(there, keys(&wanted[key][0]), "{key}");
    }
    sandbox.expect(0, &["down"]);
    assert!(!sandbox.path().join(".skep/keeper.sock").exists());
    let without = sandbox.expect(0, &["status", "--json"]);
    assert!(without.err.contains("no keeper runs"), "{}", without.err);
}

#[test]
fn without_a_keeper_nothing_is_changed_and_the_way_on_is_said() {
    let sandbox = Sandbox::new();
    for args in [
        &["pause"][..],
        &["retry", "a"],
        &["workers", "add"],
        &["down"],
        &["cancel", "--all"],
    ] {
        let ran = sandbox.expect(4, args);
        assert!(
            ran.err.contains("hint: start one with `skep run`"),
            "{args:?}: {}",
            ran.err
        );
    }
    for args in [
        &["status"][..],
        &["tasks"],
        &["workers"],
        &["events"],
        &["salvage"],
    ] {
        sandbox.expect(0, args);
    }
    assert!(
        !sandbox.path().join(".skep").exists(),
        "reading leaves nothing behind"
    );
}

#[test]
fn doctor_finds_nothing_wrong_with_what_is_right() {
    let sandbox = Sandbox::new();
    let report = sandbox.json(&["doctor", "--json"]);
    assert!(
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["verdict"] != "bad"),
        "{report}"
    );
    let nowhere = Sandbox::empty();
    let found = nowhere.expect(1, &["doctor"]);
    assert!(found.out.contains("bad    repository"), "{}", found.out);
}

#[test]
fn completions_are_there_for_the_usual_shells() {
    let sandbox = Sandbox::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            sandbox
                .expect(0, &["completions", shell])
                .out
                .contains("salvage"),
            "{shell}"
        );
    }
    let schema = sandbox.json(&["schema"]);
    assert!(
        schema["properties"]["task"].is_object() || schema["$defs"].is_object(),
        "{schema}"
    );
}

// proves: Q-3, U-1
#[test]
fn what_is_asked_without_a_keeper_is_noted_and_the_next_run_acts_on_it() {
    let sandbox = Sandbox::new();
    let failing = HELD.replace("workers = 0", "workers = 1");
    sandbox.write("plan.toml", &failing.replace("echo 2", "exit 7; echo 2"));
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(ran.out.contains("skep retry two"), "{}", ran.out);

    // What the summary says to type works as it stands.
    let noted = sandbox.expect(0, &["retry", "two"]);
    assert!(noted.err.contains("no keeper runs"), "{}", noted.err);
    let refused = sandbox.expect(3, &["retry", "two"]);
    assert!(refused.err.contains("in the queue"), "{}", refused.err);
    let fields = ["tasks", "edit", "two", "--command", "echo 2 > two.txt"];
    sandbox.expect(0, &fields);
    sandbox.expect(0, &["workers", "add", "1"]);
    sandbox.expect(2, &["cancel", "nowhere"]);
    let events = sandbox.expect(0, &["events", "--json"]).out;
    assert!(
        !events.lines().last().unwrap().contains("claimed"),
        "nothing is claimed while nobody performs: {events}"
    );

    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/held:two.txt"]), "2\n");
}

// proves: W-4, Q-3
#[test]
fn an_attempt_that_outlived_its_keeper_can_be_cancelled_before_the_next() {
    let sandbox = Sandbox::new();
    let plan = HELD
        .replace("workers = 0", "workers = 2")
        .replace("echo 2 >", "touch ../../../begun; sleep 600; echo 2 >");
    sandbox.write("plan.toml", &plan);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("begun", || sandbox.path().join("begun").exists());
    run.kill().unwrap();
    run.wait().unwrap();
    let noted = sandbox.expect(0, &["cancel", "two"]);
    assert!(noted.err.contains("two is given up"), "{}", noted.err);
    sandbox.expect(1, &["run"]);
    let two = sandbox.json(&["tasks", "show", "two", "--json"]);
    assert_eq!(two["state"], "cancelled");
}

//! Lifecycle hooks (U-11): told of everything as JSON, able to refuse, bounded, and at least once across kills.

use crate::{Sandbox, until};
use serde_json::Value;
use std::fs;

/// A plan with hooks before its tasks.
fn plan(hooks: &str, tasks: &str) -> String {
    format!("[swarm]\nname = \"hooked\"\nworkers = 1\n[policy]\nmax_retries = 0\n{hooks}\n{tasks}")
}

const ONE: &str =
    "[[task]]\nid = \"one\"\nmission = \"Make one.\"\ncommand = \"echo 1 > one.txt\"\n";
const TWO: &str =
    "[[task]]\nid = \"two\"\nmission = \"Fail; \\\"$(touch pwned)\\\"\"\ncommand = \"exit 3\"\n";

impl Sandbox {
    /// What the hooks that note what they are told were told.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join("told.jsonl")).unwrap_or_default();
        let lines = text.lines();
        lines.filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    fn ran(&self) -> Vec<Value> {
        let events = self.expect(0, &["events", "--json"]).out;
        let lines = events
            .lines()
            .filter_map(|l| serde_json::from_str::<Value>(l).ok());
        lines
            .filter(|e| e["type"] == "hook_ran")
            .map(|e| e["ran"].clone())
            .collect()
    }
}

// proves: U-11
#[test]
fn hooks_are_told_of_a_swarms_life_without_its_secrets() {
    let sandbox = Sandbox::new();
    let hooks = r#"
[hooks.note]
on = ["worktree_created", "before_attempt", "after_attempt", "before_merge", "failed", "removed"]
command = ["sh", "-c", "cat >> $SKEP_REPO/told.jsonl; env >> $SKEP_REPO/env.txt"]
"#;
    sandbox.write("plan.toml", &plan(hooks, &format!("{ONE}{TWO}")));
    sandbox.expect(0, &["up", "--detach"]);
    let ran = sandbox
        .command(&["run", "plan.toml"])
        .env("MY_API_KEY", "sk-secret")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    sandbox.expect(0, &["workers", "remove", "w1"]);
    let on = |what: &str| -> Vec<Value> {
        sandbox
            .told()
            .into_iter()
            .filter(|t| t["on"] == what)
            .collect()
    };
    until("removed", || !on("removed").is_empty());
    sandbox.expect(0, &["down"]);
    assert_eq!(on("worktree_created")[0]["worker"], "w1");
    let before = on("before_attempt");
    assert_eq!(before.len(), 2, "{:#?}", sandbox.told());
    assert_eq!(before[0]["task"]["id"], "one");
    // A mission is data wherever it goes.
    assert_eq!(before[1]["task"]["mission"], "Fail; \"$(touch pwned)\"");
    let after = on("after_attempt");
    assert_eq!(
        (&after[0]["outcome"], &after[1]["outcome"]),
        (&"succeeded".into(), &"failed".into())
    );
    assert!(after[0]["commit"].is_string(), "{after:#?}");
    let failed = on("failed");
    assert_eq!((failed.len(), &failed[0]["task"]["id"]), (1, &"two".into()));
    let merge = on("before_merge");
    assert_eq!(merge[0]["tasks"][0]["id"], "one", "{merge:#?}");
    let env = fs::read_to_string(sandbox.path().join("env.txt")).unwrap();
    assert!(env.contains("SKEP_HOOK_ID=before_attempt-a1-note"), "{env}");
    assert!(
        !env.contains("sk-secret") && !env.contains("SKEP_TOKEN"),
        "{env}"
    );
    assert!(!sandbox.path().join("pwned").exists());
    assert_eq!(sandbox.ran().len(), sandbox.told().len());
    let log = fs::read_to_string(sandbox.path().join(".skep/hooks.log")).unwrap();
    assert!(log.contains("after_attempt-a2-note passed"), "{log}");
}

// proves: U-11
#[test]
fn what_a_hook_refuses_is_not_begun_and_why_says_so() {
    let sandbox = Sandbox::new();
    let hooks = r#"
[hooks.guard]
on = "before_attempt"
command = ["sh", "-c", "test -e $SKEP_REPO/ok || { echo the lab is closed; exit 4; }"]
"#;
    sandbox.write("plan.toml", &plan(hooks, ONE));
    sandbox.expect(1, &["run", "plan.toml"]);
    let why = sandbox.expect(0, &["why", "one"]).out;
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(why.contains("the hook guard refused"), "{why}");
    assert!(why.contains("the lab is closed"), "{why}");
    assert!(
        !sandbox.path().join(".skep/runs/a1/started.json").exists(),
        "its agent never ran"
    );
    sandbox.write("ok", "");
    sandbox.expect(0, &["retry", "one"]);
    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/hooked:one.txt"]), "1\n");
}

// proves: U-11
#[test]
fn a_merge_that_a_hook_refuses_is_held_until_a_person_goes_on() {
    let sandbox = Sandbox::new();
    let hooks = r#"
[hooks.freeze]
on = "before_merge"
command = ["sh", "-c", "test -e $SKEP_REPO/ok || { echo code freeze; exit 1; }"]
[hooks.careless]
on = ["before_merge", "before_attempt"]
command = ["false"]
on_fail = "warn"
"#;
    sandbox.write("plan.toml", &plan(hooks, ONE));
    let ran = sandbox.expect(3, &["run", "plan.toml"]);
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("wave 1 is not merged: the hook freeze refused"),
        "{said}"
    );
    assert!(said.contains("code freeze"), "{said}");
    sandbox.write("ok", "");
    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/hooked:one.txt"]), "1\n");
    let warned = sandbox
        .ran()
        .into_iter()
        .filter(|r| r["hook"] == "careless" && r["failed"].is_string());
    assert!(warned.count() >= 2);
}

// proves: U-11, W-15
#[test]
fn a_hook_that_does_not_end_is_ended_with_all_that_it_started() {
    let sandbox = Sandbox::new();
    let hooks = r#"
[hooks.slow]
on = "after_attempt"
command = ["sh", "-c", "setsid sleep 600 & sleep 600"]
timeout = "1s"
"#;
    sandbox.write("plan.toml", &plan(hooks, ONE));
    sandbox.expect(0, &["run", "plan.toml"]);
    let ran = sandbox.ran();
    let failed = ran[0]["failed"].as_str().unwrap();
    assert!(failed.contains("did not end within 1s"), "{failed}");
    // That nothing outlives it is what the sandbox looks at.
}

// proves: U-11, A-7
#[test]
fn a_hook_is_told_at_least_once_under_the_same_id_whoever_dies() {
    let sandbox = Sandbox::new();
    let hooks = r#"
[hooks.note]
on = ["before_attempt", "after_attempt"]
command = ["sh", "-c", "cat >> $SKEP_REPO/told.jsonl; until [ -e $SKEP_REPO/$SKEP_HOOK_ON ]; do sleep 0.05; done"]
timeout = "60s"
"#;
    sandbox.write("plan.toml", &plan(hooks, ONE));
    let mut args = vec!["run", "plan.toml"];
    for on in ["before_attempt", "after_attempt"] {
        let told = || sandbox.told().iter().filter(|t| t["on"] == on).count();
        let mut keeper = sandbox.command(&args).spawn().unwrap();
        until("the hook runs", || told() > 0);
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        args = vec!["run"];
        sandbox.write(on, "");
    }
    sandbox.expect(0, &["run"]);
    for on in ["before_attempt", "after_attempt"] {
        let told: Vec<Value> = sandbox
            .told()
            .into_iter()
            .filter(|t| t["on"] == on)
            .collect();
        assert!(told.iter().all(|t| t["id"] == told[0]["id"]), "{told:#?}");
        let ran = sandbox.ran().into_iter().filter(|r| r["on"] == on).count();
        assert_eq!(ran, 1, "it was logged once");
    }
    assert_eq!(sandbox.git(&["show", "skep/hooked:one.txt"]), "1\n");
}

// proves: U-11
#[test]
fn what_a_hook_prints_cannot_drive_the_terminal_of_who_reads_its_log() {
    let sandbox = Sandbox::new();
    let hook = r#"
[hooks.noisy]
on = "before_attempt"
command = ["printf", '\033]0;owned\007 seen\n']
"#;
    sandbox.write("plan.toml", &plan(hook, ONE));
    sandbox.expect(0, &["run", "plan.toml"]);
    let log = fs::read_to_string(sandbox.path().join(".skep/hooks.log")).unwrap();
    let drives = |c: char| c.is_control() && c != '\n';
    assert!(log.contains("owned") && log.contains("seen"), "{log}");
    assert!(!log.contains(drives), "{log:?}");
}

//! What finished work leaves behind: `skep clean`, and saved work that a person gives up.

use crate::Sandbox;
use serde_json::Value;
use skep_host::{keeper, site::Site};
use std::fs;

/// One task fails and leaves half its work; one is merged.
const HALF: &str = r#"
[swarm]
name = "half"
workers = 1
[[task]]
id = "good"
mission = "Make good."
command = "echo good > good.txt"
[[task]]
id = "bad"
mission = "Make half."
command = "echo half done; echo half > half.txt; exit 3"
max_retries = 0
"#;

fn saved(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.json(&["salvage", "--json"]);
    let all = list["salvage"].as_array().unwrap().iter();
    let mut all: Vec<String> = all
        .map(|s| s["reference"].as_str().unwrap().to_string())
        .collect();
    all.sort();
    all
}

/// No two refs hold the same files.
#[track_caller]
fn no_twins(sandbox: &Sandbox) {
    let refs = sandbox.git(&["for-each-ref", "--format=%(tree)", "refs/skep/salvage/"]);
    let mut trees: Vec<&str> = refs.lines().collect();
    trees.sort_unstable();
    let all = trees.len();
    trees.dedup();
    let listed = sandbox.git(&["for-each-ref", "refs/skep/"]);
    assert_eq!(trees.len(), all, "{listed}");
}

// proves: W-11, W-12
#[test]
fn cleaning_saves_nothing_that_is_saved_already() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    let before = saved(&sandbox);
    assert_eq!(before.len(), 2, "{before:?}");
    // Twice, since each used to save the worktree once more.
    for _ in 0..2 {
        sandbox.expect(1, &["clean"]);
        no_twins(&sandbox);
    }
    // The merged one has gone with what finished work left, and the other stays.
    assert_eq!(saved(&sandbox), ["refs/skep/salvage/half/bad/2"]);
    sandbox.expect(0, &["clean", "--force", "--yes"]);
    assert_eq!(saved(&sandbox), ["refs/skep/salvage/half/bad/2"]);
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(
        sandbox.git(&["show", "refs/skep/salvage/half/bad/2:half.txt"]),
        "half\n"
    );
}

// proves: W-3, W-12
#[test]
fn a_worktree_that_is_used_again_saves_nothing_that_is_saved_already() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    sandbox.write(
        "next.toml",
        &HALF.replace("good", "better").replace("half >", "other >"),
    );
    sandbox.expect(1, &["run", "next.toml"]);
    no_twins(&sandbox);
    let refs = saved(&sandbox);
    assert!(refs.iter().all(|r| !r.contains("/_w1/")), "{refs:?}");
    // What nobody saved is saved once, and no second time.
    let stray = sandbox.path().join(".skep/worktrees/w1/stray.txt");
    std::fs::write(&stray, "mine\n").unwrap();
    sandbox.write(
        "last.toml",
        &HALF.replace("good", "best").replace("half >", "third >"),
    );
    sandbox.expect(1, &["run", "last.toml"]);
    no_twins(&sandbox);
    let left = "refs/skep/salvage/half/_w1/left:stray.txt";
    assert_eq!(sandbox.git(&["show", left]), "mine\n");
}

// proves: W-12, U-12
#[test]
fn unmerged_work_is_only_forgotten_by_force() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    let all = saved(&sandbox);
    // By name, by mistake, and with the merged one: nothing at all is forgotten.
    let ran = sandbox.expect(3, &["salvage", "drop", "good/1", "bad/2", "--yes"]);
    assert!(ran.err.contains("bad/2 is not merged"), "{}", ran.err);
    assert!(
        ran.err.contains("skep salvage restore bad/2"),
        "{}",
        ran.err
    );
    sandbox.expect(2, &["salvage", "drop", "bad/7", "--force", "--yes"]);
    // Nobody can be asked here.
    sandbox.expect(2, &["salvage", "drop", "bad/2", "--force"]);
    let dry = sandbox.json(&["salvage", "drop", "bad/2", "--force", "--dry-run", "--json"]);
    assert_eq!((&dry["dry_run"], &dry["kept"]), (&true.into(), &1.into()));
    assert_eq!(saved(&sandbox), all);
    // Without a name it is what the branch holds.
    let merged = sandbox.json(&["salvage", "drop", "--yes", "--json"]);
    assert_eq!(
        merged["dropped"],
        serde_json::json!(["refs/skep/salvage/half/good/1"])
    );
    let forced = sandbox.expect(0, &["salvage", "drop", "bad/2", "--force", "--yes"]);
    assert!(
        forced.err.contains("forgot bad/2, which was"),
        "{}",
        forced.err
    );
    assert_eq!(saved(&sandbox), [""; 0]);
    // A second time there is nothing of that name.
    sandbox.expect(2, &["salvage", "drop", "bad/2", "--force", "--yes"]);
    assert!(
        sandbox
            .expect(0, &["salvage", "drop", "--force", "--yes"])
            .err
            .contains("would forget 0 saved commits")
    );
}

// proves: W-12
#[test]
fn what_a_plan_is_about_to_merge_is_not_forgotten_even_by_force() {
    let sandbox = Sandbox::new();
    // The wave stays open: its second task waits.
    let held = HALF.replace(
        "echo half > half.txt; exit 3",
        "while test ! -e ../../../go; do sleep 0.05; done; echo half > half.txt",
    );
    sandbox.write("plan.toml", &held);
    let run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    crate::until("good is accepted", || {
        sandbox
            .skep(&["why", "good"])
            .out
            .contains("waits for the rest")
    });
    let ran = sandbox.expect(3, &["salvage", "drop", "--force", "--yes"]);
    assert!(
        ran.err.contains("good is to be merged from it"),
        "{}",
        ran.err
    );
    sandbox.write("go", "");
    assert_eq!(crate::ran(run.wait_with_output().unwrap()).code, 0);
    assert_eq!(sandbox.git(&["show", "skep/half:good.txt"]), "good\n");
}

// proves: U-1, W-11
#[test]
fn cleaning_is_a_document_for_programs() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.json(&["clean", "--json"]);
    assert_eq!(nothing["removed"], serde_json::json!([]));
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    let strings = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|s| s.as_str().unwrap().to_string()).collect()
    };
    let dry = sandbox.json(&["clean", "--dry-run", "--json"]);
    let would = strings(&dry["removed"]);
    assert!(
        would.iter().any(|w| w.ends_with(".skep/worktrees/w1")),
        "{dry}"
    );
    assert!(would.contains(&"skep/half.w1".into()), "{dry}");
    assert!(sandbox.path().join(".skep/worktrees/w1").exists());
    let ran = sandbox.expect(1, &["clean", "--json"]);
    let done: Value = serde_json::from_str(&ran.out).unwrap();
    let kept = done["kept"][0]["what"].as_str().unwrap();
    assert!(kept.ends_with(".skep/worktrees/w1"), "{done}");
    let why = done["kept"][0]["why"].as_str().unwrap();
    assert!(why.contains("not merged"), "{done}");
    assert!(
        strings(&done["removed"])
            .iter()
            .any(|r| r.ends_with(".skep/runs/a1")),
        "{done}"
    );
}

// proves: W-11, A-7
#[test]
fn nothing_is_put_away_where_a_keeper_starts_meanwhile() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    fs::create_dir(sandbox.path().join(".skep/worktrees/w9")).unwrap();
    // A keeper that has the log and not yet its socket.
    let site = Site::new(sandbox.path());
    let starting = keeper::rest(&site).unwrap();
    let worktree = sandbox.path().join(".skep/worktrees/w1");
    let ran = sandbox.expect(3, &["clean", "--force", "--yes"]);
    assert!(ran.err.contains("a keeper is running"), "{}", ran.err);
    assert!(worktree.exists());
    let ran = sandbox.expect(1, &["doctor", "--fix"]);
    assert!(ran.out.contains("is not put away"), "{}", ran.out);
    assert!(sandbox.path().join(".skep/worktrees/w9").exists());
    drop(starting);
    sandbox.skep(&["doctor", "--fix"]);
    assert!(!sandbox.path().join(".skep/worktrees/w9").exists());
    sandbox.expect(0, &["clean", "--force", "--yes"]);
    assert!(!worktree.exists());
}

// proves: W-11, U-12
#[test]
fn the_logs_of_tasks_that_need_a_person_stay_until_force() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HALF);
    sandbox.expect(1, &["run", "plan.toml"]);
    let ran = sandbox.expect(1, &["clean"]);
    assert!(ran.err.contains("need a person stay (bad)"), "{}", ran.err);
    let log = sandbox.expect(0, &["logs", "bad"]).out;
    assert!(log.contains("half done"), "{log}");
    assert!(!sandbox.path().join(".skep/runs/a1").exists());
    sandbox.expect(0, &["clean", "--force", "--yes"]);
    assert_eq!(
        fs::read_dir(sandbox.path().join(".skep/runs"))
            .unwrap()
            .count(),
        0
    );
}

/// A worktree that git cannot read: its paths are longer than the system takes in one piece.
const BURIED: &str = r#"
[swarm]
name = "buried"
workers = 1
[policy]
backoff = "50ms"
crash_retries = 0
[[task]]
id = "deep"
mission = "Leave what cannot be saved."
max_retries = 0
command = """
n=$(printf 'n%.0s' $(seq 200))
mkdir in && echo precious > in/f
for i in $(seq 25); do mkdir out && mv in out/$n && mv out in; done
mv in deep
"""
[[task]]
id = "next"
mission = "Make next."
command = "echo next > next.txt"
priority = "P3"
"#;

// proves: W-12, T-4
#[test]
fn work_that_cannot_be_saved_is_kept_as_it_is_and_blocks_nobody() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", BURIED);
    sandbox.expect(1, &["run", "plan.toml"]);
    let task = sandbox.json(&["tasks", "show", "next", "--json"]);
    assert_eq!(task["state"], "merged", "{task}");
    let list = sandbox.json(&["salvage", "--json"]);
    let kept = list["kept"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{list}");
    let folder = kept[0]["folder"].as_str().unwrap();
    assert!(folder.ends_with(".skep/kept/w1-1"), "{list}");
    let deep = std::path::Path::new(folder).join("files/deep");
    assert!(deep.is_dir(), "all of it is there");
    let told = sandbox.expect(0, &["salvage"]).out;
    assert!(told.contains("could not be saved"), "{told}");
    let told = sandbox.expect(0, &["events"]).out;
    assert_eq!(told.matches("w1 has a fresh worktree").count(), 1, "{told}");
    // Tidying up does not take it.
    sandbox.skep(&["clean", "--force", "--yes"]);
    sandbox.skep(&["doctor", "--fix"]);
    assert!(deep.is_dir());
}

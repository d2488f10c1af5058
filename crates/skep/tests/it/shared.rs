//! `worktree = false`: all workers in one worktree of Skep's own, from the first line to `skep clean`.

use crate::{Sandbox, until};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use tempfile::TempDir;

/// Fifos at which agents wait for each other, and what they note.
struct Gate(TempDir);

impl Gate {
    fn new(fifos: &[&str]) -> Gate {
        let gate = Gate(TempDir::new().unwrap());
        for name in fifos {
            let place = gate.0.path().join(name);
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, &place, mode).unwrap();
        }
        gate
    }
    fn path(&self) -> std::path::Display<'_> {
        self.0.path().display()
    }
    fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

/// Every file of a checkout with its time and mode, and the index, byte for byte.
fn fingerprint(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.ends_with(".git") || path.ends_with(".skep") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let meta = entry.metadata().unwrap();
            let mut seen = format!("{:?} {:o} ", meta.modified(), meta.permissions().mode());
            seen.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
            all.insert(path.display().to_string(), seen.into_bytes());
        }
    }
    for name in ["index", "HEAD", "config"] {
        let content = fs::read(root.join(".git").join(name)).unwrap_or_default();
        all.insert(name.into(), content);
    }
    all
}

/// The files that a task's work changes on the branch, by the trailers of the merges.
fn brought_in(sandbox: &Sandbox, branch: &str) -> BTreeMap<String, String> {
    let format = "--format=%H %(trailers:key=Skep-Task,valueonly,separator=)";
    let log = sandbox.git(&["log", "--first-parent", format, &format!("main..{branch}")]);
    let merges = log.lines().filter_map(|line| line.split_once(' '));
    merges
        .map(|(commit, task)| {
            let parent = format!("{commit}^1");
            let files = sandbox.git(&["diff", "--name-only", &parent, commit]);
            (task.to_string(), files.trim().replace('\n', " "))
        })
        .collect()
}

// proves: W-3, Q-7, W-7, W-12, W-13
#[test]
fn six_tasks_in_one_worktree() {
    let gate = Gate::new(&["a", "b", "c", "d"]);
    let g = gate.path();
    let sandbox = Sandbox::new();
    sandbox.write("common", "first\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "common"]);
    sandbox.write("open", "the user is at work here\n");
    sandbox.write("common", "first\nand here\n");
    let plan = format!(
        r#"
[swarm]
name = "six"
workers = 4
worktree = false
agent = "shell"
setup = ["echo $SKEP_WORKER >> {g}/setup"]
check = "test ! -e six/half"
[policy]
backoff = "10ms"
timebox = "1m"
max_retries = 1
[[task]]
id = "one"
mission = "Meet two and three, and outlast the failure of six."
files = ["one/**"]
command = "mkdir -p one; echo 1 > one/f; echo x > {g}/a; read _ < {g}/c; read _ < {g}/d"
success = [{{ exists = "one/f" }}, {{ changed = "one/**" }}]
[[task]]
id = "two"
mission = "Meet one and three."
files = ["two/**"]
command = "mkdir -p two; echo 2 > two/f; read _ < {g}/a; echo x > {g}/b"
[[task]]
id = "three"
mission = "Meet one and two."
files = ["three/**"]
command = "mkdir -p three; echo 3 > three/f; read _ < {g}/b; echo x > {g}/c; git add -A; git -c user.name=x -c user.email=x commit -qm all"
[[task]]
id = "six"
mission = "Fail first, and leave half of it."
files = ["six/**"]
command = """mkdir -p six; if test ! -e {g}/failed; then touch {g}/failed; echo half > six/half; echo x > stray; exit 1; fi
ls six >> {g}/found; echo 6 > six/f; echo x > {g}/d"""
[[task]]
id = "four"
mission = "Add a line."
files = ["common"]
command = "echo four >> common"
[[task]]
id = "five"
mission = "Add another line at the same place."
files = ["common"]
command = "echo five >> common"
"#
    );
    let place = gate.0.path().join("plan.toml");
    fs::write(&place, plan).unwrap();
    let before = fingerprint(sandbox.path());
    let ran = sandbox.expect(0, &["run", place.to_str().unwrap()]);
    assert_eq!(fingerprint(sandbox.path()), before, "the user's own");

    // The three could not have ended without each other.
    let show = |path: &str| sandbox.git(&["show", &format!("skep/six:{path}")]);
    assert_eq!(
        [show("one/f"), show("two/f"), show("three/f"), show("six/f")],
        ["1\n", "2\n", "3\n", "6\n"]
    );
    // The conflict: whoever came second was done again on top of the first.
    let mut lines: Vec<String> = show("common").lines().map(Into::into).collect();
    assert_eq!(lines.remove(0), "first");
    lines.sort();
    assert_eq!(lines, ["five", "four"], "{}", ran.err);
    let tasks = sandbox.json(&["tasks", "--json"]);
    assert_eq!(
        tasks["tasks"].as_array().unwrap().len(),
        7,
        "one fix: {tasks}"
    );
    let brought = brought_in(&sandbox, "skep/six");
    for task in ["one", "two", "three", "six"] {
        assert_eq!(brought[task], format!("{task}/f"), "{brought:?}");
    }
    // What the failed attempt left was gone when the next one began, and is kept.
    assert_eq!(gate.noted("found"), "");
    let salvage = sandbox.json(&["salvage", "--json"]);
    let saved = salvage["salvage"].as_array().unwrap();
    let half = saved.iter().find(|s| s["task"] == "six").unwrap();
    let name = format!("six/{}", half["attempt"].as_str().unwrap());
    sandbox.expect(0, &["salvage", "restore", &name, "half"]);
    assert_eq!(sandbox.git(&["show", "half:six/half"]), "half\n");
    // What lies outside of everybody's files is on no branch, and on a ref.
    let tree = sandbox.git(&["ls-tree", "-r", "--name-only", "skep/six"]);
    assert!(!tree.contains("stray"), "{tree}");
    // Whose ref depends on who came first: three commits all that it sees.
    let refs = sandbox.git(&["for-each-ref", "--format=%(refname)", "refs/skep"]);
    let holds = |name: &&str| {
        let all = sandbox.git(&["rev-list", name]);
        let has = |commit: &str| !sandbox.git(&["ls-tree", commit, "stray"]).is_empty();
        all.lines().any(has)
    };
    let kept: Vec<&str> = refs.lines().filter(holds).collect();
    assert!(!kept.is_empty(), "{refs}");
    // One set-up for all workers; the other line is the integration check's own.
    let setups = gate.noted("setup");
    assert_eq!(setups.matches("shared").count(), 1, "{setups}");
    assert!(setups.lines().count() <= 2, "{setups}");
    let workers = sandbox.json(&["workers", "--json"]);
    for worker in workers["workers"].as_array().unwrap() {
        assert_eq!(worker["worktree"], ".skep/worktrees/shared");
        assert_eq!(worker["branch"], "skep/six.shared");
    }
    sandbox.expect(0, &["doctor"]);
    sandbox.expect(0, &["clean", "--force", "--yes"]);
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(sandbox.git(&["branch", "--list", "skep/six.*"]), "");
    assert_eq!(sandbox.git(&["show", "half:six/half"]), "half\n");
}

// proves: W-7, W-3
#[test]
fn a_merge_that_an_agent_resolves_is_laid_out_in_a_worktree_without_others() {
    let gate = Gate::new(&[]);
    let g = gate.path();
    let sandbox = Sandbox::new();
    sandbox.write("common", "first\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "common"]);
    let agent = gate.0.path().join("agent");
    // Resolves by keeping both sides, and notes what else was there.
    let script = format!(
        "#!/bin/sh\nif grep -q '<<<<' common; then ls > {g}/there; sed -i '/^[<=>]/d' common\n\
         else echo \"$SKEP_TASK\" >> common; fi\n"
    );
    fs::write(&agent, script).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let plan = format!(
        r#"
[swarm]
name = "fix"
workers = 2
worktree = false
agent = "own"
[agents.own]
command = ["{}"]
[[task]]
id = "four"
mission = "Add a line."
files = ["common"]
[[task]]
id = "five"
mission = "Add a line."
files = ["common"]
"#,
        agent.display()
    );
    sandbox.write("plan.toml", &plan);
    sandbox.expect(0, &["run", "plan.toml"]);
    let common = sandbox.git(&["show", "skep/fix:common"]);
    let mut lines: Vec<&str> = common.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["first", "five", "four"]);
    assert_eq!(gate.noted("there"), "common\n");
    sandbox.expect(0, &["clean"]);
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
}

// proves: W-1, W-15
#[test]
fn with_the_last_worker_goes_the_worktree_and_a_new_one_makes_it_again() {
    let sandbox = Sandbox::new();
    let plan = "[swarm]\nname = \"s\"\nworkers = 1\nworktree = false\nteardown = [\"echo bye > ../../../bye\"]\n\
                [[task]]\nid = \"a\"\nmission = \"Make a.\"\nfiles = [\"a\"]\ncommand = \"echo a > a\"\n";
    sandbox.write("plan.toml", plan);
    let mut up: Command = sandbox.command(&["up", "--detach"]);
    assert!(up.status().unwrap().success());
    sandbox.expect(0, &["run", "plan.toml"]);
    let tree = sandbox.path().join(".skep/worktrees/shared");
    assert!(tree.join("a").exists());
    sandbox.expect(0, &["workers", "remove", "w1"]);
    until("the worktree is gone", || !tree.exists());
    assert!(
        sandbox.path().join("bye").exists(),
        "it was torn down first"
    );
    sandbox.expect(0, &["workers", "add", "1"]);
    let task = [
        "tasks",
        "add",
        "b",
        "--mission",
        "Make b.",
        "--command",
        "echo b > b",
    ];
    sandbox.expect(0, &task);
    until("b is merged", || {
        let tasks = sandbox.json(&["tasks", "--json"]);
        tasks["tasks"][1]["state"] == "merged"
    });
    assert_eq!(sandbox.git(&["show", "skep/s:b"]), "b\n");
    sandbox.expect(0, &["down"]);
}

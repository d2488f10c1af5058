//! A whole keeper on a real repository: plans to their ends, with real processes, git and SQLite.

use super::git::{World, git};
use serde_json::{Value, json};
use skep_core::{
    event::By,
    id::WorkerId,
    request::{Command, Request, What},
    spec::Plan,
    state::State,
    task::TaskState,
};
use skep_host::{
    git::Repo,
    keeper::{
        Keeper, Options,
        opening::{Last, opening},
    },
    site::Site,
};
use std::time::Duration;
use tokio::runtime::Runtime;

/// No plan of these tests takes longer, even on a machine that is busy with others.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) world: World,
    runtime: Runtime,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Bench {
            world: World::new(),
            runtime,
        }
    }

    fn start(&self) -> Keeper {
        let repo = Repo::discover(self.world.root()).unwrap();
        let site = Site::new(repo.root());
        let options = Options {
            program: env!("CARGO_BIN_EXE_skep-test-shim").into(),
            env: std::env::vars()
                .filter(|(name, _)| name == "PATH" || name == "HOME")
                .collect(),
            presence: Default::default(),
            host: None,
        };
        Keeper::start(repo, site, options, self.runtime.handle()).unwrap()
    }

    /// Runs a plan to where nothing more can be done, and gives the state.
    pub(crate) fn run(&self, swarm: Value, tasks: Value) -> State {
        let plan = plan(swarm, tasks);
        let keeper = self.start();
        let repo = Repo::discover(self.world.root()).unwrap();
        let begin = opening(&repo, &plan, None).unwrap();
        let handle = keeper.handle();
        self.runtime.block_on(async {
            let mut records = handle.watch();
            let command = Command::LoadPlan {
                plan: plan.into(),
                digest: "d".into(),
                target: begin.target,
                base: begin.base,
                kept: begin.kept,
                again: false,
            };
            let request = Request {
                key: None,
                trace: "test".into(),
                by: By::Person("test".into()),
                what: What::Command(command),
            };
            handle.request(request).await.unwrap();
            let over = async {
                loop {
                    let done = handle.query(|state, _| {
                        let over = state.finished().is_some() || state.halted().is_some();
                        over.then(|| state.clone())
                    });
                    if let Some(state) = done.await.unwrap() {
                        return state;
                    }
                    records.recv().await.unwrap();
                }
            };
            let state = tokio::time::timeout(LONGEST, over).await;
            keeper.stop();
            keeper.closed().await.unwrap();
            state.expect("the plan ends")
        })
    }
}

fn plan(swarm: Value, tasks: Value) -> Plan {
    let mut whole = json!({
        "name": "test", "target": null, "landing": "branch", "workers": { "count": 3 },
        "agent": "shell", "model": null, "models": [], "check": [], "check_timeout": 20_000,
        "setup": [], "teardown": [], "budget": {}, "worktree": true, "roles": {}, "agents": {},
        "policy": { "timebox": 10_000, "grace": 500, "backoff": 100 },
    });
    let whole_map = whole.as_object_mut().unwrap();
    for (key, value) in swarm.as_object().unwrap() {
        whole_map.insert(key.clone(), value.clone());
    }
    let mut tasks = tasks;
    for task in tasks.as_array_mut().unwrap() {
        task.as_object_mut()
            .unwrap()
            .entry("mission")
            .or_insert("Do it.".into());
    }
    serde_json::from_value(json!({ "swarm": whole, "tasks": tasks })).unwrap()
}

fn states(state: &State) -> Vec<(String, TaskState)> {
    state
        .tasks()
        .iter()
        .map(|t| (t.id().to_string(), t.state))
        .collect()
}

#[track_caller]
fn all_merged(state: &State) {
    let open: Vec<_> = state
        .tasks()
        .iter()
        .filter(|t| t.state != TaskState::Merged)
        .collect();
    assert!(open.is_empty(), "{:#?}\nhalted: {:?}", open, state.halted());
}

// proves: W-3, W-6, W-17, X-1
#[test]
fn a_plan_of_two_waves_ends_on_the_integration_branch() {
    let bench = Bench::new();
    let state = bench.run(
        json!({}),
        json!([
            { "id": "a", "command": "echo a > a.txt" },
            { "id": "b", "command": "echo b > b.txt" },
            { "id": "c", "depends_on": ["a", "b"], "command": "cat a.txt b.txt > c.txt",
              "success": [{ "run": "test -s c.txt" }, { "changed": "c.txt" }, { "exists": "c.txt" }] },
        ]),
    );
    all_merged(&state);
    assert_eq!(
        git(bench.world.root(), &["show", "skep/test:c.txt"]),
        "a\nb"
    );
    assert_eq!(state.waves().len(), 2);
}

// proves: W-7
#[test]
fn a_conflict_becomes_a_fix_task_and_the_rest_merges() {
    let bench = Bench::new();
    let write =
        |word: &str| format!("[ -n \"$SKEP_FIX_OF\" ] && echo {word} >> f || echo {word} > f");
    let state = bench.run(
        json!({}),
        json!([
            { "id": "a", "command": write("a") },
            { "id": "b", "command": write("b") },
            { "id": "c", "command": "echo c > c" },
        ]),
    );
    all_merged(&state);
    assert_eq!(git(bench.world.root(), &["show", "skep/test:f"]), "a\nb");
    let conflict = &state.conflicts()[0];
    assert_eq!(conflict.file, "f");
    let tasks: Vec<_> = conflict.tasks.iter().map(|t| t.as_str()).collect();
    assert_eq!(tasks, ["a", "b"]);
    let ids: Vec<_> = states(&state).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["a", "b", "c", "b-fix1"]);
}

// proves: W-8
#[test]
fn the_culprit_of_a_failing_check_is_left_out_and_mended() {
    let bench = Bench::new();
    let state = bench.run(
        json!({ "check": ["test ! -e broken"] }),
        json!([
            { "id": "a", "command": "echo a > a" },
            { "id": "b", "command": "[ -n \"$SKEP_FIX_OF\" ] && echo b > fine || echo b > broken" },
            { "id": "c", "command": "echo c > c" },
            { "id": "d", "command": "echo d > d" },
        ]),
    );
    all_merged(&state);
    let files = git(bench.world.root(), &["ls-tree", "--name-only", "skep/test"]);
    for file in ["a", "c", "d", "fine"] {
        assert!(files.lines().any(|f| f == file), "{file} is not in {files}");
    }
    assert!(!files.lines().any(|f| f == "broken"));
}

// proves: W-10, Q-8
#[test]
fn a_liar_is_refused_once_and_then_flagged() {
    let bench = Bench::new();
    // Else the crasher would be quarantined before its retries are used up: see `health`.
    let patient = json!({ "timebox": 10_000, "grace": 500, "backoff": 100, "health": { "poison_workers": 9 } });
    let state = bench.run(
        json!({ "policy": patient }),
        json!([
            { "id": "liar", "command": "echo done" },
            { "id": "crasher", "command": "kill -9 $$" },
            { "id": "late", "depends_on": ["liar"], "command": "echo x > x" },
            { "id": "good", "command": "echo g > g" },
        ]),
    );
    let of = |id: &str| state.task(&id.parse().unwrap()).unwrap();
    assert_eq!(of("liar").state, TaskState::Flagged);
    assert_eq!(of("liar").history.len(), 2);
    assert_eq!(of("crasher").state, TaskState::Dead);
    assert_eq!(of("crasher").history.len(), 4);
    assert_eq!(of("late").state, TaskState::Waiting);
    assert_eq!(of("good").state, TaskState::Merged);
}

/// Everything of the user's that must never change: every file of the checkout, the index, HEAD, the branch,
/// the configuration and the hooks.
fn users_world(root: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let listed = git(
        root,
        &[
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ],
    );
    let mut files: Vec<String> = listed
        .split('\0')
        .filter(|f| !f.is_empty())
        .map(String::from)
        .collect();
    files.extend(
        [
            ".git/index",
            ".git/HEAD",
            ".git/config",
            ".git/refs/heads/main",
        ]
        .map(String::from),
    );
    files.sort();
    files.dedup();
    let read = |file: String| {
        let bytes = std::fs::read(root.join(&file)).unwrap_or_default();
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

// proves: W-6, W-7, W-8
#[test]
fn the_users_dirty_checkout_stays_as_it_is_byte_for_byte() {
    let bench = Bench::new();
    let root = bench.world.root();
    std::fs::write(root.join("a.txt"), "half done\n").unwrap();
    std::fs::write(root.join("staged.txt"), "staged\n").unwrap();
    git(root, &["add", "staged.txt"]);
    std::fs::write(root.join("staged.txt"), "staged, and changed again\n").unwrap();
    std::fs::write(root.join("untracked"), "mine\n").unwrap();
    let hook = root.join(".git/hooks/reference-transaction");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = users_world(root);
    let write = |word: &str| {
        format!("[ -n \"$SKEP_FIX_OF\" ] && echo {word} >> a.txt || echo {word} > a.txt")
    };
    let state = bench.run(
        json!({ "check": ["test ! -e broken"] }),
        json!([
            { "id": "a", "command": write("a") },
            { "id": "b", "command": write("b") },
            { "id": "c", "command": "[ -n \"$SKEP_FIX_OF\" ] && echo c > fine || echo c > broken" },
        ]),
    );
    all_merged(&state);
    assert_eq!(
        state.tasks().len(),
        5,
        "one conflict and one culprit, each with its fix"
    );
    assert!(
        users_world(root) == before,
        "something of the user's was touched"
    );
}

// proves: L-3
#[test]
fn a_shim_that_is_not_heard_of_is_ended_and_its_task_done_elsewhere() {
    let bench = Bench::new();
    let root = bench.world.root().to_path_buf();
    let stopper = std::thread::spawn(move || {
        let started = root.join(".skep/runs/a1/started.json");
        let deadline = std::time::Instant::now() + LONGEST;
        while std::time::Instant::now() < deadline {
            let text = std::fs::read_to_string(&started).unwrap_or_default();
            let found: Option<Value> = serde_json::from_str(&text).ok();
            if let Some(pid) = found.and_then(|v| v["pid"].as_u64()) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
                return;
            }
            std::thread::yield_now();
        }
        panic!("the first attempt never started");
    });
    let policy = json!({ "timebox": 60_000, "grace": 500, "backoff": 100, "heartbeat": 1_000, "heartbeat_timeout": 1_000 });
    let state = bench.run(
        json!({ "policy": policy }),
        json!([{ "id": "t", "command": "if [ \"$SKEP_ATTEMPT\" = 1 ]; then sleep 300; fi; echo x > x" }]),
    );
    stopper.join().unwrap();
    all_merged(&state);
    let first = &state.tasks()[0].history[0];
    assert_eq!(
        first.outcome,
        skep_core::attempt::Outcome::Crashed,
        "{first:?}"
    );
}

// proves: W-14
#[test]
fn the_receipt_names_what_the_checks_changed() {
    let bench = Bench::new();
    let state = bench.run(
        json!({}),
        json!([{ "id": "t", "command": "echo x > x", "success": [{ "run": "echo junk >> a.txt" }] }]),
    );
    all_merged(&state);
    let receipt = &state.tasks()[0].accepted.as_ref().unwrap().receipt;
    assert_eq!(receipt.changed_by_checks, ["a.txt"]);
    assert_eq!(receipt.files, ["x"]);
    let files = git(
        bench.world.root(),
        &["show", "--stat", "--format=", "skep/test^2"],
    );
    assert!(
        !files.contains("a.txt"),
        "what a check changed is not the task's work: {files}"
    );
}

// proves: W-12, W-17
#[test]
fn a_branch_of_the_users_that_has_the_integration_branchs_name_is_left_alone() {
    let bench = Bench::new();
    let theirs = bench
        .world
        .branch("skep/test", "main", &[("mine.txt", Some("mine"))]);
    let plan = plan(json!({}), json!([{ "id": "a", "command": "echo a > a" }]));
    let repo = Repo::discover(bench.world.root()).unwrap();
    let refused = opening(&repo, &plan, None).unwrap_err();
    assert!(refused.to_string().contains("somebody else's"), "{refused}");
    assert_eq!(bench.world.tip("skep/test"), theirs);
    // Where the swarm itself left it, it goes on from there.
    let last = Last {
        swarm: plan.swarm.name.clone(),
        tip: theirs.clone(),
        next_worker: WorkerId(1),
    };
    assert_eq!(opening(&repo, &plan, Some(&last)).unwrap().base, theirs);
}

// proves: W-10
#[test]
fn an_ignored_file_that_an_earlier_attempt_left_does_not_pass_as_made() {
    let bench = Bench::new();
    let swarm = json!({
        "workers": { "count": 1 },
        "setup": ["mkdir -p out && echo set-up > out/setup"],
    });
    let ignore = "printf 'out/\\ncache/\\n' > .gitignore";
    let state = bench.run(
        swarm,
        json!([
            { "id": "ignore", "command": ignore },
            { "id": "liar", "depends_on": ["ignore"], "success": [{ "exists": "out/made" }],
              "command": "[ -e cache/first ] && echo x > x || { mkdir cache out; touch cache/first out/made; exit 1; }" },
            { "id": "honest", "depends_on": ["ignore"], "command": "echo y > y; test -e cache/first",
              "success": [{ "exists": "out/setup" }], "priority": "P3" },
        ]),
    );
    let is = |name: &str| states(&state).into_iter().find(|(id, _)| id == name);
    let (_, liar) = is("liar").unwrap();
    assert_eq!(liar, TaskState::Flagged);
    let task = state.tasks().iter().find(|t| t.id().as_str() == "liar");
    let note = task.unwrap().note.clone().unwrap_or_default();
    assert!(note.contains("out/made does not exist"), "{note}");
    // The build cache stays, and what set-up made counts.
    assert_eq!(is("honest").unwrap().1, TaskState::Merged);
}

// proves: W-10, W-14
#[test]
fn work_that_git_ignores_is_not_called_nothing() {
    let bench = Bench::new();
    let policy = json!({ "timebox": 10_000, "grace": 500, "backoff": 100, "max_retries": 0 });
    let state = bench.run(
        json!({ "policy": policy }),
        json!([
            { "id": "hidden", "command": "mkdir -p target/deep && echo x > target/deep/result" },
            { "id": "idle", "command": "true", "success": [{ "run": "echo x > built.o" }] },
        ]),
    );
    let why = |id: &str| {
        let task = state.task(&id.parse().unwrap()).unwrap();
        task.last_failure.as_ref().unwrap().reason.clone()
    };
    assert!(
        why("hidden").contains("git ignores what it made (target/)"),
        "{}",
        why("hidden")
    );
    assert!(
        why("idle").contains("nothing has changed"),
        "{}",
        why("idle")
    );
}

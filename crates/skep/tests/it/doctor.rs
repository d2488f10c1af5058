//! `skep doctor --fix`: every kind of litter is planted, named, put away without losing work, and then gone.

use crate::{
    Sandbox,
    litter::{processes, told},
    until,
};
use skep_host::{
    command::command,
    run::{
        self,
        files::{RunSpec, StepKind, StepSpec},
    },
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, SystemTime},
};

const PLAN: &str = r#"
[swarm]
name = "tidy"
workers = 1
check = "true"
[[task]]
id = "a"
mission = "Make a."
command = "echo a > a.txt"
"#;

/// A repository whose plan has been run.
fn done() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.expect(0, &["run", "plan.toml"]);
    assert_eq!(litter(&sandbox), [""; 0]);
    sandbox
}

fn litter(sandbox: &Sandbox) -> Vec<String> {
    told(sandbox, &[])
}

/// It is named with its reason, mended, and gone; and mending again finds nothing to do.
#[track_caller]
fn found_and_mended(sandbox: &Sandbox, kind: &str, wanted: &[&str]) {
    let found = litter(sandbox);
    for text in wanted {
        let named =
            |line: &&String| line.starts_with(&format!("note {kind} ")) && line.contains(text);
        assert!(
            found.iter().any(|line| named(&line)),
            "{text} is not in {found:#?}"
        );
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for line in told(sandbox, &["--fix"]) {
        assert!(line.starts_with("fixed"), "{line}");
    }
    assert_eq!(litter(sandbox), [""; 0]);
    assert_eq!(told(sandbox, &["--fix"]), [""; 0]);
}

fn skep(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().canonicalize().unwrap().join(".skep")
}

/// A shim at work in the run folder `name`, whose agent says that it is there and then does nothing.
fn shim(sandbox: &Sandbox, name: &str) -> run::Running {
    let up = sandbox.path().join(format!("{name}-up"));
    let script = format!("touch {name}-up; sleep 600");
    let spec = RunSpec {
        version: 1,
        run: name.into(),
        worktree: sandbox.path().into(),
        env: BTreeMap::from([("PATH".into(), std::env::var("PATH").unwrap())]),
        steps: vec![StepSpec {
            name: "agent".into(),
            kind: StepKind::Check,
            argv: ["sh", "-c", &script].map(String::from).to_vec(),
            stdin: None,
            timeout_ms: 600_000,
            go_on: false,
            talk: None,
        }],
        snapshot: None,
        exists: Vec::new(),
        ceiling_ms: 600_000,
        grace_ms: 500,
        output_bytes: 1_000_000,
        heartbeat_ms: 600_000,
        notify: None,
        inherit: Vec::new(),
        passed: Default::default(),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_skep"));
    let running = run::start(program, &skep(sandbox).join("runs").join(name), &spec).unwrap();
    until("the agent is up", || up.exists());
    running
}

/// A process such as an agent may have left, with this environment.
fn stray(sandbox: &Sandbox, env: &[(&str, String)]) -> Child {
    let mut sleep = command("sleep", sandbox.path());
    sleep.arg("600").envs(env.iter().cloned()).spawn().unwrap()
}

// proves: W-15, A-7
#[test]
fn what_a_dead_keeper_said_of_itself_is_put_away() {
    let sandbox = done();
    let dir = skep(&sandbox);
    let who = r#"{"version":1,"pid":1,"start":1,"boot":"x","skep":"0","stays":true,"watched":true,"hung_after_ms":9}"#;
    fs::write(dir.join("keeper.json"), who).unwrap();
    fs::write(dir.join("keeper.json.tmp"), "{").unwrap();
    fs::write(dir.join("watchdog.json"), "{}").unwrap();
    fs::write(dir.join("sign-in.html"), "<p>").unwrap();
    // What is dropped leaves its file, as what is killed does.
    for name in ["keeper.sock", "notify.sock", "keeper.new4711"] {
        let _ = fs::remove_file(dir.join(name));
        drop(UnixListener::bind(dir.join(name)).unwrap());
    }
    let wanted = [
        "keeper.json: the keeper it belonged to (process 1) died",
        "keeper.sock",
        "notify.sock",
        "sign-in.html",
        "keeper.json.tmp",
        "keeper.new4711",
        "watchdog.json: the watchdog it belonged to died",
    ];
    found_and_mended(&sandbox, "files", &wanted);
}

// proves: W-5, W-15
#[test]
fn runs_that_nobody_waits_for_are_ended() {
    let sandbox = done();
    let runs = skep(&sandbox).join("runs");
    let _held = [
        shim(&sandbox, "a99"),
        shim(&sandbox, "setup-w1"),
        shim(&sandbox, "check-9-9-9-x-y"),
    ];
    // A shim that died, a process of its that did not, and files that it was killed over.
    assert!(run::forbid(&runs.join("a98")).unwrap());
    let meta = fs::metadata(runs.join("a98")).unwrap();
    let cookie = format!("{:x}-{:x}", meta.dev(), meta.ino());
    let mut left = stray(&sandbox, &[("SKEP_RUN", cookie)]);
    fs::write(runs.join("a98/spec.1.2.tmp"), "{").unwrap();
    fs::write(runs.join("a98/exit.tmp"), "").unwrap();
    assert!(!processes(sandbox.path()).is_empty());
    let reaper = std::thread::spawn(move || left.wait().unwrap());
    let wanted = [
        "a99 is at work: its attempt has ended",
        "setup-w1 is at work: no keeper lives",
        "check-9-9-9-x-y is at work: no keeper lives",
        "1 processes of a98: their shim died",
        "a98/spec.1.2.tmp",
        "a98/exit.tmp",
    ];
    found_and_mended(&sandbox, "runs", &wanted);
    assert!(!reaper.join().unwrap().success());
    assert_eq!(processes(sandbox.path()), [""; 0]);
    assert!(
        runs.join("a99").exists(),
        "an attempt's folder is its history"
    );
    assert!(!runs.join("setup-w1").exists(), "it is no result");
}

// proves: W-5, W-15
#[test]
fn processes_whose_run_is_gone_are_found_without_it() {
    for whole in [false, true] {
        let sandbox = done();
        let _held = shim(&sandbox, "a99");
        let repo = sandbox.path().canonicalize().unwrap();
        let env = [
            ("SKEP_REPO", repo.display().to_string()),
            ("SKEP_RUN", "1-1".into()),
        ];
        let mut left = stray(&sandbox, &env);
        let reaper = std::thread::spawn(move || left.wait().unwrap());
        let gone = if whole {
            skep(&sandbox)
        } else {
            skep(&sandbox).join("runs/a99")
        };
        fs::remove_dir_all(gone).unwrap();
        let found = litter(&sandbox);
        let [line] = &found
            .iter()
            .filter(|l| l.contains("processes"))
            .collect::<Vec<_>>()[..]
        else {
            panic!("{found:#?}")
        };
        assert!(
            line.contains("skep shim") && line.contains("sleep 600"),
            "{line}"
        );
        told(&sandbox, &["--fix"]);
        assert!(!reaper.join().unwrap().success());
        assert_eq!(processes(sandbox.path()), [""; 0]);
        assert_eq!(litter(&sandbox), [""; 0]);
    }
}

// proves: W-12, W-15
#[test]
fn worktrees_that_nothing_explains_are_saved_and_removed() {
    let sandbox = done();
    let trees = skep(&sandbox).join("worktrees");
    let add = |name: &str, branch: &str| {
        let path = trees.join(name);
        sandbox.git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            branch,
            path.to_str().unwrap(),
            "skep/tidy",
        ]);
        path
    };
    let nine = add("w9", "other");
    fs::write(nine.join("nine.txt"), "changed\n").unwrap();
    let commit = |name: &str| {
        fs::write(nine.join(name), "committed\n").unwrap();
        let who = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
        for args in [&["add", name][..], &["commit", "-q", "-m", name]] {
            let mut git = command("git", &nine);
            assert!(git.args(who).args(args).status().unwrap().success());
        }
    };
    commit("commit.txt");
    fs::remove_dir_all(add("w7", "gone")).unwrap();
    fs::create_dir(trees.join("w8")).unwrap();
    fs::write(trees.join("w8/eight.txt"), "eight\n").unwrap();
    fs::create_dir_all(trees.join(".skep-trash-w1/x")).unwrap();
    fs::create_dir_all(trees.join(".skep-adopt/w1")).unwrap();
    fs::write(trees.join("stray"), "").unwrap();
    let wanted = [
        "w9: no worker of the swarm has it",
        "w7: registered with git, and gone",
        "w8: git does not know of it any more",
        ".skep-trash-w1",
        ".skep-adopt",
        "stray: it is no worktree",
    ];
    found_and_mended(&sandbox, "worktrees", &wanted);
    let saved = |name: &str, file: &str| {
        sandbox.git(&[
            "show",
            &format!("refs/skep/salvage/tidy/_{name}/clean:{file}"),
        ])
    };
    assert_eq!(saved("w9", "nine.txt"), "changed\n");
    assert_eq!(saved("w9", "commit.txt"), "committed\n");
    assert_eq!(saved("w8", "eight.txt"), "eight\n");
    let list = sandbox.json(&["salvage", "--json"]).to_string();
    assert!(list.contains("_w9") && list.contains("_w8"), "{list}");
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 3);
}

// proves: W-12, W-15
#[test]
fn a_worktree_without_its_git_file_is_not_gone() {
    let sandbox = Sandbox::new();
    let plan = PLAN.replace("echo a > a.txt", "echo a > a.txt; rm .git");
    sandbox.write("plan.toml", &plan);
    sandbox.expect(0, &["run", "plan.toml"]);
    let tree = skep(&sandbox).join("worktrees/w1");
    assert!(tree.join("a.txt").exists() && !tree.join(".git").exists());
    // A worker has it, and its next attempt mends it.
    assert_eq!(told(&sandbox, &["--fix"]), [""; 0]);
    // Nobody has this one: it is saved, as any other is.
    let nine = skep(&sandbox).join("worktrees/w9");
    let path = nine.to_str().unwrap();
    sandbox.git(&["worktree", "add", "-q", "--detach", path, "skep/tidy"]);
    fs::write(nine.join("nine.txt"), "changed\n").unwrap();
    fs::remove_file(nine.join(".git")).unwrap();
    let wanted = ["w9: no worker of the swarm has it"];
    found_and_mended(&sandbox, "worktrees", &wanted);
    let saved = "refs/skep/salvage/tidy/_w9/clean:nine.txt";
    assert_eq!(sandbox.git(&["show", saved]), "changed\n");
}

// proves: W-12, W-15
#[test]
fn branches_and_refs_that_nothing_explains_are_moved_to_salvage() {
    let sandbox = done();
    let tree = sandbox.git(&["rev-parse", "main^{tree}"]);
    let make = |text: &str| {
        let commit = sandbox.git(&["commit-tree", "-m", text, "-p", "main", tree.trim()]);
        commit.trim().to_string()
    };
    let (work, odd, mine) = (make("work"), make("odd"), make("mine"));
    sandbox.git(&["branch", "skep/tidy.w9", &work]);
    sandbox.git(&["branch", "skep/tidy.w8", "skep/tidy"]);
    sandbox.git(&["update-ref", "refs/skep/odd/one", &odd]);
    // The user's own: no plan of that name was ever run.
    sandbox.git(&["branch", "skep/mine.w1", &mine]);
    let wanted = [
        "skep/tidy.w8: the swarm has no worker w8",
        "skep/tidy.w9: the swarm has no worker w9",
        "refs/skep/odd/one: nothing of Skep's makes such a ref",
    ];
    found_and_mended(&sandbox, "branches", &wanted);
    let refs = sandbox.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    for (commit, place) in [
        (work, "salvage/tidy/_w9/"),
        (odd, "salvage/_other/_odd.one/"),
        (mine, "skep/mine.w1"),
    ] {
        let kept = |line: &str| line.contains(place) && line.ends_with(&commit);
        assert!(refs.lines().any(kept), "{place} of {commit} in {refs}");
    }
    assert!(
        !refs.contains("skep/tidy.w8") && !refs.contains("skep/tidy.w9 "),
        "{refs}"
    );
}

// proves: W-15
#[test]
fn locks_of_a_git_that_was_killed_are_removed_and_the_users_are_not() {
    let sandbox = done();
    let git = sandbox.path().join(".git");
    let old = SystemTime::now() - Duration::from_secs(60);
    let lock = |name: &str| {
        let path = git.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().set_modified(old).unwrap();
        path
    };
    let held = lock("refs/heads/skep/held.lock");
    let holder = File::open(&held).unwrap();
    let mine = lock("index.lock");
    for name in [
        "worktrees/w1/index.lock",
        "worktrees/w1/HEAD.lock",
        "refs/heads/skep/tidy.lock",
    ] {
        lock(name);
    }
    let wanted = [
        "worktrees/w1/index.lock",
        "worktrees/w1/HEAD.lock",
        "refs/heads/skep/tidy.lock",
    ];
    found_and_mended(&sandbox, "locks", &wanted);
    assert!(held.exists() && mine.exists());
    drop(holder);
    found_and_mended(&sandbox, "locks", &["refs/heads/skep/held.lock"]);
}

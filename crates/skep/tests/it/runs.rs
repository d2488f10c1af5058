//! `skep run`, from its first line to its exit code.

use crate::{Sandbox, ran, until};
use rustix::process::{Pid, Signal, kill_process};

const TWO: &str = r#"
[swarm]
name = "two"
workers = 2
check = "test -f a.txt"
[[task]]
id = "a"
mission = "Make a."
command = "echo a > a.txt"
success = [{ exists = "a.txt" }]
[[task]]
id = "b"
mission = "Make b."
command = "echo b > b.txt"
depends_on = ["a"]
"#;

// proves: U-1, W-17
#[test]
fn a_plan_runs_to_its_end_and_the_result_is_on_its_branch() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", TWO);
    let ran = sandbox.expect(0, &["run", "plan.toml"]);
    assert!(
        ran.out.contains("git log --oneline main..skep/two"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("accepted: 1 file changed"), "{}", ran.err);
    assert!(
        !ran.err.contains('\x1b'),
        "no terminal, so no escapes: {}",
        ran.err
    );
    assert_eq!(sandbox.git(&["show", "skep/two:b.txt"]), "b\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? plan.toml\n");
    // Without a keeper, read verbs say what the log says.
    let tasks = sandbox.json(&["tasks", "--json"]);
    assert_eq!(tasks["tasks"][1]["state"], "merged");
    let detail = sandbox.json(&["tasks", "show", "a", "--json"]);
    assert_eq!(detail["receipt"]["file_count"], 1);
    assert_eq!(detail["schema"], 1);
    // A second time there is nothing to do, and nothing is done.
    let again = sandbox.expect(0, &["run", "plan.toml", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(
        (&summary["complete"], &summary["exit"]),
        (&true.into(), &0.into())
    );
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let loaded = events
        .lines()
        .filter(|l| l.contains("\"plan_loaded\""))
        .count();
    assert_eq!(loaded, 1, "{events}");
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["at"].as_str().unwrap().ends_with('Z'));
    }
}

// proves: U-1
#[test]
fn a_task_that_fails_is_flagged_and_the_summary_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "plan.toml",
        &TWO.replace("echo b > b.txt", "echo oh no; exit 3"),
    );
    let ran = sandbox.expect(1, &["run", "plan.toml"]);
    assert!(ran.out.contains("b is flagged"), "{}", ran.out);
    assert!(ran.out.contains("skep logs b; skep retry b"), "{}", ran.out);
    assert_eq!(sandbox.expect(0, &["logs", "b"]).out, "oh no\n");
    assert_eq!(
        sandbox.expect(1, &["run"]).code,
        1,
        "nothing is left to do, and b is still flagged"
    );
}

// proves: Q-3
#[test]
fn ctrl_c_lets_attempts_end_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new();
    let slow = TWO.replace(
        "echo a >",
        "while test ! -e ../../../go; do sleep 0.05; done; echo a >",
    );
    sandbox.write("plan.toml", &slow);
    let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("a runs", || {
        sandbox.skep(&["why", "a"]).out.contains("at work")
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    until("draining", || {
        sandbox.skep(&["status"]).out.contains("draining")
    });
    sandbox.write("go", "");
    let first = ran(child.wait_with_output().unwrap());
    assert_eq!(first.code, 130, "{}\n{}", first.out, first.err);
    assert!(first.err.contains("1 attempt to end"), "{}", first.err);
    assert!(
        first
            .err
            .ends_with("everything is kept; `skep run` goes on\n"),
        "{}",
        first.err
    );
    assert!(
        first.err.contains("a               accepted"),
        "{}",
        first.err
    );
    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/two:b.txt"]), "b\n");
}

// proves: W-12
#[test]
fn ctrl_c_twice_ends_attempts_now_and_keeps_their_work() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "plan.toml",
        &TWO.replace("echo a > a.txt", "echo half > a.txt; sleep 600"),
    );
    let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("a wrote", || {
        sandbox.path().join(".skep/worktrees/w1/a.txt").exists()
            || sandbox.path().join(".skep/worktrees/w2/a.txt").exists()
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    until("draining", || {
        sandbox.skep(&["status"]).out.contains("draining")
    });
    kill_process(pid, Signal::INT).unwrap();
    let first = ran(child.wait_with_output().unwrap());
    assert_eq!(first.code, 130, "{}\n{}", first.out, first.err);
    let list = sandbox.json(&["salvage", "--json"]);
    let saved = list["salvage"].as_array().unwrap();
    let saved = saved
        .iter()
        .find(|s| s["task"] == "a")
        .unwrap_or_else(|| panic!("{list}"));
    let name = format!("a/{}", saved["attempt"].as_str().unwrap());
    sandbox.expect(0, &["salvage", "restore", &name, "rescued"]);
    assert_eq!(sandbox.git(&["show", "rescued:a.txt"]), "half\n");
}

// proves: W-5, W-15
#[test]
fn ctrl_c_twice_ends_set_ups_and_checks_too_and_the_next_run_does_them_again() {
    for (key, file) in [("setup", "setting-up"), ("check", "checking")] {
        let sandbox = Sandbox::new();
        let wait = format!("touch ../../../{file}; test -e ../../../go || sleep 600");
        let plan = TWO.replace("check = \"test -f a.txt\"", &format!("{key} = {wait:?}"));
        sandbox.write("plan.toml", &plan);
        let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
        until(file, || sandbox.path().join(file).exists());
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        // Where no attempt runs and nothing merges, once is enough.
        if key == "check" {
            until("draining", || {
                sandbox.skep(&["status"]).out.contains("draining")
            });
            kill_process(pid, Signal::INT).unwrap();
        }
        let first = ran(child.wait_with_output().unwrap());
        assert_eq!(first.code, 130, "{}\n{}", first.out, first.err);
        let left = crate::litter::processes(sandbox.path());
        assert!(left.is_empty(), "{key} left {left:#?}");
        sandbox.write("go", "");
        sandbox.expect(0, &["run"]);
        assert_eq!(sandbox.git(&["show", "skep/two:b.txt"]), "b\n");
    }
}

// proves: L-5, U-1
#[test]
fn a_set_up_that_fails_halts_the_run_with_what_it_said() {
    let sandbox = Sandbox::new();
    let setup = "setup = [\"echo no such registry; exit 3\"]\n[policy]\nbackoff = \"10ms\"\n[[task]]\nid = \"a\"";
    sandbox.write("plan.toml", &TWO.replacen("[[task]]\nid = \"a\"", setup, 1));
    let ran = sandbox.expect(3, &["run", "plan.toml"]);
    let said = "`echo no such registry; exit 3` exited with 3: no such registry\n`skep resume`";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(
        !(ran.out + &ran.err).contains("\\n"),
        "escaped ends of lines"
    );
}

#[test]
fn a_forecast_starts_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", TWO);
    let args = ["run", "plan.toml", "--dry-run", "--workers", "3", "--json"];
    let forecast = sandbox.json(&args);
    assert_eq!(forecast["critical_path"], serde_json::json!(["a", "b"]));
    assert_eq!(forecast["workers"].as_array().unwrap().len(), 3);
    assert!(!sandbox.path().join(".skep").exists());
    assert_eq!(sandbox.git(&["branch", "--list", "skep/*"]), "");
}

#[test]
fn init_writes_a_plan_that_runs_and_never_overwrites() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["init"]);
    sandbox.expect(0, &["run", "plan.toml"]);
    sandbox.expect(2, &["init"]);
    sandbox.expect(0, &["clean"]);
    let worktrees = sandbox.git(&["worktree", "list"]);
    assert_eq!(worktrees.lines().count(), 1, "{worktrees}");
    assert_eq!(sandbox.git(&["branch", "--list", "skep/*.w*"]), "");
    assert!(
        sandbox
            .expect(0, &["clean"])
            .err
            .contains("nothing to remove")
    );
}

// proves: W-4
#[test]
fn a_keeper_that_is_ended_or_killed_leaves_its_attempt_to_the_next() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::KILL, -1)] {
        let sandbox = Sandbox::new();
        let wait = "while test ! -e ../../../go; do sleep 0.05; done; echo a >";
        sandbox.write("plan.toml", &TWO.replace("echo a >", wait));
        let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
        until("a runs", || {
            sandbox.skep(&["why", "a"]).out.contains("at work")
        });
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let first = ran(child.wait_with_output().unwrap());
        assert_eq!(first.code, code, "{}\n{}", first.out, first.err);
        sandbox.write("go", "");
        sandbox.expect(0, &["run"]);
        let detail = sandbox.json(&["tasks", "show", "a", "--json"]);
        assert_eq!(
            detail["attempts"], 1,
            "the attempt was adopted, not repeated: {detail}"
        );
    }
}

#[test]
fn two_runs_at_once_share_one_keeper() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &TWO.replace("echo a >", "sleep 1; echo a >"));
    let both = [(), ()].map(|()| sandbox.command(&["run", "plan.toml"]).spawn().unwrap());
    for child in both {
        let end = ran(child.wait_with_output().unwrap());
        assert_eq!(end.code, 0, "{}\n{}", end.out, end.err);
    }
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let loaded = events
        .lines()
        .filter(|l| l.contains("\"plan_loaded\""))
        .count();
    assert_eq!(loaded, 1, "{events}");
}

#[test]
fn a_bad_plan_is_a_document_for_programs() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bad.toml",
        "[[task]]\nid = \"a\"\nmision = \"x\"\ncommand = \"true\"\n",
    );
    let ran = sandbox.expect(2, &["run", "bad.toml", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["diagnostics"][0]["line"], 3, "{document}");
}

// proves: Q-3
#[test]
fn a_plan_that_grew_runs_only_what_is_new() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", TWO);
    sandbox.expect(0, &["run", "plan.toml"]);
    let grown = format!(
        "{TWO}\n[[task]]\nid = \"c\"\nmission = \"Make c.\"\ncommand = \"cat b.txt > c.txt\"\n\
         depends_on = [\"b\"]\n"
    );
    sandbox.write("plan.toml", &grown);
    let ran = sandbox.expect(0, &["run", "plan.toml"]);
    assert!(ran.err.contains("2 merged already"), "{}", ran.err);
    assert!(!ran.err.contains("a ready"), "{}", ran.err);
    assert_eq!(sandbox.git(&["show", "skep/two:c.txt"]), "b\n");
    let claims = |task: &str| {
        let events = sandbox.expect(0, &["events", "--json"]).out;
        let claim = |l: &str| {
            let event: serde_json::Value = serde_json::from_str(l).unwrap();
            event["type"] == "claimed" && event["task"] == task
        };
        events.lines().filter(|l| claim(l)).count()
    };
    assert_eq!((claims("a"), claims("b"), claims("c")), (1, 1, 1));
    // The work is gone with its branch, so it is done again.
    sandbox.git(&["branch", "-q", "-D", "skep/two"]);
    sandbox.write("plan.toml", &grown.replace("Make c.", "Make c well."));
    sandbox.expect(0, &["run", "plan.toml"]);
    assert_eq!((claims("a"), claims("c")), (2, 2));
}

// proves: U-1, L-4a
#[test]
fn a_run_that_is_stuck_says_so_and_so_does_the_status() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "plan.toml",
        "[swarm]\nname = \"s\"\nworkers = 1\n[[task]]\nid = \"a\"\nmission = \"Make a.\"\ncommand = \"echo a > a\"\n",
    );
    // What it waits for is noted before anybody keeps it.
    sandbox.expect(0, &["run", "plan.toml"]);
    sandbox.expect(0, &["pause", "w1"]);
    sandbox.expect(
        0,
        &["tasks", "add", "c", "-m", "Make c.", "--command", "true"],
    );
    let ran = sandbox.expect(3, &["run"]);
    assert!(
        ran.err.contains("stuck: c no worker is free"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("halted"), "{}", ran.err);
    let status = sandbox.json(&["status", "--json"]);
    assert_ne!(status["status"], "halted", "{status}");
    let why = status["stuck"].as_str().unwrap();
    assert!(why.contains("no worker is free"), "{status}");
    let told = sandbox.expect(0, &["status"]).out;
    assert!(told.contains("nothing moves: c "), "{told}");
}

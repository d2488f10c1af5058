//! What is said when a command cannot be done: each with its text and its exit code, as one snapshot.

use crate::Sandbox;
use std::fmt::Write as _;

/// Everything that differs from one run to the next.
fn steady(sandbox: &Sandbox, text: &str) -> String {
    let path = sandbox.path().canonicalize().unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = text.replace(&*path.to_string_lossy(), "DIR");
    text.replace(&name.to_lowercase(), "NAME")
        .replace(&name, "NAME")
}

fn told(sandbox: &Sandbox, args: &[&str], all: &mut String) {
    let ran = sandbox.skep(args);
    let shown: Vec<String> = args
        .iter()
        .map(|a| a.chars().take(40).flat_map(char::escape_debug).collect())
        .collect();
    assert_ne!(ran.code, 0, "{args:?} was expected to fail");
    assert!(
        ran.code != 70 && ran.code != 101,
        "{args:?} is a bug: {}",
        ran.err
    );
    assert!(ran.out.is_empty(), "{args:?} printed data: {}", ran.out);
    assert!(
        !ran.err.chars().any(|c| c.is_control() && c != '\n'),
        "{args:?}: {:?}",
        ran.err
    );
    let _ = writeln!(
        all,
        "$ skep {}\n{}[exit {}]\n",
        shown.join(" "),
        steady(sandbox, &ran.err),
        ran.code
    );
}

// proves: U-1, T-3
#[test]
fn bad_commands_say_what_is_wrong_and_what_to_do() {
    let long = "x".repeat(300);
    let mut all = String::new();

    let nowhere = Sandbox::empty();
    for args in [
        &["status"][..],
        &["run", "plan.toml"],
        &["init"],
        &["-C", "missing", "status"],
    ] {
        told(&nowhere, args, &mut all);
    }
    let unborn = Sandbox::empty();
    unborn.git(&["init", "-q", "-b", "main"]);
    told(&unborn, &["run", "plan.toml"], &mut all);

    let sandbox = Sandbox::new();
    sandbox.write(
        "bad.toml",
        "[[task]]\nid = \"a\"\nmision = \"x\"\ncommand = \"true\"\n",
    );
    sandbox.write("good.toml", "[swarm]\nname = \"s\"\nworkers = 0\n[[task]]\nid = \"login\"\nmission = \"x\"\ncommand = \"true\"\n");
    sandbox.write("task.json", "{\"misison\": 1}");
    for args in [
        &["stauts"][..],
        &["taks", "list"],
        &["\x1b[31mred"],
        &["status", "--jsn"],
        &["run", "--workers"],
        &["run", "--dry-run"],
        &["run"],
        &["run", "no-such-plan.toml"],
        &["run", "bad.toml"],
        &["run", "good.toml", "--workers", "many"],
        &["run", "good.toml", "--landing", "moon"],
        &["run", "good.toml", "--agent", "nobody"],
        &["why"],
        &["why", "../x"],
        &["why", "nothing"],
        &["retry", "--", "-rf"],
        &["retry", &long],
        &["retry", "a\nb"],
        &["cancel"],
        &["pause", "worker1"],
        &["logs", "nothing"],
        &["logs", "77"],
        &["tasks", "list", "--state", "sleepy"],
        &["tasks", "add", "x"],
        &["tasks", "add", "x", "-m", "y", "--priority", "P9"],
        &["tasks", "add", "x", "-m", "y", "--timebox", "soon"],
        &["tasks", "add", "x", "--file", "task.json"],
        &["workers", "remove"],
        &["events", "--follow"],
        &["import", "missing.md"],
        &["completions", "tcsh"],
        &["down"],
    ] {
        told(&sandbox, args, &mut all);
    }

    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "good.toml"]).spawn().unwrap();
    crate::until("loaded", || sandbox.skep(&["tasks"]).out.contains("login"));
    run.kill().unwrap();
    run.wait().unwrap();
    sandbox.write(
        "other.toml",
        "[swarm]\nname = \"s\"\n[[task]]\nid = \"b\"\nmission = \"x\"\ncommand = \"true\"\n",
    );
    for args in [
        &["retry", "lgoin"][..],
        &["retry", "login"],
        &["why", "lgoin"],
        &["tasks", "boost", "login", "urgent"],
        &["tasks", "assign", "login", "w9"],
        &["tasks", "add", "login", "-m", "again", "--command", "true"],
        &[
            "tasks",
            "add",
            "x",
            "-m",
            "y",
            "--after",
            "none",
            "--command",
            "true",
        ],
        &["workers", "remove", "w7"],
        &["workers", "add", "5000"],
        &["logs", "login"],
        &["logs", "w1"],
        &["run", "other.toml"],
        &["clean"],
    ] {
        told(&sandbox, args, &mut all);
    }
    insta::assert_snapshot!(all);
}

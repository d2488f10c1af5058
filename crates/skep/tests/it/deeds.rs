//! Verbs that change something print one document of what they did for programs (U-1).

use crate::{HELD, Sandbox};
use serde_json::{Value, json};

/// A verb's document: what it did, each with whether that changed anything.
#[track_caller]
fn done(sandbox: &Sandbox, args: &[&str]) -> Vec<(String, bool)> {
    let document = sandbox.json(&[args, &["--json"]].concat());
    assert_eq!(document["schema"], 1, "{args:?}: {document}");
    let dry = args.contains(&"--dry-run");
    assert_eq!(document["dry_run"], json!(dry), "{args:?}: {document}");
    let done = document["done"].as_array().unwrap();
    let one = |deed: &Value| {
        let changed = deed["changed"].as_bool().unwrap();
        assert!(!deed["said"].as_str().unwrap().is_empty(), "{document}");
        assert!(dry || !changed || deed["seq"].is_u64() || args[0] == "up" || args[0] == "down");
        (deed["about"].as_str().unwrap().to_string(), changed)
    };
    done.iter().map(one).collect()
}

fn about(name: &str, changed: bool) -> Vec<(String, bool)> {
    vec![(name.into(), changed)]
}

// proves: U-1
#[test]
fn every_verb_that_acts_prints_what_it_did() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", HELD);
    assert_eq!(done(&sandbox, &["up", "--detach"]), about("keeper", true));
    assert_eq!(done(&sandbox, &["up", "--detach"]), about("keeper", false));
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    crate::until("loaded", || sandbox.skep(&["tasks"]).out.contains("two"));
    assert_eq!(done(&sandbox, &["pause"]), about("swarm", true));
    assert_eq!(done(&sandbox, &["pause"]), about("swarm", false));
    for (args, name) in [
        (&["tasks", "boost", "two", "p1"][..], "two"),
        (&["tasks", "assign", "two", "any"], "two"),
        (
            &[
                "tasks",
                "add",
                "three",
                "-m",
                "Make it.",
                "--command",
                "true",
            ],
            "three",
        ),
        (&["tasks", "edit", "three", "-m", "Make three."], "three"),
        (&["tasks", "skip", "one"], "one"),
        (&["cancel", "three"], "three"),
        (&["retry", "three"], "three"),
        (&["scale", "3"], "swarm"),
        (&["config", "set", "max_retries", "2"], "max_retries"),
        (&["config", "reset", "max_retries"], "config"),
        (&["workers", "add", "2"], "swarm"),
        (&["workers", "model", "w1", "m"], "w1"),
        (&["pause", "w1"], "w1"),
        (&["resume", "w1"], "w1"),
        (&["workers", "remove", "w1"], "w1"),
    ] {
        let found = done(&sandbox, args);
        assert_eq!(found[0].0, name, "{args:?}");
        assert_eq!(found.len(), 1, "{args:?}");
    }
    let dry = done(&sandbox, &["cancel", "two", "three", "--dry-run"]);
    assert_eq!(dry, [("two".into(), false), ("three".into(), false)]);
    // What was done before a refusal was done all the same.
    let ran = sandbox.expect(2, &["cancel", "two", "four", "--json"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["done"][0]["about"], "two", "{document}");
    assert_eq!(document["done"].as_array().unwrap().len(), 1);
    assert!(ran.err.contains("four"), "{}", ran.err);
    let ended = done(&sandbox, &["down", "--now"]);
    assert!(ended.contains(&("keeper".into(), true)), "{ended:?}");
    run.wait().unwrap();
    // Without a keeper it is noted, and said all the same.
    assert_eq!(done(&sandbox, &["retry", "two"]), about("two", true));
}

// proves: U-1
#[test]
fn one_task_is_one_task_in_words() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "plan.toml",
        &HELD[..HELD.find("[[task]]\nid = \"two\"").unwrap()],
    );
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    crate::until("loaded", || sandbox.skep(&["tasks"]).out.contains("one"));
    sandbox.write("other.toml", &HELD.replace("held", "other"));
    let ran = sandbox.expect(3, &["run", "other.toml"]);
    assert!(
        ran.err.contains("1 of its tasks is not over"),
        "{}",
        ran.err
    );
    let ran = sandbox.skep(&["cancel", "--all"]);
    assert!(ran.err.contains("Give up 1 task?"), "{}", ran.err);
    sandbox.expect(0, &["config", "set", "grace", "2s"]);
    let told = sandbox.expect(0, &["events"]).out;
    assert!(
        told.contains("grace is 2s") && !told.contains('{'),
        "{told}"
    );
    sandbox.expect(0, &["down", "--now"]);
    run.wait().unwrap();
}

/// Verbs that print no document here, each with why not.
const NO_DOCUMENT: &[(&str, &str)] = &[
    ("top", "draws on a terminal, and says so"),
    ("mcp", "speaks a protocol of its own"),
    ("completions", "prints a shell's program"),
    ("watchdog", "runs until it is ended"),
    ("dash", "prints a link (web.rs)"),
    ("demo", "is a run with talk around it (demos.rs)"),
    ("answer", "needs an ask (agents.rs)"),
    ("checkpoint", "is for agents (said.rs)"),
    ("heartbeat", "is for agents (said.rs)"),
    ("block", "is for agents (said.rs)"),
    ("ask", "is for agents"),
    ("attach", "needs a session (tmux/attach.rs)"),
];

// proves: U-1
#[test]
fn every_verb_prints_a_document_for_programs() {
    let sandbox = Sandbox::new();
    sandbox.write("list.md", "- [ ] **a**: Do it.\n");
    sandbox.write("plan.toml", &HELD.replace("workers = 0", "workers = 1"));
    let documents: &[&[&str]] = &[
        &["run", "plan.toml"],
        &["status"],
        &["state"],
        &["metrics"],
        &["alerts"],
        &["report"],
        &["tasks"],
        &["workers"],
        &["scale", "1"],
        &["logs", "one"],
        &["why", "one"],
        &["concerns"],
        &["asks"],
        &["costs"],
        &["config"],
        &["salvage"],
        &["events"],
        &["memo"],
        &["import", "list.md"],
        &["pause"],
        &["resume"],
        &["tasks", "add", "three", "-m", "x", "--command", "true"],
        &["cancel", "three"],
        &["retry", "three"],
        &["clean", "--dry-run"],
        &["doctor"],
        &["up", "--detach"],
        &["down", "--now"],
    ];
    for args in documents {
        let ran = sandbox.skep(&[args, &["--json"][..]].concat());
        // Events are many, one a line.
        for text in match args[0] {
            "events" => ran.out.lines().collect::<Vec<_>>(),
            _ => vec![ran.out.as_str()],
        } {
            let read: Result<Value, _> = serde_json::from_str(text);
            assert!(
                read.is_ok_and(|d| d.is_object()),
                "{args:?}: {text}\n{}",
                ran.err
            );
        }
    }
    std::fs::remove_file(sandbox.path().join("plan.toml")).unwrap();
    let both = |changed| [about("plan.toml", changed), about("skep.toml", changed)].concat();
    assert_eq!(done(&sandbox, &["init", "--dry-run"]), both(false));
    assert_eq!(done_here(&sandbox, &["init"]), both(true));
    assert_eq!(
        done_here(&sandbox, &["trust", "--yes"]),
        about("skep.toml", true)
    );
    // None is forgotten: what `--help` lists is here, or says why not.
    let help = sandbox.expect(0, &["--help"]).out;
    let verbs = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let verbs = verbs
        .lines()
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    for verb in verbs.filter_map(|line| line.split_whitespace().next()) {
        let tried =
            documents.iter().any(|args| args[0] == verb) || ["init", "trust"].contains(&verb);
        let excused = NO_DOCUMENT.iter().any(|(name, _)| *name == verb);
        assert!(tried != excused, "{verb}: tried {tried}, excused {excused}");
    }
}

/// The same for what changes no log.
#[track_caller]
fn done_here(sandbox: &Sandbox, args: &[&str]) -> Vec<(String, bool)> {
    let document = sandbox.json(&[args, &["--json"]].concat());
    let done = document["done"].as_array().unwrap();
    let one = |deed: &Value| {
        let name = deed["about"].as_str().unwrap().to_string();
        (name, deed["changed"].as_bool().unwrap())
    };
    done.iter().map(one).collect()
}

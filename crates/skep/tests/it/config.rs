//! `skep config`: numbers changed while the swarm runs, or before the next keeper (S-8).

use crate::{Sandbox, until};

const PLAN: &str = r#"
[swarm]
name = "live"
workers = 2
[policy]
concurrency = 1
[[task]]
id = "one"
mission = "Wait for two."
command = "mkfifo ../../../pipe; read x < ../../../pipe; echo $x > one.txt"
[[task]]
id = "two"
mission = "Let one go on."
command = "until [ -p ../../../pipe ]; do :; done; echo go > ../../../pipe; echo 2 > two.txt"
"#;

// proves: S-8, L-7
#[test]
fn a_number_changed_while_the_swarm_runs_holds_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    // One at a time these two would wait for each other for ever.
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("one runs", || sandbox.path().join("pipe").exists());
    let said = sandbox.expect(0, &["config", "set", "concurrency", "2"]);
    assert!(
        said.err.contains("concurrency is 2 from now on"),
        "{}",
        said.err
    );
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.git(&["show", "skep/live:one.txt"]), "go\n");
}

// proves: S-8, U-1
#[test]
fn numbers_are_shown_explained_refused_and_reset() {
    let sandbox = Sandbox::new();
    sandbox.expect(4, &["config", "set", "concurrency", "2"]);
    sandbox.write(
        "plan.toml",
        &PLAN
            .replace("workers = 2", "workers = 0")
            .replace("concurrency = 1", "timebox = \"5m\""),
    );
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("loaded", || sandbox.skep(&["tasks"]).out.contains("two"));
    run.kill().unwrap();
    run.wait().unwrap();

    let list = sandbox.json(&["config", "--json"]);
    let settings = list["settings"].as_array().unwrap();
    let timebox = settings.iter().find(|s| s["key"] == "timebox").unwrap();
    assert_eq!(
        (&timebox["value"], &timebox["default"]),
        (&"5m".into(), &"30m".into())
    );
    assert_eq!(sandbox.expect(0, &["config", "get", "timebox"]).out, "5m\n");
    let explained = sandbox.expect(0, &["config", "explain", "timebox"]).out;
    assert!(
        explained.contains("timebox is 5m (from plan.toml:6; the default is 30m)."),
        "{explained}"
    );

    for (key, value, wanted) in [
        ("concurency", "2", "did you mean concurrency?"),
        ("timebox", "soon", "soon"),
        ("concurrency", "-1", "-1"),
        ("backoff", "0s", "backoff"),
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let set = [&["config", "set", key, value], dry].concat();
            let refused = sandbox.expect(2, &set);
            assert!(refused.err.contains(wanted), "{}", refused.err);
        }
    }
    sandbox.expect(2, &["config", "get", "nothing"]);
    assert_eq!(
        list,
        sandbox.json(&["config", "--json"]),
        "what is refused changes nothing"
    );

    let dry = sandbox.expect(0, &["config", "set", "timebox", "7m", "--dry-run"]);
    assert!(dry.err.contains("would set timebox from 5m"), "{}", dry.err);
    // A change goes before the plan until it is reset; and what the plan says before the default.
    sandbox.expect(0, &["config", "set", "timebox", "7m"]);
    let explained = sandbox.expect(0, &["config", "explain", "timebox"]).out;
    let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(explained.contains("changed live"), "{explained}");
    sandbox.expect(0, &["config", "reset", "--all"]);
    assert_eq!(sandbox.expect(0, &["config", "get", "timebox"]).out, "5m\n");
    sandbox.expect(0, &["config", "reset", "--all", "--default"]);
    assert_eq!(
        sandbox.expect(0, &["config", "get", "timebox"]).out,
        "30m\n"
    );
    sandbox.expect(0, &["down", "--now"]);
    // Without a keeper it is noted, and the log says who asked for what.
    sandbox.expect(0, &["config", "set", "timebox", "9m"]);
    assert_eq!(sandbox.expect(0, &["config", "get", "timebox"]).out, "9m\n");
    let events = sandbox.expect(0, &["events"]).out;
    assert!(events.contains("timebox is 9m"), "{events}");
}

// proves: S-8, S-4
#[test]
fn the_model_of_a_worker_is_changed_live() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &PLAN.replace("workers = 2", "workers = 1"));
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("one runs", || sandbox.path().join("pipe").exists());
    sandbox.expect(0, &["workers", "model", "w1", "strong"]);
    let worker = sandbox.json(&["workers", "--json"])["workers"][0].clone();
    assert_eq!(worker["model"], "strong", "{worker}");
    sandbox.expect(2, &["workers", "model", "w9", "strong"]);
    sandbox.expect(0, &["workers", "add", "1"]);
    sandbox.expect(0, &["config", "set", "concurrency", "2"]);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    sandbox.expect(0, &["down"]);
}

//! What people see of an attempt's health: `skep why` and `skep status --json`.

use crate::{Sandbox, until};

/// Measured every second; nobody is ended before the test is over.
const QUIET: &str = r#"
[swarm]
name = "quiet"
workers = 1
[policy]
heartbeat = "1s"
[policy.health]
grace = "100ms"
[[task]]
id = "login"
mission = "Compute something, quietly."
command = "timeout 60 sh -c 'while :; do :; done'"
"#;

// proves: L-3, L-4, L-4a
#[test]
fn why_and_status_tell_how_an_attempt_does() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", QUIET);
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let mut told = String::new();
    until("its CPU is measured", || {
        told = sandbox.skep(&["why", "w1"]).out;
        told.contains("of CPU in the last")
    });
    for part in ["works on login", "its tree used ", "(sh)", "health 100"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let told = sandbox.expect(0, &["why", "login"]).out;
    assert!(told.contains("w1 is at work on it"), "{told}");
    assert!(told.contains("of CPU in the last"), "{told}");
    let status = sandbox.json(&["status", "--json"]);
    let worker = &status["workers"][0];
    assert_eq!(worker["health"], 100, "{worker}");
    assert!(worker["cpu_percent"].as_f64().unwrap() > 1.0, "{worker}");
    assert!(worker["memory_bytes"].as_u64().unwrap() > 0, "{worker}");
    assert!(
        worker["last_heartbeat"].as_str().unwrap().starts_with("20"),
        "{worker}"
    );
    sandbox.expect(0, &["down", "--now"]);
    run.wait().unwrap();
}

// proves: L-4, Q-2
#[test]
fn a_ladder_whose_rungs_are_out_of_order_is_refused_with_the_place() {
    let sandbox = Sandbox::new();
    let plan = QUIET.replace("grace = \"100ms\"", "stale = \"5m\"");
    sandbox.write("plan.toml", &plan);
    let ran = sandbox.expect(2, &["run", "plan.toml"]);
    assert!(ran.err.contains("stale"), "{}", ran.err);
    assert!(ran.err.contains("plan.toml:"), "{}", ran.err);
}

// proves: L-3, L-4a, S-8
#[test]
fn a_heartbeat_made_shorter_holds_at_once_and_ends_nobody_who_was_told_a_longer_one() {
    let sandbox = Sandbox::new();
    let plan = QUIET.replace("\"1s\"", "\"1h\"\nheartbeat_timeout = \"1h\"");
    let plan = plan.replace(
        "[policy.health]",
        "[policy.health]\nnudge = \"2h\"\nask = \"2h\"",
    );
    let plan = plan.replace(
        "ask =",
        "checkpoint = \"2h\"\nstale = \"2h\"\nsilent = \"2h\"\nask =",
    );
    let wait = "command = \"mkfifo ../../../pipe; read x < ../../../pipe; echo $x > x\"";
    let begin = plan.find("command =").unwrap();
    sandbox.write("plan.toml", &format!("{}{wait}\n", &plan[..begin]));
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let pipe = sandbox.path().join("pipe");
    until("it runs", || pipe.exists());
    for (key, value) in [
        ("heartbeat", "1s"),
        ("heartbeat_timeout", "1s"),
        // Seen only after as many looks as would find the shim silent.
        ("health.nudge", "5s"),
    ] {
        sandbox.expect(0, &["config", "set", key, value]);
    }
    until("it is nudged, or begun again", || {
        let events = sandbox.expect(0, &["events"]).out;
        events.contains("no sign of life") || events.contains("attempt 2")
    });
    std::fs::write(&pipe, "go\n").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let task = &sandbox.json(&["tasks", "--json"])["tasks"][0];
    assert_eq!(task["attempts"], 1, "{task}");
}

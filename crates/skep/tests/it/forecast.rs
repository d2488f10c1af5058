//! Conflict forecast on the whole program: two agents at one line are named while both are at work (W-9).

use crate::{Sandbox, until};

/// `a` and `b` write the same line and then wait for the test; `c` is accepted once both have written.
const COURSE: &str = r#"
[swarm]
name = "course"
workers = 3
[policy]
forecast_interval = "100ms"
grace = "1s"
[[task]]
id = "a"
mission = "Write a."
command = "echo a > page; touch $SKEP_REPO/.git/a; until [ -e $SKEP_REPO/.git/go ]; do sleep 0.05; done"
[[task]]
id = "b"
mission = "Write b."
command = "if [ -n \"$SKEP_FIX_OF\" ]; then echo b >> page; exit; fi; echo b > page; touch $SKEP_REPO/.git/b; until [ -e $SKEP_REPO/.git/go ]; do sleep 0.05; done"
[[task]]
id = "c"
mission = "Write c."
command = "until [ -e $SKEP_REPO/.git/a ] && [ -e $SKEP_REPO/.git/b ]; do sleep 0.05; done; echo c > c"
"#;

// proves: W-9
#[test]
fn workers_on_a_collision_course_are_named_early_and_both_go_on() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", COURSE);
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    let mut status = serde_json::Value::Null;
    until("the collision is foreseen", || {
        let seen = sandbox.skep(&["status", "--json"]);
        status = serde_json::from_str(&seen.out).unwrap_or_default();
        status["collisions"].is_array()
    });
    let conflict = &status["collisions"][0];
    assert_eq!(conflict["file"], "page", "{status}");
    assert_eq!(conflict["tasks"], serde_json::json!(["a", "b"]));
    assert_eq!(conflict["severity"], "warning");
    let workers = conflict["workers"].as_array().unwrap();
    let worker = workers[0].as_str().unwrap();

    let told = sandbox.expect(0, &["status"]).out;
    assert!(told.contains("on a collision course in page"), "{told}");
    let told = sandbox.expect(0, &["why", worker]).out.replace("\n  ", " ");
    assert!(told.contains("works on a"), "{told}");
    assert!(told.contains("on a collision course with"), "{told}");
    assert!(told.contains("(b) in page"), "{told}");
    let told = sandbox.expect(0, &["why", "b"]).out.replace("\n  ", " ");
    assert!(told.contains("(a) in page"), "{told}");
    let told = sandbox.expect(0, &["why", "c"]).out;
    assert!(!told.contains("collision"), "{told}");
    let told = sandbox.expect(0, &["events"]).out;
    assert_eq!(told.matches("on a collision course").count(), 1, "{told}");
    // Nothing that anybody could check out or push was left by looking.
    let refs = sandbox.git(&["for-each-ref", "--format=%(refname)"]);
    assert!(
        !refs.contains("forecast") && !refs.contains("flight"),
        "{refs}"
    );

    sandbox.write(".git/go", "");
    assert!(run.wait().unwrap().success(), "the conflict was mended");
    let status = sandbox.json(&["status", "--json"]);
    assert!(status["collisions"].is_null(), "{status}");
    assert_eq!(status["tasks"]["merged"], 4, "{status}");
    let told = sandbox.expect(0, &["events"]).out;
    assert!(told.contains("collide no more"), "{told}");
    sandbox.expect(0, &["down"]);
}

// proves: W-9, Q-2
#[test]
fn a_forecast_can_be_turned_off_while_the_swarm_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", COURSE);
    sandbox.expect(0, &["up", "--detach"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("the plan is loaded", || {
        sandbox.skep(&["tasks"]).out.contains('c')
    });
    sandbox.expect(0, &["config", "set", "forecast_interval", "0s"]);
    let told = sandbox.expect(0, &["config"]).out;
    assert!(told.contains("forecast_interval"), "{told}");
    sandbox.write(".git/go", "");
    assert!(run.wait().unwrap().success());
    sandbox.expect(0, &["down"]);
}

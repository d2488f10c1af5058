//! `skep state` and `.skep/state.json` (A-9).

use crate::{Sandbox, until};
use serde_json::Value;
use std::fs;

const PLAN: &str = r#"
[swarm]
name = "stands"
workers = 1
budget = { per_day_usd = 5 }
[[task]]
id = "one"
mission = "Wait."
command = "until [ -e ../../../go ]; do sleep 0.02; done; echo 1 > one.txt"
"#;

fn file(sandbox: &Sandbox) -> Option<Value> {
    let text = fs::read_to_string(sandbox.path().join(".skep/state.json")).ok()?;
    // Whenever it is looked at, it is whole.
    Some(serde_json::from_str(&text).unwrap())
}

// proves: A-9
#[test]
fn the_state_file_is_whole_at_every_moment_and_says_what_is_known() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("it says that one is at work", || {
        file(&sandbox).is_some_and(|f| f["operationalState"]["activeSwarms"] == 1)
    });
    let state = file(&sandbox).unwrap();
    for key in [
        "version",
        "mode",
        "lastHeartbeat",
        "lastFullCheck",
        "status",
        "operationalState",
        "modeConfig",
        "escalationLevel",
        "lastCrisis",
        "recentDecisions",
        "pendingActions",
        "nightModeActive",
        "nextScheduledEvent",
    ] {
        assert!(state.get(key).is_some(), "{key}: {state:#}");
    }
    let now = state["operationalState"].clone();
    assert_eq!(
        (&now["budgetDaily"], &now["budgetRemaining"]),
        (&5.0.into(), &5.0.into())
    );
    assert_eq!(
        (&state["status"], &state["escalationLevel"]),
        (&"running".into(), &Value::Null)
    );
    assert!(
        state["lastHeartbeat"].as_u64().unwrap() > 1_600_000_000_000,
        "milliseconds"
    );
    let asked = sandbox.json(&["state"]);
    assert_eq!(asked["operationalState"], now);
    // A keeper that dies leaves the file whole, and without one the log says what it knows.
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(file(&sandbox).is_some());
    assert_eq!(sandbox.json(&["state"])["lastHeartbeat"], Value::Null);
    // Deleting it costs nothing.
    fs::remove_file(sandbox.path().join(".skep/state.json")).unwrap();
    sandbox.write("go", "");
    sandbox.expect(0, &["run"]);
    let end = file(&sandbox).unwrap();
    assert_eq!(end["operationalState"]["activeSwarms"], 0, "{end:#}");
    assert_eq!(end["status"], "sleeping", "{end:#}");
}

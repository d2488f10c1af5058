//! `skep metrics`: with a keeper's log alone, as a table, a document and what Prometheus reads (U-5).

use crate::Sandbox;
use serde_json::Value;

const PLAN: &str = r#"
[swarm]
name = "measured"
workers = 2
[policy.targets]
fewest = 1
duration = "1h"
duration_alert = "2h"
[[task]]
id = "one"
mission = "Write a file."
command = "echo 1 > one.txt"
[[task]]
id = "two"
mission = "Fail."
command = "false"
"#;

// proves: U-5, G-9, U-1
#[test]
fn what_a_run_came_to_is_shown_and_what_is_not_known_is_not_nought() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let empty = sandbox.expect(0, &["metrics"]).out;
    assert!(empty.contains("unknown"), "{empty}");
    sandbox.expect(1, &["run", "plan.toml"]);
    let doc = sandbox.json(&["metrics", "--json"]);
    let target = |name: &str| {
        let all = doc["targets"]["targets"].as_array().unwrap();
        let found = all.iter().find(|t| t["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {doc}")).clone()
    };
    let duration = target("mean_duration");
    assert_eq!(duration["verdict"], "met", "{duration}");
    assert_eq!(
        (&duration["most"], &duration["alert_over"]),
        (&3600.0.into(), &7200.0.into())
    );
    // One of three attempts: the failed one was tried again.
    assert_eq!(target("success")["value"], 33.33);
    assert_eq!(target("success")["verdict"], "alert");
    assert_eq!(target("completion")["value"], 50.0);
    assert_eq!(target("waste")["value"], Value::Null);
    let metrics = &doc["metrics"];
    assert_eq!(metrics["counts"]["tasks_merged"], 1, "{metrics}");
    assert_eq!(metrics["counts"]["attempts_failed"], 2, "{metrics}");
    assert_eq!(metrics["latency"]["run"]["count"], 3, "{metrics}");
    assert_eq!(metrics["models"]["shell"]["attempt"]["count"], 3);
    assert_eq!(metrics["waste"]["unknown"], 3);
    let text = sandbox.expect(0, &["metrics"]).out;
    assert!(text.contains("33.33 %") && text.contains("alert"), "{text}");
    let text = sandbox.expect(0, &["metrics", "--prometheus"]).out;
    assert!(text.contains("skep_tasks_merged_total 1\n"), "{text}");
    let ended = "skep_attempts_ended_total{outcome=\"failed\"} 2\n";
    assert!(text.contains(ended), "{text}");
    let bad = sandbox.expect(2, &["config", "set", "targets.duration_alert", "1m"]);
    assert!(bad.err.contains("duration"), "{}", bad.err);
    sandbox.expect(0, &["config", "set", "targets.duration_alert", "90m"]);
}

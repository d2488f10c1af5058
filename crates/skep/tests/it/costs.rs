//! `skep costs` and the end of a run that has no budget left (S-7). Commands have no cost that could be known, so
//! what caps them here is minutes.

use crate::Sandbox;

const PLAN: &str = r#"
[swarm]
name = "thrifty"
workers = 1
[policy.budget]
minutes = 0
[models.mine]
provider = "home"
input = 0.5
output = 1.0
[[task]]
id = "one"
mission = "Write a file."
command = "echo 1 > one.txt"
"#;

// proves: S-7, S-8, W-14
#[test]
fn a_run_without_budget_ends_with_3_and_goes_on_with_a_higher_cap() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let waits = "waits for budget: 0 minutes of the swarm's 0 minutes spent";
    let run = sandbox.expect(3, &["run", "plan.toml"]);
    assert!(run.err.contains(waits), "{}", run.err);
    let why = sandbox.expect(0, &["why", "one"]).out;
    assert!(why.contains(waits), "{why}");
    let costs = sandbox.json(&["costs", "--json"]);
    assert_eq!(costs["caps"][0]["measure"], "minutes", "{costs}");
    assert_eq!(costs["caps"][0]["level"], "full", "{costs}");
    assert_eq!(costs["refused"][0]["task"], "one", "{costs}");

    sandbox.expect(0, &["config", "set", "budget.minutes", "60"]);
    sandbox.expect(0, &["run"]);
    let costs = sandbox.json(&["costs", "--json"]);
    let row = &costs["rows"][0];
    assert_eq!((&row["key"], &row["accepted"]), (&"one".into(), &1.into()));
    // What a command costs nobody knows, and unknown is not 0.
    assert_eq!(
        (&row["usd"], &row["unknown"]),
        (&serde_json::Value::Null, &1.into())
    );
    assert_eq!(costs["waste_percent"], serde_json::Value::Null);
    let text = sandbox.expect(0, &["costs", "--by", "worker"]).out;
    assert!(text.contains("w1") && text.contains("unknown"), "{text}");
    let task = sandbox.json(&["tasks", "show", "one", "--json"]);
    assert_eq!(
        task["receipt"]["cost_usd"],
        serde_json::Value::Null,
        "{task}"
    );
}

// proves: S-7, U-1
#[test]
fn prices_are_listed_with_where_they_are_known_from() {
    let sandbox = Sandbox::new();
    let known = sandbox.json(&["costs", "--prices", "--json"]);
    let find = |doc: &serde_json::Value, name: &str| {
        let models = doc["models"].as_array().unwrap().iter();
        let mut found = models.filter(|m| m["model"] == name);
        found.next().cloned().unwrap_or_default()
    };
    let sonnet = find(&known, "sonnet");
    assert_eq!(sonnet["provider"], "anthropic", "{sonnet}");
    assert!(
        sonnet["date"].is_string() && sonnet["alias_of"].is_string(),
        "{sonnet}"
    );
    sandbox.write("plan.toml", &PLAN.replace("minutes = 0", "minutes = 60"));
    sandbox.expect(0, &["run", "plan.toml"]);
    let mine = find(&sandbox.json(&["costs", "--prices", "--json"]), "mine");
    assert_eq!(
        (&mine["input"], &mine["source"]),
        (&0.5.into(), &"plan".into())
    );
    // A cache that nothing is said of saves nothing.
    assert_eq!(mine["cache_read"], 0.5);
    let refused = sandbox.expect(2, &["costs", "--by", "moon"]);
    assert!(
        refused.err.contains("task, model, worker, role, day"),
        "{}",
        refused.err
    );
}

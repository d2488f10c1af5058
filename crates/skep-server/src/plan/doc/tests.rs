//! The checked-in schema is the generated one, and knows exactly the keys and defaults of the decoder.

use super::schema;
use crate::plan::{Format, Options, decode::Decoder, decode::default_swarm, read, tree::Node};
use serde_json::Value;
use skep_core::spec::Policy;
use std::{collections::BTreeMap, fs, path::Path};

fn options() -> Options {
    Options {
        default_name: "repo".parse().unwrap(),
        default_agent: "shell".into(),
    }
}

fn parsed() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

/// A plan with every kind of table, and so every key asked for.
const EVERY_TABLE: &str = r#"
[swarm]
budget = {}
workers = { min = 1, max = 2 }
[roles.backend]
[agents.aider]
command = ["aider"]
[hooks.notify]
on = "failed"
command = ["true"]
[policy]
[policy.scaling]
[policy.health]
[models."x"]
provider = "p"
[policy.routing]
[policy.providers]
[policy.slo]
[policy.targets]
[policy.agents]
[policy.alerts]
[[alerts.route]]
name = "n"
kind = "desktop"
[[task]]
id = "a"
mission = "m"
model = { required = "x" }
success = [{ run = "x" }]
relations = {}
"#;

fn tree() -> Node {
    let mut faults = crate::plan::fault::Faults::default();
    crate::plan::toml::read(EVERY_TABLE, &mut faults).unwrap()
}

// proves: Q-1
#[test]
fn the_checked_in_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/plan.schema.json");
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, schema()).unwrap();
    }
    let saved = fs::read_to_string(&path).unwrap_or_default();
    let saved: Value = serde_json::from_str(&saved).unwrap_or_default();
    assert_eq!(
        saved,
        parsed(),
        "the schema has changed: SKEP_BLESS=1 cargo test -p skep-server --lib schema, and commit it"
    );
}

/// The keys of each table in the schema, by the decoder's words for the table.
fn schema_keys(schema: &Value) -> BTreeMap<&'static str, Vec<String>> {
    let definition = |name: &str| match name {
        "" => schema,
        name => &schema["$defs"][name],
    };
    let keys = |name: &str| {
        let definition = definition(name);
        let mut keys: Vec<String> = match definition.get("oneOf") {
            Some(one_of) => one_of
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|o| o["properties"].as_object().unwrap().keys().cloned())
                .collect(),
            None => definition["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("{name}: {definition}"))
                .keys()
                .cloned()
                .collect(),
        };
        keys.sort();
        keys
    };
    [
        ("the plan", ""),
        ("the swarm", "Swarm"),
        ("a role", "Role"),
        ("an agent", "Agent"),
        ("`budget`", "Budget"),
        ("the policy", "Policy"),
        ("`scaling`", "Scaling"),
        ("`workers`", "Between"),
        ("the policy's `health`", "Health"),
        ("a model", "ModelSpec"),
        ("`routing`", "Routing"),
        ("`providers`", "Providers"),
        ("`slo`", "Slo"),
        ("`targets`", "Targets"),
        ("the policy's `agents`", "Talking"),
        ("the policy's `alerts`", "AlertNumbers"),
        ("`alerts`", "Alerts"),
        ("a route", "AlertRoute"),
        ("a task", "Task"),
        ("a criterion", "Criterion"),
        ("a hook", "Hook"),
        ("`model`", "ModelWish"),
        ("`relations`", "Relations"),
    ]
    .into_iter()
    .map(|(what, name)| (what, keys(name)))
    .collect()
}

// proves: Q-1
#[test]
fn the_schema_and_the_decoder_know_the_same_keys() {
    let mut decoder = Decoder::default();
    decoder.document(&tree(), &options());
    let known: BTreeMap<&str, Vec<String>> = decoder
        .known
        .iter()
        .map(|(what, keys)| {
            let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            keys.sort();
            (*what, keys)
        })
        .collect();
    assert_eq!(known, schema_keys(&parsed()));
}

// proves: Q-1
#[test]
fn the_defaults_in_the_schema_are_the_real_ones() {
    let schema = parsed();
    let mut text = String::new();
    for (table, name) in [
        ("policy", "Policy"),
        ("policy.scaling", "Scaling"),
        ("policy.health", "Health"),
        ("policy.budget", "Budget"),
        ("policy.agents", "Talking"),
        ("policy.routing", "Routing"),
        ("policy.providers", "Providers"),
        ("policy.slo", "Slo"),
        ("policy.targets", "Targets"),
        ("policy.alerts", "AlertNumbers"),
        ("policy.reports", "Reports"),
    ] {
        text.push_str(&format!("[{table}]\n"));
        let properties = schema["$defs"][name]["properties"].as_object().unwrap();
        for (key, property) in properties.iter().filter(|(key, _)| {
            ![
                "agents",
                "alerts",
                "health",
                "scaling",
                "routing",
                "providers",
                "reports",
                "slo",
                "targets",
                "budget",
            ]
            .contains(&key.as_str())
        }) {
            let default = &property["default"];
            // A cap without a default is none.
            if name == "Budget" && default.is_null() {
                assert!(property.get("default").is_some(), "{key}");
                continue;
            }
            assert!(!default.is_null(), "{key}");
            text.push_str(&format!("{key} = {default}\n"));
        }
    }
    text.push_str("[swarm]\n");
    for key in ["landing", "workers", "check_timeout", "worktree"] {
        let default = &schema["$defs"]["Swarm"]["properties"][key]["default"];
        assert!(!default.is_null(), "{key}");
        text.push_str(&format!("{key} = {default}\n"));
    }
    text.push_str("[[task]]\nid = 'a'\nmission = 'm'\ncommand = 'x'\n");
    let plan = read("plan", &text, Some(Format::Toml), &options()).unwrap();
    assert_eq!(plan.swarm.policy, Policy::default());
    assert_eq!(plan.swarm, default_swarm(&options()));
}

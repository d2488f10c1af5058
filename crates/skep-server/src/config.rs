//! The numbers that steer a swarm as people see and change them while it runs (S-8): by key, with the words and
//! the checks of a plan's `[policy]`.

use crate::plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use skep_core::{
    spec::{Plan, Policy},
    state::State,
};
use std::collections::BTreeMap;

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Its name, with dots between table and key.
    pub key: String,
    /// Its value now: a number, or a length of time such as `"20m"`.
    pub value: Value,
    /// Its value where nobody says otherwise.
    pub default: Value,
    /// Its value as the plan and the configuration have it: what holds where nothing was changed live.
    #[serde(default)]
    pub configured: Value,
    /// Where its value comes from: `live`, `default`, `plan`, or a file and line such as `skep.toml:3`.
    #[serde(default)]
    pub origin: String,
    /// What it does.
    pub about: String,
}

/// A number that was changed while the swarm ran.
pub const LIVE: &str = "live";
/// A number that nobody has said anything of.
const DEFAULT: &str = "default";
/// A number that came with the plan, and nobody knows from where.
const PLAN: &str = "plan";

/// Changes by key; null brings the default back.
pub type Changes = BTreeMap<String, Value>;

/// Why a change is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigFault {
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Every number of a swarm, in the order of their keys, and where it comes from.
#[must_use]
pub fn of_state(state: &State) -> Vec<Setting> {
    let Some(swarm) = state.swarm() else {
        return settings(&Policy::default());
    };
    let configured = settings(swarm.configured());
    let mut now = of_layers(&swarm.spec.policy, &swarm.spec.origins);
    for (setting, configured) in now.iter_mut().zip(configured) {
        if setting.value != configured.value {
            setting.origin = LIVE.into();
        }
        setting.configured = configured.value;
    }
    now
}

/// Every number as layers of configuration make it, with where those say that they state it.
#[must_use]
pub fn of_layers(policy: &Policy, origins: &BTreeMap<String, String>) -> Vec<Setting> {
    let mut all = settings(policy);
    for setting in &mut all {
        if let Some(place) = origins.get(&setting.key) {
            setting.origin.clone_from(place);
        }
    }
    all
}

/// Every number, in the order of their keys.
#[must_use]
pub fn settings(policy: &Policy) -> Vec<Setting> {
    let set = written(policy);
    let mut found = Vec::new();
    // Our own schema, which a test holds to be one.
    let schema: Value = serde_json::from_str(&plan::schema()).unwrap_or_default();
    collect(
        &schema,
        &schema["$defs"]["Policy"],
        "",
        &mut |key, about, default| {
            let value = lookup(&set, key).unwrap_or(default).clone();
            found.push(Setting {
                key: key.into(),
                configured: value.clone(),
                origin: if value == *default { DEFAULT } else { PLAN }.into(),
                value,
                default: default.clone(),
                about: about.into(),
            });
        },
    );
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

/// The policy after `changes`.
///
/// # Errors
/// The first key or value that no plan could have.
pub fn changed(policy: &Policy, changes: &Changes) -> Result<Policy, ConfigFault> {
    let known: Vec<String> = settings(policy).into_iter().map(|s| s.key).collect();
    let mut table = written(policy);
    for (key, value) in changes {
        if !known.contains(key) {
            return Err(no_such_key(key, &known));
        }
        put(&mut table, key, value);
    }
    // As a plan that says just this, and nothing that could be at fault itself.
    let task = json!({ "id": "config", "mission": "None.", "command": "true" });
    let text = json!({ "policy": table, "task": [task] }).to_string();
    let read = plan::read_bytes("config.json", text.as_bytes(), None, &options());
    let faulty = |faults: plan::Diagnostics| {
        let first = faults.list().first();
        ConfigFault {
            message: first.map_or_else(|| faults.to_string(), |f| f.message.clone()),
            hint: first.and_then(|f| f.help.clone()),
        }
    };
    Ok(read.map_err(faulty)?.swarm.policy)
}

/// Whether `changes` would be taken where the numbers are as they are shown.
///
/// # Errors
/// As [`changed`].
pub fn would_take(shown: &[Setting], changes: &Changes) -> Result<(), ConfigFault> {
    let now = shown.iter().map(|s| (s.key.clone(), s.value.clone()));
    let mut all: Changes = now.collect();
    all.extend(changes.clone());
    changed(&Policy::default(), &all).map(drop)
}

/// What says that a key is not one.
#[must_use]
pub fn no_such_key(key: &str, known: &[String]) -> ConfigFault {
    let near = crate::nearest(key, known.iter().map(String::as_str));
    ConfigFault {
        message: format!("there is no number {key:?}"),
        hint: Some(near.map_or_else(
            || "`skep config` lists them all".into(),
            |near| format!("did you mean {near}? `skep config` lists them all"),
        )),
    }
}

fn options() -> plan::Options {
    plan::Options {
        default_name: "config"
            .parse()
            .unwrap_or_else(|_| unreachable!("it is a name")),
        default_agent: "shell".into(),
    }
}

/// What of the policy is not the default, as a plan has it.
fn written(policy: &Policy) -> Map<String, Value> {
    let text = json!({ "task": [{ "id": "config", "mission": "None.", "command": "true" }] });
    let read = plan::read_bytes("config.json", text.to_string().as_bytes(), None, &options());
    let Ok(base) = read else {
        unreachable!("a plan of one plain task has no fault")
    };
    let mut plan: Plan = base;
    plan.swarm.policy = policy.clone();
    let whole: Value = serde_json::from_str(&plan::to_json(&plan)).unwrap_or_default();
    match whole.get("policy") {
        Some(Value::Object(table)) => table.clone(),
        _ => Map::new(),
    }
}

/// Every key below these tables of a plan, with dots.
#[must_use]
pub fn keys(tables: &[&str]) -> Vec<String> {
    // Our own schema, which a test holds to be one.
    let schema: Value = serde_json::from_str(&plan::schema()).unwrap_or_default();
    let mut found = Vec::new();
    for table in tables {
        if let Some(of) = table_of(&schema, &schema["properties"][table]) {
            walk(&schema, of, &format!("{table}."), &mut found);
        }
    }
    found
}

/// What a key of a plan does, with dots between table and key; none: there is no such key.
#[must_use]
pub fn about(key: &str) -> Option<String> {
    let schema: Value = serde_json::from_str(&plan::schema()).unwrap_or_default();
    let mut of = &schema;
    let mut about = None;
    for name in key.split('.') {
        // Below a table whose keys are names, every name is one.
        let named = of
            .get("additionalProperties")
            .filter(|named| named.is_object());
        let property = of["properties"].get(name).or(named)?;
        about = property["description"].as_str().or(about);
        of = table_of(&schema, property).unwrap_or(property);
    }
    about.map(ToString::to_string)
}

fn walk(schema: &Value, of: &Value, prefix: &str, found: &mut Vec<String>) {
    let properties = of["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let key = format!("{prefix}{name}");
        // A choice between kinds of values is one value, whichever kind it is.
        let inner = property
            .get("$ref")
            .and_then(|_| table_of(schema, property));
        match inner.filter(|inner| inner.get("properties").is_some()) {
            Some(inner) => walk(schema, inner, &format!("{key}."), found),
            None => found.push(key),
        }
    }
}

/// Calls `each` with the key, description and default of every number below `of`.
fn collect(schema: &Value, of: &Value, prefix: &str, each: &mut impl FnMut(&str, &str, &Value)) {
    let Some(properties) = of["properties"].as_object() else {
        return;
    };
    for (name, property) in properties {
        let key = format!("{prefix}{name}");
        let about = property["description"].as_str().unwrap_or_default();
        if let Some(default) = property.get("default") {
            each(&key, about, default);
            continue;
        }
        if let Some(table) = table_of(schema, property) {
            collect(schema, table, &format!("{key}."), each);
        }
    }
}

/// The table that a property refers to, whether or not it may also be null.
fn table_of<'s>(schema: &'s Value, property: &'s Value) -> Option<&'s Value> {
    let one = |value: &'s Value| value["$ref"].as_str();
    let any = property["anyOf"].as_array().into_iter().flatten();
    let name = one(property).or_else(|| any.into_iter().find_map(one))?;
    schema["$defs"].get(name.strip_prefix("#/$defs/")?)
}

fn lookup<'t>(table: &'t Map<String, Value>, key: &str) -> Option<&'t Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((first, rest)) => lookup(table.get(first)?.as_object()?, rest),
    }
}

fn put(table: &mut Map<String, Value>, key: &str, value: &Value) {
    match key.split_once('.') {
        None if value.is_null() => {
            table.remove(key);
        }
        None => {
            table.insert(key.into(), value.clone());
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::time::Millis;

    fn one(key: &str, value: Value) -> Result<Policy, String> {
        let changes = Changes::from([(key.into(), value)]);
        changed(&Policy::default(), &changes)
            .map_err(|f| format!("{} | {}", f.message, f.hint.unwrap_or_default()))
    }

    // proves: S-8
    #[test]
    fn every_number_has_a_value_a_default_and_words() {
        let policy = Policy {
            timebox: Millis::mins(20),
            ..Policy::default()
        };
        let all = settings(&policy);
        let timebox = all.iter().find(|s| s.key == "timebox").unwrap();
        assert_eq!(
            (&timebox.value, &timebox.default),
            (&json!("20m"), &json!("30m"))
        );
        assert!(all.iter().all(|s| !s.about.is_empty()), "{all:#?}");
        for setting in all.iter().filter(|s| s.key != "timebox") {
            assert_eq!(setting.value, setting.default, "{}", setting.key);
            // What is shown can be typed.
            assert_eq!(
                one(&setting.key, setting.value.clone()),
                Ok(Policy::default())
            );
        }
    }

    // proves: S-8, Q-2
    #[test]
    fn a_change_is_checked_as_a_plan_is_and_null_brings_the_default_back() {
        let twelve = one("concurrency", json!(12)).unwrap();
        assert_eq!(twelve.concurrency, 12);
        let back = changed(
            &twelve,
            &Changes::from([("concurrency".into(), Value::Null)]),
        );
        assert_eq!(back.unwrap(), Policy::default());
        for (key, value, wanted) in [
            ("concurency", json!(12), "did you mean concurrency?"),
            ("concurrency", json!("many"), "many"),
            ("timebox", json!("soon"), "soon"),
            ("backoff", json!("0s"), "backoff"),
            ("", json!(1), "no number"),
            ("a.b.c", json!(1), "no number"),
            // By the name that was typed; and where another number is in the way, both are named.
            ("health.interval", json!("1ms"), "`health.interval` is 1ms"),
            ("scaling.step", json!(-1), "`scaling.step` must be"),
            (
                "health.ask",
                json!("1d"),
                "`health.checkpoint` is 14m; it must be at least 1d, as `health.ask`",
            ),
            ("health.ask", json!("1d"), "less for `health.ask`"),
            ("health.nudge", json!("90s"), "as `heartbeat` asks for"),
            ("concurrency", json!(-1), "that is not negative"),
            ("timebox", json!("200000000000d"), "3650d is the most"),
            ("health.wait", json!("3651d"), "3650d is the most"),
            ("timebox", json!(-1), "such as \"90s\""),
        ] {
            let said = one(key, value.clone()).unwrap_err();
            assert!(said.contains(wanted), "{key}: {said}");
            let changes = Changes::from([(key.into(), value)]);
            let shown = settings(&Policy::default());
            assert!(would_take(&shown, &changes).is_err(), "{key}");
        }
    }
}

//! The published schema accepts what the reader accepts, so that an editor never complains of a good plan.
//!
//! The validator knows only the keywords that the schema uses, and fails on any other.

use serde_json::{Value, json};
use skep_server::plan;

/// What is wrong with `value`, if anything.
pub(super) fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema.get("$ref") {
        let name = reference
            .as_str()
            .unwrap()
            .strip_prefix("#/$defs/")
            .unwrap();
        if let Some(fault) = fault(root, &root["$defs"][name], value) {
            return Some(fault);
        }
    }
    schema
        .as_object()
        .unwrap()
        .iter()
        .find_map(|(keyword, rule)| {
            let ok = match keyword.as_str() {
                "$schema" | "$defs" | "$ref" | "title" | "description" | "default" | "format" => {
                    true
                }
                "type" => match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    other => panic!("type {other}"),
                },
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "anyOf" | "oneOf" => {
                    let fits = |s: &&Value| fault(root, s, value).is_none();
                    let count = rule.as_array().unwrap().iter().filter(fits).count();
                    count == 1 || (keyword == "anyOf" && count > 0)
                }
                "required" => rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|key| value.get(key.as_str().unwrap()).is_some()),
                "properties" | "additionalProperties" => {
                    let empty = serde_json::Map::new();
                    let known = schema
                        .get("properties")
                        .and_then(Value::as_object)
                        .unwrap_or(&empty);
                    return value.as_object()?.iter().find_map(|(key, item)| {
                        match known.get(key) {
                            Some(schema) => fault(root, schema, item),
                            None => match schema.get("additionalProperties") {
                                Some(Value::Bool(false)) => Some(format!("unknown key {key}")),
                                Some(schema) => fault(root, schema, item),
                                None => None,
                            },
                        }
                    });
                }
                "items" => {
                    return value
                        .as_array()?
                        .iter()
                        .find_map(|item| fault(root, rule, item));
                }
                "minItems" => value
                    .as_array()
                    .is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
                "maxLength" => value
                    .as_str()
                    .is_none_or(|s| s.chars().count() as u64 <= rule.as_u64().unwrap()),
                "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
                "pattern" => value
                    .as_str()
                    .is_none_or(|text| matches(rule.as_str().unwrap(), text)),
                other => panic!("the schema uses {other}, which this test does not know"),
            };
            (!ok).then(|| format!("{value} is against {keyword}: {rule}"))
        })
}

/// The three patterns of the schema, without a regular expression engine.
fn matches(pattern: &str, text: &str) -> bool {
    let name = |more: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    match pattern {
        "^[A-Za-z0-9][A-Za-z0-9_-]*$" => name("_-"),
        "^[A-Za-z0-9][A-Za-z0-9._-]*$" => name("._-"),
        "^([0-9]+(ms|s|m|h|d))+$" => text.parse::<skep_core::time::Millis>().is_ok(),
        other => panic!("the schema uses the pattern {other}, which this test does not know"),
    }
}

// proves: Q-1
#[test]
fn the_schema_accepts_good_documents_and_refuses_bad_ones() {
    let schema: Value = serde_json::from_str(&plan::schema()).unwrap();
    let task = json!({"id": "a", "mission": "m"});
    let with = |key: &str, value: Value| {
        let mut task = task.clone();
        task[key] = value;
        json!({"task": [task]})
    };
    for good in [
        json!({"$schema": "x", "task": [task]}),
        with("success", json!("make")),
        with("success", json!({"changed": "a"})),
        with(
            "success",
            json!(["make", {"run": ["a", "b"]}, {"says": "x"}]),
        ),
        with("priority", json!("critical")),
        with("model", json!({"required": "x"})),
        with("depends_on", json!("b")),
        json!({"task": [task], "swarm": {"workers": {"a": 1}, "landing": "main", "check": ["x", ["a", "b"]]}}),
        json!({"task": [task], "swarm": {"workers": 3}, "policy": {"timebox": "1h30m", "concurrency": 2}}),
        json!({"task": [task], "swarm": {"workers": {"min": 1, "max": 8}}, "policy": {"scaling": {"idle_after": "10s", "step": 2}}}),
        json!({"task": [task], "agents": {"x": {"command": ["a"], "env": {"A": "b"}}}}),
    ] {
        assert_eq!(fault(&schema, &schema, &good), None, "{good}");
    }
    for bad in [
        json!({}),
        json!({"task": []}),
        json!({"task": [{"id": "a"}]}),
        json!({"task": [task], "tasks": []}),
        with("colour", json!("red")),
        with("priority", json!("P5")),
        with("timebox", json!(45)),
        with("timebox", json!("soon")),
        with("max_retries", json!(-1)),
        with("brief", json!(null)),
        with("success", json!([{"runs": "x"}])),
        with("success", json!([{"run": "x", "says": "y"}])),
        with("id", json!("../x")),
        json!({"task": [task], "swarm": {"workers": "many"}}),
        json!({"task": [task], "swarm": {"name": "a.b"}}),
        json!({"task": [task], "policy": {"scaling": {"workers": 3}}}),
    ] {
        assert!(fault(&schema, &schema, &bad).is_some(), "{bad}");
    }
}

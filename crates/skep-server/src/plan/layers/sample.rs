//! A configuration with every key in it, commented out: what `skep init` writes (U-9). It is made of the schema, so
//! that a key that is added is in it, and a test reads it with every comment opened.

use crate::plan::schema;
use serde_json::Value;
use std::fmt::Write as _;

/// What a key without a default could be. Such keys are few, and each example is one that a person might want.
const EXAMPLES: [(&str, &str); 24] = [
    ("swarm.name", "\"my-swarm\""),
    ("swarm.target", "\"main\""),
    ("swarm.agent", "\"shell\""),
    ("swarm.model", "\"sonnet\""),
    ("swarm.models", "[\"haiku\", \"sonnet\"]"),
    ("swarm.check", "\"cargo test\""),
    ("swarm.prompt", "\"Do this: {mission}\""),
    ("swarm.setup", "[\"npm ci\"]"),
    ("swarm.teardown", "[\"docker compose down\"]"),
    ("swarm.permission", "\"edits\""),
    ("roles.backend.capabilities", "[\"rust\", \"sql\"]"),
    ("roles.backend.model", "\"sonnet\""),
    ("roles.backend.permission", "\"edits\""),
    (
        "agents.mine.command",
        "[\"my-agent\", \"--print\", \"{prompt}\"]",
    ),
    ("agents.mine.env", "{ MY_AGENT_MODE = \"quiet\" }"),
    ("agents.mine.rate_limited_exit", "[75]"),
    ("agents.mine.provider", "\"mine\""),
    ("models.\"my-model\".provider", "\"mine\""),
    ("models.\"my-model\".tier", "\"default\""),
    ("models.\"my-model\".input", "1.0"),
    ("models.\"my-model\".cache_read", "0.1"),
    ("models.\"my-model\".cache_write", "1.25"),
    ("models.\"my-model\".output", "4.0"),
    ("hooks.notify.command", "[\"notify-send\", \"Skep\"]"),
];

/// Tables whose keys are names, each with the name that stands in the sample.
const NAMED: [(&str, &str, &str); 4] = [
    ("roles", "backend", "Role"),
    ("agents", "mine", "Agent"),
    ("models", "\"my-model\"", "ModelSpec"),
    ("hooks", "notify", "Hook"),
];

/// The sample.
#[must_use]
pub fn sample() -> String {
    let schema: Value = serde_json::from_str(&schema()).unwrap_or_default();
    let mut out = String::from(
        "# Configuration of Skep: every key with its default, or with an example where it has none.\n\
         # Take the # away before what you want to set, and before the name of its table.\n\
         # What goes before what: options, SKEP_ variables, skep.local.toml, the plan, skep.toml, your config.toml.\n\
         # `skep config` shows what is in force and where it comes from; `skep config explain KEY` says more.\n",
    );
    for table in ["swarm", "policy"] {
        let of = &schema["properties"][table];
        section(&schema, table, of, &mut out);
    }
    for (table, name, definition) in NAMED {
        let about = schema["properties"][table]["description"].as_str();
        let _ = write!(
            out,
            "\n# {}\n# [{table}.{name}]\n",
            about.unwrap_or_default()
        );
        keys(
            &schema,
            &format!("{table}.{name}"),
            &schema["$defs"][definition],
            &mut out,
        );
    }
    out
}

fn definition<'s>(schema: &'s Value, of: &'s Value) -> &'s Value {
    let name = of["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
    name.map_or(of, |name| &schema["$defs"][name])
}

/// A table, and then those in it.
fn section(schema: &Value, path: &str, of: &Value, out: &mut String) {
    let about = of["description"].as_str().unwrap_or_default();
    let _ = write!(out, "\n# {about}\n# [{path}]\n");
    let of = definition(schema, of);
    keys(schema, path, of, out);
    for (name, property) in of["properties"].as_object().into_iter().flatten() {
        if is_table(schema, property) && format!("{path}.{name}") != "swarm.budget" {
            section(schema, &format!("{path}.{name}"), property, out);
        }
    }
}

fn is_table(schema: &Value, property: &Value) -> bool {
    property.get("$ref").is_some() && definition(schema, property).get("properties").is_some()
}

/// The keys of a table that are values. What has neither a default nor an example is left to the schema.
fn keys(schema: &Value, path: &str, of: &Value, out: &mut String) {
    for (name, property) in of["properties"].as_object().into_iter().flatten() {
        if is_table(schema, property) {
            continue;
        }
        let key = format!("{path}.{name}");
        let Some(value) = value(schema, &key, property) else {
            continue;
        };
        let about = property["description"].as_str().unwrap_or_default();
        let _ = write!(out, "# {name} = {value}");
        for (n, line) in wrapped(about, 90).iter().enumerate() {
            let _ = match n {
                0 => writeln!(out, "  # {line}"),
                _ => writeln!(out, "#   # {line}"),
            };
        }
        if about.is_empty() {
            out.push('\n');
        }
    }
}

fn value(schema: &Value, key: &str, property: &Value) -> Option<String> {
    if let Some((_, example)) = EXAMPLES.iter().find(|(k, _)| *k == key) {
        return Some((*example).into());
    }
    if key == "hooks.notify.on" {
        return Some("[\"after_attempt\", \"before_merge\"]".into());
    }
    match property.get("default") {
        Some(Value::Null) | None => {}
        Some(Value::String(text)) => return Some(format!("{text:?}")),
        Some(other) => return Some(other.to_string()),
    }
    // A cap that nobody has set: any number says how one is written.
    if !key.starts_with("policy.") {
        return None;
    }
    let of = definition(schema, property);
    match of["type"].as_str() {
        Some("integer") => Some("1000000".into()),
        Some("number") => Some("20.0".into()),
        _ => None,
    }
}

/// A text in lines of about so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        Options,
        layers::{Content, Layer, Layers, Rank, keys},
    };

    fn read(text: String) -> Layers {
        Layers(vec![Layer {
            rank: Rank::User,
            content: Content::File("config.toml".into(), text),
            trusted: true,
        }])
    }

    // proves: U-9, U-11
    #[test]
    fn the_sample_is_a_configuration_however_much_of_it_is_opened() {
        let options = Options {
            default_name: "repo".parse().unwrap(),
            default_agent: "shell".into(),
        };
        let sample = sample();
        let (nothing, origins) = read(sample.clone()).policy(&options).unwrap();
        assert_eq!(nothing, skep_core::spec::Policy::default());
        assert!(origins.is_empty(), "{origins:#?}");
        // Opened are the lines that are TOML: tables and keys.
        let opened = sample.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => rest,
            _ => line,
        });
        let opened = opened.collect::<Vec<_>>().join("\n");
        let layers = read(opened.clone());
        let stated = layers.stated(&options).unwrap_or_else(|faults| {
            panic!("{}\n{opened}", faults.render_plain());
        });
        let (policy, _) = layers.policy(&options).unwrap_or_else(|faults| {
            panic!("{}", faults.render_plain());
        });
        assert_eq!(policy.concurrency, nothing.concurrency);
        for key in keys() {
            assert!(stated.contains_key(&key), "{key} is missing");
        }
        for named in [
            "roles.backend",
            "agents.mine",
            "models.my-model",
            "hooks.notify",
        ] {
            assert!(stated.contains_key(named), "{named} is missing");
        }
    }
}

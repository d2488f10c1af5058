//! A plan back into a document: what `skep import` writes, and what a person then edits.

mod alerts;
mod tables;

use super::{
    Unfinished,
    tree::{Entry, Node, Value},
};
use skep_core::spec::Plan;
use std::{collections::BTreeSet, fmt::Write as _};
use tables::{bare, entry, tables};

/// Writes a plan as commented TOML. Reading it gives an equal plan (with a task's relations by kind).
#[must_use]
pub fn to_toml(plan: &Plan) -> String {
    let mut out = String::from(
        "# A plan for Skep. Look at what it would do with `skep run --dry-run`.\n\n[swarm]\n",
    );
    let document = tables(plan);
    out.push_str(&keys(&document.swarm));
    out.push_str(
        "# target = \"main\"          # the branch to build on; default: where the repository stands\n\
         # check = \"cargo test\"     # must pass on the merged tree after each wave\n\
         # budget = { usd = 20.0 }  # the most that the whole swarm may cost\n",
    );
    // What is set above must not look as if it were not.
    for set in &document.swarm {
        let hint = format!("# {} = ", set.key);
        out = out
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(&hint))
            .collect();
    }
    for (kind, tables) in [
        ("roles", &document.roles),
        ("agents", &document.agents),
        ("models", &document.models),
        ("hooks", &document.hooks),
    ] {
        for table in tables {
            if let Value::Table(entries) = &table.node.value {
                let _ = write!(out, "\n[{kind}.{}]\n{}", key(&table.key), keys(entries));
            }
        }
    }
    if !document.policy.is_empty() {
        let _ = write!(out, "\n[policy]\n{}", keys(&document.policy));
    }
    for route in &document.routes {
        if let Value::Table(entries) = &route.value {
            let _ = write!(out, "\n[[alerts.route]]\n{}", keys(entries));
        }
    }
    let lacking: BTreeSet<_> = Unfinished::of(plan).commands.into_iter().collect();
    for (task, spec) in document.tasks.iter().zip(&plan.tasks) {
        let _ = write!(out, "\n[[task]]\n{}", keys(task));
        if lacking.contains(&spec.id) {
            out.push_str(COMMAND);
        }
    }
    out
}

/// Stands where a task of the shell agent has no command, which only a person can give.
const COMMAND: &str =
    "# command = \"…\"  # to fill in: what the shell agent runs, or set `agent`\n";

/// Writes a plan as JSON, for programs.
#[must_use]
pub fn to_json(plan: &Plan) -> String {
    let document = tables(plan);
    let list = document.tasks.into_iter().map(|t| bare(Value::Table(t)));
    let mut alerts = Vec::new();
    if !document.routes.is_empty() {
        alerts.push(entry("route", Value::List(document.routes)));
    }
    let root = vec![
        entry("swarm", Value::Table(document.swarm)),
        entry("roles", Value::Table(document.roles)),
        entry("agents", Value::Table(document.agents)),
        entry("models", Value::Table(document.models)),
        entry("hooks", Value::Table(document.hooks)),
        entry("$origins", Value::Table(document.origins)),
        entry("policy", Value::Table(document.policy)),
        entry("alerts", Value::Table(alerts)),
        entry("task", Value::List(list.collect())),
    ];
    let root = root
        .into_iter()
        .filter(|e| !matches!(&e.node.value, Value::Table(t) if t.is_empty()));
    let mut out = String::new();
    json(&bare(Value::Table(root.collect())), 0, &mut out);
    out.push('\n');
    out
}

fn keys(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|e| {
        let value = match &e.node.value {
            Value::Text(text) if text.contains('\n') => long_text(text),
            value => inline(value),
        };
        format!("{} = {value}\n", key(&e.key))
    });
    lines.collect()
}

fn key(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(plain) {
        name.into()
    } else {
        quoted(name)
    }
}

fn escaped(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => {
            let _ = write!(out, "\\u{:04X}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// A text in double quotes: the escapes that TOML, JSON and YAML share.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escaped(c, &mut out));
    out.push('"');
    out
}

fn long_text(text: &str) -> String {
    let mut out = String::from("\"\"\"\n");
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            c => escaped(c, &mut out),
        }
    }
    out.push_str("\"\"\"");
    out
}

fn inline(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|n| inline(&n.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) if entries.is_empty() => "{}".into(),
        Value::Table(entries) => {
            let entries = entries.iter();
            let pairs: Vec<String> = entries
                .map(|e| format!("{} = {}", key(&e.key), inline(&e.node.value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => format!("{n:?}"),
        Value::Null | Value::Date => unreachable!("a plan has no such value"),
    }
}

fn json(node: &Node, depth: usize, out: &mut String) {
    let indent = |depth: usize| "  ".repeat(depth);
    let item = |n: usize, last: usize, out: &mut String, name: Option<&str>, node: &Node| {
        out.push_str(&indent(depth + 1));
        if let Some(name) = name {
            out.push_str(&quoted(name));
            out.push_str(": ");
        }
        json(node, depth + 1, out);
        out.push_str(if n == last { "\n" } else { ",\n" });
    };
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            out.push_str("[\n");
            for (n, node) in items.iter().enumerate() {
                item(n, items.len() - 1, out, None, node);
            }
            out.push_str(&format!("{}]", indent(depth)));
        }
        Value::Table(entries) if !entries.is_empty() => {
            out.push_str("{\n");
            for (n, e) in entries.iter().enumerate() {
                item(n, entries.len() - 1, out, Some(&e.key), &e.node);
            }
            out.push_str(&format!("{}}}", indent(depth)));
        }
        value => out.push_str(&inline(value)),
    }
}

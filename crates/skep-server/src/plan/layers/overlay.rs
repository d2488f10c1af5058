//! Trees laid over each other.

use super::{
    super::{
        sources::Sources,
        tree::{Entry, Node, Value},
    },
    Rank,
};

/// What one layer says of a key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stated {
    /// Which layer.
    pub rank: Rank,
    /// Where it stands: `skep.toml:3`.
    pub place: String,
    /// The value, as a person would write it.
    pub value: String,
}

/// How deep tables are laid over each other entry by entry; what is deeper is one value. A role, an agent, a model, a
/// hook is one value too: half of one layer's and half of another's would be nobody's.
fn merges(path: &[&str]) -> bool {
    match path {
        [] | ["policy", ..] => true,
        [top] => matches!(*top, "swarm" | "roles" | "agents" | "models" | "hooks"),
        _ => false,
    }
}

/// Lays `upper` over `lower`.
pub(super) fn lay(lower: &mut Node, upper: Node) {
    lay_at(lower, upper, &mut Vec::new());
}

fn lay_at(lower: &mut Node, upper: Node, path: &mut Vec<String>) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    if !merges(&words) {
        *lower = upper;
        return;
    }
    match (&mut lower.value, upper.value) {
        (Value::Table(below), Value::Table(above)) => {
            for entry in above {
                match below.iter_mut().find(|e| e.key == entry.key) {
                    None => below.push(entry),
                    Some(there) => {
                        path.push(entry.key);
                        // The name stands where its value does, unless that is only a part of it.
                        if !matches!(there.node.value, Value::Table(_)) {
                            there.key_span = entry.key_span;
                        }
                        lay_at(&mut there.node, entry.node, path);
                        path.pop();
                    }
                }
            }
        }
        (_, value) => *lower = Node::new(value, upper.span),
    }
}

/// A tree that has just this value, at a key with dots.
pub(super) fn at(key: &str, leaf: Node) -> Node {
    let span = leaf.span.clone();
    key.rsplit('.').fold(leaf, |node, name| {
        let entry = Entry {
            key: name.into(),
            key_span: span.clone(),
            node,
        };
        Node::new(Value::Table(vec![entry]), span.clone())
    })
}

/// `budget` of the swarm means `policy.budget`: in one layer it must not hide the other of another.
pub(super) fn one_budget(root: &mut Node) {
    let Value::Table(top) = &mut root.value else {
        return;
    };
    let both = |e: &Entry| e.key == "policy" && e.node.entry("budget").is_some();
    if top.iter().any(both) {
        return;
    }
    let Some(swarm) = top.iter_mut().find(|e| e.key == "swarm") else {
        return;
    };
    let Value::Table(keys) = &mut swarm.node.value else {
        return;
    };
    let Some(found) = keys.iter().position(|e| e.key == "budget") else {
        return;
    };
    // What is no table is a fault that is said where it stands.
    if !matches!(keys[found].node.value, Value::Table(_)) {
        return;
    }
    let budget = keys.remove(found);
    let span = budget.node.span.clone();
    let policy = Entry {
        key: "policy".into(),
        key_span: budget.key_span.clone(),
        node: Node::new(Value::Table(vec![budget]), span.clone()),
    };
    let policy = Node::new(Value::Table(vec![policy]), span);
    lay(root, policy);
}

/// Every value with its key and its place. Tasks, which only plans have, are not among them.
pub(super) fn leaves(root: &Node, sources: &Sources) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    collect(root, &mut Vec::new(), sources, &mut found);
    found
}

fn collect<'n>(
    node: &'n Node,
    path: &mut Vec<&'n str>,
    sources: &Sources,
    found: &mut Vec<(String, String, String)>,
) {
    match &node.value {
        Value::Table(entries) if merges(path) => {
            for entry in entries {
                if path.is_empty() && (entry.key == "task" || entry.key.starts_with('$')) {
                    continue;
                }
                path.push(&entry.key);
                collect(&entry.node, path, sources, found);
                path.pop();
            }
        }
        _ => found.push((path.join("."), shown(node), sources.place(&node.span))),
    }
}

/// A value as a person would write it.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "none".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Text(text) => text.clone(),
        Value::Date => "a date".into(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entries = entries
                .iter()
                .map(|e| format!("{} = {}", e.key, quoted(&e.node)));
            let entries: Vec<String> = entries.collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn quoted(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("{text:?}"),
        _ => shown(node),
    }
}

//! What a configuration may not hold, and what that of a repository may hold only once somebody trusts it.
//!
//! A plan is named by the person who runs it. `skep.toml` is taken because it lies there, and may have come with a
//! clone: it must not be able to run a command, to let agents do more, or to spend more, before anybody has read it.
//! So what it may do untrusted is listed, and all else waits for `skep trust` (as `direnv allow` and `mise trust`).

use super::{
    super::{
        fault::{Fault, Faults},
        tree::{Entry, Node, Value},
    },
    Layer, named,
};

/// Notes what belongs to plans alone.
pub(super) fn tasks(root: &Node, layer: &Layer, faults: &mut Faults) {
    for key in ["task", "$origins"] {
        if let Some(entry) = root.entry(key) {
            let message = format!(
                "{} has a key {}, which is a plan's",
                layer.name(),
                named(entry)
            );
            let help = "put tasks into a plan, and run that: skep run plan.toml";
            faults.push(Fault::new("config::task", entry.key_span.clone(), message).help(help));
        }
    }
}

/// Whether a key of a repository's file can do no harm beyond its own swarm's manners.
fn is_harmless(path: &[&str]) -> bool {
    match path {
        ["$schema"] => true,
        // Prices, too, are money: at a price of nothing no cap holds.
        ["policy", "budget", ..] => false,
        ["policy", ..] => true,
        ["swarm", key, ..] => matches!(
            *key,
            "name"
                | "target"
                | "workers"
                | "model"
                | "models"
                | "check_timeout"
                | "worktree"
                | "host"
        ),
        ["roles", _, key, ..] => matches!(*key, "capabilities" | "model"),
        _ => false,
    }
}

/// Notes every key that would need trust.
pub(super) fn untrusted(root: &Node, faults: &mut Faults) {
    walk(root, &mut Vec::new(), faults);
}

fn walk<'n>(node: &'n Node, path: &mut Vec<&'n str>, faults: &mut Faults) {
    let Value::Table(entries) = &node.value else {
        return;
    };
    for entry in entries {
        path.push(&entry.key);
        if is_inner(path, entry) {
            walk(&entry.node, path, faults);
        } else if !is_harmless(path) {
            let message = format!(
                "`{}` can run commands, let agents do more or spend more, and nobody has said yet that this file \
                 may",
                path.join(".")
            );
            faults.push(
                Fault::new("config::untrusted", entry.key_span.clone(), message).help(
                    "read the file; then `skep trust` lets it, until it changes. Or move the key to skep.local.toml",
                ),
            );
        }
        path.pop();
    }
}

/// Tables of which some keys are harmless and some are not.
fn is_inner(path: &[&str], entry: &Entry) -> bool {
    let is_table = matches!(entry.node.value, Value::Table(_));
    is_table && (matches!(path, ["policy" | "swarm" | "roles"]) || matches!(path, ["roles", _]))
}

//! From the tree to a plan: the typed readers, and the table that knows which keys it was asked for.
//!
//! A fault never stops the reading: a value that cannot be used is noted, replaced by a default and
//! remembered as doubtful, so that one run reports everything and nothing is reported because of a stand-in.

pub(super) use alerts::{DEDUP, PER_HOUR, SEVERITIES};
pub(super) use swarm::CHECK_TIMEOUT;
#[cfg(test)]
pub(super) use swarm::default_swarm;
pub(super) use task::RELATIONS;

mod agent;
mod alerts;
mod hook;
mod policy;
mod swarm;
mod task;
mod values;

use super::{
    Options,
    fault::{Fault, Faults, nearest, quoted, shown_key},
    tree::{Entry, Node, Span, Value},
};
use skep_core::spec::{FieldPath, Plan, Step};
use std::collections::{BTreeMap, BTreeSet};

/// A plan that may still hold stand-ins.
pub(super) struct Draft {
    pub(super) plan: Plan,
    pub(super) doubts: Doubts,
}

/// Which parts of a draft are stand-ins, and where list entries were left out.
#[derive(Default)]
pub(super) struct Doubts {
    paths: BTreeSet<FieldPath>,
    holes: BTreeMap<FieldPath, Vec<usize>>,
}

impl Doubts {
    /// Whether the value at `path`, or one that it is part of, is a stand-in.
    pub(super) fn cover(&self, path: &[Step]) -> bool {
        (0..=path.len()).any(|n| self.paths.contains(&path[..n]))
    }
    /// Whether anything in the top-level table `key` is a stand-in.
    pub(super) fn below(&self, key: &'static str) -> bool {
        self.paths
            .iter()
            .any(|path| path.first() == Some(&Step::Key(key)))
    }
    /// Where entry `index` of the list at `path` stands in the document.
    pub(super) fn place(&self, path: &[Step], index: usize) -> usize {
        let holes = self.holes.get(path).map_or(&[][..], |h| h);
        holes
            .iter()
            .fold(index, |at, hole| if *hole <= at { at + 1 } else { at })
    }
}

/// A value with the words for it.
pub(super) struct Field<'n> {
    name: String,
    node: &'n Node,
    path: FieldPath,
}

/// A table being read: it remembers what it was asked for, which is what is known about its keys.
pub(super) struct Table<'n> {
    what: &'static str,
    entries: &'n [Entry],
    span: Span,
    path: FieldPath,
    asked: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
}

#[derive(Default)]
pub(super) struct Decoder {
    faults: Faults,
    doubts: Doubts,
    /// Every kind of table met, with its keys; the schema is tested against it.
    #[cfg(test)]
    pub(super) known: BTreeMap<&'static str, Vec<&'static str>>,
}

/// Reads a whole document.
pub(super) fn decode(root: &Node, options: &Options, faults: &mut Faults) -> Draft {
    let mut decoder = Decoder {
        faults: std::mem::take(faults),
        ..Decoder::default()
    };
    let plan = decoder.document(root, options);
    *faults = decoder.faults;
    Draft {
        plan,
        doubts: decoder.doubts,
    }
}

impl<'n> Table<'n> {
    fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.push(key);
        self.entries.iter().find(|e| e.key == key)
    }

    /// The value of `key`. A value that cannot be used is noted and counts as not given.
    fn take<T>(
        &mut self,
        d: &mut Decoder,
        key: &'static str,
        read: impl FnOnce(&mut Decoder, &Field<'n>) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        let mut path = self.path.clone();
        path.push(Step::Key(key));
        let field = Field {
            name: shown_key(&path),
            node: &entry.node,
            path,
        };
        let value = read(d, &field);
        if value.is_none() {
            d.doubts.paths.insert(field.path);
        }
        value
    }

    /// The same for a key that must be there; `example` is how a person would write it.
    fn need<T>(
        &mut self,
        d: &mut Decoder,
        key: &'static str,
        example: &'static str,
        read: impl FnOnce(&mut Decoder, &Field<'n>) -> Option<T>,
    ) -> Option<T> {
        if !self.entries.iter().any(|e| e.key == key) {
            self.missing.push((key, example));
            let mut path = self.path.clone();
            path.push(Step::Key(key));
            d.doubts.paths.insert(path);
        }
        self.take(d, key, read)
    }

    /// Notes unknown and missing keys. `elsewhere` knows keys that belong into another table.
    fn finish(mut self, d: &mut Decoder, elsewhere: impl Fn(&str) -> Option<String>) {
        let mut meant = Vec::new();
        for entry in self.entries {
            if self.asked.contains(&entry.key.as_str()) {
                continue;
            }
            if d.faults.is_full() {
                d.faults.count(1);
                continue;
            }
            let near = nearest(&entry.key, self.asked.iter().copied());
            let given = |key| self.entries.iter().any(|e| e.key == key);
            let help = match near {
                Some(near) if given(near) => {
                    format!("`{near}` is given already; remove this one")
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => elsewhere(&entry.key).unwrap_or_else(|| {
                    format!("the keys of {} are {}", self.what, listed(&self.asked))
                }),
            };
            meant.extend(near);
            let message = format!("{} has no key {}", self.what, quoted(&entry.key));
            d.faults.push(
                Fault::new("plan::unknown_key", entry.key_span.clone(), message)
                    .label("unknown key")
                    .help(help),
            );
        }
        for key in &meant {
            // What depends on the misspelt key is not reported as well.
            let mut path = self.path.clone();
            path.push(Step::Key(key));
            d.doubts.paths.insert(path);
        }
        self.missing.retain(|(key, _)| !meant.contains(key));
        for (key, example) in &self.missing {
            let message = format!("{} has no `{key}`", self.what);
            d.faults.push(
                Fault::new("plan::missing_key", self.span.clone(), message)
                    .label(format!("`{key}` is missing here"))
                    .help(format!("add {example}")),
            );
        }
        #[cfg(test)]
        d.known.insert(self.what, self.asked);
    }
}

fn listed(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|k| format!("`{k}`")).collect();
    keys.join(", ")
}

fn nowhere(_: &str) -> Option<String> {
    None
}

/// What a person would call the value that was found.
fn described(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing (null)".into(),
        Value::Bool(b) => format!("the truth value {b}"),
        Value::Int(n) => format!("the number {n}"),
        Value::Float(n) => format!("the number {n}"),
        Value::Text(text) => format!("the text {}", quoted(text)),
        Value::Date => "a date".into(),
        Value::List(list) if list.is_empty() => "an empty list".into(),
        Value::List(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
    }
}

impl Decoder {
    fn wrong<T>(&mut self, field: &Field<'_>, wanted: &str, help: impl Into<String>) -> Option<T> {
        let message = format!(
            "{} must be {wanted}, not {}",
            field.name,
            described(field.node)
        );
        let help = match field.node.value {
            Value::Null => "give it a value, or remove the key".into(),
            _ => help.into(),
        };
        self.faults.push(
            Fault::new("plan::wrong_type", field.node.span.clone(), message)
                .label(if wanted.len() < 50 {
                    format!("expected {wanted}")
                } else {
                    String::new()
                })
                .help(help),
        );
        None
    }

    fn bad<T>(
        &mut self,
        code: &'static str,
        field: &Field<'_>,
        message: String,
        help: impl Into<String>,
    ) -> Option<T> {
        self.faults
            .push(Fault::new(code, field.node.span.clone(), message).help(help));
        None
    }

    fn table<'n>(
        &mut self,
        field: &Field<'n>,
        what: &'static str,
        example: &str,
    ) -> Option<Table<'n>> {
        match &field.node.value {
            Value::Table(entries) => Some(Table {
                what,
                entries,
                span: field.node.span.clone(),
                path: field.path.clone(),
                asked: Vec::new(),
                missing: Vec::new(),
            }),
            _ => self.wrong(field, "a table", format!("write {example}")),
        }
    }
}

//! From the tree to a plan: the typed readers, and the table that knows which keys it was asked for.
//!
//! A fault never stops the reading: a value that cannot be used is noted, replaced by a default and
//! remembered as doubtful, so that one run reports everything and nothing is reported because of a stand-in.

pub(super) use swarm::CHECK_TIMEOUT;
pub(super) use task::RELATIONS;

mod policy;
mod swarm;
mod task;

use super::{
    Options,
    fault::{Fault, Faults, nearest, quoted},
    tree::{Entry, Node, Span, Value},
};
use skep_core::{
    id::{NameFault, nearest_name},
    money::Usd,
    spec::{Command, FieldPath, Glob, Plan, Step},
    time::Millis,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
};

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
            name: format!("`{key}`"),
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
                .label(format!("expected {wanted}"))
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

    fn text(&mut self, field: &Field<'_>) -> Option<String> {
        let shown = match &field.node.value {
            Value::Text(text) => return Some(text.clone()),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::List(_) => return self.wrong(field, "a text", "give one text in quotes"),
            _ => return self.wrong(field, "a text", "write it in quotes"),
        };
        self.wrong(field, "a text", format!("put it in quotes: \"{shown}\""))
    }

    /// A checked name: a task's id, the swarm's name, a role.
    fn name<T: FromStr<Err = NameFault>>(&mut self, field: &Field<'_>) -> Option<T> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(name) => Some(name),
            Err(fault) => {
                let what = field.name.clone();
                self.bad_name(&what, &text, &fault, &field.node.span);
                None
            }
        }
    }

    /// A role's name: part of a worker's command line and of the dashboard's addresses.
    fn role_name(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        match skep_core::id::check_name(&text) {
            Ok(()) => Some(text),
            Err(fault) => {
                self.bad_name(&field.name.clone(), &text, &fault, &field.node.span);
                None
            }
        }
    }

    fn bad_name(&mut self, what: &str, text: &str, fault: &NameFault, span: &Span) {
        let help = match nearest_name(text) {
            Some(near) => format!("use {near:?}"),
            None => "use letters, digits, '.', '_' and '-', starting with a letter or digit".into(),
        };
        let message = format!("{what} {} cannot be a name: it {fault}", quoted(text));
        self.faults.push(
            Fault::new("plan::bad_name", span.clone(), message)
                .label("names become folders and branches")
                .help(help),
        );
    }

    fn duration(&mut self, field: &Field<'_>) -> Option<Millis> {
        const WANTED: &str = "a length of time such as \"45m\"";
        match &field.node.value {
            Value::Text(text) => text.trim().parse().ok().or_else(|| {
                let message = format!("{} is {}, which is no length of time", field.name, quoted(text));
                let help = "write a number with its unit (ms, s, m, h or d), such as \"90s\", \"45m\" or \"1h30m\"";
                self.bad("plan::bad_duration", field, message, help)
            }),
            Value::Int(n) => self.wrong(field, WANTED, format!("write \"{n}m\" for {n} minutes, or \"{n}s\" for {n} seconds")),
            _ => self.wrong(field, WANTED, "write a number with its unit, such as \"90s\", \"45m\" or \"1h30m\""),
        }
    }

    /// A whole number that fits `T`.
    fn count<T: TryFrom<i128> + Bounded + Display>(&mut self, field: &Field<'_>) -> Option<T> {
        let wanted = format!("a whole number from {} to {}", T::LEAST, T::MOST);
        match field.node.value {
            Value::Int(n) => T::try_from(n).ok().or_else(|| {
                let message = format!("{} must be {wanted}, not {n}", field.name);
                let help = if n < 0 {
                    "write 0 for none, or remove the key for the default"
                } else {
                    "write a smaller number"
                };
                self.bad("plan::bad_number", field, message, help)
            }),
            Value::Text(ref text) if text.trim().parse::<i64>().is_ok() => self.wrong(
                field,
                &wanted,
                format!("write {} without quotes", text.trim()),
            ),
            _ => self.wrong(field, &wanted, "write a whole number without quotes"),
        }
    }

    fn money(&mut self, field: &Field<'_>) -> Option<Usd> {
        const WANTED: &str = "an amount of US dollars such as 2.5";
        let dollars = match field.node.value {
            Value::Int(n) => n as f64,
            Value::Float(n) => n,
            _ => {
                return self.wrong(
                    field,
                    WANTED,
                    "write a number without quotes and without a currency sign",
                );
            }
        };
        Usd::from_dollars(dollars).ok().or_else(|| {
            let message = format!("{} must be {WANTED}, not {dollars}", field.name);
            let help = "write a number from 0 to 1000000000, or remove the key for no limit";
            self.bad("plan::bad_money", field, message, help)
        })
    }

    fn truth(&mut self, field: &Field<'_>) -> Option<bool> {
        let help = match &field.node.value {
            Value::Bool(b) => return Some(*b),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => "write true without quotes",
                "false" | "no" | "off" | "n" => "write false without quotes",
                _ => "write true or false without quotes",
            },
            _ => "write true or false",
        };
        self.wrong(field, "true or false", help)
    }

    /// One of a few words.
    fn choice<T: Clone>(&mut self, field: &Field<'_>, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(w, _)| *w).collect();
        let all: Vec<String> = words.iter().map(|w| format!("{w:?}")).collect();
        let all = all.join(", ");
        let Some(text) = field.node.as_text() else {
            return self.wrong(
                field,
                &format!("one of {all}"),
                "write one of them in quotes",
            );
        };
        if let Some((_, value)) = choices.iter().find(|(w, _)| *w == text) {
            return Some(value.clone());
        }
        let message = format!("{} must be one of {all}, not {}", field.name, quoted(text));
        let help = match nearest(text, words) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "write one of them".into(),
        };
        self.bad("plan::unknown_value", field, message, help)
    }

    /// Every entry of a list, or a lone value where one is as clear. Bad entries are left out.
    fn list<'n, T>(
        &mut self,
        field: &Field<'n>,
        of: &str,
        mut read: impl FnMut(&mut Self, &Field<'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = match &field.node.value {
            Value::List(items) => items,
            Value::Text(_) => return Some(read(self, field).into_iter().collect()),
            _ => {
                return self.wrong(
                    field,
                    &format!("a list of {of}"),
                    format!("write a list of {of} in [ ]"),
                );
            }
        };
        let mut kept = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let mut path = field.path.clone();
            path.push(Step::Index(index));
            let name = format!("{}, entry {}", field.name, index + 1);
            match read(self, &Field { name, node, path }) {
                Some(item) => kept.push(item),
                None => self
                    .doubts
                    .holes
                    .entry(field.path.clone())
                    .or_default()
                    .push(index),
            }
        }
        Some(kept)
    }

    fn texts(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        self.list(field, "texts", Self::text)
    }

    /// A line for `sh -c`, or words.
    fn command(&mut self, field: &Field<'_>) -> Option<Command> {
        match field.node.value {
            Value::Text(_) => self.text(field).map(Command::Line),
            Value::List(_) => self.words(field).map(Command::Words),
            _ => self.wrong(
                field,
                "a command",
                "write a shell line in quotes, or a list of words such as [\"cargo\", \"test\"]",
            ),
        }
    }

    /// Program and arguments. One bad word spoils it: a command without a word is another command.
    fn words(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        let Value::List(items) = &field.node.value else {
            return self.wrong(
                field,
                "a list of words",
                "write program and arguments as a list, such as [\"aider\", \"--yes\"]",
            );
        };
        let words = self.texts(field)?;
        (words.len() == items.len()).then_some(words)
    }

    fn commands(&mut self, field: &Field<'_>) -> Option<Vec<Command>> {
        self.list(field, "commands", Self::command)
    }

    fn glob(&mut self, field: &Field<'_>) -> Option<Glob> {
        let text = self.text(field)?;
        match Glob::new(&text) {
            Ok(glob) => Some(glob),
            Err(fault) => {
                let message = format!(
                    "{} {} is no usable pattern: it {fault}",
                    field.name,
                    quoted(&text)
                );
                let help =
                    "write a path from the repository's root, such as \"src/**\" or \"db/*.sql\"";
                self.bad("plan::bad_glob", field, message, help)
            }
        }
    }

    /// A table whose keys are names that the user chooses.
    fn named<'n, T>(
        &mut self,
        field: &Field<'n>,
        example: &str,
        checked: bool,
        mut read: impl FnMut(&mut Self, &Field<'n>) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let Value::Table(entries) = &field.node.value else {
            return self.wrong(field, "a table", format!("write {example}"));
        };
        let mut map = BTreeMap::new();
        for entry in entries {
            if checked && let Err(fault) = skep_core::id::check_name(&entry.key) {
                self.bad_name("the name", &entry.key, &fault, &entry.key_span);
                continue;
            }
            let mut path = field.path.clone();
            path.push(Step::Name(entry.key.clone()));
            let name = format!("{} of {}", quoted(&entry.key), field.name);
            let item = Field {
                name,
                node: &entry.node,
                path,
            };
            match read(self, &item) {
                Some(value) => {
                    map.insert(entry.key.clone(), value);
                }
                None => {
                    self.doubts.paths.insert(item.path);
                }
            }
        }
        Some(map)
    }
}

/// Number types with the bounds that messages name.
trait Bounded {
    const LEAST: i128;
    const MOST: i128;
}
macro_rules! bounded {
    ($($number:ty),*) => { $(impl Bounded for $number {
        const LEAST: i128 = <$number>::MIN as i128;
        const MOST: i128 = <$number>::MAX as i128;
    })* };
}
bounded!(u16, u32, u64, i32);

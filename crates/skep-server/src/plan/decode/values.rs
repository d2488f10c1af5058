//! The typed readers: what a value must be, how a person is told that it is not, and how to write it.

use super::{Decoder, Field};
use crate::plan::{
    fault::{Fault, nearest, quoted},
    tree::{Span, Value},
};
use skep_core::{
    id::{NameFault, check_name, nearest_name},
    money::Usd,
    spec::{Command, Glob, Step},
    time::Millis,
};
use std::{collections::BTreeMap, fmt::Display, str::FromStr};

impl Decoder {
    pub(super) fn text(&mut self, field: &Field<'_>) -> Option<String> {
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
    pub(super) fn name<T: FromStr<Err = NameFault>>(&mut self, field: &Field<'_>) -> Option<T> {
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
    pub(super) fn role_name(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        match check_name(&text) {
            Ok(()) => Some(text),
            Err(fault) => {
                self.bad_name(&field.name.clone(), &text, &fault, &field.node.span);
                None
            }
        }
    }

    pub(super) fn bad_name(&mut self, what: &str, text: &str, fault: &NameFault, span: &Span) {
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

    pub(super) fn duration(&mut self, field: &Field<'_>) -> Option<Millis> {
        const WANTED: &str = "a length of time such as \"45m\"";
        match &field.node.value {
            Value::Text(text) => text.trim().parse().ok().or_else(|| {
                let message = format!("{} is {}, which is no length of time", field.name, quoted(text));
                let help = "write a number with its unit (ms, s, m, h or d), such as \"90s\", \"45m\" or \"1h30m\"";
                self.bad("plan::bad_duration", field, message, help)
            }),
            Value::Int(n) if *n > 0 => self.wrong(field, WANTED, format!("write \"{n}m\" for {n} minutes, or \"{n}s\" for {n} seconds")),
            _ => self.wrong(field, WANTED, "write a number with its unit, such as \"90s\", \"45m\" or \"1h30m\""),
        }
    }

    /// A whole number that fits `T`.
    pub(super) fn count<T: TryFrom<i128> + Bounded + Display>(
        &mut self,
        field: &Field<'_>,
    ) -> Option<T> {
        let wanted = format!("a whole number from {} to {}", T::LEAST, T::MOST);
        match field.node.value {
            Value::Int(n) => T::try_from(n).ok().or_else(|| {
                let message = format!("{} must be {wanted}, not {n}", field.name);
                let help = if n < 0 {
                    "write a number that is not negative, or leave it at its default"
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
            Value::Float(_) => self.wrong(field, &wanted, "write a whole number"),
            _ => self.wrong(field, &wanted, "write a whole number without quotes"),
        }
    }

    pub(super) fn money(&mut self, field: &Field<'_>) -> Option<Usd> {
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

    pub(super) fn truth(&mut self, field: &Field<'_>) -> Option<bool> {
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
    pub(super) fn choice<T: Clone>(
        &mut self,
        field: &Field<'_>,
        choices: &[(&str, T)],
    ) -> Option<T> {
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
    pub(super) fn list<'n, T>(
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

    pub(super) fn texts(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        self.list(field, "texts", Self::text)
    }

    /// A line for `sh -c`, or words.
    pub(super) fn command(&mut self, field: &Field<'_>) -> Option<Command> {
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
    pub(super) fn words(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
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

    pub(super) fn commands(&mut self, field: &Field<'_>) -> Option<Vec<Command>> {
        self.list(field, "commands", Self::command)
    }

    pub(super) fn glob(&mut self, field: &Field<'_>) -> Option<Glob> {
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
    pub(super) fn named<'n, T>(
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
            if checked && let Err(fault) = check_name(&entry.key) {
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
pub(super) trait Bounded {
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

//! One tree for every plan format: values with the bytes they were written in.
//!
//! Each format's reader builds it and one decoder reads it, so TOML, YAML, JSON and Markdown give the
//! same diagnostics.

use super::fault::Faults;
use std::{collections::HashMap, ops::Range};

/// A range of bytes in the plan's text.
pub(super) type Span = Range<usize>;

/// The deepest nesting of tables and lists. A plan needs six; more than this is a mistake or an attack on
/// whoever walks the tree recursively.
pub(super) const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What the formats can say.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// TOML's dates: no plan key takes one, but the message should say what was found.
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(value: Value, span: Span) -> Node {
        Node { value, span }
    }

    /// The entry of this table with the key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|e| e.key == key),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Drops entries whose key came before, and says so: of two values nobody can know which was meant.
pub(super) fn refuse_duplicates(entries: Vec<Entry>, faults: &mut Faults) -> Vec<Entry> {
    let mut first: HashMap<String, Span> = HashMap::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(span) = first.get(&entry.key) {
            faults.duplicate_key(&entry.key, entry.key_span, Some(span.clone()));
        } else {
            first.insert(entry.key.clone(), entry.key_span.clone());
            kept.push(entry);
        }
    }
    kept
}

/// What a plain (unquoted) scalar means: YAML 1.2's core schema, so `no` is text and not false.
pub(super) fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::Text(text.into()))
}

/// A number as JSON and YAML write it.
pub(super) fn number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let plain = digits.chars().all(|c| c.is_digit(radix));
            let value = i128::from_str_radix(digits, radix).ok();
            return value.filter(|_| plain).map(Value::Int);
        }
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than an i128 holds is still a number, and out of every range.
        let fallback = || text.parse().map(Value::Float).ok();
        return text.parse().map(Value::Int).ok().or_else(fallback);
    }
    let shaped = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let value = || text.parse().ok().map(Value::Float);
    shaped.then(value).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_yaml_1_2_reads_them() {
        for (text, shown) in [
            ("no", "Text(\"no\")"),
            ("on", "Text(\"on\")"),
            ("true", "Bool(true)"),
            ("~", "Null"),
            ("-12", "Int(-12)"),
            ("0x1F", "Int(31)"),
            ("0x-1", "Text(\"0x-1\")"),
            ("1.5e3", "Float(1500.0)"),
            ("1.2.3", "Text(\"1.2.3\")"),
            ("45m", "Text(\"45m\")"),
            ("-", "Text(\"-\")"),
            ("e5", "Text(\"e5\")"),
            (".nan", "Float(NaN)"),
        ] {
            assert_eq!(format!("{:?}", plain_scalar(text)), shown, "{text}");
        }
    }
}

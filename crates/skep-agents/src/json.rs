//! A line of JSON as a tree of bounded size, read with forbearance.
//!
//! Vendors change their formats weekly: a field that is missing or of another type reads as "not there", and
//! what is not asked for costs nothing. One line of megabytes must not become hundreds of megabytes of tree,
//! so long strings are cut and everything beyond a number of nodes is left out.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{cell::Cell, fmt};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most nodes of one line that are kept.
const NODES: usize = 4096;
/// The most bytes of one string that are kept.
const STRING: usize = 16 * 1024;
/// The most bytes of all strings of one line that are kept.
const STRINGS: usize = 256 * 1024;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A whole number that is not negative.
    Int(u64),
    /// Any other number.
    Num(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

static NULL: Json = Json::Null;

impl Json {
    /// The value that `line` holds; `None` if it is not JSON.
    pub(crate) fn parse(line: &str) -> Option<Json> {
        let budget = Budget {
            nodes: Cell::new(NODES),
            bytes: Cell::new(STRINGS),
        };
        let mut reader = serde_json::Deserializer::from_str(line);
        let value = Node(&budget).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(value)
    }

    /// The object that `line` holds. Most lines that are no objects are noise: banners, warnings.
    pub(crate) fn object(line: &str) -> Option<Json> {
        if !line.trim_start().starts_with('{') {
            return None;
        }
        Json::parse(line)
    }

    /// The value of a field; null if there is none.
    pub(crate) fn at(&self, name: &str) -> &Json {
        match self {
            Json::Map(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// The value at the end of a path of fields, with dots between them.
    pub(crate) fn path(&self, path: &str) -> &Json {
        path.split('.').fold(self, Json::at)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or an empty one.
    pub(crate) fn str(&self) -> &str {
        self.text().unwrap_or_default()
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn u64(&self) -> Option<u64> {
        match self {
            Json::Int(n) => Some(*n),
            // Casts of floats saturate.
            Json::Num(n) if *n >= 0.0 => Some(*n as u64),
            _ => None,
        }
    }

    pub(crate) fn f64(&self) -> Option<f64> {
        match self {
            Json::Int(n) => Some(*n as f64),
            Json::Num(n) => Some(*n),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn fields(&self) -> &[(String, Json)] {
        match self {
            Json::Map(fields) => fields,
            _ => &[],
        }
    }
}

/// The value of the field `type` of a line that was cut. Only the very first field counts: further in, an
/// agent's own words could stand.
pub(crate) fn type_of_head(head: &str) -> &str {
    head.strip_prefix("{\"type\":\"")
        .and_then(|rest| rest.split_once('"'))
        .map_or("", |(name, _)| name)
}

struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn node(&self) -> bool {
        let left = self.nodes.get();
        self.nodes.set(left.saturating_sub(1));
        left > 0
    }

    fn text(&self, text: &str) -> String {
        let mut most = text.len().min(STRING).min(self.bytes.get());
        while !text.is_char_boundary(most) {
            most -= 1;
        }
        self.bytes.set(self.bytes.get() - most);
        text[..most].to_string()
    }
}

#[derive(Clone, Copy)]
struct Node<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        if self.0.node() {
            reader.deserialize_any(self)
        } else {
            reader
                .deserialize_ignored_any(IgnoredAny)
                .map(|_| Json::Null)
        }
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Num(value as f64), Json::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Num(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(self.0.text(value)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            if self.0.nodes.get() > 0 {
                kept.push(item);
            }
        }
        Ok(Json::List(kept))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut kept = Vec::new();
        while let Some(name) = fields.next_key_seed(Key(self.0))? {
            let value = fields.next_value_seed(self)?;
            if self.0.nodes.get() > 0 {
                kept.push((name, value));
            }
        }
        Ok(Json::Map(kept))
    }
}

struct Key<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(self.0.text(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_is_missing_or_of_another_type_is_not_there() {
        let json = Json::object(r#"{"a":{"b":[1,-2,2.5,"x",true,null]},"n":"7"}"#).unwrap();
        let list = json.path("a.b").list();
        assert_eq!(list[0].u64(), Some(1));
        assert_eq!(list[1].u64(), None);
        assert_eq!(list[1].f64(), Some(-2.0));
        assert_eq!(list[2].u64(), Some(2));
        assert_eq!(list[3].str(), "x");
        assert_eq!(list[4].bool(), Some(true));
        assert!(json.path("a.c.d").is_null());
        assert_eq!(json.at("n").u64(), None);
        for noise in ["", "{", "[1]", "warning: {}", "{} {}", "\u{1b}[0m"] {
            assert_eq!(Json::object(noise), None, "{noise}");
        }
    }

    // proves: X-2
    #[test]
    fn a_huge_line_becomes_a_small_tree_and_its_first_fields_are_kept() {
        let many = "[],".repeat(1_000_000);
        let long = "é".repeat(1_000_000);
        let line = format!(r#"{{"type":"x","long":"{long}","many":[{many}0],"late":1}}"#);
        let json = Json::object(&line).unwrap();
        assert_eq!(json.at("type").str(), "x");
        assert!(json.at("long").str().len() <= STRING);
        assert!(json.at("many").list().len() <= NODES);
        let deep = "[".repeat(100_000);
        assert_eq!(Json::parse(&deep), None, "and no stack is used up");
    }

    #[test]
    fn only_the_first_field_says_what_a_cut_line_was() {
        assert_eq!(
            type_of_head(r#"{"type":"agent_end","messages":[{"#),
            "agent_end"
        );
        assert_eq!(type_of_head(r#"{"text":"\"type\":\"result\""#), "");
        assert_eq!(type_of_head(r#"{"a":1,"type":"result"}"#), "");
    }
}

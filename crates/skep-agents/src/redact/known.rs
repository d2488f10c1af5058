//! Values that are known to be secret, and which variables hold some.

use super::shapes::{self, Look, Rest};
use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

/// A shorter value is no secret worth the name, and would be found everywhere.
const LEAST: usize = 8;
/// A longer one is told by its beginning.
const MOST: usize = 512;

/// Whether a known value is somewhere.
pub(super) enum Known<'a> {
    No,
    /// More must be seen to tell.
    Perhaps,
    /// So many bytes of it, and what it is called.
    Yes(usize, &'a str),
}

/// What is to be found: values, and the shapes that are known to all. Never shown and never written down.
#[derive(Clone)]
pub struct Secrets {
    /// Each with what it is called, the longest first.
    values: Vec<(Vec<u8>, String)>,
    /// For each two bytes whether something begins with them, for one whether something does.
    pairs: Box<[u64; 1024]>,
    firsts: [bool; 256],
}

impl Default for Secrets {
    fn default() -> Self {
        let mut secrets = Secrets {
            values: Vec::new(),
            pairs: Box::new([0; 1024]),
            firsts: [false; 256],
        };
        for prefix in shapes::prefixes() {
            secrets.begins(prefix);
        }
        secrets
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.iter().map(|(_, name)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Secrets {
    /// Adds those of these variables whose names say that they are secret.
    pub fn add_variables<'a>(&mut self, all: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, value) in all {
            if is_secret(name) && is_telling(value) {
                self.add(name, value);
            }
        }
    }

    /// Adds what a login's file holds: in JSON the texts whose fields are called like secrets, else such lines of
    /// `NAME=value`.
    pub fn add_file(&mut self, name: &str, content: &str) {
        if let Some(json) = crate::json::Json::parse(content) {
            self.add_fields(name, "", &json);
            return;
        }
        for line in content.lines() {
            let line = line.trim().trim_start_matches("export ");
            if let Some((key, value)) = line.split_once('=') {
                let value = value.trim().trim_matches(['"', '\'']);
                self.add_variables([(key.trim(), value)]);
            }
        }
    }

    fn add_fields(&mut self, name: &str, field: &str, value: &crate::json::Json) {
        use crate::json::Json;
        match value {
            Json::Text(text) if is_secret(field) && is_telling(text) => self.add(name, text),
            Json::List(items) => {
                for item in items {
                    self.add_fields(name, field, item);
                }
            }
            Json::Map(fields) => {
                for (field, value) in fields {
                    self.add_fields(name, field, value);
                }
            }
            _ => {}
        }
    }

    /// Adds a value, as it is and as it stands in JSON, once and twice quoted.
    pub fn add(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.len() < LEAST {
            return;
        }
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            .take(60)
            .collect();
        let quoted = |text: &str| {
            let text = serde_json::Value::from(text).to_string();
            text[1..text.len() - 1].to_string()
        };
        let once = quoted(value);
        let twice = quoted(&once);
        for form in [value.to_string(), once, twice] {
            let end = form.floor_char_boundary(MOST);
            let form = form.as_bytes()[..end].to_vec();
            if self.values.iter().all(|(known, _)| *known != form) {
                self.begins(&form);
                self.values.push((form, name.clone()));
            }
        }
        self.values
            .sort_by_key(|(value, _)| core::cmp::Reverse(value.len()));
    }

    fn begins(&mut self, prefix: &[u8]) {
        if let [first, second, ..] = *prefix {
            self.firsts[usize::from(first)] = true;
            let pair = usize::from(first) << 8 | usize::from(second);
            self.pairs[pair >> 6] |= 1 << (pair & 63);
        }
    }

    /// How many bytes nothing can begin in.
    pub(super) fn skip(&self, bytes: &[u8], last: bool) -> usize {
        let begins = |pair: &[u8]| {
            let pair = usize::from(pair[0]) << 8 | usize::from(pair[1]);
            self.pairs[pair >> 6] >> (pair & 63) & 1 == 1
        };
        if let Some(at) = bytes.windows(2).position(begins) {
            return at;
        }
        match bytes.last() {
            Some(end) if !last && self.firsts[usize::from(*end)] => bytes.len() - 1,
            _ => bytes.len(),
        }
    }

    /// Whether a known value is here.
    pub(super) fn known_at(&self, bytes: &[u8], last: bool) -> Known<'_> {
        for (value, name) in &self.values {
            if bytes.starts_with(value) {
                return Known::Yes(value.len(), name);
            }
            // The longest first: a shorter one is only taken once a longer one cannot come.
            if !last && value.starts_with(bytes) {
                return Known::Perhaps;
            }
        }
        Known::No
    }

    /// What begins here, after what was before.
    pub(super) fn look<'a>(&'a self, before: &[u8], bytes: &[u8], last: bool) -> Look<'a> {
        match self.known_at(bytes, last) {
            Known::Yes(length, name) => Look::Secret {
                from: 0,
                kind: name,
                rest: Rest::Left(length),
            },
            Known::Perhaps => Look::More,
            Known::No => shapes::look(before, bytes, last),
        }
    }
}

/// Whether a variable, or a field of a file, is called like a secret.
fn is_secret(name: &str) -> bool {
    let mut words = String::new();
    let mut small = false;
    for c in name.chars() {
        // `accessToken` is two words, too.
        if small && c.is_ascii_uppercase() {
            words.push('_');
        }
        small = c.is_ascii_lowercase();
        words.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        });
    }
    let mut words = words.split('_').filter(|word| !word.is_empty()).peekable();
    let mut found = false;
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        // A file's name or a place is none.
        if is_last
            && matches!(
                word,
                "FILE" | "PATH" | "DIR" | "ID" | "URL" | "NAME" | "TYPE"
            )
        {
            return false;
        }
        found |= matches!(
            word,
            "KEY"
                | "APIKEY"
                | "TOKEN"
                | "SECRET"
                | "PASSWORD"
                | "PASSWD"
                | "PASSPHRASE"
                | "PWD"
                | "PAT"
                | "CREDENTIAL"
                | "CREDENTIALS"
                | "AUTH"
                | "ACCESS"
                | "REFRESH"
        ) && (is_last || !matches!(word, "AUTH" | "ACCESS" | "REFRESH" | "PWD"));
    }
    // The shell's own.
    found && !matches!(name, "PWD" | "OLDPWD")
}

/// Whether a value is worth hiding: not one that is found in any text.
fn is_telling(value: &str) -> bool {
    let value = value.trim();
    let place = value.starts_with('/') && value.len() != 40 || value.starts_with("~/");
    let number = value.len() < 12 && value.bytes().all(|b| b.is_ascii_digit());
    let word = value.len() < 12 && value.bytes().all(|b| b.is_ascii_lowercase());
    value.len() >= LEAST && !place && !number && !word
}

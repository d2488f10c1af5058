//! The notes in a checklist item's text, such as `(role: backend)`; what is left is the mission.

use crate::plan::{
    fault::{Fault, Faults, nearest, quoted},
    tree::{Entry, Node, Span, Value, plain_scalar},
};

/// The keys of notes. `depends` is what people write; `depends_on` is the plan's own key.
const KEYS: [&str; 18] = [
    "id",
    "depends",
    "depends_on",
    "success",
    "role",
    "category",
    "priority",
    "capabilities",
    "model",
    "agent",
    "command",
    "timebox",
    "budget",
    "files",
    "owner_key",
    "hazards",
    "complexity",
    "max_retries",
];

/// An item's text, and the entries that its notes make.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
}

impl Notes {
    /// Takes in one line of the item's paragraph.
    pub(super) fn line(&mut self, line: &str, offset: usize, first: bool, faults: &mut Faults) {
        let mut rest = 0;
        if first && let Some((id, end)) = bold_id(line) {
            self.add("id", &line[id.clone()], offset + id.start);
            rest = end;
        }
        let mut kept = String::new();
        while let Some(open) = next_open(line, rest) {
            let Some(close) = closing(line, open) else {
                break;
            };
            let inner = open + 1..close;
            if self.note(&line[inner.clone()], offset + inner.start, faults) {
                kept.push_str(line[rest..open].trim_end());
                // Notes stand between words: leave one space, and none before a full stop.
                rest = close + 1;
            } else {
                kept.push_str(&line[rest..=close]);
                rest = close + 1;
            }
        }
        kept.push_str(&line[rest..]);
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(kept.trim());
    }

    /// Whether the text between parentheses is a note; if so it is taken in.
    fn note(&mut self, inner: &str, offset: usize, faults: &mut Faults) -> bool {
        let trimmed = inner.trim();
        if let [b'P' | b'p', b'0'..=b'9'] = trimmed.as_bytes() {
            let at = offset + inner.len() - inner.trim_start().len();
            self.add("priority", trimmed, at);
            return true;
        }
        let Some((key, value)) = inner.split_once(':') else {
            return false;
        };
        let at = offset + key.len() - key.trim_start().len();
        let value_at = offset + key.len() + 1;
        let key = key.trim();
        if KEYS.contains(&key) {
            self.add(key, value, value_at);
            return true;
        }
        let is_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        match nearest(key, KEYS).filter(|_| is_word) {
            Some(near) => {
                let message = format!("there is no note {}", quoted(key));
                faults.push(
                    Fault::new("plan::unknown_key", at..at + key.len(), message)
                        .label("unknown note")
                        .help(format!("did you mean ({near}: …)?")),
                );
                true
            }
            None => false,
        }
    }

    fn add(&mut self, key: &str, value: &str, offset: usize) {
        let (text, at) = unquoted(value, offset);
        let span = at..at + text.len();
        let key = if key == "depends" { "depends_on" } else { key };
        let value = match key {
            "depends_on" | "capabilities" | "hazards" | "files" => {
                Value::List(parts(value, offset))
            }
            "success" => Value::List(criteria(value, offset)),
            "budget" | "max_retries" => plain_scalar(text),
            "priority" => Value::Text(text.to_ascii_uppercase()),
            _ => Value::Text(text.into()),
        };
        let node = Node::new(value, span.clone());
        let lists = matches!(node.value, Value::List(_));
        let earlier = self.entries.iter_mut().find(|e| e.key == key && lists);
        match (earlier.map(|e| &mut e.node.value), node.value) {
            (Some(Value::List(all)), Value::List(more)) => all.extend(more),
            (_, value) => self.entries.push(Entry {
                key: key.into(),
                key_span: span.clone(),
                node: Node::new(value, span),
            }),
        }
    }
}

/// `**id**: text` or `**id:** text`: where the id stands, and where the text begins. Bold words with spaces
/// are prose.
fn bold_id(line: &str) -> Option<(Span, usize)> {
    let rest = line.strip_prefix("**")?;
    let end = rest.find("**")?;
    let (id, after) = (&rest[..end], &rest[end + 2..]);
    let (id, after) = match (id.strip_suffix(':'), after.strip_prefix(':')) {
        (Some(id), _) => (id, after),
        (None, Some(after)) => (id, after),
        _ => return None,
    };
    let is_word = !id.is_empty() && !id.contains(char::is_whitespace);
    is_word.then(|| (2..2 + id.len(), line.len() - after.len()))
}

/// The next `(` from `from` on that is not code and not a link's address.
fn next_open(line: &str, from: usize) -> Option<usize> {
    let mut code = false;
    let mut previous = ' ';
    for (n, c) in line[from..].char_indices() {
        match c {
            '`' => code = !code,
            '(' if !code && previous != ']' => return Some(from + n),
            _ => {}
        }
        previous = c;
    }
    None
}

/// The `)` that closes the one at `open`.
fn closing(line: &str, open: usize) -> Option<usize> {
    let (mut code, mut depth) = (false, 0_usize);
    for (n, c) in line[open..].char_indices() {
        match c {
            '`' => code = !code,
            '(' if !code => depth += 1,
            ')' if !code => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + n);
        }
    }
    None
}

/// The text without white space and backticks around it, and where it begins.
fn unquoted(text: &str, offset: usize) -> (&str, usize) {
    let start = text.len() - text.trim_start().len();
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('`').and_then(|t| t.strip_suffix('`'));
    match inner {
        Some(inner) => (inner, offset + start + 1),
        None => (trimmed, offset + start),
    }
}

/// `a, b` as a list of texts.
fn parts(text: &str, offset: usize) -> Vec<Node> {
    let mut at = offset;
    let mut list = Vec::new();
    for part in text.split(',') {
        let (word, start) = unquoted(part, at);
        at += part.len() + 1;
        if !word.is_empty() {
            let span = start..start + word.len();
            list.push(Node::new(Value::Text(word.into()), span));
        }
    }
    list
}

/// Code is a command that must exit 0; other words are for the agent to read.
fn criteria(text: &str, offset: usize) -> Vec<Node> {
    let mut list = Vec::new();
    let mut at = offset;
    for (n, part) in text.split('`').enumerate() {
        let span = at..at + part.len();
        at += part.len() + 1;
        if n % 2 == 1 {
            list.push(Node::new(Value::Text(part.into()), span));
        }
    }
    if list.is_empty() {
        let (words, start) = unquoted(text, offset);
        let span = start..start + words.len();
        let says = Entry {
            key: "says".into(),
            key_span: span.clone(),
            node: Node::new(Value::Text(words.into()), span.clone()),
        };
        list.push(Node::new(Value::Table(vec![says]), span));
    }
    list
}

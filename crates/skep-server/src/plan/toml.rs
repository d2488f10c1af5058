//! TOML into the tree.

use super::{
    fault::{Fault, Faults},
    tree::{Entry, MAX_DEPTH, Node, Span, Value},
};
use std::borrow::Cow;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};
use toml_parser::{Source, lexer::TokenKind};

/// Reads TOML. `None`: it has faults of syntax, and what it would mean is unknown.
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Node> {
    if let Some(span) = too_deep(text) {
        let message = format!("the key has more than {MAX_DEPTH} dots; tables nest no deeper");
        faults.push(Fault::new("plan::too_deep", span, message).help("use fewer dots"));
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut usable = true;
    for error in errors {
        // One at the very end of the text would point behind the last line.
        let end = text.trim_end().len();
        let mut span = error.span().unwrap_or(end..end);
        span.start = span.start.min(end);
        span.end = span.end.clamp(span.start, end.max(span.start));
        if error.message() == "duplicate key" {
            // The first value is kept, so the rest of the file can be judged.
            let key = text.get(span.clone()).unwrap_or_default();
            let key = key.trim_matches(['"', '\'']);
            faults.duplicate_key(key, span, None);
            continue;
        }
        usable = false;
        let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        let help = help(error.message());
        faults.push(Fault::new("plan::syntax", span, message).help(help));
    }
    usable.then(|| {
        let span = root.span();
        table(root.into_inner(), span)
    })
}

fn help(message: &str) -> &'static str {
    if message.contains("string values must be quoted") {
        "put the text in quotes: \"…\""
    } else if message.contains("string") || message.contains("quote") {
        "close the text with the quote it was opened with; use \"\"\" … \"\"\" for several lines"
    } else if message.contains("table") {
        "a table's header is [swarm] or [[task]]; an inline table is { key = value }"
    } else if message.contains("array") {
        "separate entries with commas and close the list with ]"
    } else if message.contains("key") || message.contains("assignment") || message.contains('=') {
        "write key = value, one to a line"
    } else if message.contains("recurs") {
        "nest less deeply"
    } else {
        "values are \"text\", numbers, true, false, [ lists ] and { tables = 1 }"
    }
}

/// The library bounds the nesting of brackets but not of dotted keys, each dot of which is a table.
fn too_deep(text: &str) -> Option<Span> {
    let mut dots = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Newline | TokenKind::Equals | TokenKind::Comma => dots = 0,
            _ => {}
        }
        if dots > MAX_DEPTH {
            return Some(token.span().start()..token.span().end());
        }
    }
    None
}

fn table(table: DeTable<'_>, span: Span) -> Node {
    let entry = |(key, value): (Spanned<DeString<'_>>, Spanned<DeValue<'_>>)| Entry {
        key_span: key.span(),
        key: key.into_inner().into_owned(),
        node: node(value),
    };
    let mut entries: Vec<Entry> = table.into_iter().map(entry).collect();
    // The library sorts by name; a person reads by place.
    entries.sort_by_key(|e| e.key_span.start);
    Node::new(Value::Table(entries), span)
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(Cow::into_owned(text)),
        DeValue::Integer(n) => match i128::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Int(n),
            // Too large for any range: keep it a number.
            Err(_) => Value::Float(n.as_str().parse().unwrap_or(f64::INFINITY)),
        },
        DeValue::Float(n) => Value::Float(n.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(b) => Value::Bool(b),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.into_iter().map(node).collect()),
        DeValue::Table(entries) => return table(entries, span),
    };
    Node::new(value, span)
}

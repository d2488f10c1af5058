//! Several texts read as one document: each has its own stretch of the numbers that spans are made of, so that what
//! is wrong with a value can be said where that value stands, whichever file it came from.

use super::{
    Format,
    tree::{Entry, Node, Span, Value},
};

/// One text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) format: Format,
    start: usize,
}

/// Texts, the first of which begins at 0.
#[derive(Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn one(name: &str, text: &str, format: Format) -> Sources {
        let mut sources = Sources::default();
        sources.add(name, text, format);
        sources
    }

    /// Adds a text, and says by how much the spans of what is read from it are to be [moved](moved).
    pub(super) fn add(&mut self, name: &str, text: &str, format: Format) -> usize {
        // One apart, so that the end of a text is not the beginning of the next.
        let start = self.0.last().map_or(0, |s| s.start + s.text.len() + 1);
        self.0.push(Source {
            name: name.into(),
            text: text.into(),
            format,
            start,
        });
        start
    }

    /// Whose a span is, and which one it is there. There is always a text: an empty list holds none of spans.
    pub(super) fn find(&self, span: &Span) -> Option<(&Source, Span)> {
        let source = self.0.iter().rev().find(|s| s.start <= span.start)?;
        let within = |at: usize| at.saturating_sub(source.start).min(source.text.len());
        Some((source, within(span.start)..within(span.end)))
    }

    /// Where a span begins, as people write it: `skep.toml:3`.
    pub(super) fn place(&self, span: &Span) -> String {
        match self.find(span) {
            None => String::new(),
            Some((source, _)) if !source.has_lines() => source.name.clone(),
            Some((source, span)) => {
                let before = source.text.get(..span.start).unwrap_or_default();
                let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
                format!("{}:{line}", source.name)
            }
        }
    }
}

impl Source {
    /// A variable or an option is one value, and has no lines that anybody would look for.
    fn has_lines(&self) -> bool {
        !self.name.starts_with('$') && !self.name.starts_with("--")
    }
}

/// A tree whose spans are moved into the stretch that begins at `by`.
pub(super) fn moved(mut node: Node, by: usize) -> Node {
    shift(&mut node, by);
    node
}

fn shift(node: &mut Node, by: usize) {
    let more = |span: &mut Span| *span = span.start + by..span.end + by;
    more(&mut node.span);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Table(entries) => {
            for Entry { key_span, node, .. } in entries {
                more(key_span);
                shift(node, by);
            }
        }
        _ => {}
    }
}

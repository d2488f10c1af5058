//! YAML 1.2 into the tree, from the parser's events: duplicate keys, several documents, unknown tags and
//! aliases that expand without end are refused here, because libraries that build values let them pass.

use super::{
    fault::{Fault, Faults},
    tree::{Entry, MAX_DEPTH, Node, Span, Value, plain_scalar, refuse_duplicates},
};
use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};
use std::{borrow::Cow, collections::HashMap};

/// How many values aliases may add in all. A real plan repeats a few lists; a bomb doubles thirty times.
const COPIES: usize = 100_000;

/// A list or table whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    table: bool,
    items: Vec<Node>,
    entries: Vec<Entry>,
    /// The key whose value comes next.
    key: Option<(String, Span)>,
}

struct Builder<'t, 'f> {
    offsets: Offsets<'t>,
    faults: &'f mut Faults,
    stack: Vec<Open>,
    root: Option<Node>,
    /// Anchored values with their number of nodes and their depth.
    anchors: HashMap<usize, (Node, usize, usize)>,
    copies: usize,
}

/// Why reading ends early: a fault was noted.
struct Stop;

/// Reads YAML. `None`: it has a fault of syntax, and what it would mean is unknown.
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Node> {
    let mut builder = Builder {
        offsets: Offsets::new(text),
        faults,
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        copies: 0,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((Event::DocumentStart(_), marks)) => {
                documents += 1;
                builder.document(documents, marks)
            }
            Ok((event, marks)) => builder.event(event, marks),
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                builder.syntax(text, at, error.info());
                Err(Stop)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    let empty = || Node::new(Value::Null, 0..0);
    Some(builder.root.unwrap_or_else(empty))
}

impl Builder<'_, '_> {
    fn stop(&mut self, fault: Fault) -> Result<(), Stop> {
        self.faults.push(fault);
        Err(Stop)
    }

    fn syntax(&mut self, text: &str, at: usize, info: &str) {
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        let indent = text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
        let tab = text[start..start + indent].find('\t');
        let previous_tab = text[..start].lines().next_back().and_then(|line| {
            let n = line.find('\t')?;
            line[..n]
                .trim()
                .is_empty()
                .then(|| start - line.len() - 1 + n)
        });
        let (span, help) = if let Some(n) = tab {
            (
                start + n..start + n + 1,
                "indent with spaces: YAML does not allow tabs there",
            )
        } else if let Some(n) = previous_tab {
            (
                n..n + 1,
                "indent with spaces: YAML does not allow tabs there",
            )
        } else if info.contains("anchor") || info.contains("alias") {
            (
                at..at,
                "write &name before the value and *name where it is used again",
            )
        } else if info.contains("indent") || info.contains("block") {
            (
                at..at,
                "give the keys of one table the same indent, and write a list's entries as \"- …\"",
            )
        } else {
            (
                at..at,
                "check the line and the one before it: a quote, bracket or colon may be missing",
            )
        };
        let message = format!("this is not YAML: {info}");
        self.faults
            .push(Fault::new("plan::syntax", span, message).help(help));
    }

    fn document(&mut self, documents: usize, marks: Marks) -> Result<(), Stop> {
        if documents == 1 {
            return Ok(());
        }
        let span = self.offsets.span(marks);
        let message = "the file has more than one YAML document";
        self.stop(
            Fault::new("plan::several_documents", span, message)
                .label("the second begins here")
                .help("keep one plan in one file: remove the `---`, or move the rest to a file of its own"),
        )
    }

    fn event(&mut self, event: Event<'_>, marks: Marks) -> Result<(), Stop> {
        let span = self.offsets.span(marks);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_ref(), &span)?;
                let forced = tag.is_some_and(|t| t.suffix == "str");
                let value = if style == ScalarStyle::Plain && !forced && !self.expects_key() {
                    plain_scalar(&text)
                } else {
                    Value::Text(text.into_owned())
                };
                self.add(Node::new(value, span), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_ref(), &span)?;
                self.open(span, anchor, false)
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_ref(), &span)?;
                self.open(span, anchor, true)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Ok(()),
        }
    }

    fn tag(&mut self, tag: Option<&Cow<'_, Tag>>, span: &Span) -> Result<(), Stop> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => {
                let message = format!("the tag {tag} means nothing in a plan");
                self.stop(Fault::new("plan::syntax", span.clone(), message).help("remove the tag"))
            }
            _ => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        self.stack
            .last()
            .is_some_and(|open| open.table && open.key.is_none())
    }

    fn open(&mut self, span: Span, anchor: usize, table: bool) -> Result<(), Stop> {
        if self.expects_key() {
            return self.key_is_no_text(span);
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        self.stack.push(Open {
            start: span.start,
            anchor,
            table,
            items: Vec::new(),
            entries: Vec::new(),
            key: None,
        });
        Ok(())
    }

    fn too_deep(&mut self, span: Span) -> Result<(), Stop> {
        let message = format!("tables and lists nest deeper than {MAX_DEPTH} levels");
        self.stop(Fault::new("plan::too_deep", span, message).help("nest less deeply"))
    }

    fn key_is_no_text(&mut self, span: Span) -> Result<(), Stop> {
        let message = "a key must be a text, not a list or a table";
        self.stop(Fault::new("plan::syntax", span, message).help("write key: value"))
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let value = if open.table {
            Value::Table(refuse_duplicates(open.entries, self.faults))
        } else {
            Value::List(open.items)
        };
        // A block's end stands where the next thing begins.
        let end = self.offsets.trimmed(open.start, end.end);
        self.add(Node::new(value, open.start..end), open.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            let (count, depth) = size(&node);
            // Anchors are copied too, so they count as copies: nested anchors must not add up unseen.
            self.copies += count;
            if self.copies > COPIES {
                return self.bomb(node.span);
            }
            self.anchors.insert(anchor, (node.clone(), count, depth));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if !open.table {
            open.items.push(node);
        } else if let Some((key, key_span)) = open.key.take() {
            open.entries.push(Entry {
                key,
                key_span,
                node,
            });
        } else if let Value::Text(key) = node.value {
            open.key = Some((key, node.span));
        } else {
            return self.key_is_no_text(node.span);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some((node, count, depth)) = self.anchors.get(&anchor) else {
            let message = "the alias stands inside the value that it names";
            return self
                .stop(Fault::new("plan::syntax", span, message).help("write the value out"));
        };
        self.copies += count;
        if self.copies > COPIES {
            return self.bomb(span);
        }
        if self.stack.len() + depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        let mut copy = node.clone();
        if !matches!(copy.value, Value::List(_) | Value::Table(_)) {
            // A scalar is judged where it is used; inside of a list or table the original is.
            copy.span = span;
        }
        self.add(copy, 0)
    }

    fn bomb(&mut self, span: Span) -> Result<(), Stop> {
        let message = format!("aliases expand to more than {COPIES} values");
        self.stop(
            Fault::new("plan::too_big", span, message)
                .help("write the values out, or use fewer aliases of aliases"),
        )
    }
}

/// How many nodes, and how deep. Recursion is bounded by [`MAX_DEPTH`].
fn size(node: &Node) -> (usize, usize) {
    let (mut count, mut depth) = (1, 0);
    let children: Box<dyn Iterator<Item = &Node>> = match &node.value {
        Value::List(items) => Box::new(items.iter()),
        Value::Table(entries) => Box::new(entries.iter().map(|e| &e.node)),
        _ => return (1, 0),
    };
    for child in children {
        let (c, d) = size(child);
        count += c;
        depth = depth.max(d);
    }
    (count, depth + 1)
}

/// The parser counts characters; the tree wants bytes.
struct Offsets<'t> {
    text: &'t str,
    /// The byte offset of every 64th character; `None` where characters are bytes.
    marks: Option<Vec<usize>>,
}

impl<'t> Offsets<'t> {
    fn new(text: &'t str) -> Self {
        let marks = || text.char_indices().step_by(64).map(|(n, _)| n).collect();
        Offsets {
            text,
            marks: (!text.is_ascii()).then(marks),
        }
    }

    fn byte(&self, index: usize) -> usize {
        let Some(marks) = &self.marks else {
            return index.min(self.text.len());
        };
        let Some(start) = marks.get(index / 64) else {
            return self.text.len();
        };
        let rest = &self.text[*start..];
        rest.char_indices()
            .nth(index % 64)
            .map_or(self.text.len(), |(n, _)| start + n)
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.byte(marks.start.index());
        start..self.trimmed(start, self.byte(marks.end.index()))
    }

    /// `end`, less white space before it.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        let end = end.max(start);
        start + self.text[start..end].trim_end().len()
    }
}

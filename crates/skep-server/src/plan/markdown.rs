//! A Markdown checklist into the tree, so that the one decoder judges it like any other plan.
//!
//! `# Title` names the swarm, `- [ ] text` is a task, `- [x] text` is done and left out (as is what depends on
//! it), and a task waits for the items nested below it. The item's paragraph is the mission; further
//! paragraphs, plain lists and code inside the item are the brief. In the mission stand `(id: x)` or
//! `**x**: …`, `(P1)`, `(depends: a, b)`, `(success: `cargo test`)` and other `(key: value)` notes.

mod notes;

use super::{
    fault::{Fault, Faults},
    tree::{Entry, Node, Span, Value, refuse_duplicates},
};
use notes::Notes;
use skep_core::id::nearest_name;
use std::collections::{HashMap, HashSet};

/// The longest id made from a mission: it becomes part of folders and branches that people read.
const SLUG: usize = 40;

struct Item {
    indent: usize,
    done: bool,
    /// The text after the box on the item's first line.
    span: Span,
    notes: Notes,
    brief: Vec<String>,
    parent: Option<usize>,
    /// Whether the lines that follow still belong to the mission's paragraph.
    in_mission: bool,
}

#[derive(Default)]
struct Scan {
    title: Option<(String, Span)>,
    items: Vec<Item>,
    /// The items that the current line may belong to, outermost first.
    open: Vec<usize>,
    /// The fence that ends the code block the current line is in.
    fence: Option<&'static str>,
}

/// Reads a checklist. It always has a meaning; lines that only look like items are faults.
pub(super) fn read(text: &str, faults: &mut Faults) -> Node {
    let mut scan = Scan::default();
    let mut offset = 0;
    for line in text.split('\n') {
        scan.line(line, offset, faults);
        offset += line.len() + 1;
    }
    scan.tree(faults)
}

fn indent_of(line: &str) -> usize {
    let white = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    white.map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

impl Scan {
    fn line(&mut self, line: &str, offset: usize, faults: &mut Faults) {
        let trimmed = line.trim();
        if let Some(fence) = self.fence {
            if trimmed.starts_with(fence) && trimmed.trim_start_matches(&fence[..1]).is_empty() {
                self.fence = None;
            }
            self.brief(line);
            return;
        }
        let indent = indent_of(line);
        if let Some(fence) = ["```", "~~~"].into_iter().find(|f| trimmed.starts_with(f)) {
            self.close_to(indent);
            self.fence = Some(fence);
            self.brief(line);
        } else if trimmed.is_empty() {
            self.brief(line);
        } else if let Some((done, rest)) = item(line) {
            self.close_to(indent);
            let span = offset + rest..offset + line.trim_end().len().max(rest);
            let mut notes = Notes::default();
            notes.line(
                line.get(rest..).unwrap_or_default(),
                offset + rest,
                true,
                faults,
            );
            self.items.push(Item {
                indent,
                done,
                span,
                notes,
                brief: Vec::new(),
                parent: self.open.last().copied(),
                in_mission: true,
            });
            self.open.push(self.items.len() - 1);
        } else if let Some(rest) = trimmed.strip_prefix('#').filter(|_| indent < 4) {
            self.open.clear();
            if self.title.is_none() && rest.starts_with(' ') {
                let start = offset + line.len() - line.trim_start().len();
                let title = rest.trim().trim_end_matches('#').trim().to_owned();
                self.title = Some((title, start..start + trimmed.len()));
            }
        } else {
            if let Some(fault) = nearly_an_item(line, offset) {
                faults.push(fault);
            }
            let in_mission = self.last().is_some_and(|item| item.in_mission);
            if in_mission && !is_bullet(trimmed) {
                let start = line.len() - line.trim_start().len();
                if let Some(item) = self.last() {
                    item.notes.line(trimmed, offset + start, false, faults);
                }
                return;
            }
            self.close_to(indent);
            self.brief(line);
        }
    }

    fn last(&mut self) -> Option<&mut Item> {
        self.open.last().and_then(|&n| self.items.get_mut(n))
    }

    /// Ends the items that a line of this indent no longer belongs to.
    fn close_to(&mut self, indent: usize) {
        while self.last().is_some_and(|item| item.indent >= indent) {
            self.open.pop();
        }
    }

    fn brief(&mut self, line: &str) {
        if let Some(item) = self.last() {
            item.in_mission = false;
            item.brief.push(line.to_owned());
        }
    }

    fn tree(mut self, faults: &mut Faults) -> Node {
        let ids = self.ids();
        let done: HashSet<&str> = self
            .items
            .iter()
            .zip(&ids)
            .filter(|(item, _)| item.done)
            .map(|(_, id)| id.as_str())
            .collect();
        let mut waits: HashMap<usize, Vec<Node>> = HashMap::new();
        for (n, item) in self.items.iter().enumerate() {
            if let Some(parent) = item.parent.filter(|_| !item.done) {
                let id = Node::new(Value::Text(ids[n].clone()), item.span.clone());
                waits.entry(parent).or_default().push(id);
            }
        }
        let mut tasks = Vec::new();
        for (n, item) in self.items.iter_mut().enumerate() {
            if item.done {
                continue;
            }
            let mut entries = std::mem::take(&mut item.notes.entries);
            if !entries.iter().any(|e| e.key == "id") {
                entries.insert(0, entry("id", Value::Text(ids[n].clone()), &item.span));
            }
            let mission = item.notes.text.trim().to_owned();
            entries.push(entry("mission", Value::Text(mission), &item.span));
            let brief = dedented(&item.brief);
            if !brief.is_empty() {
                entries.push(entry("brief", Value::Text(brief), &item.span));
            }
            let mut waits = waits.remove(&n).unwrap_or_default();
            entries.retain_mut(|e| {
                if e.key != "depends_on" {
                    return true;
                }
                if let Value::List(list) = &mut e.node.value {
                    list.retain(|d| d.as_text().is_none_or(|id| !done.contains(id)));
                    let named: HashSet<String> = list
                        .iter()
                        .filter_map(|d| d.as_text().map(str::to_owned))
                        .collect();
                    waits.retain(|w| w.as_text().is_none_or(|id| !named.contains(id)));
                    list.append(&mut waits);
                }
                true
            });
            if !waits.is_empty() {
                entries.push(entry("depends_on", Value::List(waits), &item.span));
            }
            let table = Value::Table(refuse_duplicates(entries, faults));
            tasks.push(Node::new(table, item.span.clone()));
        }
        let mut root = Vec::new();
        if let Some((title, span)) = self.title
            && let Some(name) = nearest_name(&title)
        {
            let name = vec![entry("name", Value::Text(name), &span)];
            root.push(entry("swarm", Value::Table(name), &span));
        }
        let whole = tasks.first().map_or(0..0, |t| t.span.clone());
        root.push(entry("task", Value::List(tasks), &whole));
        Node::new(Value::Table(root), whole)
    }

    /// Each item's id: as written, or made from its mission and kept apart from the others by a number.
    fn ids(&self) -> Vec<String> {
        let written = |item: &Item| {
            let entry = item.notes.entries.iter().find(|e| e.key == "id");
            entry.and_then(|e| e.node.as_text()).map(str::to_owned)
        };
        let mut taken: HashSet<String> = self
            .items
            .iter()
            .filter_map(written)
            .map(|id| id.to_ascii_lowercase())
            .collect();
        // The next number to try for a slug: a thousand equal lines must not take a million looks.
        let mut next: HashMap<String, usize> = HashMap::new();
        let ids = self.items.iter().enumerate().map(|(n, item)| {
            if let Some(id) = written(item) {
                return id;
            }
            let slug = slug(&item.notes.text).unwrap_or_else(|| format!("task-{}", n + 1));
            let mut id = slug.clone();
            let number = next.entry(slug.clone()).or_insert(2);
            while !taken.insert(id.clone()) {
                id = format!("{slug}-{number}");
                *number += 1;
            }
            id
        });
        ids.collect()
    }
}

fn entry(key: &str, value: Value, span: &Span) -> Entry {
    Entry {
        key: key.into(),
        key_span: span.clone(),
        node: Node::new(value, span.clone()),
    }
}

fn slug(text: &str) -> Option<String> {
    let name = nearest_name(text)?;
    let cut = match name.get(..SLUG) {
        Some(head) if name.len() > SLUG => head.rfind('-').unwrap_or(SLUG),
        _ => name.len(),
    };
    Some(name[..cut].to_owned())
}

/// `- [ ] text`: whether it is done, and where its text begins.
fn item(line: &str) -> Option<(bool, usize)> {
    let body = line.trim_start();
    let after = bullet(body)?;
    let rest = body[after..].trim_start();
    let done = match rest.get(..3)? {
        "[ ]" => false,
        "[x]" | "[X]" => true,
        _ => return None,
    };
    let text = &rest[3..];
    if !text.is_empty() && !text.starts_with([' ', '\t']) {
        return None;
    }
    Some((done, line.len() - text.trim_start().len()))
}

/// The length of a list marker with its white space.
fn bullet(body: &str) -> Option<usize> {
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let marker = match body.as_bytes().get(digits)? {
        b'-' | b'*' | b'+' if digits == 0 => 1,
        b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    body[marker..]
        .starts_with([' ', '\t'])
        .then_some(marker + 1)
}

fn is_bullet(trimmed: &str) -> bool {
    bullet(trimmed).is_some()
}

/// Lines that a person meant as an item and Markdown does not.
fn nearly_an_item(line: &str, offset: usize) -> Option<Fault> {
    let body = line.trim_start();
    let start = offset + line.len() - body.len();
    let rest = body.strip_prefix(['-', '*', '+'])?.trim_start();
    let boxes = ["[]", "[ ]", "[x]", "[X]", "[  ]"];
    let found = boxes.into_iter().find(|b| rest.starts_with(b))?;
    let end = start + (body.len() - rest.len()) + found.len();
    let message = "this is nearly a checklist item, and would be taken for plain text";
    Some(
        Fault::new("plan::syntax", start..end, message)
            .help("write `- [ ] text` for an open task, with one space inside the box and one after each part"),
    )
}

/// The lines without the indent they share, and without empty ones around them.
fn dedented(lines: &[String]) -> String {
    let indents = lines.iter().filter(|l| !l.trim().is_empty());
    let indent = indents
        .map(|l| l.len() - l.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = lines
        .iter()
        .map(|l| l.get(indent..).unwrap_or_default().trim_end())
        .collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

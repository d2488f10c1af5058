//! Diagnostics as the rest of Skep sees them: typed, with lines and columns, ready for a terminal, for a
//! log and for `--json`.

use super::{
    excerpt::{Excerpt, visible},
    fault::Fault,
};
use miette::{LabeledSpan, SourceCode};
use serde::Serialize;
use std::fmt;

/// One thing wrong with a plan: where, what, and what to do. Every text in it is safe to print.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnostic {
    /// The file, as the caller named it.
    pub file: String,
    /// Line of the offending text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column just past the end.
    pub end_column: usize,
    /// A stable name, such as `plan::unknown_key`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The offending text (control characters escaped, shortened when long).
    pub text: String,
    #[serde(skip)]
    excerpt: Excerpt,
}

/// The longest message; only a cycle, which is promised in full, may be longer.
const MESSAGE: usize = 1_000;

impl Diagnostic {
    pub(super) fn new(file: &str, source: &str, fault: Fault) -> Diagnostic {
        let file = visible(file);
        let (line, column) = position(source, fault.span.start);
        let (end_line, end_column) = position(source, fault.span.end);
        let text = source.get(fault.span.clone()).unwrap_or_default();
        let text = shortened(&visible(text.trim_end_matches('\n')), 120);
        let message = if fault.code == "plan::cycle" {
            fault.message
        } else {
            shortened(&fault.message, MESSAGE)
        };
        let mut places = vec![(fault.span, visible(&fault.label))];
        places.extend(fault.also.into_iter().map(|(s, l)| (s, visible(&l))));
        Diagnostic {
            excerpt: Excerpt::new(&file, source, &places),
            file,
            line,
            column,
            end_line,
            end_column,
            code: fault.code,
            message: visible(&message),
            help: fault.help.map(|h| shortened(&visible(&h), 2 * MESSAGE)),
            text,
        }
    }

    fn render_plain(&self, out: &mut String) {
        use std::fmt::Write as _;
        let Diagnostic {
            file, line, column, ..
        } = self;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "error[{}]: {}", self.code, self.message);
        let _ = writeln!(out, "  at {file}:{line}:{column}");
        self.excerpt.render_plain(out);
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
}

/// Line and column (in characters), both from 1, of a byte offset.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &source[..offset];
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    (line, before[start..].chars().count() + 1)
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Diagnostic {}
impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as _)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.excerpt.labels()))
    }
}

/// All that is wrong with a plan file: never empty, at most 20 entries, and a count of the rest.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    file: String,
    list: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    pub(super) fn new(file: &str, list: Vec<Diagnostic>, more: usize) -> Diagnostics {
        Diagnostics {
            file: visible(file),
            list,
            more,
        }
    }

    /// The diagnostics, in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many more there are than [`list`](Self::list) holds.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    /// For `--json`: a list of `{file, line, column, end_line, end_column, code, message, help, text}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Plain texts and numbers: cannot fail.
        serde_json::to_value(&self.list).unwrap_or_default()
    }

    /// As text without colour or width: for logs, pipes and snapshots.
    #[must_use]
    pub fn render_plain(&self) -> String {
        let mut out = String::new();
        for diagnostic in &self.list {
            diagnostic.render_plain(&mut out);
            out.push('\n');
        }
        out.push_str(&self.to_string());
        out.push('\n');
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.list.len() + self.more;
        let faults = if all == 1 { "fault" } else { "faults" };
        write!(f, "{}: {all} {faults} in the plan", self.file)?;
        if self.more > 0 {
            write!(f, " (shown: {}, and {} more)", self.list.len(), self.more)?;
        }
        f.write_str("; nothing was started")
    }
}
impl std::error::Error for Diagnostics {}
impl miette::Diagnostic for Diagnostics {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("plan"))
    }
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.list.iter().map(|d| d as &dyn miette::Diagnostic),
        ))
    }
}

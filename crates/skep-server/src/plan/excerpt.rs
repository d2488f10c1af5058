//! The few lines of a file that a diagnostic points into, made safe to print: control characters are
//! escaped and long lines are cut to a window around what is pointed at.

use super::tree::Span;
use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use std::{borrow::Cow, fmt::Write as _};
use unicode_width::UnicodeWidthStr;

/// Characters of one source line that are shown, and how many of them stand before the marked text.
const WINDOW: usize = 140;
const LEAD: usize = 50;
/// Lines shown for one diagnostic; a cycle through a hundred tasks must still fit a screen.
const PLACES: usize = 12;

/// One shown line.
#[derive(Clone, Debug)]
struct Line {
    number: usize,
    /// Where the line begins in the excerpt's own text.
    offset: usize,
}

/// The shown lines, and the marked places in coordinates of the shown text.
#[derive(Clone, Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    lines: Vec<Line>,
    marks: Vec<(Span, String)>,
    /// The first place's column in the file, from 0; cut and escaped lines would give another.
    column: usize,
}

/// Makes text safe for a terminal: controls and invisible direction marks are shown as escapes, tabs as
/// spaces. A line feed is escaped too: every shown text is one line.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(visible_char).collect()
}

fn visible_char(c: char) -> Cow<'static, str> {
    match c {
        '\t' => "    ".into(),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => c.escape_unicode().to_string().into(),
        c if c.is_control() => c.escape_unicode().to_string().into(),
        c => c.to_string().into(),
    }
}

impl Excerpt {
    /// Shows the first line of each place; the first place is the diagnostic's own.
    pub(super) fn new(name: &str, source: &str, places: &[(Span, String)]) -> Excerpt {
        let mut found: Vec<(Span, Span, usize)> = Vec::new();
        for (index, (span, _)) in places.iter().take(PLACES).enumerate() {
            let start = floor(source, span.start);
            let from = source[..start].rfind('\n').map_or(0, |n| n + 1);
            let to = source[start..]
                .find('\n')
                .map_or(source.len(), |n| start + n);
            let end = floor(source, span.end).clamp(start, to);
            found.push((from..to, start..end, index));
        }
        let column = found.first().map_or(0, |(line, span, _)| {
            source[line.start..span.start].chars().count()
        });
        found.sort_by_key(|(line, span, index)| (line.start, span.start, *index));
        let mut excerpt = Excerpt {
            name: name.into(),
            text: String::new(),
            lines: Vec::new(),
            column,
            marks: vec![(0..0, String::new()); found.len()],
        };
        for group in found.chunk_by(|a, b| a.0.start == b.0.start) {
            excerpt.add_line(source, group, places);
        }
        excerpt
    }

    fn add_line(&mut self, source: &str, marks: &[(Span, Span, usize)], all: &[(Span, String)]) {
        let Some((line, first, _)) = marks.first() else {
            return;
        };
        let number = source[..line.start].bytes().filter(|b| *b == b'\n').count() + 1;
        let offset = self.text.len();
        self.lines.push(Line { number, offset });
        let lead: usize = source[line.start..first.start]
            .chars()
            .rev()
            .take(LEAD)
            .map(char::len_utf8)
            .sum();
        let long = source[line.clone()].chars().nth(WINDOW).is_some();
        let from = if long { first.start - lead } else { line.start };
        let cut = source[from..line.end]
            .char_indices()
            .nth(WINDOW)
            .map(|(n, _)| from + n);
        let to = cut.filter(|_| long).unwrap_or(line.end);
        if from > line.start {
            self.text.push('…');
        }
        // Byte positions of the window's characters before and after they are made visible.
        let mut map = vec![(from, self.text.len())];
        for (n, c) in source[from..to].char_indices() {
            self.text.push_str(&visible_char(c));
            map.push((from + n + c.len_utf8(), self.text.len()));
        }
        let shown = |at: usize| {
            let n = map
                .partition_point(|(byte, _)| *byte <= at)
                .saturating_sub(1);
            map[n].1
        };
        for (_, span, index) in marks {
            self.marks[*index] = (shown(span.start)..shown(span.end), all[*index].1.clone());
        }
        if to < line.end {
            self.text.push('…');
        }
        self.text.push('\n');
    }

    /// The marked places for a graphical renderer.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabeledSpan> + '_ {
        self.marks.iter().enumerate().map(|(n, (span, label))| {
            let label = (!label.is_empty()).then(|| label.clone());
            let (start, length) = (span.start, span.len());
            if n == 0 {
                LabeledSpan::new_primary_with_span(label, (start, length))
            } else {
                LabeledSpan::new(label, start, length)
            }
        })
    }

    /// The lines with carets below them. `^` marks the fault, `-` what explains it.
    pub(super) fn render_plain(&self, out: &mut String) {
        let digits = self.lines.last().map_or(1, |l| l.number.to_string().len());
        let mut previous = None;
        for (n, line) in self.lines.iter().enumerate() {
            let end = self.lines.get(n + 1).map_or(self.text.len(), |l| l.offset);
            let shown = self.text[line.offset..end].trim_end_matches('\n');
            if previous.is_some_and(|p: usize| p + 1 < line.number) {
                let _ = writeln!(out, "  {:digits$} ⋮", "");
            }
            previous = Some(line.number);
            let _ = writeln!(out, "  {:digits$} | {shown}", line.number);
            let here =
                |m: &&(usize, &(Span, String))| m.1.0.start >= line.offset && m.1.0.start < end;
            for (index, (span, label)) in self.marks.iter().enumerate().filter(|m| here(&m)) {
                let stop = span.end.min(line.offset + shown.len()).max(span.start);
                let before = self.text[line.offset..span.start].width();
                let width = self.text[span.start..stop].width().max(1);
                let mark = if index == 0 { "^" } else { "-" }.repeat(width);
                let row = format!("  {:digits$} | {:before$}{mark} {label}", "", "");
                let _ = writeln!(out, "{}", row.trim_end());
            }
        }
    }
}

fn floor(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (start, end) = (span.offset(), span.offset() + span.len());
        if end > self.text.len() || self.lines.is_empty() {
            return Err(MietteError::OutOfBounds);
        }
        let first = self.lines.partition_point(|l| l.offset <= start).max(1) - 1;
        let last = self.lines.partition_point(|l| l.offset <= end).max(1) - 1;
        let from = self.lines[first].offset;
        let to = self
            .lines
            .get(last + 1)
            .map_or(self.text.len(), |l| l.offset);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            &self.text.as_bytes()[from..to],
            (from, to - from).into(),
            self.lines[first].number - 1,
            if before + after == 0 { self.column } else { 0 },
            last + 1 - first,
        )))
    }
}

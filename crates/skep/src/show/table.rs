//! Tables: columns as wide as they must be, the last one cut to what is left.

use crate::term::{Style, escape, fit, paint, width};

/// One cell.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

/// A plain cell.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    styled(text, Style::Plain)
}

/// A cell with a style. Its text may come from anywhere.
pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Cell {
    Cell { text: escape(text.as_ref()).into_owned(), style }
}

/// Renders rows below a head. With `most`, no line is wider: the last column is cut.
pub(crate) fn table(head: &[&str], rows: &[Vec<Cell>], most: Option<usize>, color: bool) -> String {
    let columns = head.len();
    let mut widths: Vec<usize> = head.iter().map(|h| width(h)).collect();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            widths[at] = widths[at].max(width(&cell.text));
        }
    }
    let mut out = String::new();
    let head = head.iter().map(|h| Cell { text: (*h).into(), style: Style::Dim }).collect();
    for row in std::iter::once(&head).chain(rows) {
        let row: &Vec<Cell> = row;
        let mut used = 0;
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let last = at + 1 == columns;
            let room = most.map_or(usize::MAX, |most| most.saturating_sub(used));
            let text = fit(&cell.text, room);
            let taken = width(&text);
            line.push_str(&paint(color && !text.is_empty(), cell.style, &text));
            if !last {
                let gap = (widths[at] + 2).saturating_sub(taken).min(room.saturating_sub(taken));
                line.push_str(&" ".repeat(gap));
                used += taken + gap;
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

//! A report as Markdown. Whatever a task is called, it is text and no markup.

use super::layout::{self, Block, Cell, Table};
use crate::api::ReportDoc;
use std::fmt::Write as _;

/// The report as Markdown, with charts as lines of blocks.
#[must_use]
pub fn markdown(doc: &ReportDoc) -> String {
    let mut out = format!("# {}\n\n", escaped(&layout::title(doc)));
    let _ = writeln!(out, "{}", escaped(&layout::span(doc)));
    for section in layout::sections(doc) {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            out.push('\n');
            write_block(&mut out, block);
        }
    }
    out
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => {
            let _ = writeln!(out, "{}", escaped(text));
        }
        Block::Figures(figures) => {
            for (name, value) in figures {
                let _ = writeln!(out, "- {name}: {}", marked(value));
            }
        }
        Block::Table(table) => write_table(out, table),
        Block::Chart(chart) => {
            let _ = writeln!(out, "{}\n", escaped(&chart.about()));
            for (name, line) in chart.blocks() {
                // Indented: nothing in it is markup, and a line of blocks keeps its width.
                let _ = writeln!(out, "    {line}  {}", plain(&name));
            }
        }
    }
}

fn write_table(out: &mut String, table: &Table) {
    let _ = writeln!(out, "| {} |", table.head.join(" | "));
    let numbers = |ix: usize| table.rows.first().is_some_and(|row| row[ix].number);
    let rules = (0..table.head.len()).map(|ix| if numbers(ix) { "---:" } else { "---" });
    let rules: Vec<&str> = rules.collect();
    let _ = writeln!(out, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(marked).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if table.more > 0 {
        let _ = writeln!(out, "\nand {} more", table.more);
    }
}

fn marked(cell: &Cell) -> String {
    // A span of code cannot hold a pipe in a table everywhere, nor any backtick, and not every reader knows that
    // nothing in it is HTML: those are shown as text.
    if cell.code && !cell.text.is_empty() && !cell.text.contains(['`', '|', '\\', '<']) {
        return format!("`{}`", plain(&cell.text));
    }
    escaped(&cell.text)
}

/// One line, without what drives a terminal.
fn plain(text: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if odd(c) { ' ' } else { c }).collect()
}

/// Text in which nothing is markup, HTML or a mention.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-7
    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            escaped("<script>|`x`|\n# [a](b) @me\x1b[31m"),
            "&lt;script&gt;\\|\\`x\\`\\| \\# \\[a\\](b) &#64;me \\[31m"
        );
    }
}

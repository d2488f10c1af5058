//! A report as a page of its own: no script, nothing fetched, readable in the dark, on a phone and on paper.

use super::layout::{self, Block, Cell, Fit, Table, Tone};
use crate::api::ReportDoc;
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// The report as a page that needs nothing else.
#[must_use]
pub fn html(doc: &ReportDoc) -> String {
    let title = escaped(&layout::title(doc));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n<header><h1>{title}</h1>\n\
         <p>{}</p></header>\n",
        escaped(&layout::span(doc))
    );
    for section in layout::sections(doc) {
        let _ = writeln!(out, "<section><h2>{}</h2>", escaped(section.title));
        for block in &section.blocks {
            write_block(&mut out, block);
        }
        out.push_str("</section>\n");
    }
    out.push_str("</main></body></html>\n");
    out
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => {
            let _ = writeln!(out, "<p>{}</p>", escaped(text));
        }
        Block::Figures(figures) => {
            out.push_str("<dl>");
            for (name, value) in figures {
                let (name, class) = (escaped(name), class(value));
                let _ = write!(
                    out,
                    "<div><dt>{name}</dt><dd{class}>{}</dd></div>",
                    escaped(&value.text)
                );
            }
            out.push_str("</dl>\n");
        }
        Block::Table(table) => write_table(out, table),
        Block::Chart(chart) => {
            let _ = write!(
                out,
                "<figure role=\"img\" aria-label=\"{}\"><figcaption>{}",
                escaped(&chart.about()),
                escaped(chart.title)
            );
            for (colour, name) in chart.names() {
                let _ = write!(
                    out,
                    " <span class=\"key\"><i class=\"c{colour}\"></i>{}</span>",
                    escaped(name)
                );
            }
            let _ = writeln!(out, "</figcaption>{}</figure>", chart.svg());
        }
    }
}

fn write_table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"wide\"><table><thead><tr>");
    for (ix, head) in table.head.iter().enumerate() {
        let number = table.rows.first().is_some_and(|row| row[ix].number);
        let class = if number { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escaped(head));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for cell in row {
            let (class, text) = (class(cell), escaped(&cell.text));
            let _ = match cell.code {
                true => write!(out, "<td{class}><code>{text}</code></td>"),
                false => write!(out, "<td{class}>{text}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if table.more > 0 {
        let _ = writeln!(out, "<p class=\"more\">and {} more</p>", table.more);
    }
}

fn class(cell: &Cell) -> &'static str {
    match (cell.tone, cell.number) {
        (Tone::Good, _) => " class=\"good\"",
        (Tone::Care, _) => " class=\"care\"",
        (Tone::Bad, _) => " class=\"bad\"",
        (Tone::Plain, true) => " class=\"n\"",
        (Tone::Plain, false) => match cell.fit {
            Fit::Any => "",
            Fit::Whole => " class=\"w\"",
            Fit::Long => " class=\"long\"",
        },
    }
}

/// Text in which nothing is markup, nor anything that an editor or a terminal would act on.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

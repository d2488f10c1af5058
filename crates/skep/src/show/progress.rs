//! Progress while a plan runs: permanent lines, and on a terminal a block below them that is drawn anew.

use super::{clock, line, live};
use crate::term::{self, Style, escape, paint};
use skep_core::{event::Record, state::State, time::Time};
use std::io;

/// Cells for when it happened.
const CLOCK: usize = 7;
/// Cells for what a line is about.
const ABOUT: usize = 14;

/// Shows progress on standard error.
pub(crate) struct Progress {
    began: Time,
    color: bool,
    /// What the block on the terminal looks like now; `None` without a terminal.
    drawn: Option<Vec<String>>,
}

impl Progress {
    pub(crate) fn new(began: Time, color: bool, live: bool) -> Progress {
        Progress {
            began,
            color,
            drawn: live.then(Vec::new),
        }
    }

    /// Something happened.
    pub(crate) fn record(&mut self, record: &Record, state: &State) {
        let elapsed = record.at.since(self.began).0;
        let wide = term::size(&io::stderr()).map(|s| s.0);
        let text: String = line::lines(record, state)
            .iter()
            .map(|l| permanent(l, elapsed, wide, self.color))
            .collect();
        if !text.is_empty() {
            self.above(&text);
        }
    }

    /// Something is to be said that is no event.
    pub(crate) fn note(&mut self, text: &str) {
        let wide = term::size(&io::stderr()).map(|s| s.0);
        let text = paint(self.color, Style::Strong, &escape(text));
        self.above(&term::wrap(&format!("{text}\n"), wide, 2));
    }

    /// Draws the block anew.
    pub(crate) fn draw(&mut self, state: &State, now: Time) {
        let Some(drawn) = &mut self.drawn else { return };
        let (width, height) = term::size(&io::stderr()).unwrap_or((80, 24));
        let lines = live::block(state, now, width, height, self.color);
        let text = format!("{}{}\n", erase(drawn, width), lines.join("\n"));
        term::draw(&text);
        *drawn = lines;
    }

    /// Takes the block away.
    pub(crate) fn end(&mut self) {
        self.above("");
    }

    fn above(&mut self, text: &str) {
        match &mut self.drawn {
            Some(drawn) => {
                let width = term::size(&io::stderr()).map_or(80, |s| s.0);
                term::draw(&format!("{}{text}", erase(drawn, width)));
                drawn.clear();
            }
            None => term::draw(text),
        }
    }
}

/// Moves to the block's first line and clears all below. A terminal that became narrower has wrapped the
/// lines, so each is counted as the rows it takes now.
fn erase(drawn: &[String], width: usize) -> String {
    let rows = |line: &String| term::visible_width(line).div_ceil(width.max(1)).max(1);
    match drawn.iter().map(rows).sum::<usize>() {
        0 => "\r\x1b[J".into(),
        up => format!("\x1b[{up}A\r\x1b[J"),
    }
}

/// One permanent line; on a terminal `wide` cells wide it may take several rows, broken between words.
pub(crate) fn permanent(
    line: &line::Line,
    elapsed_ms: u64,
    wide: Option<usize>,
    color: bool,
) -> String {
    let about = escape(&line.about);
    let narrow = wide.is_some_and(|wide| wide < 3 * (CLOCK + ABOUT));
    let column = if narrow { 0 } else { ABOUT };
    let gap = " ".repeat(column.saturating_sub(term::width(&about)));
    let clock = format!("{:>CLOCK$}", clock(elapsed_ms));
    let clock = paint(color, Style::Dim, &clock);
    let about = paint(color, Style::Strong, &about);
    let text = paint(color, line.style, &escape(&line.text));
    // Below the text where there is room for it, and else below what it is about.
    let hang = CLOCK + 2 + if narrow { 0 } else { ABOUT + 2 };
    term::wrap(&format!("{clock}  {about}{gap}  {text}\n"), wide, hang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_became_narrower_is_cleared_as_it_is_now() {
        let line = format!("{}\x1b[2m{}\x1b[0m", "x".repeat(50), "y".repeat(30));
        assert_eq!(term::visible_width(&line), 80);
        assert_eq!(erase(std::slice::from_ref(&line), 80), "\x1b[1A\r\x1b[J");
        assert_eq!(erase(&[line, "z".into()], 30), "\x1b[4A\r\x1b[J");
    }
}

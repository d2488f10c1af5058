//! The terminal: what may be printed on it, how wide it is, and whether it shows colour.

use crate::failure::{Exit, Failure};
use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};
use unicode_width::UnicodeWidthChar;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// What a piece of text means. The words carry the meaning; colour only repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Good,
    Bad,
    Care,
    Strong,
    Dim,
    Plain,
}

/// Whether text on `stream` may be coloured.
pub(crate) fn color(stream: &impl IsTerminal, choice: Option<ColorChoice>) -> bool {
    match choice {
        Some(ColorChoice::Always) => true,
        Some(ColorChoice::Never) => false,
        Some(ColorChoice::Auto) | None => {
            let no = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
            stream.is_terminal() && !no && !dumb
        }
    }
}

/// Text in a style, if there is colour.
pub(crate) fn paint(color: bool, style: Style, text: &str) -> String {
    let code = match style {
        Style::Good => "32",
        Style::Bad => "31;1",
        Style::Care => "33",
        Style::Strong => "1",
        Style::Dim => "2",
        Style::Plain => "",
    };
    if color && !code.is_empty() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.into()
    }
}

/// The stream's width and height in cells, if it is a terminal.
pub(crate) fn size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    let given = |n: u16, otherwise| if n == 0 { otherwise } else { usize::from(n) };
    Some((given(size.ws_col, 80), given(size.ws_row, 24)))
}

/// One line that is safe to print: controls, and marks that re-order text, are shown as escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(drives) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            c if drives(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.into()
}

/// The same for text of several lines, whose line feeds stay.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

fn drives(c: char) -> bool {
    let reorders = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || reorders
}

/// How many cells a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text in at most `most` cells, cut with an ellipsis.
pub(crate) fn fit(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > most {
            break;
        }
        used += wide;
        out.push(c);
    }
    if most > 0 {
        out.push('…');
    }
    out
}

/// The cells that a text takes on the screen, the colours that Skep itself put there not counted.
pub(crate) fn visible_width(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().map_or(0, width);
    parts.fold(first, |sum, part| {
        sum + width(part.split_once('m').map_or("", |(_, t)| t))
    })
}

/// The text with no line wider than `most` cells, as far as its words allow: broken at spaces, and what
/// follows a break begins `hang` cells in. A word that is wider than a line, such as a path, stays whole.
pub(crate) fn wrap(text: &str, most: Option<usize>, hang: usize) -> String {
    let Some(most) = most else {
        return text.into();
    };
    let lines = text.split('\n').map(|line| wrap_line(line, most, hang));
    lines.collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, most: usize, hang: usize) -> String {
    if visible_width(line) <= most {
        return line.into();
    }
    // Where half the line would be indent, the indent is not worth its room.
    let hang = if hang * 2 > most { 2 } else { hang };
    let indent = line.len() - line.trim_start_matches(' ').len();
    let mut out = line[..indent].to_string();
    let mut used = indent;
    // The spaces before the next word, which a break takes the place of.
    let (mut gap, mut begun) = (0, false);
    for word in line[indent..].split(' ') {
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let wide = visible_width(word);
        if begun && used + gap + wide > most {
            out.push('\n');
            out.push_str(&" ".repeat(hang));
            used = hang;
        } else if begun {
            out.push_str(&" ".repeat(gap));
            used += gap;
        }
        out.push_str(word);
        used += wide;
        (gap, begun) = (1, true);
    }
    out
}

/// Prints data. A reader that has had enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) => Err(unwritten(&error)),
    }
}

/// Why output ended early: quietly where its reader has had enough, and else as a failure.
pub(crate) fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::whole(Exit::Done, ""),
        io::ErrorKind::StorageFull => Failure::new(Exit::Refused, "cannot write the output")
            .because(error)
            .hint(
                "free some space where it is redirected to, and ask again: nothing else was harmed",
            ),
        _ => Failure::new(Exit::Refused, "cannot write the output").because(error),
    }
}

/// Prints a document as JSON.
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|e| Failure::new(Exit::Bug, "a document cannot be written as JSON").because(&e))?;
    print(&format!("{text}\n"))
}

/// Talks to the person; nobody listening is not an error. On a terminal, lines break between words.
pub(crate) fn say(text: &str) {
    let wide = size(&io::stderr()).map(|s| s.0);
    draw(&wrap(text, wide, 2));
}

/// Writes to the person's terminal as it is: text that fits already, and moves of the cursor.
pub(crate) fn draw(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: T-3
    #[test]
    fn nothing_that_drives_a_terminal_gets_through() {
        assert_eq!(
            escape("a\x1b[2Jb\u{9b}31m\u{202e}\n\tc"),
            "a\\u{1b}[2Jb\\u{9b}31m\\u{202e}\\n c"
        );
        assert_eq!(escape("plain ünïcode 漢字"), "plain ünïcode 漢字");
    }

    // proves: U-12
    #[test]
    fn lines_break_between_words_and_nothing_is_lost() {
        let text = "left out: it conflicts with what was merged before it; fix-1 is to bring it in";
        for most in [20, 40, 60] {
            let lines = wrap(text, Some(most), 4);
            assert!(lines.lines().all(|l| width(l) <= most), "{lines}");
            let words: Vec<&str> = lines.split_whitespace().collect();
            assert_eq!(words, text.split(' ').collect::<Vec<_>>());
        }
        assert_eq!(
            wrap("a /very/long/path b", Some(8), 2),
            "a\n  /very/long/path\n  b"
        );
        assert_eq!(wrap("漢字 漢字", Some(6), 0), "漢字\n漢字");
        assert_eq!(
            wrap("\x1b[31mred\x1b[0m tail", Some(8), 0),
            "\x1b[31mred\x1b[0m tail"
        );
        assert_eq!(wrap(text, None, 4), text);
    }

    #[test]
    fn text_is_cut_by_cells_not_by_characters() {
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("abcd", 0), "");
    }
}

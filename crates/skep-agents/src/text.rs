//! Text from an agent, made fit to be shown: no escape sequence, no control character, one line, short.

use alloc::string::String;
use core::{iter::Peekable, str::Chars};

/// How much of a message is kept, in characters: enough to recognise it by, small enough for an event.
pub const EXCERPT: usize = 300;
/// How much of a name or an id is kept.
pub(crate) const NAME: usize = 120;

/// The beginning of `text` as one line of at most `most` characters, without anything that drives a
/// terminal (ANSI, OSC and their eight-bit forms) or reorders what a person reads.
#[must_use]
pub fn excerpt(text: &str, most: usize) -> String {
    let mut kept = String::new();
    let mut count = 0;
    let mut gap = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            c if c.is_whitespace() => gap = true,
            c if c.is_control() || invisible(c) => {}
            c => {
                let space = gap && count > 0;
                if count + usize::from(space) >= most {
                    kept.push('…');
                    break;
                }
                if space {
                    kept.push(' ');
                    count += 1;
                }
                gap = false;
                kept.push(c);
                count += 1;
            }
        }
    }
    kept
}

/// All of `text` without anything that drives a terminal or reorders what a person reads, its lines kept and its
/// tabs made spaces.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\n' => kept.push('\n'),
            '\t' => kept.push_str("    "),
            // What a bar was redrawn over is of no interest.
            '\r' if chars.peek().is_some_and(|next| *next != '\n') => {
                let line = kept.rfind('\n').map_or(0, |at| at + 1);
                kept.truncate(line);
            }
            c if c.is_control() || invisible(c) => {}
            // Other separators of lines would make two of one.
            '\u{2028}' | '\u{2029}' => kept.push(' '),
            c => kept.push(c),
        }
    }
    kept
}

/// Marks that turn the direction of text or are not seen at all: they make a line look like another one.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        // The others end with one letter or digit, after any number of characters in between.
        _ => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
    }
}

fn skip_csi(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// To its end: BEL or ST. A line ends it too, so that a forgotten end does not hide the rest.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if(|c| *c == '\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // proves: T-3
    #[test]
    fn what_drives_a_terminal_is_taken_out_whole() {
        for (text, kept) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}2Jgone\u{9d}52;c;AAAA\u{9c}.", "gone."),
            ("\u{1b}(Bplain\u{1b}7\u{1b}c", "plain"),
            ("a\r\n\tb\u{8}c\0", "a bc"),
            ("\u{202e}abc\u{2066}", "abc"),
            ("\u{1b}]unended\nnext", "next"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(excerpt(text, 50), kept, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_where_it_says_so() {
        assert_eq!(excerpt("äöü äöü", 5), "äöü ä…");
        assert_eq!(excerpt("äöü äöü", 7), "äöü äöü");
        assert_eq!(excerpt("  a   b  ", 3), "a b");
    }

    proptest! {
        // proves: T-3
        #[test]
        fn an_excerpt_is_one_short_line_without_controls(text in "\\PC*|[\\x00-\\x9f]{0,80}", most in 1usize..40) {
            let kept = excerpt(&text, most);
            prop_assert!(kept.chars().count() <= most + 1);
            prop_assert!(!kept.chars().any(|c| c.is_control() || invisible(c)), "{kept:?}");
        }
    }
}

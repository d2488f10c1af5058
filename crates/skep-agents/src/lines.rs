//! From bytes as they come to lines, in bounded memory and whatever the bytes' splits.

use alloc::{string::String, vec::Vec};

/// A longer line is cut. Tool results with an image in them are lines of some megabytes.
pub const LINE_MAX: usize = 8 * 1024 * 1024;
/// How much is kept of a line that is cut: its type and first fields.
const HEAD: usize = 4 * 1024;
/// What is kept allocated between lines.
const RESERVE: usize = 64 * 1024;

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'l> {
    /// All of it.
    Whole(&'l str),
    /// The beginning of one that was too long.
    Cut(&'l str),
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// In the rest of a line that was cut.
    skipping: bool,
}

impl Lines {
    /// Gives every line that `bytes` complete to `take`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.skipping {
                self.skipping = false;
            } else if self.held.is_empty() && line.len() <= LINE_MAX {
                whole(line, &mut take);
            } else {
                self.hold(line, &mut take);
                if !self.skipping {
                    whole(&self.held, &mut take);
                }
                self.skipping = false;
                self.let_go();
            }
        }
        if !self.skipping {
            self.hold(bytes, &mut take);
        }
    }

    /// The output has ended: what is left is a line too.
    pub(crate) fn end(&mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.held.is_empty() {
            whole(&self.held, &mut take);
        }
        self.skipping = false;
        self.let_go();
    }

    fn hold(&mut self, bytes: &[u8], take: &mut impl FnMut(Line<'_>)) {
        let room = LINE_MAX - self.held.len();
        if bytes.len() <= room {
            self.held.extend_from_slice(bytes);
            return;
        }
        // The head lies in what is held and, if that is short, in what has just come.
        let missing = HEAD.saturating_sub(self.held.len()).min(bytes.len());
        self.held.truncate(HEAD);
        self.held.extend_from_slice(&bytes[..missing]);
        take(Line::Cut(&String::from_utf8_lossy(&self.held)));
        self.skipping = true;
        self.let_go();
    }

    fn let_go(&mut self) {
        self.held.clear();
        self.held.shrink_to(RESERVE);
    }
}

fn whole(line: &[u8], take: &mut impl FnMut(Line<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        take(Line::Whole(&String::from_utf8_lossy(line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};
    use proptest::prelude::*;

    fn cut_up(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in parts {
            lines.push(part, |line| seen.push(format!("{line:?}")));
        }
        lines.end(|line| seen.push(format!("{line:?}")));
        seen
    }

    #[test]
    fn lines_come_whole_and_the_last_needs_no_end() {
        let seen = cut_up(&[b"a\r\n", b"\nb", b"c\nd"]);
        assert_eq!(seen, ["Whole(\"a\")", "Whole(\"bc\")", "Whole(\"d\")"]);
    }

    #[test]
    fn a_line_without_end_is_cut_once_and_is_not_kept() {
        let mut lines = Lines::default();
        let mut cut = 0;
        for _ in 0..40 {
            lines.push(&vec![b'x'; 1 << 20], |line| match line {
                Line::Cut(head) => {
                    assert_eq!(head.len(), HEAD);
                    cut += 1;
                }
                Line::Whole(_) => panic!(),
            });
            assert!(lines.held.capacity() <= 2 * LINE_MAX);
        }
        assert_eq!(cut, 1);
        assert!(lines.held.capacity() <= RESERVE);
        let mut after = Vec::new();
        lines.push(b"rest\nnext\n", |line| after.push(format!("{line:?}")));
        assert_eq!(after, ["Whole(\"next\")"]);
    }

    proptest! {
        // proves: X-2
        #[test]
        fn splits_make_no_difference(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            at in 0usize..200,
            then in 0usize..200,
        ) {
            let (first, rest) = bytes.split_at(at.min(bytes.len()));
            let (second, third) = rest.split_at(then.min(rest.len()));
            prop_assert_eq!(cut_up(&[&bytes]), cut_up(&[first, second, third]));
        }
    }
}

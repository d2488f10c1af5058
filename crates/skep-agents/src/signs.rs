//! Signs of life in an agent's output: what is new in it, what repeats, and the lines that the prompt asks for.
//!
//! Any program can print any line, so nothing here finishes, accepts or extends anything: the lines are counted
//! as hints that somebody is at work, and no more (T-3).

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};

/// A line that begins so says that a long silence is no end.
const MARKER: &[u8] = b"SKEP: still working";
/// A line that begins so reports progress.
const CHECKPOINT: &[u8] = b"SKEP: checkpoint";
/// So many different lines are remembered; who goes round in a longer circle is not called a loop.
const REMEMBERED: usize = 4_096;
/// So much of a line tells it from others.
const LINE: usize = 1_024;

/// How many lines there were, by kind. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// All but markers.
    pub lines: u64,
    /// Those of them that were not there before.
    pub new_lines: u64,
    /// Those of them that report progress.
    pub checkpoints: u64,
    /// "Still working on …".
    pub markers: u64,
}

/// A reader of one attempt's output.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    counts: LineCounts,
    seen: BTreeSet<u64>,
    order: VecDeque<u64>,
    /// The beginning of the line that has not ended.
    open: Vec<u8>,
    /// It is longer than what is kept of it, or more of it came, since it was last counted.
    grown: bool,
}

impl Signs {
    /// Reads on. Pieces may be cut anywhere.
    pub fn read(&mut self, bytes: &[u8]) {
        // Progress bars end their lines with a carriage return.
        for piece in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let (text, ended) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE.saturating_sub(self.open.len());
            self.open.extend(text.iter().take(room));
            self.grown |= !text.is_empty();
            if ended {
                self.count();
                self.open.clear();
            }
        }
    }

    /// What has been read so far. A line that has not ended counts once for each time that it has grown: dots are
    /// output, too.
    pub fn counts(&mut self) -> LineCounts {
        self.count();
        self.counts
    }

    fn count(&mut self) {
        let line = self.open.trim_ascii();
        if !core::mem::take(&mut self.grown) || line.is_empty() {
            return;
        }
        if line.starts_with(MARKER) {
            self.counts.markers += 1;
            return;
        }
        self.counts.checkpoints += u64::from(line.starts_with(CHECKPOINT));
        self.counts.lines += 1;
        let hash = shape(line);
        if self.seen.insert(hash) {
            self.counts.new_lines += 1;
            self.order.push_back(hash);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
    }
}

/// FNV-1a over what makes a line different: not its numbers (a counter or a clock is nothing new), not how often a
/// character is repeated (a longer bar is nothing new).
fn shape(line: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut last = 0;
    for byte in line.iter().copied().filter(|b| !b.is_ascii_digit()) {
        if byte != last {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        last = byte;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn read(text: &str) -> LineCounts {
        let mut signs = Signs::default();
        signs.read(text.as_bytes());
        signs.counts()
    }

    // proves: L-4a
    #[test]
    fn a_counter_a_bar_and_a_clock_are_nothing_new() {
        let mut text = alloc::string::String::new();
        for n in 1..50 {
            text += &format!("retry {n} at 10:{n:02}\r[{}>  ]\n", "=".repeat(n));
        }
        let counts = read(&text);
        assert_eq!((counts.lines, counts.new_lines), (98, 2));
    }

    #[test]
    fn dots_are_output_and_nothing_new() {
        let mut signs = Signs::default();
        for n in 1..=5 {
            signs.read(b"...");
            assert_eq!((signs.counts().lines, signs.counts().new_lines), (n, 1));
        }
    }

    // proves: L-1, T-3
    #[test]
    fn markers_are_lines_of_their_own_and_no_output() {
        let text = "SKEP: still working on the build\nSKEP: checkpoint: parser done; next: tests\n\
                    it said SKEP: still working on nothing\n\nSKEP: done\n";
        let counts = read(text);
        assert_eq!((counts.markers, counts.checkpoints), (1, 1));
        assert_eq!((counts.lines, counts.new_lines), (3, 3));
    }

    #[test]
    fn pieces_may_be_cut_anywhere_and_memory_is_bounded() {
        let mut text = alloc::string::String::new();
        for n in 0..10_000_u32 {
            let word: alloc::string::String = format!("{n:08x}")
                .chars()
                .map(|c| char::from(c as u8 + 20))
                .collect();
            text += &format!("{word} {word}\n");
        }
        text += &"x".repeat(3_000_000);
        let mut signs = Signs::default();
        for piece in text.as_bytes().chunks(7) {
            signs.read(piece);
        }
        assert_eq!(signs.counts(), read(&text));
        assert!(signs.seen.len() <= REMEMBERED && signs.open.len() <= LINE);
    }
}

//! A run's output as lines that people read: each step's by who it is of, from any place in it on.

use super::{
    EXIT, SPEC,
    files::RunSpec,
    output::read_output,
    progress,
    talk::{Talk, adapter},
};
use skep_agents::{Kind, LINE_MAX, Narrator, Telling, redact::Secrets};
use std::{fs, io, path::Path};

/// A page of a run's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where in the whole output it begins. Later than asked for if that part was dropped already.
    pub at: u64,
    /// Where to go on.
    pub next: u64,
    /// What there is to read.
    pub lines: Vec<Telling>,
    /// There is more already.
    pub more: bool,
    /// The run is over: what is not there now never comes.
    pub ended: bool,
}

/// Whether any step of the run in `folder` prints a protocol and not what people read.
#[must_use]
pub fn is_told(folder: &Path) -> bool {
    let spec = spec(folder);
    let talks = spec
        .iter()
        .flat_map(|spec| &spec.steps)
        .filter_map(|s| s.talk.as_deref());
    talks.into_iter().any(Talk::is_protocol)
}

/// Reads about `most` bytes of the output from place `from` on, and tells what they say. Good for following it: what
/// is not complete yet is left for the next page. A model can spell a secret out over several messages, which are one
/// line here: so what the reader knows of `secrets` is taken out once more.
///
/// # Errors
/// When the files cannot be read.
pub fn narrated(folder: &Path, from: u64, most: usize, secrets: &Secrets) -> io::Result<Page> {
    // Asked before reading: what is written before the end is then read in this round.
    let ended = folder.join(EXIT).exists();
    let steps = Steps::of(folder)?;
    let piece = Piece::read(folder, from, most.max(1))?;
    let whole = ended && !piece.full;
    let mut page = Page {
        at: piece.at,
        next: piece.at,
        lines: Vec::new(),
        more: piece.full,
        ended,
    };
    let mut teller = Teller {
        step: None,
        narrator: Narrator::plain(),
        words_from: None,
    };
    let mut rest = &piece.bytes[..];
    while !rest.is_empty() {
        let (step, border) = steps.at(page.next);
        let room = border.map_or(rest.len(), |border| {
            usize::try_from(border - page.next).map_or(rest.len(), |room| room.min(rest.len()))
        });
        let line = match rest[..room].iter().position(|b| *b == b'\n') {
            Some(end) => end + 1,
            // The last line of a step has no end; nor has what is longer than any line.
            None if room < rest.len() || whole || piece.is_endless() => room,
            None => break,
        };
        teller.turn_to(step, &steps, &mut page.lines);
        teller.read(&rest[..line], page.next, &mut page.lines);
        page.next += line as u64;
        rest = &rest[line..];
    }
    teller.leave(whole, &mut page);
    for line in &mut page.lines {
        secrets.clean_mut(&mut line.text);
    }
    Ok(page)
}

/// Some bytes of the output: whole lines, as far as they can be had.
struct Piece {
    at: u64,
    bytes: Vec<u8>,
    /// There may be more.
    full: bool,
}

impl Piece {
    fn read(folder: &Path, from: u64, most: usize) -> io::Result<Piece> {
        let mut piece = Piece {
            at: from,
            bytes: Vec::new(),
            full: false,
        };
        loop {
            let enough = if piece.bytes.contains(&b'\n') {
                most
            } else {
                most.max(LINE_MAX)
            };
            piece.full = piece.bytes.len() >= enough;
            if piece.full {
                return Ok(piece);
            }
            let expected = piece.at + piece.bytes.len() as u64;
            let room = most.min(enough - piece.bytes.len());
            let chunk = read_output(folder, expected, room)?;
            if chunk.bytes.is_empty() {
                return Ok(piece);
            }
            if chunk.at > expected {
                // The rest of a line whose beginning is gone says nothing.
                piece.at = chunk.at;
                piece.bytes = chunk.bytes;
                let line = piece.bytes.iter().position(|b| *b == b'\n');
                let gone = line.map_or(0, |end| end + 1);
                piece.bytes.drain(..gone);
                piece.at += gone as u64;
            } else {
                piece.bytes.extend(chunk.bytes);
            }
        }
    }

    fn is_endless(&self) -> bool {
        self.full && !self.bytes.contains(&b'\n')
    }
}

/// Which step printed what.
struct Steps {
    begun: Vec<u64>,
    spec: Option<RunSpec>,
}

impl Steps {
    fn of(folder: &Path) -> io::Result<Steps> {
        let begun = progress::read(folder)?.map_or_else(Vec::new, |note| note.begun);
        Ok(Steps {
            begun: begun.iter().map(|step| step.output_from).collect(),
            spec: spec(folder),
        })
    }

    /// The step that printed what is at this place, and where the next one begins.
    fn at(&self, place: u64) -> (usize, Option<u64>) {
        let next = self.begun.partition_point(|from| *from <= place);
        (next.saturating_sub(1), self.begun.get(next).copied())
    }

    fn narrator(&self, step: usize) -> Narrator {
        let step = self.spec.as_ref().and_then(|spec| spec.steps.get(step));
        let talk = step.and_then(|step| step.talk.as_deref());
        // A later version's adapter is told as it printed.
        talk.and_then(|talk| adapter(talk).ok())
            .map_or_else(Narrator::plain, |adapter| adapter.narrator())
    }
}

fn spec(folder: &Path) -> Option<RunSpec> {
    serde_json::from_slice(&fs::read(folder.join(SPEC)).ok()?).ok()
}

struct Teller {
    step: Option<usize>,
    narrator: Narrator,
    /// Where the words begin whose end has not come.
    words_from: Option<u64>,
}

impl Teller {
    fn turn_to(&mut self, step: usize, steps: &Steps, lines: &mut Vec<Telling>) {
        if self.step != Some(step) {
            lines.extend(self.narrator.end());
            self.narrator = steps.narrator(step);
            self.step = Some(step);
            self.words_from = None;
        }
    }

    fn read(&mut self, line: &[u8], at: u64, lines: &mut Vec<Telling>) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let told = if line.len() >= LINE_MAX {
            vec![Telling {
                kind: Kind::Note,
                text: "a part of a line that is too long to be shown".into(),
            }]
        } else {
            self.narrator.line(line)
        };
        let fresh = !told.is_empty() || self.words_from.is_none();
        lines.extend(told);
        self.words_from = match (self.narrator.waits(), fresh) {
            (false, _) => None,
            (true, true) => Some(at),
            (true, false) => self.words_from,
        };
    }

    /// Words whose end has not come are read again with the next page, unless they fill a page by themselves.
    fn leave(mut self, whole: bool, page: &mut Page) {
        match self.words_from {
            Some(from) if !whole && (from > page.at || !page.more) => page.next = from,
            _ => page.lines.extend(self.narrator.end()),
        }
    }
}

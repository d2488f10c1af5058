//! The bounded output log: two files that together never exceed the limit, and the end of each
//! step's output in memory.

use crate::run::{
    LogPlace,
    progress::{OUTPUT, OUTPUT_OLD},
};
use skep_core::limits::OUTPUT_TAIL;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The most that is ever written at once.
pub(super) const WRITE: usize = 64 * 1024;
/// Smaller halves would make a flood of output a flood of renames. And not smaller than a write: so a
/// write rotates once at most, and every rotation is noted before the next.
const HALF_MIN: u64 = WRITE as u64;

/// The log of one run.
pub(super) struct Log {
    folder: PathBuf,
    file: Option<File>,
    half: u64,
    size: u64,
    place: LogPlace,
}

impl Log {
    /// A fresh log that will keep at most `most` bytes (at least 128 KiB).
    pub(super) fn new(folder: &Path, most: u64) -> Log {
        let half = (most / 2).max(HALF_MIN);
        let place = LogPlace::default();
        let mut log = Log {
            folder: folder.to_owned(),
            file: None,
            half,
            size: 0,
            place,
        };
        let _ = log.open();
        log
    }

    /// How the files lie now.
    pub(super) fn place(&self) -> LogPlace {
        self.place
    }

    /// Where in the whole output the next byte goes.
    pub(super) fn end(&self) -> u64 {
        self.place.base + self.size
    }

    /// Keeps these bytes. What the disk does not take is counted and dropped: a full disk must not
    /// stop the agent. Says whether [`Log::place`] changed in a way that readers must know.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> bool {
        let mut moved = false;
        while !bytes.is_empty() {
            let room = usize::try_from(self.half - self.size).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(bytes.len().min(room));
            if self.put(now).is_err() {
                moved |= self.place.dropped == 0;
            }
            bytes = rest;
            if self.size == self.half {
                moved |= self.rotate().is_ok();
            }
            if self.size == self.half {
                // Could not rotate: nothing more can be kept without exceeding the limit.
                self.place.dropped += bytes.len() as u64;
                return moved;
            }
        }
        moved
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let result = self.open();
        while !bytes.is_empty() {
            let written = match (&result, &mut self.file) {
                (Ok(()), Some(file)) => file.write(bytes),
                _ => Ok(0),
            };
            match written {
                Ok(length) if length > 0 => {
                    self.size += length as u64;
                    bytes = &bytes[length..];
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.place.dropped += bytes.len() as u64;
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.create(true).write(true).truncate(true).mode(0o600);
            let file = options.open(self.folder.join(OUTPUT))?;
            self.place.inode = file.metadata()?.ino();
            self.file = Some(file);
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(self.folder.join(OUTPUT), self.folder.join(OUTPUT_OLD))?;
        self.file = None;
        self.place.base += self.size;
        self.size = 0;
        self.open()
    }
}

/// The last bytes of something long.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    total: u64,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.bytes
            .extend_from_slice(&bytes[bytes.len().saturating_sub(OUTPUT_TAIL)..]);
        // Twice the need is kept, so that moving what stays is rare.
        if self.bytes.len() > 2 * OUTPUT_TAIL {
            self.bytes.drain(..self.bytes.len() - OUTPUT_TAIL);
        }
    }

    /// The end as text, at most [`OUTPUT_TAIL`] bytes of it.
    pub(super) fn text(&self) -> String {
        let mut from = self.bytes.len().saturating_sub(OUTPUT_TAIL);
        // A character that the cut went through is dropped, not shown as damage.
        if self.total > (self.bytes.len() - from) as u64 {
            let rest = &self.bytes[from..];
            from += rest
                .iter()
                .take(3)
                .take_while(|b| **b & 0xC0 == 0x80)
                .count();
        }
        let text = String::from_utf8_lossy(&self.bytes[from..]);
        // Each byte that is no text became three: cut again.
        let over = text.len().saturating_sub(OUTPUT_TAIL);
        text[text.ceil_char_boundary(over)..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_text_and_bounded() {
        let mut tail = Tail::default();
        for _ in 0..10_000 {
            tail.push("é€".as_bytes());
        }
        assert!(tail.text().len() <= OUTPUT_TAIL && tail.text().len() > OUTPUT_TAIL - 8);
        assert!(
            !tail.text().contains('\u{fffd}'),
            "{:?}",
            &tail.text()[..10]
        );
        let mut tail = Tail::default();
        tail.push(&vec![0xFF; 100_000]);
        assert!(tail.text().len() <= OUTPUT_TAIL && tail.text().starts_with('\u{fffd}'));
        assert_eq!(tail.total, 100_000);
        let mut tail = Tail::default();
        tail.push(b"\x80short");
        assert_eq!(
            tail.text(),
            "\u{fffd}short",
            "nothing was cut, so nothing is hidden"
        );
    }

    #[test]
    fn the_log_never_exceeds_its_limit_and_keeps_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path(), 150_000);
        let all: Vec<u8> = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
        for piece in all.chunks(7_777) {
            log.write(piece);
            let size = |name| fs::metadata(folder.path().join(name)).map_or(0, |m| m.size());
            assert!(size(OUTPUT) + size(OUTPUT_OLD) <= 150_000);
        }
        assert_eq!(log.end(), 1_000_003);
        let mut kept = fs::read(folder.path().join(OUTPUT_OLD)).unwrap();
        kept.extend(fs::read(folder.path().join(OUTPUT)).unwrap());
        assert!(kept.len() >= 75_000 && all.ends_with(&kept));
    }
}

//! The high-water mark: the newest (number, hash) of the log, kept outside the database.
//!
//! SQLite takes a damaged or cut WAL for the end of the log and says nothing. The mark is written after
//! each commit, so it is never ahead of what is durable; it is made durable itself only now and then,
//! since being behind costs nothing but a little of its power. Two slots take turns: a torn write spoils one.

use super::place::Place;
use crate::chain::{self, Hash};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// One slot: 20 digits, 32 of hash, 8 of check, spaces and a line's end, so that a person can read it.
const SLOT: usize = 64;
/// After how many writes the mark is made durable: at one fsync of 0.15 ms, far below a thousandth.
const SYNC_EVERY: u32 = 4096;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// What was found where a mark should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    None,
    Unreadable,
    Tip(Tip),
}

/// An open mark, for the writer.
pub(crate) struct Mark {
    file: File,
    slot: u64,
    unsynced: u32,
}

/// Reads the mark of a log.
pub(crate) fn read(place: &Place) -> Found {
    match std::fs::read(&place.mark) {
        Ok(bytes) => {
            let slots = bytes.chunks(SLOT).filter_map(parse);
            slots
                .max_by_key(|tip| tip.seq)
                .map_or(Found::Unreadable, Found::Tip)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Found::None,
        Err(_) => Found::Unreadable,
    }
}

impl Mark {
    /// Writes the mark anew and durably, in both slots: what an old one said is forgotten.
    pub(crate) fn start(place: &Place, tip: Tip) -> io::Result<Self> {
        let new = super::place::beside(&place.mark, ".new");
        let file = write_new(&new, tip)?;
        std::fs::rename(&new, &place.mark)?;
        place.sync_dir()?;
        Ok(Self {
            file,
            slot: 0,
            unsynced: 0,
        })
    }

    /// Goes on with the mark as it is, where there is no room for a new one: its blocks are its own.
    pub(crate) fn resume(place: &Place) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(&place.mark)?;
        Ok(Self {
            file,
            slot: 0,
            unsynced: 0,
        })
    }

    /// Moves the mark. An error is not one of the log's: the entries are durable already.
    pub(crate) fn set(&mut self, tip: Tip) -> io::Result<()> {
        self.file
            .write_all_at(&format(tip), self.slot * SLOT as u64)?;
        self.slot ^= 1;
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes the mark durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync_data()
    }
}

fn write_new(path: &Path, tip: Tip) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&format(tip))?;
    file.write_all(&format(tip))?;
    file.sync_all()?;
    Ok(file)
}

fn format(tip: Tip) -> [u8; SLOT] {
    let mut slot = [b' '; SLOT];
    let mut text = io::Cursor::new(&mut slot[..]);
    let number = u128::from_be_bytes(tip.hash);
    // The slot is larger than what is written, so this cannot fail.
    write!(text, "{:020} {number:032x} {:08x}", tip.seq, check(tip)).ok();
    slot[SLOT - 1] = b'\n';
    slot
}

fn parse(slot: &[u8]) -> Option<Tip> {
    let text = std::str::from_utf8(slot).ok()?;
    let mut words = text.split_ascii_whitespace();
    let seq = words.next()?.parse().ok()?;
    let hash = u128::from_str_radix(words.next()?, 16).ok()?.to_be_bytes();
    let tip = Tip { seq, hash };
    (u32::from_str_radix(words.next()?, 16).ok()? == check(tip)).then_some(tip)
}

fn check(tip: Tip) -> u32 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&tip.seq.to_le_bytes());
    bytes[8..].copy_from_slice(&tip.hash);
    let hash = chain::short(&bytes);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_as_written_and_one_flipped_bit_spoils_it() {
        for seq in [0, 1, u64::MAX] {
            let tip = Tip {
                seq,
                hash: [0xa5; 16],
            };
            let slot = format(tip);
            assert_eq!(parse(&slot), Some(tip));
            for bit in 0..SLOT * 8 {
                let mut bad = slot;
                bad[bit / 8] ^= 1 << (bit % 8);
                // Padding, or the case of a hexadecimal digit, may change without changing the meaning.
                assert!(parse(&bad).is_none_or(|t| t == tip), "bit {bit}");
            }
        }
    }
}

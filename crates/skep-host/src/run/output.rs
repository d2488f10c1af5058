//! Reading a run's output: a bounded log in two files, addressed by its place in the whole output.

use super::progress::{self, OUTPUT, OUTPUT_OLD};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// The files of a run's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Those that exist, older first.
    pub files: Vec<PathBuf>,
}

/// Where the output of the run in `folder` is kept.
#[must_use]
pub fn output(folder: &Path) -> Output {
    let files = [OUTPUT_OLD, OUTPUT].map(|name| folder.join(name));
    Output {
        files: files.into_iter().filter(|path| path.exists()).collect(),
    }
}

/// A piece of a run's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the whole output it begins. Later than asked for if that part was dropped already.
    pub at: u64,
    /// The bytes, as the agent wrote them; none if there is nothing there yet.
    pub bytes: Vec<u8>,
}

/// Reads at most `most` bytes of the output from place `from` on; good for following it, since a
/// place stays right when the log is rotated.
///
/// # Errors
/// When the files cannot be read.
pub fn read_output(folder: &Path, from: u64, most: usize) -> io::Result<Chunk> {
    read(folder, most, |_| from)
}

/// The end of the output as it is now: at most `most` bytes of it.
///
/// # Errors
/// When the files cannot be read.
pub fn tail_output(folder: &Path, most: usize) -> io::Result<Chunk> {
    let back = u64::try_from(most).unwrap_or(u64::MAX);
    let mut tail = read(folder, most, |end| end.saturating_sub(back))?;
    // What lies in both files comes in two pieces.
    while let Some(room) = most.checked_sub(tail.bytes.len()).filter(|room| *room > 0) {
        let next = read_output(folder, tail.at + tail.bytes.len() as u64, room)?;
        if next.bytes.is_empty() {
            break;
        }
        tail.bytes.extend(next.bytes);
    }
    Ok(tail)
}

/// From the place on that `choose` says when told where the output ends now.
fn read(folder: &Path, most: usize, choose: impl Fn(u64) -> u64) -> io::Result<Chunk> {
    // Repeated when the log is rotated between two of these looks.
    for _ in 0..100 {
        let (old, new) = (open(folder, OUTPUT_OLD)?, open(folder, OUTPUT)?);
        let note = progress::read(folder)?;
        let nothing = Ok(Chunk {
            at: choose(0),
            bytes: Vec::new(),
        });
        let (Some((new, meta)), Some(note)) = (new, note) else {
            return nothing;
        };
        let Some(base) = note.log.base_of(&meta, old.as_ref().map(|(_, meta)| meta)) else {
            std::thread::yield_now();
            continue;
        };
        // Every rotation replaces the older file: the same one before and after, and these two belong
        // together.
        if open(folder, OUTPUT_OLD)?.map(|(_, meta)| meta.ino()) != old.as_ref().map(|o| o.1.ino())
        {
            continue;
        }
        let old_size = old.as_ref().map_or(0, |(_, meta)| meta.size());
        let from = choose(base + meta.size());
        let at = from.max(base.saturating_sub(old_size));
        let (file, offset) = match old {
            Some((old, _)) if at < base => (old, at + old_size - base),
            _ => (new, at - base),
        };
        let mut bytes = vec![0; most];
        let length = file.read_at(&mut bytes, offset)?;
        bytes.truncate(length);
        return Ok(Chunk { at, bytes });
    }
    Err(io::Error::other(
        "the output rotates faster than it can be read",
    ))
}

fn open(folder: &Path, name: &str) -> io::Result<Option<(File, Metadata)>> {
    match File::open(folder.join(name)) {
        Ok(file) => file.metadata().map(|meta| Some((file, meta))),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

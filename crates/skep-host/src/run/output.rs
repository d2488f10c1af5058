//! Reading a run's output: a bounded log in two files, addressed by its place in the whole output.

use super::progress::{self, OUTPUT, OUTPUT_OLD};
use std::{
    fs::{self, File},
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
    // A rotation between two of these looks shows in the inode; it takes the shim a moment to note.
    for _ in 0..100 {
        let (old, new) = (open(folder, OUTPUT_OLD)?, open(folder, OUTPUT)?);
        let Some(new) = new else {
            return Ok(Chunk {
                at: from,
                bytes: Vec::new(),
            });
        };
        let place = progress::read(folder)?.map(|p| p.log).unwrap_or_default();
        if new.metadata()?.ino() != place.inode {
            std::thread::yield_now();
            continue;
        }
        let old_size = old
            .as_ref()
            .map_or(Ok(0), |file| file.metadata().map(|m| m.size()))?;
        let at = from.max(place.base.saturating_sub(old_size));
        let (file, offset) = match old {
            Some(old) if at < place.base => (old, at + old_size - place.base),
            _ => (new, at - place.base),
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

fn open(folder: &Path, name: &str) -> io::Result<Option<File>> {
    match fs::File::open(folder.join(name)) {
        Ok(file) => Ok(Some(file)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

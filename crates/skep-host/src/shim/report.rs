//! Writing `exit.json`, the last act of a shim, also when the disk is full.

use super::claim::sync_folder;
use crate::run::{EXIT, files::RunReport, progress::OUTPUT_OLD};
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Room for a report with its tails and a long list of files.
const ROOM: u64 = 256 * 1024;
/// How long a report waits for a disk that will not take it. Someone may make room; after that the
/// keeper is better served by a shim that is gone than by one that seems to run.
const PATIENCE: Duration = Duration::from_secs(600);

/// The file that will be `exit.json`: made at the start, with its room, so that neither a full disk
/// nor a lack of inodes or descriptors can keep the report from being written.
pub(super) struct Reserve {
    folder: PathBuf,
    file: Option<File>,
}

impl Reserve {
    /// Takes the room, as far as there is any.
    pub(super) fn new(folder: &Path) -> Reserve {
        let mut reserve = Reserve {
            folder: folder.to_owned(),
            file: None,
        };
        if let Ok(file) = reserve.open() {
            let _ = fallocate(file, FallocateFlags::empty(), 0, ROOM);
        }
        reserve
    }

    fn place(&self) -> PathBuf {
        self.folder.join("exit.tmp")
    }

    fn open(&mut self) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                options
                    .create(true)
                    .write(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(self.place())?
            }
        };
        Ok(self.file.insert(file))
    }

    /// Publishes the report: whole and on the disk before it is to be seen.
    pub(super) fn publish(&mut self, report: &RunReport) -> io::Result<()> {
        let bytes = serde_json::to_vec(report)?;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(20);
        while let Err(fault) = self.put(&bytes) {
            // Where there is no folder, there never will be room.
            if Instant::now() + pause > deadline || !self.folder.exists() {
                return Err(fault);
            }
            // The older half of the output is worth less than the report.
            let _ = fs::remove_file(self.folder.join(OUTPUT_OLD));
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.open()?;
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()?;
        fs::rename(self.place(), self.folder.join(EXIT))?;
        sync_folder(&self.folder)
    }
}

//! The one act that makes a shim *the* shim of a run: `started.json` appears, whole and locked, or
//! it was there already.

use crate::run::{STARTED, boot_id, files::Started};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The right to run the steps. The lock lasts as long as this process: agents never inherit it.
pub(super) struct Claim {
    /// Only held: the lock ends with it.
    file: File,
    folder: PathBuf,
    settled: bool,
}

/// Tries to become the run's shim; none if there is or was another.
pub(super) fn claim(folder: &Path, at: u64) -> io::Result<Option<Claim>> {
    let place = folder.join(STARTED);
    if place.exists() {
        return Ok(None);
    }
    let pid = std::process::id();
    let next = folder.join(format!("started.{pid}.tmp"));
    // Left by a shim of the same number that died here. It may even be the same file as the place's.
    let _ = fs::remove_file(&next);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    let mut take = || -> io::Result<bool> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let boot = boot_id().unwrap_or_default();
        file.write_all(&serde_json::to_vec(&Started { pid, boot, at })?)?;
        // Creating by link is as exclusive as O_EXCL, and leaves no moment in which the file is there
        // but empty or not locked yet.
        match fs::hard_link(&next, &place) {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(fault) => Err(fault),
        }
    };
    let won = take();
    let _ = fs::remove_file(&next);
    Ok(won?.then(|| Claim {
        file,
        folder: folder.to_owned(),
        settled: false,
    }))
}

impl Claim {
    /// Shows that the shim lives: the time stamp of `started.json`. Nothing else of the file changes.
    pub(super) fn beat(&self) {
        let now = std::time::SystemTime::now();
        // A file system that will not note it only makes the keeper look closer.
        let _ = self.file.set_modified(now);
    }

    /// Whether anybody could still find this run: its folder may be removed under it, and then nobody will ever
    /// ask for its result or end it.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let there = fs::symlink_metadata(self.folder.join(STARTED));
        match (self.file.metadata(), there) {
            (Ok(ours), Ok(there)) => identity(ours) == identity(there),
            _ => false,
        }
    }

    /// The folder in which the run's own was made, as long as that may not be on the disk yet: a holder sees
    /// to it while [`settle`](Self::settle) sees to the rest.
    pub(super) fn unsettled(&self) -> Option<PathBuf> {
        let above = self.folder.parent().filter(|_| !self.settled);
        above.map(Path::to_owned)
    }

    /// Makes the claim survive a power cut. Before the first step begins, so that no run is done
    /// twice; apart from taking it, so that other preparations can go on meanwhile.
    pub(super) fn settle(&self) -> io::Result<()> {
        if self.settled {
            return Ok(());
        }
        // That the file is there is what counts. Should its content not reach the disk, it is
        // read as damaged, and so the run as lost, which after a power cut it is.
        sync_folder(&self.folder)
    }

    /// Both are done.
    pub(super) fn settled(&mut self) {
        self.settled = true;
    }
}

/// Makes what was created in or renamed into a folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

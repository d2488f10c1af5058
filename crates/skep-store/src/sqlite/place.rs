//! Where a log's files are: their paths, modes, lock, file system, and whether they are still there.
//!
//! Nothing here may open and close the database file itself while SQLite has it open in this process:
//! closing any descriptor of a file drops all of the process's POSIX locks on it, SQLite's included.

use crate::{Damage, Fault, OpenError};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The files of one log. Symlinks are resolved once, so that everyone locks the same lock file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) db: PathBuf,
    pub(crate) wal: PathBuf,
    pub(crate) shm: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) mark: PathBuf,
}

impl Place {
    /// Resolves `path`; with `create`, makes its folder first, for this user only.
    pub(crate) fn of(path: &Path, create: bool) -> Result<Self, OpenError> {
        let io = |doing, source: io::Error| io_fault(doing, path, source);
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if create && !parent.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(|e| io("create the folder of", e))?;
        }
        let not_found = || OpenError::NotFound { path: path.into() };
        let name = path.file_name().ok_or_else(not_found)?;
        let db = match fs::canonicalize(path) {
            Ok(db) => db,
            // A symlink to nowhere is not an invitation to create its target.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                match fs::canonicalize(parent) {
                    Ok(parent) => parent.join(name),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(not_found()),
                    Err(e) => return Err(io("reach", e).into()),
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(not_found()),
            Err(e) => return Err(io("reach", e).into()),
        };
        Ok(Self {
            dir: db.parent().map_or_else(|| "/".into(), Path::to_path_buf),
            wal: beside(&db, "-wal"),
            shm: beside(&db, "-shm"),
            lock: beside(&db, ".lock"),
            mark: beside(&db, ".head"),
            db,
        })
    }

    /// Creates the database file, empty and for this user only.
    pub(crate) fn create(&self) -> Result<(), Fault> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.db)
            .and_then(|_| self.sync_dir())
            .map_err(|e| self.fault("create", &self.db, e))
    }

    /// Makes the folder's list of files durable.
    pub(crate) fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// Takes the database file away from group and others, should they have it.
    pub(crate) fn tighten(&self) {
        // Best effort: the file may belong to someone else who lets us write it. `doctor` reports it.
        if fs::metadata(&self.db).is_ok_and(|m| m.mode() & 0o077 != 0) {
            fs::set_permissions(&self.db, Permissions::from_mode(0o600)).ok();
        }
    }

    /// Bytes free for an ordinary user; 0 if the system does not say.
    pub(crate) fn free(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
    }

    /// Whether files can be made beside the log.
    pub(crate) fn is_writable(&self) -> bool {
        rustix::fs::access(&self.dir, rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// An error of the system, told apart where there is something to do about it.
    pub(crate) fn fault(&self, doing: &'static str, path: &Path, error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full {
                path: path.into(),
                free: self.free(),
            },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Fault::ReadOnly { path: path.into() }
            }
            _ => io_fault(doing, path, error),
        }
    }

    /// The kind of file system the log lies on, where that matters.
    pub(crate) fn file_system(&self) -> FileSystem {
        match rustix::fs::statfs(&self.dir) {
            Ok(found) => kind_of(u64::try_from(found.f_type).unwrap_or_default()),
            Err(_) => FileSystem::Local,
        }
    }

    /// Takes the writer's lock, or says who has it. It ends with the process at the latest.
    pub(crate) fn lock(&self) -> Result<Lock, OpenError> {
        let io = |e| self.fault("lock", &self.lock, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.lock)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                // The pid is a courtesy; a full disk must not keep the log from being opened.
                let pid = std::process::id().to_string();
                file.set_len(0)
                    .and_then(|()| file.write_all(pid.as_bytes()))
                    .ok();
                Ok(Lock(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                (&file).take(20).read_to_string(&mut text).ok();
                Err(OpenError::Locked {
                    path: self.db.clone(),
                    pid: text.trim().parse().ok(),
                })
            }
            Err(TryLockError::Error(e)) => Err(io(e).into()),
        }
    }
}

/// The writer's lock, held.
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a program that is being started just now, by another thread, has a copy
        // of the descriptor until it runs, and the lock with it.
        self.0.unlock().ok();
    }
}

/// An error of the system as is.
pub(crate) fn io_fault(doing: &'static str, path: &Path, error: io::Error) -> Fault {
    Fault::Io {
        doing,
        path: path.into(),
        source: error.into(),
    }
}

/// A file's name with something after it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file system keeps its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// Local, as far as is known.
    Local,
    /// Somewhere else: locks and fsync are not to be relied on.
    Network(&'static str),
    /// Up to the program behind it.
    Fuse,
}

fn kind_of(magic: u64) -> FileSystem {
    // f_type is signed on some machines: only the low 32 bits are the magic number.
    match magic & 0xffff_ffff {
        0x6969 => FileSystem::Network("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => FileSystem::Network("SMB"),
        0x0102_1997 => FileSystem::Network("9p"),
        0x5346_414f | 0x6b41_4653 => FileSystem::Network("AFS"),
        0x00c3_6400 => FileSystem::Network("Ceph"),
        0x0bd0_0bd0 => FileSystem::Network("Lustre"),
        0x4750_4653 => FileSystem::Network("GPFS"),
        0x7375_7245 => FileSystem::Network("Coda"),
        0x6573_5546 => FileSystem::Fuse,
        _ => FileSystem::Local,
    }
}

/// Which file is at a path, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    id: (u64, u64),
    len: u64,
}

/// The files as they were last known. A reader watches the database only: the WAL comes and goes
/// with the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    db: Stamp,
    wal: Option<Stamp>,
}

impl Stamps {
    pub(crate) fn take(place: &Place, writer: bool) -> Result<Self, Damage> {
        Ok(Self {
            db: stamp(&place.db)?,
            wal: writer.then(|| stamp(&place.wal)).transpose()?,
        })
    }

    /// Says when a file was moved, replaced or cut since: SQLite itself would go on writing to a file
    /// that nobody can find any more. Only this process shortens the files, and only while it writes.
    pub(crate) fn check(&self, place: &Place) -> Result<(), Damage> {
        let files = [(Some(self.db), &place.db), (self.wal, &place.wal)];
        for (was, path) in files {
            let Some(was) = was else { continue };
            let is = stamp(path)?;
            if is.id != was.id {
                return Err(Damage::Replaced { path: path.clone() });
            }
            if is.len < was.len {
                return Err(Damage::Cut {
                    path: path.clone(),
                    was: was.len,
                    is: is.len,
                });
            }
        }
        Ok(())
    }
}

fn stamp(path: &Path) -> Result<Stamp, Damage> {
    match fs::symlink_metadata(path) {
        Ok(m) => Ok(Stamp {
            id: (m.dev(), m.ino()),
            len: m.len(),
        }),
        // Whatever keeps us from seeing the file keeps everyone from finding what we would write to it.
        Err(_) => Err(Damage::Missing { path: path.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known() {
        assert_eq!(kind_of(0x6969), FileSystem::Network("NFS"));
        assert_eq!(kind_of(0xffff_ffff_ff53_4d42), FileSystem::Network("SMB"));
        assert_eq!(kind_of(0x0102_1997), FileSystem::Network("9p"));
        assert_eq!(kind_of(0x6573_5546), FileSystem::Fuse);
        assert_eq!(kind_of(0xef53), FileSystem::Local, "ext4");
    }
}

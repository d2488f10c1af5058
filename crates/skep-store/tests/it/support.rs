//! What several tests need.

use skep_store::{
    Entry, Log, NewEntry, OpenError, OpenMode, SqliteLog,
    conformance::{collect, entry},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) struct Dir {
    temp: tempfile::TempDir,
}

impl Dir {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o700)).unwrap();
        Self { temp }
    }
    pub(crate) fn path(&self) -> &Path {
        self.temp.path()
    }
    pub(crate) fn db(&self) -> PathBuf {
        self.path().join("swarm.db")
    }
    pub(crate) fn open(&self, mode: OpenMode) -> Result<SqliteLog, OpenError> {
        SqliteLog::open(&self.db(), mode)
    }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn entries(from: u64, to: u64) -> Vec<NewEntry> {
    (from..=to).map(entry).collect()
}

pub(crate) fn append(log: &mut dyn Log, new: &[NewEntry]) -> u64 {
    log.append(log.head(), new).unwrap()
}

pub(crate) fn all(log: &mut dyn Log) -> Vec<Entry> {
    collect(log, 0).unwrap()
}

/// The log's files as a kill would leave them: copied while the log is open.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for suffix in ["", "-wal", ".head"] {
        let (from, to) = (beside(from, suffix), beside(to, suffix));
        match fs::copy(&from, &to) {
            Ok(_) => {}
            Err(_) => {
                fs::remove_file(&to).ok();
            }
        }
    }
    fs::remove_file(beside(to, "-shm")).ok();
}

/// A small disk of its own; `None`, said loudly, where the tests may not mount.
pub(crate) struct Disk {
    pub(crate) dir: Dir,
}

impl Disk {
    pub(crate) fn new(options: &str) -> Option<Self> {
        let dir = Dir::new();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "skep-test"])
            .arg(dir.path())
            .output();
        if done.is_ok_and(|o| o.status.success()) {
            Some(Self { dir })
        } else {
            eprintln!("SKIPPED: this test mounts a tmpfs, which needs root");
            None
        }
    }
    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mut mount = Command::new("mount");
        mount.args(["-o", &options]).arg(self.dir.path());
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("-l")
            .arg(self.dir.path())
            .status()
            .ok();
    }
}

/// Small, seeded randomness: a failing test can be run again.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

//! Who is at work on a site: `keeper.json` and `watchdog.json`, each written whole by the process it is about.
//!
//! A keeper that ends because somebody wanted it to removes its file as its last act. So a file that names a
//! dead process says that the process died, and no file says that nothing is missing.

use crate::{
    run::{ProcessId, boot_id, procfs},
    site::Site,
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use skep_core::spec::Host;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
    time::{Duration, SystemTime},
};

/// A process, told apart from every other one there ever was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Number and start.
    #[serde(flatten)]
    pub process: ProcessId,
    /// The boot it belongs to.
    pub boot: String,
}

impl Who {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` does not say.
    pub fn me() -> io::Result<Who> {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        let me = procfs::read(pid).ok_or_else(|| io::Error::other("/proc does not know of me"))?;
        Ok(Who {
            process: me.id,
            boot: boot_id().unwrap_or_default(),
        })
    }

    /// A descriptor of it, if it lives.
    #[must_use]
    pub fn hold(&self) -> Option<OwnedFd> {
        if boot_id().is_some_and(|boot| boot != self.boot) {
            return None;
        }
        let fd = procfs::hold(self.process)?;
        // One that only waits to be taken note of is as good as gone.
        (!procfs::read(self.process.pid)?.zombie).then_some(fd)
    }
}

/// `keeper.json`. Its time stamp is the keeper's heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperFile {
    /// Format version, now 1.
    pub version: u32,
    /// The keeper.
    #[serde(flatten)]
    pub who: Who,
    /// The version of Skep it is.
    pub skep: String,
    /// Whether it stays when a plan is done (`skep up`) or belongs to a run.
    pub stays: bool,
    /// Whether a watchdog was wanted for it.
    pub watched: bool,
    /// Without a heartbeat for so long it counts as hung.
    pub hung_after_ms: u64,
    /// Where its attempts run, whatever plans say of it.
    #[serde(default)]
    pub host: Option<Host>,
    /// Where it listens beside its socket, in the words of the command line.
    #[serde(default)]
    pub listen: Vec<String>,
}

impl KeeperFile {
    /// What the last keeper here said of itself. It need not live.
    #[must_use]
    pub fn read(site: &Site) -> Option<KeeperFile> {
        read(&site.keeper_file())
    }

    /// How long it has not shown that it lives, by the wall's clock: for people, not for decisions.
    #[must_use]
    pub fn silence(&self, site: &Site) -> Option<Duration> {
        let beat = heartbeat(site)?;
        Some(SystemTime::now().duration_since(beat).unwrap_or_default())
    }

    /// See the field.
    #[must_use]
    pub fn hung_after(&self) -> Duration {
        Duration::from_millis(self.hung_after_ms)
    }
}

/// The keeper's last sign of life: only whether it changes says something.
#[must_use]
pub fn heartbeat(site: &Site) -> Option<SystemTime> {
    let meta = fs::metadata(site.keeper_file()).ok()?;
    meta.modified().ok()
}

/// What a watchdog is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogState {
    /// A keeper lives, and is watched.
    Watching,
    /// The keeper died, and the next is started after a pause.
    Waiting,
    /// Too many keepers died; no more are started. The watchdog has ended.
    GaveUp,
}

/// Why a keeper had to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperFailure {
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// What is known.
    pub why: String,
}

/// `watchdog.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogFile {
    /// Format version, now 1.
    pub version: u32,
    /// The watchdog.
    #[serde(flatten)]
    pub who: Who,
    /// What it does.
    pub state: WatchdogState,
    /// The keeper it watches.
    pub keeper: Option<i32>,
    /// How many keepers it has started in place of one that failed.
    pub restarts: u64,
    /// The last failures, oldest first.
    pub failures: Vec<KeeperFailure>,
}

impl WatchdogFile {
    /// What the last watchdog here said of itself. It need not live.
    #[must_use]
    pub fn read(site: &Site) -> Option<WatchdogFile> {
        read(&site.watchdog_file())
    }

    /// Puts it in its place, whole.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, site: &Site) -> io::Result<()> {
        write(&site.watchdog_file(), self)
    }
}

/// `server.json`: where a keeper answers over TCP. It stays when the keeper ends, so that the next one takes the same
/// port and an open page finds it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    /// Format version, now 1.
    pub version: u32,
    /// The address it listens on.
    pub address: SocketAddr,
    /// The page's address, for people.
    pub url: String,
}

impl ServerFile {
    /// What the last keeper here that listened said.
    #[must_use]
    pub fn read(site: &Site) -> Option<ServerFile> {
        read(&site.server_file())
    }

    /// Puts it in its place, whole.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, site: &Site) -> io::Result<()> {
        write(&site.server_file(), self)
    }
}

/// The right to be the site's watchdog: a lock that ends with the process.
#[derive(Debug)]
pub struct WatchdogLock {
    file: File,
    path: std::path::PathBuf,
}

impl WatchdogLock {
    /// Takes it; none if another process has it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn take(site: &Site) -> io::Result<Option<WatchdogLock>> {
        let path = site.watchdog_lock();
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path)?;
        let won = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(won.then_some(WatchdogLock { file, path }))
    }

    /// Whether the file that is locked is still the one that others would lock.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// Whether some process has it.
    #[must_use]
    pub fn is_held(site: &Site) -> bool {
        File::open(site.watchdog_lock())
            .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }
}

/// Whether `path` leads to this very file.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whole or not at all. Not synced: after a power cut the process it is about is gone anyway.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let next = path.with_extension("json.tmp");
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&next)?
        .write_all(&serde_json::to_vec(value)?)?;
    fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_held_and_the_dead_are_not() {
        let me = Who::me().unwrap();
        assert!(me.hold().is_some());
        let mut other = me.clone();
        other.process.start += 1;
        assert!(other.hold().is_none());
        let boot = "another".into();
        assert!(Who { boot, ..me }.hold().is_none());
    }

    // proves: A-7
    #[test]
    fn a_site_has_one_watchdog_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path());
        site.create().unwrap();
        assert!(!WatchdogLock::is_held(&site));
        let lock = WatchdogLock::take(&site).unwrap().unwrap();
        assert!(WatchdogLock::take(&site).unwrap().is_none());
        assert!(WatchdogLock::is_held(&site) && lock.is_in_place());
        fs::remove_file(site.watchdog_lock()).unwrap();
        assert!(!lock.is_in_place());
    }
}

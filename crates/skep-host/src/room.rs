//! Whether the disk has room to go on: a little more than none, so that what is begun can also be written down.

use rustix::fs::statvfs;
use std::path::Path;

/// An attempt's start, a snapshot of a small change, a merge and their events need a fraction of this.
pub const BYTES: u64 = 4 << 20;
/// Files and folders: those of a run and of git's objects for it.
pub const INODES: u64 = 128;

/// What is lacking where `place` is, as a sentence; none when there is room, or when the system will not say.
#[must_use]
pub fn lacking(place: &Path) -> Option<String> {
    let stat = statvfs(place).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let place = place.display();
    if free < BYTES {
        let (free, needed) = (free / 1024, BYTES / 1024);
        return Some(format!(
            "the disk is full: {free} KiB are free for {place}, and {needed} are needed to go on"
        ));
    }
    // A file system that makes inodes as it needs them says that it has none.
    if stat.f_files > 0 && stat.f_favail < INODES {
        return Some(format!(
            "the disk is full: it has room for {} more files at {place}, and {INODES} are needed to go on",
            stat.f_favail
        ));
    }
    None
}

/// Whether an error's text says that the machine is short of processes, descriptors or memory: what only lasts as
/// long as others hold them. The kernel's words for that are the same from us and, in the C locale, from git.
#[must_use]
pub fn is_scarcity(text: &str) -> bool {
    [
        "Resource temporarily unavailable",
        "Too many open files",
        "Cannot allocate memory",
    ]
    .iter()
    .any(|said| text.contains(said))
}

//! What a dead keeper or watchdog said of itself, its sockets, and files that were to be renamed.

use super::{Litter, Scene, name, remove};
use crate::{
    owner,
    presence::{KeeperFile, WatchdogFile, WatchdogLock, WatchdogState},
};
use std::{fs, path::PathBuf};

const KIND: &str = "files";

pub(super) fn find(scene: &Scene<'_>) -> Vec<Litter> {
    let mut found = Vec::new();
    let site = scene.site;
    if !scene.keeper {
        let why = match KeeperFile::read(site) {
            Some(said) => format!(
                "the keeper it belonged to (process {}) died",
                said.who.process.pid
            ),
            None => "the keeper it belonged to died".into(),
        };
        let left = [
            site.keeper_file(),
            site.socket(),
            site.notify(),
            // Its link works at the keeper that made it alone.
            site.sign_in_page(),
        ];
        for path in left.into_iter().chain(unfinished(scene)) {
            if path.exists() {
                found.push(file(scene, path, why.clone()));
            }
        }
    }
    let watchdog = site.watchdog_file();
    // What one that gave up has to say is news, not litter: it was the last thing that it did.
    let gave_up = WatchdogFile::read(site).is_some_and(|f| f.state == WatchdogState::GaveUp);
    if !gave_up && !WatchdogLock::is_held(site) && watchdog.exists() {
        let why = "the watchdog it belonged to died";
        found.push(Litter::new(KIND, name(&watchdog), why, move || {
            remove(&watchdog)
        }));
    }
    found
}

/// Files on their way to their places.
fn unfinished(scene: &Scene<'_>) -> Vec<PathBuf> {
    let sockets = scene.site.socket();
    let stem = sockets.with_extension("new");
    let stem = name(&stem);
    let reports = scene.site.reports();
    let folders = [Some(scene.site.dir()), sockets.parent(), Some(&*reports)];
    let entries = folders
        .into_iter()
        .flatten()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let fresh = name.strip_prefix(&*stem);
            name.ends_with(".json.tmp")
                || name.starts_with(owner::UNFINISHED)
                || fresh.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.dedup();
    found
}

fn file(scene: &Scene<'_>, path: PathBuf, why: String) -> Litter {
    let site = scene.site.clone();
    Litter::new(KIND, name(&path), why, move || {
        // One may have been started since.
        if KeeperFile::read(&site).is_some_and(|said| said.who.hold().is_some()) {
            return Err("a keeper has just been started".into());
        }
        remove(&path)
    })
}

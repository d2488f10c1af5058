//! Runs that nobody waits for, what dead shims left running, and the folders of long past attempts.

use super::{Litter, Scene, name, remove};
use crate::run::{self, Look, attempt_of};
use skep_core::{
    id::Attempt,
    limits::{RUNS_BYTES, RUNS_KEPT},
    state::State,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

const KIND: &str = "runs";

pub(super) fn find(scene: &Scene<'_>) -> Vec<Litter> {
    let mut found = Vec::new();
    if scene.keeper {
        return found;
    }
    for folder in folders(&scene.site.runs()) {
        let attempt = attempt_of(&folder);
        let live = attempt.is_some_and(|a| scene.state.attempt(a).is_some());
        match run::look(&folder) {
            Look::Running(_) if live => continue,
            Look::Running(_) => found.push(stray(&folder, attempt)),
            _ => {
                found.extend(survivors(&folder));
                found.extend(unfinished(&folder));
            }
        }
    }
    let old = past_bound(&scene.site.runs(), &live(scene.state));
    if !old.is_empty() {
        let what = format!("{} run folders", old.len());
        let mib = RUNS_BYTES >> 20;
        let why =
            format!("older than the {RUNS_KEPT} and the {mib} MiB that are kept of ended runs");
        found.push(Litter::new(KIND, what, why, move || {
            old.iter().try_for_each(|f| remove(f))
        }));
    }
    found
}

fn folders(runs: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

fn live(state: &State) -> BTreeSet<Attempt> {
    state.live().map(|live| live.attempt).collect()
}

fn stray(folder: &Path, attempt: Option<Attempt>) -> Litter {
    let why = match attempt {
        Some(_) => "its attempt has ended as far as the log knows; its work is saved as it ends",
        None => "no keeper lives that waits for it; the next one begins it again",
    };
    let folder = folder.to_path_buf();
    Litter::new(
        KIND,
        format!("{} is at work", name(&folder)),
        why,
        move || {
            if let Look::Running(running) = run::look(&folder) {
                run::end(&folder, &running).map_err(|e| e.to_string())?;
            }
            // An attempt's folder is its history; another's would be taken for a result.
            if attempt.is_none() {
                remove(&folder)?;
            }
            Ok(())
        },
    )
}

fn survivors(folder: &Path) -> Option<Litter> {
    let left = run::survivors(folder).len();
    let folder = folder.to_path_buf();
    (left > 0).then(|| {
        let what = format!("{left} processes of {}", name(&folder));
        Litter::new(KIND, what, "their shim died", move || {
            run::sweep(&folder).map(drop).map_err(|e| e.to_string())
        })
    })
}

fn unfinished(folder: &Path) -> Vec<Litter> {
    let litter = |path: PathBuf| {
        let folder = folder.to_path_buf();
        let what = format!("{}/{}", name(&folder), name(&path));
        let why = "who wrote it was killed before it was done";
        Litter::new(KIND, what, why, move || match run::look(&folder) {
            Look::Running(_) => Err("a shim has just been started there".into()),
            _ => remove(&path),
        })
    };
    run::unfinished(folder).into_iter().map(litter).collect()
}

/// The folders of ended attempts beyond what is kept, oldest first.
fn past_bound(runs: &Path, live: &BTreeSet<Attempt>) -> Vec<PathBuf> {
    let mut ended: Vec<(Attempt, PathBuf)> = folders(runs)
        .into_iter()
        .filter_map(|folder| Some((attempt_of(&folder)?, folder)))
        .filter(|(attempt, _)| !live.contains(attempt))
        .collect();
    // The newest first: attempts are numbered as they are claimed.
    ended.sort_by_key(|(attempt, _)| std::cmp::Reverse(*attempt));
    let mut bytes = 0u64;
    let mut old: Vec<PathBuf> = Vec::new();
    for (kept, (_, folder)) in ended.into_iter().enumerate() {
        if kept < RUNS_KEPT && bytes <= RUNS_BYTES {
            bytes = bytes.saturating_add(size(&folder));
            // The newest is kept whatever its size: its end is what people ask about.
            if bytes <= RUNS_BYTES || kept == 0 {
                continue;
            }
        }
        if !matches!(run::look(&folder), Look::Running(_)) {
            old.push(folder);
        }
    }
    old.reverse();
    old
}

fn size(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|meta| meta.blocks() * 512).sum()
}

/// Removes the folders of ended attempts beyond what is kept; `live` are those whose ends nobody has taken
/// in yet. For a keeper, now and then.
pub fn prune(runs: &Path, live: &BTreeSet<Attempt>) {
    for folder in past_bound(runs, live) {
        // One that ended this moment may still be read by who waits for it.
        let age = fs::metadata(&folder).and_then(|meta| meta.modified());
        let age = age.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age.as_secs() > 60) {
            let _ = remove(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: W-15
    #[test]
    fn the_newest_runs_are_kept_and_live_ones_whatever_their_age() {
        let dir = tempfile::tempdir().unwrap();
        let total = u64::try_from(RUNS_KEPT).unwrap() + 10;
        for n in 1..=total {
            fs::create_dir(dir.path().join(format!("a{n}"))).unwrap();
        }
        fs::create_dir(dir.path().join("check-1")).unwrap();
        let live = BTreeSet::from([Attempt(1), Attempt(3)]);
        let old = past_bound(dir.path(), &live);
        let old: Vec<_> = old.iter().map(|path| name(path)).collect();
        assert_eq!(old, ["a2", "a4", "a5", "a6", "a7", "a8", "a9", "a10"]);
        // They are young, so somebody may still be reading them.
        prune(dir.path(), &live);
        assert!(dir.path().join("a2").exists());
    }
}

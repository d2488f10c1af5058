//! Worktrees that no worker explains, that git forgot, or that forgot git; and what half a removal left.

use super::{Litter, Scene, name, remove};
use crate::git::{
    Head, Repo, names,
    snapshot::{SnapshotSpec, snapshot_once},
};
use skep_core::{id::Oid, state::State};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const KIND: &str = "worktrees";
/// Where merges are checked.
const INTEGRATION: &str = "integration";

pub(super) fn find(scene: &Scene<'_>) -> Result<Vec<Litter>, String> {
    let mut found = Vec::new();
    if scene.keeper {
        return Ok(found);
    }
    let below = scene.site.worktrees();
    let base = fs::canonicalize(&below).unwrap_or(below);
    let registered = scene.repo.worktrees_below(&base).map_err(|e| e.chain())?;
    let mut explained: BTreeSet<String> = scene.state.workers().map(|w| w.id.to_string()).collect();
    if scene.state.shares_worktree() && !explained.is_empty() {
        explained.insert(names::SHARED.into());
    }
    explained.insert(INTEGRATION.into());
    for worktree in &registered {
        let shown = name(&worktree.path);
        let at_top = worktree.path.parent() == Some(&*base);
        // git calls one prunable, too, whose `.git` file an agent removed: its files are there, and may be all
        // that is left of somebody's work.
        if !worktree.path.exists() {
            let (repo, path) = (scene.repo.clone(), worktree.path.clone());
            found.push(Litter::new(
                KIND,
                shown,
                "registered with git, and gone",
                move || repo.remove(&path, &[], None).map_err(|e| e.chain()),
            ));
        } else if at_top && !explained.contains(&shown) {
            found.push(unexplained(
                scene,
                &worktree.path,
                "no worker of the swarm has it",
            ));
        }
    }
    let entries = fs::read_dir(&base).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let shown = name(&path);
        if registered.iter().any(|w| w.path == path) {
            continue;
        }
        if shown.starts_with(".skep-trash-") || shown == ".skep-adopt" {
            found.push(half_done(scene, path));
        } else if path.is_dir() {
            found.push(unexplained(
                scene,
                &path,
                "git does not know of it any more",
            ));
        } else {
            let why = "it is no worktree";
            found.push(Litter::new(KIND, shown, why, move || remove(&path)));
        }
    }
    Ok(found)
}

/// What was proven to be saved, or never held anything, when its removal or adoption was cut short.
fn half_done(scene: &Scene<'_>, path: PathBuf) -> Litter {
    let repo = scene.repo.clone();
    let why = "git was killed while it made or removed a worktree";
    Litter::new(KIND, name(&path), why, move || {
        remove(&path)?;
        let below = repo.worktrees_below(&path).map_err(|e| e.chain())?;
        below
            .iter()
            .try_for_each(|w| repo.remove(&w.path, &[], None).map_err(|e| e.chain()))
    })
}

fn unexplained(scene: &Scene<'_>, path: &Path, why: &str) -> Litter {
    let (repo, state, path) = (scene.repo.clone(), scene.state.clone(), path.to_path_buf());
    Litter::new(KIND, name(&path), why, move || {
        put_away(&repo, &state, &path, true).map(drop)
    })
}

/// Removes a worktree of which nothing is lost: what it holds is saved first, and then compared with what is
/// merged; only with `force` does more than that go. Gives the ref that holds what was saved.
///
/// # Errors
/// Why it is still there.
pub fn put_away(
    repo: &Repo,
    state: &State,
    path: &Path,
    force: bool,
) -> Result<Option<String>, String> {
    let mut kept = kept_in(repo, state)?;
    if repo.remove(path, &as_strs(&kept), None).is_ok() {
        return Ok(None);
    }
    let swarm = state.swarm().map(|swarm| swarm.spec.name.to_string());
    let swarm = swarm.unwrap_or_else(|| "_other".into());
    let base = base(repo, state, path)?;
    let shown = name(path);
    let below = format!("{}{swarm}/", names::SALVAGE);
    let spec = SnapshotSpec {
        base: base.clone(),
        merges: None,
        only: None,
        reference: format!("{below}_{shown}/clean"),
        message: format!("skep: saved from {shown} before it was removed\n"),
        date: crate::keeper::clock::wall().0 / 1000,
    };
    let saved = snapshot_once(path, &spec, &below)?;
    if let Some(reference) = &saved.reference {
        let merged = match state.swarm() {
            Some(swarm) => repo
                .salvage(&swarm.spec.name, &swarm.tip)
                .map_err(|e| e.chain())?
                .iter()
                .any(|s| s.reference == *reference && s.merged),
            None => false,
        };
        if !merged && !force {
            return Err(format!("{} files in it are not merged", saved.file_count));
        }
    }
    // What it just saved, and commits that it had left, are on refs now.
    kept.extend(kept_in(repo, state)?);
    repo.remove(path, &as_strs(&kept), Some(&saved))
        .map_err(|e| e.chain())?;
    Ok(saved.reference)
}

fn as_strs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Where the worktree left what is merged: compared with that, commits of its own are saved like changes, and
/// what was merged since does not look as if it had been taken back.
fn base(repo: &Repo, state: &State, path: &Path) -> Result<Oid, String> {
    let merged = match (state.swarm(), repo.head()) {
        (Some(swarm), _) => swarm.tip.clone(),
        (None, Ok(Head::Branch { oid, .. } | Head::Detached(oid))) => oid,
        (None, Err(error)) => return Err(error.chain()),
    };
    let all = repo.worktrees().map_err(|e| e.chain())?;
    let mut own = all
        .into_iter()
        .find(|w| w.path == path)
        .and_then(|w| w.head);
    // One that git forgot most likely was on its branch.
    if own.is_none()
        && let Some(swarm) = state.swarm()
    {
        let branch = format!("{}.{}", names::integration(&swarm.spec.name), name(path));
        own = repo.branch_tip(&branch).map_err(|e| e.chain())?;
    }
    let Some(own) = own else { return Ok(merged) };
    let parted = repo.merge_base(&own, &merged).map_err(|e| e.chain())?;
    Ok(parted.unwrap_or(merged))
}

/// Refs that hold what is merged or saved: whatever they reach is not lost.
///
/// # Errors
/// When git fails.
pub fn kept_in(repo: &Repo, state: &State) -> Result<Vec<String>, String> {
    let mut kept = Vec::new();
    if let Some(swarm) = state.swarm() {
        for branch in [names::integration(&swarm.spec.name), swarm.target.clone()] {
            if repo.branch_tip(&branch).map_err(|e| e.chain())?.is_some() {
                kept.push(format!("refs/heads/{branch}"));
            }
        }
    }
    let saved = repo.refs(names::SALVAGE).map_err(|e| e.chain())?;
    kept.extend(saved.into_iter().map(|(name, _)| name));
    Ok(kept)
}

//! The worktree that all workers share (`worktree = false`): brought to a commit while nobody is in it, and
//! cleared for each attempt as far as it is that attempt's own.
//!
//! All of it is done in turn: who begins in it knows who is in it already.

use super::{
    World, attempts,
    worktrees::{self, Ground, PrepareOrder},
};
use crate::{
    git::{Tidy, names},
    run,
};
use skep_core::{
    id::{SwarmName, WorkerId},
    plan::{Order, Shared},
};
use std::{collections::BTreeSet, fs, path::Path};

/// Stands for all workers where something is each one's.
pub(super) const NOBODY: WorkerId = WorkerId(0);

/// In an attempt's folder: what was changed outside of its files before it began.
const EARLIER: &str = "earlier.json";

/// The shared worktree.
pub(super) fn ground(world: &World, swarm: &SwarmName) -> Ground {
    Ground {
        name: names::SHARED.into(),
        dir: world.site.worktrees().join(names::SHARED),
        branch: names::shared(swarm),
        ports: NOBODY,
    }
}

/// Brings all of it to the base. To be called in turn, and while no attempt is live in it.
pub(super) fn prepare(world: &World, order: &PrepareOrder) -> Result<(), String> {
    worktrees::wait_until_left(world, |_, _| true)?;
    let ground = ground(world, &order.swarm);
    keep_left(world, order, &ground)?;
    worktrees::bring(world, order, &ground)
}

fn keep_left(world: &World, order: &PrepareOrder, ground: &Ground) -> Result<(), String> {
    let tidy = Tidy {
        dir: &ground.dir,
        base: &order.base,
        swarm: &order.swarm,
        date: order.date,
    };
    let kept = world.repo.keep_left(&tidy);
    kept.map(drop).map_err(|e| e.chain())
}

/// Clears it for an attempt that is about to begin: all of it if nobody is there, and else the attempt's own
/// files. To be called in turn.
///
/// The attempt's spec is written after this, so where that is, this was done, and the agent may be at work.
pub(super) fn clear(
    world: &World,
    order: &Order,
    part: &Shared,
    folder: &Path,
) -> Result<(), String> {
    if folder.join(run::SPEC).exists() {
        return Ok(());
    }
    // Whoever is older than this attempt and not beside it has lost its lease.
    let over = |other, _| other < order.attempt && !part.beside.contains(&other);
    worktrees::wait_until_left(world, over)?;
    let begun = |other| attempts::folder(world, other).join(run::SPEC).exists();
    let alone = world.running().is_empty() && !part.beside.iter().any(|other| begun(*other));
    let files = match &part.files {
        Some(files) if !alone => files,
        _ => {
            // An earlier try may have found others there.
            let _ = fs::remove_file(folder.join(EARLIER));
            return prepare(world, &worktrees::order_of(order));
        }
    };
    let ground = ground(world, &order.swarm);
    let tidy = Tidy {
        dir: &ground.dir,
        base: &order.base,
        swarm: &order.swarm,
        date: order.claimed.0 / 1000,
    };
    let found = world.repo.tidy(&tidy, files).map_err(|e| e.chain())?;
    let earlier = serde_json::to_vec(&found.outside).map_err(|e| e.to_string())?;
    fs::write(folder.join(EARLIER), earlier).map_err(|e| e.to_string())
}

/// Drops from what was changed outside of an attempt's files that which had been changed when it began.
pub(super) fn forget_earlier(folder: &Path, outside: &mut Vec<String>) {
    let text = fs::read(folder.join(EARLIER)).unwrap_or_default();
    let earlier: BTreeSet<String> = serde_json::from_slice(&text).unwrap_or_default();
    outside.retain(|name| !earlier.contains(name));
}

/// Removes it, with its last worker. To be called in turn.
pub(super) fn remove(world: &World, order: &PrepareOrder) -> Result<(), String> {
    worktrees::wait_until_left(world, |_, _| true)?;
    let ground = ground(world, &order.swarm);
    if ground.dir.exists() {
        worktrees::run_commands(world, order, &ground, "teardown")?;
        keep_left(world, order, &ground)?;
        worktrees::discard(world, &ground)?;
    }
    let retired = world.repo.retire_branch(&ground.branch);
    retired.map_err(|e| e.chain())
}

//! The names of Skep's refs, in one place.

use skep_core::id::{Attempt, Oid, SwarmName, TaskId, WorkerId};

/// Below this, work is kept that is on no branch.
pub const SALVAGE: &str = "refs/skep/salvage/";

/// The integration branch of a swarm, without `refs/heads/`.
#[must_use]
pub fn integration(swarm: &SwarmName) -> String {
    format!("skep/{swarm}")
}

/// The branch of a worker, without `refs/heads/`: beside the integration branch, since git allows no
/// branch below another.
#[must_use]
pub fn worker(swarm: &SwarmName, worker: WorkerId) -> String {
    format!("skep/{swarm}.{worker}")
}

/// Below this, a swarm's work is kept that is on no branch.
#[must_use]
pub fn salvage_of(swarm: &SwarmName) -> String {
    format!("{SALVAGE}{swarm}/")
}

/// The branch of the worktree that a swarm's workers share, without `refs/heads/`.
#[must_use]
pub fn shared(swarm: &SwarmName) -> String {
    format!("skep/{swarm}.{SHARED}")
}

/// The name of that worktree's folder. No worker has such an id.
pub const SHARED: &str = "shared";

/// Whether both are branches of the same worktree, of two swarms that take turns.
#[must_use]
pub fn in_turn(one: &str, other: &str) -> bool {
    let of_worktree = |branch: &str| -> Option<(SwarmName, String)> {
        let (swarm, worktree) = branch.strip_prefix("skep/")?.rsplit_once('.')?;
        let ours = worktree == SHARED || worktree.parse::<WorkerId>().is_ok();
        ours.then_some((swarm.parse().ok()?, worktree.into()))
    };
    match (of_worktree(one), of_worktree(other)) {
        (Some(one), Some(other)) => one.0 != other.0 && one.1 == other.1,
        _ => false,
    }
}

/// The ref that keeps what an attempt left.
#[must_use]
pub fn salvage(swarm: &SwarmName, task: &TaskId, attempt: Attempt) -> String {
    format!("{}{task}/{attempt}", salvage_of(swarm))
}

/// The ref that keeps a commit found on `branch` when the branch is moved away from it. No task's name
/// starts with `_`, so it collides with no attempt's.
pub(super) fn kept(branch: &str, tip: &Oid) -> String {
    let (swarm, worker) = branch
        .strip_prefix("skep/")
        .and_then(|rest| rest.rsplit_once('.'))
        .unwrap_or(("_other", branch));
    let worker = worker.replace('/', ".");
    format!("{SALVAGE}{swarm}/_{worker}/{}", tip.short())
}

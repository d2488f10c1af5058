//! Branches of workers that no swarm has, and refs of Skep's that nothing explains. What they hold is moved to
//! a salvage ref, unless it is merged or saved already.

use super::{Litter, Scene, worktrees::kept_in};
use crate::git::names;
use skep_core::id::WorkerId;

const KIND: &str = "branches";

pub(super) fn find(scene: &Scene<'_>) -> Result<Vec<Litter>, String> {
    let mut found = Vec::new();
    if scene.keeper {
        return Ok(found);
    }
    for (name, _) in scene.repo.refs("refs/heads/skep/").map_err(|e| e.chain())? {
        let branch = name.trim_start_matches("refs/heads/").to_string();
        // A branch of the user's may begin with `skep/`, too: only names that plans of this repository had count.
        let Some((swarm, worker)) = owner(scene, &branch) else {
            continue;
        };
        let now = scene
            .state
            .swarm()
            .is_some_and(|s| s.spec.name.as_str() == swarm);
        if now && scene.state.worker(worker).is_some() {
            continue;
        }
        let why = if now {
            format!("the swarm has no worker {worker}")
        } else {
            format!("the swarm {swarm} is not run any more")
        };
        let (repo, state) = (scene.repo.clone(), scene.state.clone());
        found.push(Litter::new(KIND, branch.clone(), why, move || {
            let kept = kept_in(&repo, &state)?;
            let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
            repo.rescue_branch(&branch, &kept).map_err(|e| e.chain())
        }));
    }
    for (name, _) in scene.repo.refs("refs/skep/").map_err(|e| e.chain())? {
        if !name.starts_with(names::SALVAGE) {
            let repo = scene.repo.clone();
            let why = "nothing of Skep's makes such a ref";
            found.push(Litter::new(KIND, name.clone(), why, move || {
                repo.rescue_ref(&name).map(drop).map_err(|e| e.chain())
            }));
        }
    }
    Ok(found)
}

/// The swarm and the worker that a branch is named after.
fn owner(scene: &Scene<'_>, branch: &str) -> Option<(String, WorkerId)> {
    let (swarm, worker) = branch.strip_prefix("skep/")?.rsplit_once('.')?;
    let known = scene.swarms.iter().any(|name| name.as_str() == swarm);
    let worker = worker.parse().ok()?;
    known.then(|| (swarm.into(), worker))
}

//! Agents' homes of workers that the swarm does not have. A worker that leaves takes its own along; a crash on the way
//! leaves them.

use super::{Litter, Scene, name, remove};
use crate::agents::homes;

const KIND: &str = "homes";

pub(super) fn find(scene: &Scene<'_>) -> Vec<Litter> {
    if scene.keeper {
        return Vec::new();
    }
    let known: Vec<String> = scene.state.workers().map(|w| w.id.to_string()).collect();
    let strays = homes(scene.site).into_iter();
    strays
        .filter(|home| !known.contains(&name(home)))
        .map(|home| {
            let why = "no worker of the swarm has it";
            // Logins are links there: what they lead to is the user's and stays.
            Litter::new(KIND, name(&home), why, move || remove(&home))
        })
        .collect()
}

//! git's own lock files that a killed git left in what is Skep's: its worktrees' folders and its refs.

use super::{Litter, Scene};

pub(super) fn find(scene: &Scene<'_>) -> Vec<Litter> {
    let dead = scene.repo.dead_locks(&scene.site.worktrees());
    let litter = |lock: std::path::PathBuf| {
        let shown = lock.strip_prefix(scene.repo.common_dir()).unwrap_or(&lock);
        let (repo, what) = (scene.repo.clone(), shown.display().to_string());
        let why = "the git that held it was killed";
        Litter::new("locks", what, why, move || {
            repo.remove_dead_lock(&lock).map_err(|e| e.chain())
        })
    };
    dead.into_iter().map(litter).collect()
}

//! Runs of attempts that the log knows nothing of: it was shortened (`skep doctor --fix`), or begun anew.
//!
//! An attempt's number is its fencing token, and the log will give the same numbers again. A folder that is there
//! already would then pass for the new attempt's, and another task's result with it.

use super::{attempts, runs};
use crate::run::{self, Look};
use skep_core::{id::Attempt, state::State};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How long a forgotten attempt gets to save its work once it was told to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many forgotten runs of the same number are kept apart.
const NEIGHBOURS: u32 = 1_000;

/// The attempt whose folder this is; none for every other run.
pub(super) fn attempt_of(folder: &Path) -> Option<Attempt> {
    let number = folder.file_name()?.to_str()?.strip_prefix('a')?;
    number.parse().ok().map(Attempt)
}

/// Ends forgotten attempts that still run (their work is saved on refs as ever), and gives the folders of all of
/// them another name, under which people still find their output. A folder that cannot be renamed is left: the
/// attempt that gets its number is not started then, and says why.
pub(super) fn set_aside(folder: &Path, state: &State) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(attempt) = attempt_of(&path).filter(|a| *a >= state.next_attempt()) else {
            continue;
        };
        if let Look::Running(running) = run::look(&path) {
            attempts::end_now(&running);
            if !runs::wait(&running, Instant::now() + PATIENCE) {
                let _ = running.kill();
                runs::wait(&running, Instant::now() + PATIENCE);
            }
        }
        let _ = run::sweep(&path);
        let free = (1..=NEIGHBOURS)
            .map(|n| folder.join(format!("forgotten-a{attempt}.{n}")))
            .find(|place| !place.exists());
        if let Some(place) = free {
            let _ = fs::rename(&path, place);
        }
    }
}

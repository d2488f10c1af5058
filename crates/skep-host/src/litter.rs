//! What a crash, or a hostile agent, can leave behind, and how it is put away (W-15).
//!
//! One module a kind. Each *finds*: what there is and why it is litter, with the remedy as a value. Nothing is
//! mended by looking. Every remedy may be used twice, looks again before it acts, and saves what is nowhere
//! else to a salvage ref first (W-12). Ports are no kind: blocks are computed anew by each keeper and are held
//! by nobody.

mod files;
mod homes;
mod locks;
mod processes;
mod refs;
mod runs;
mod worktrees;

pub use runs::prune;
pub use worktrees::{kept_in, put_away};

use crate::{git::Repo, site::Site};
use skep_core::{id::SwarmName, state::State};
use std::{collections::BTreeSet, fmt};

/// Where litter is looked for, and what explains what is there.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// Its site.
    pub site: &'a Site,
    /// The state as the log has it.
    pub state: &'a State,
    /// The names of every plan that was ever run here: earlier swarms left branches under them.
    pub swarms: &'a BTreeSet<SwarmName>,
    /// Whether a keeper lives. It sees to its own runs and worktrees, and would be disturbed.
    pub keeper: bool,
}

/// The kinds, which are also what a person sees.
pub const KINDS: [&str; 7] = [
    "files",
    "runs",
    "processes",
    "worktrees",
    "branches",
    "homes",
    "locks",
];

/// Something that outlived its use.
pub struct Litter {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// What it is.
    pub what: String,
    /// Why nothing needs it any more.
    pub why: String,
    mend: Remedy,
}

type Remedy = Box<dyn FnOnce() -> Result<(), String>>;

impl Litter {
    fn new(
        kind: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl FnOnce() -> Result<(), String> + 'static,
    ) -> Litter {
        Litter {
            kind,
            what: what.into(),
            why: why.into(),
            mend: Box::new(mend),
        }
    }

    /// Puts it away.
    ///
    /// # Errors
    /// Why that could not be done; then nothing is lost, and it is still there.
    pub fn mend(self) -> Result<(), String> {
        (self.mend)()
    }
}

impl fmt::Debug for Litter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.kind, self.what, self.why)
    }
}

/// Looks everywhere. A kind that cannot be looked at says so and keeps none of the others from it.
#[must_use]
pub fn find(scene: &Scene<'_>) -> Vec<(&'static str, Result<Vec<Litter>, String>)> {
    let found = [
        Ok(files::find(scene)),
        Ok(runs::find(scene)),
        Ok(processes::find(scene)),
        worktrees::find(scene),
        refs::find(scene),
        Ok(homes::find(scene)),
        Ok(locks::find(scene)),
    ];
    KINDS.into_iter().zip(found).collect()
}

/// Removes a file or folder; one that is gone is as good.
fn remove(path: &std::path::Path) -> Result<(), String> {
    let gone = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(fault) => Err(fault),
    };
    match gone {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {fault}", path.display()))
        }
        _ => Ok(()),
    }
}

fn name(path: &std::path::Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into()
}

//! Worktrees whose content cannot be saved: moved away as they are, so that nobody loses it and nobody waits for it.

use super::{
    error::GitError,
    names,
    place::{registration, settle},
    repo::Repo,
    snapshot,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The worktree's files, in the folder that it was moved to.
const FILES: &str = "files";
/// Its git folder: HEAD, index, logs.
const GIT: &str = "git";
/// Why, in words.
const WHY: &str = "why.txt";
/// So many of one worktree; a person has looked away for long then.
const MOST: usize = 1_000;

/// What was moved away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The folder that it is in.
    pub folder: PathBuf,
    /// Why it could not be saved.
    pub why: String,
}

impl Repo {
    /// Moves the worktree at `dir` to a folder of its own below `below`, with its git folder beside its files.
    /// Nothing of it is deleted or read; git forgets that it was there.
    ///
    /// Killed half way, the files are where they were or all there: the worktree can be made anew then.
    ///
    /// # Errors
    /// When it cannot be moved; then it is where it was.
    pub fn set_aside(&self, dir: &Path, below: &Path, why: &str) -> Result<PathBuf, GitError> {
        let dir = settle(dir)?;
        if dir == self.root() {
            return Err(GitError::Refused {
                what: dir.display().to_string(),
                why: "is your own checkout, which Skep never moves".into(),
            });
        }
        let mut place = self.place(&dir);
        place.hold()?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        // Commits that only its HEAD reaches; where not even that can be read, its log is kept with it.
        if let Ok(Some(head)) = snapshot::head(&place) {
            let _ = self.set_ref(&names::kept(&name, &head), &head, "skep: set aside");
        }
        let folder = free(below, &name)?;
        fs::write(folder.join(WHY), format!("{}\n", why.trim_end()))
            .map_err(GitError::io("write to", &folder))?;
        let turn = self.turn()?;
        fs::rename(&dir, folder.join(FILES)).map_err(GitError::io("move away", &dir))?;
        if let Some(admin) = registration(self.common_dir(), &dir) {
            // On another file system it stays; a worktree is made over what is left of one.
            let _ = fs::rename(&admin, folder.join(GIT));
        }
        drop(turn);
        Ok(folder)
    }
}

/// A folder that holds no worktree yet, made if need be: a kill may have left it empty.
fn free(below: &Path, name: &str) -> Result<PathBuf, GitError> {
    for n in 1..MOST {
        let folder = below.join(format!("{name}-{n}"));
        if folder.join(FILES).symlink_metadata().is_err() {
            fs::create_dir_all(&folder).map_err(GitError::io("create", &folder))?;
            return Ok(folder);
        }
    }
    let full = io::Error::other(format!("{MOST} worktrees of {name} are there already"));
    Err(GitError::io("move a worktree to", below)(full))
}

/// What was moved below `below`.
#[must_use]
pub fn set_aside_in(below: &Path) -> Vec<Aside> {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let whole = folders.filter(|folder| folder.join(FILES).symlink_metadata().is_ok());
    let mut found: Vec<Aside> = whole
        .map(|folder| Aside {
            why: fs::read_to_string(folder.join(WHY))
                .map(|why| why.trim_end().into())
                .unwrap_or_default(),
            folder,
        })
        .collect();
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    found
}

//! Worktrees: made, brought to a commit, listed, removed. Doing any of it twice, or after being
//! killed half way, ends the same.

use super::{
    error::{GitError, oid, shown},
    exec::records,
    include, names,
    place::{Place, pointer, registration, remove_all, replace_file, settle},
    repo::Repo,
    reset,
    snapshot::Snapshot,
};
use skep_core::id::Oid;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A worktree as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Where: below [`Repo::state_dir`], so that a snapshot finds the repository whatever an agent did.
    pub dir: &'a Path,
    /// Its branch, without `refs/heads/`; `None` for a detached HEAD (the integration check).
    pub branch: Option<&'a str>,
    /// The commit it should be at.
    pub base: &'a Oid,
}

/// What it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Set-up has still to be run here: true until [`Repo::ready`] is called, across crashes.
    pub fresh: bool,
    /// Nothing had to be done.
    pub untouched: bool,
    /// Files copied because `.worktreeinclude` names them.
    pub copied: Vec<String>,
    /// A ref that now keeps commits which nothing else would have kept.
    pub kept: Vec<String>,
}

/// The file, in a worktree's git folder, that says that set-up is done.
pub(super) const READY: &str = "skep-ready";

/// The branch that the worktree with the git folder `admin` has checked out.
fn branch_of(admin: &Path) -> Option<String> {
    let head = fs::read_to_string(admin.join("HEAD")).ok()?;
    let branch = head.strip_prefix("ref: refs/heads/")?;
    Some(branch.trim_end().into())
}

impl Repo {
    /// Makes the worktree `want`, or brings an existing one there: at `base`, on its branch, nothing
    /// changed, nothing untracked; ignored files (build caches) stay. Saving what it held is the
    /// caller's duty, before; commits that nothing else reaches are kept on a salvage ref all the same.
    ///
    /// # Errors
    /// [`GitError::CheckedOut`] when the branch is checked out elsewhere, [`GitError::Held`] when a git
    /// process is at work in it, and what git says.
    pub fn prepare(&self, want: &Want<'_>) -> Result<Prepared, GitError> {
        let dir = settle(want.dir)?;
        let want = Want { dir: &dir, ..*want };
        let mut place = self.place(&dir);
        place.hold()?;
        let mut done = Prepared {
            fresh: !place.own().join(READY).exists() || place.admin.is_none(),
            ..Prepared::default()
        };
        if !done.fresh && reset::is_at(&place, want.branch, want.base)? {
            done.untouched = true;
            return Ok(done);
        }
        if let Some(branch) = want.branch {
            self.refuse_elsewhere(branch, &dir)?;
        }
        let before = place.admin.as_deref().and_then(branch_of);
        done.kept = self.keep_tips(&place, want.branch, want.base)?;
        let mut new = false;
        if place.admin.is_none() || !dir.exists() {
            new = self.register(&want)?;
            place = self.place(&dir);
            place.hold()?;
        }
        reset::to(self, &place, &want, new)?;
        // Another swarm had its turn here. An agent may have switched to any branch, so not every one is ours.
        if let (Some(before), Some(now)) = (&before, want.branch)
            && names::in_turn(before, now)
        {
            self.retire_branch(before)?;
        }
        if done.fresh {
            done.copied = include::copy(self, &place)?;
        }
        Ok(done)
    }

    /// Says that set-up was run in the worktree at `dir`, which is fresh no longer.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn ready(&self, dir: &Path) -> Result<(), GitError> {
        let place = self.place(&settle(dir)?);
        let Some(admin) = &place.admin else {
            return Err(GitError::Refused {
                what: dir.display().to_string(),
                why: "is not a worktree of this repository".into(),
            });
        };
        replace_file(&admin.join(READY), b"")
    }

    pub(super) fn place(&self, dir: &Path) -> Place {
        let mut place = Place::new(dir, self.common_dir());
        place.limit = self.long();
        place
    }

    /// Refuses a branch that some other worktree has checked out.
    fn refuse_elsewhere(&self, branch: &str, dir: &Path) -> Result<(), GitError> {
        let all = self.worktrees()?.into_iter();
        match all
            .filter(|w| w.branch.as_deref() == Some(branch) && w.path != dir && !w.prunable)
            .find(|w| w.path.exists())
        {
            Some(other) => Err(GitError::CheckedOut {
                branch: branch.into(),
                path: other.path,
            }),
            None => Ok(()),
        }
    }

    /// The commit that the worktree with the git folder `admin` is at, if it is at one.
    fn head_of(&self, admin: &Path) -> Result<Option<Oid>, GitError> {
        // Its files may be gone, so this must not run among them.
        let git = self.git().env("GIT_DIR", admin);
        let git = git.env("GIT_COMMON_DIR", self.common_dir());
        let git = git.args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
        let text = git.text();
        let head = git.output()?;
        let found = head.status.success().then(|| oid(&text, &head.stdout));
        found.transpose()
    }

    /// Puts commits on a salvage ref that only the worktree's HEAD or branch reach: both will move.
    fn keep_tips(
        &self,
        place: &Place,
        branch: Option<&str>,
        base: &Oid,
    ) -> Result<Vec<String>, GitError> {
        let mut tips = Vec::new();
        if let Some(branch) = branch {
            tips.extend(self.branch_tip(branch)?);
        }
        if let Some(admin) = &place.admin {
            let on_branch = branch.map(|b| format!("ref: refs/heads/{b}\n"));
            let head = fs::read(admin.join("HEAD")).unwrap_or_default();
            // On its own branch it is at that branch's tip, which is there already.
            if tips.is_empty() || on_branch.is_none_or(|b| b.as_bytes() != head) {
                tips.extend(self.head_of(admin)?);
            }
        }
        tips.retain(|tip| tip != base);
        tips.sort();
        tips.dedup();
        let mut kept = Vec::new();
        for tip in tips {
            let mut git = self.git().args(["rev-list", "--max-count=1", tip.as_str()]);
            git = git.args(["--not", base.as_str(), "--glob=refs/skep/"]);
            git = git.args(branch.map(|b| format!("--exclude={b}")));
            git = git.args(["--branches", "--tags", "--remotes"]);
            if git.run()?.is_empty() {
                continue;
            }
            let name = names::kept(branch.unwrap_or("detached"), &tip);
            self.set_ref(&name, &tip, "skep: kept before reset")?;
            kept.push(name);
        }
        Ok(kept)
    }

    /// Registers the worktree with git, without files. `false` when a folder that was there is adopted.
    fn register(&self, want: &Want<'_>) -> Result<bool, GitError> {
        let turn = self.turn()?;
        let dir = want.dir;
        // An empty folder is no work; `rmdir` refuses every other.
        let _ = fs::remove_dir(dir);
        self.forget_half_made(dir)?;
        if fs::symlink_metadata(dir).is_err() {
            self.add(dir, want, &turn)?;
            return Ok(true);
        }
        // git registers only new folders: a neighbour is made, and its registration pointed here.
        let neighbours = dir.with_file_name(".skep-adopt");
        let neighbour = neighbours.join(dir.file_name().unwrap_or_default());
        remove_all(&neighbours)?;
        fs::create_dir_all(&neighbours).map_err(GitError::io("create", &neighbours))?;
        self.add(&neighbour, want, &turn)?;
        let admin = registration(self.common_dir(), &neighbour);
        let admin = admin.ok_or_else(|| GitError::Refused {
            what: dir.display().to_string(),
            why: "was not registered by `git worktree add`".into(),
        })?;
        let own = dir.join(".git");
        remove_all(&own)?;
        replace_file(&own, &pointer("gitdir: ", &admin))?;
        replace_file(&admin.join("gitdir"), &pointer("", &own))?;
        remove_all(&neighbours)?;
        Ok(false)
    }

    fn add(
        &self,
        dir: &Path,
        want: &Want<'_>,
        turn: &super::lock::Turn<'_>,
    ) -> Result<(), GitError> {
        let call = || {
            let git = self.git().args(["worktree", "add", "--quiet"]);
            // Forced twice: over a registration whose folder is gone, even a locked one.
            let git = git.args(["--no-checkout", "--detach", "--force", "--force"]);
            let git = git.arg("--").arg(dir).arg(want.base.as_str());
            git.holding(turn.file(self)?).limit(self.long()).run()
        };
        super::lock::moving_refs(self, call).map(drop)
    }

    /// Removes what `git worktree add` leaves when it is killed before it is done: a registration that
    /// nothing points to, or one without a sound HEAD.
    fn forget_half_made(&self, dir: &Path) -> Result<(), GitError> {
        if let Some(admin) = registration(self.common_dir(), dir) {
            remove_all(&admin)?;
        }
        let name = dir.file_name().unwrap_or_default();
        let all = fs::read_dir(self.common_dir().join("worktrees"));
        for entry in all.into_iter().flatten().flatten() {
            let id = entry.file_name();
            let id = id.as_encoded_bytes();
            let ours = id
                .strip_prefix(name.as_encoded_bytes())
                .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit));
            let admin = entry.path();
            // git writes `locked` first and `gitdir` second; between and before, nothing is there, or a file
            // that was made and not yet filled.
            let locked = fs::read(admin.join("locked")).unwrap_or_default();
            let starting = b"initializing".starts_with(locked.trim_ascii_end());
            let gitdir = fs::read(admin.join("gitdir")).unwrap_or_default();
            if ours && starting && gitdir.trim_ascii().is_empty() {
                remove_all(&admin)?;
            }
        }
        Ok(())
    }

    /// Brings a hidden worktree to `commit`, detached: where a merge is checked before it lands.
    /// Ignored files stay from one commit to the next, so builds there are warm.
    ///
    /// # Errors
    /// As [`Repo::prepare`].
    pub fn checkout_detached(&self, dir: &Path, commit: &Oid) -> Result<Prepared, GitError> {
        self.prepare(&Want {
            dir,
            branch: None,
            base: commit,
        })
    }

    /// Removes a worktree of which nothing would be lost: its HEAD is reached by one of `kept_in` (full
    /// ref names or ids) and it holds no change, or else `saved` is what it holds. A worktree that is
    /// gone already, wholly or half, is removed again without complaint.
    ///
    /// # Errors
    /// [`GitError::NotSaved`] naming what would be lost.
    pub fn remove(
        &self,
        dir: &Path,
        kept_in: &[&str],
        saved: Option<&Snapshot>,
    ) -> Result<(), GitError> {
        let dir = settle(dir)?;
        if dir == self.root() {
            return Err(GitError::Refused {
                what: dir.display().to_string(),
                why: "is your own checkout, which Skep never removes".into(),
            });
        }
        let mut place = self.place(&dir);
        place.hold()?;
        if dir.exists() {
            self.refuse_unsaved(&place, kept_in, saved)?;
        }
        let trash = dir.with_file_name({
            let mut name = std::ffi::OsString::from(".skep-trash-");
            name.push(dir.file_name().unwrap_or_default());
            name
        });
        remove_all(&trash)?;
        let turn = self.turn()?;
        if dir.exists() {
            // From one instant to the next it is gone: half a worktree would look like lost work.
            fs::rename(&dir, &trash).map_err(GitError::io("move away", &dir))?;
        }
        if let Some(admin) = registration(self.common_dir(), &dir) {
            remove_all(&admin)?;
        }
        drop(turn);
        remove_all(&trash)
    }

    fn refuse_unsaved(
        &self,
        place: &Place,
        kept_in: &[&str],
        saved: Option<&Snapshot>,
    ) -> Result<(), GitError> {
        let refuse = |why: String| {
            Err(GitError::NotSaved {
                path: place.files.clone(),
                why,
            })
        };
        let changed = match saved {
            Some(saved) => super::snapshot::differences(place, &saved.tree, None)?,
            None if place.admin.is_none() => {
                return refuse("git no longer knows of it; save a snapshot first".into());
            }
            None => reset::changes(place)?,
        };
        if let Some(first) = changed.first() {
            let rest = changed.len() - 1;
            return refuse(format!("{first} (and {rest} more) would be lost"));
        }
        if place.admin.is_some() {
            let mut git = place
                .git()
                .args(["rev-list", "--max-count=1", "HEAD", "--not"]);
            git = git.args(kept_in.iter().copied());
            git = git.args(saved.iter().map(|s| s.commit.as_str()));
            if let Some(commit) = git.run()?.get(..10) {
                return refuse(format!("commit {} would be lost", shown(commit)));
            }
        }
        Ok(())
    }

    /// Skep's worktrees below `dir`, as git has them registered.
    ///
    /// # Errors
    /// When git fails.
    pub fn worktrees_below(&self, dir: &Path) -> Result<Vec<super::Registered>, GitError> {
        let dir: PathBuf = fs::canonicalize(dir).unwrap_or_else(|_| dir.into());
        let mut all = self.worktrees()?;
        all.retain(|w| w.path.starts_with(&dir));
        Ok(all)
    }

    /// Deletes a branch whose commits `kept_in` all contain, and which nobody has checked out. A
    /// branch that is gone already is as good.
    ///
    /// # Errors
    /// [`GitError::Refused`] when commits would be lost.
    pub fn drop_branch(&self, branch: &str, kept_in: &[&str]) -> Result<(), GitError> {
        let Some(tip) = self.branch_tip(branch)? else {
            return Ok(());
        };
        self.refuse_elsewhere(branch, Path::new(""))?;
        let git = self
            .git()
            .args(["rev-list", "--max-count=1", tip.as_str(), "--not"]);
        let git = git.args(kept_in.iter().copied());
        if let Some(commit) = records(&git.run()?).next() {
            return Err(GitError::Refused {
                what: format!("branch {branch}"),
                why: format!(
                    "is not deleted: commit {} is nowhere else",
                    shown(commit.trim_ascii())
                ),
            });
        }
        let name = format!("refs/heads/{branch}");
        super::lock::moving_refs(self, || {
            let git = self.git().args(["update-ref", "-d", &name, tip.as_str()]);
            git.run().map(drop)
        })
    }
}

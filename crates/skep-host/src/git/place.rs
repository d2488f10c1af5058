//! One worktree as Skep sees it: its files, its git folder, and the repository they belong to.
//!
//! Agents own their worktree and may do anything to its `.git`: delete it, replace it, point it
//! elsewhere. So nothing here believes that file; the repository's own list of worktrees is asked.

use super::{
    error::GitError,
    exec::{Git, LONG, bytes, path},
    lock::lock_file,
    repo::STATE_DIR,
};
use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A worktree and its git folders.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its files.
    pub(super) files: PathBuf,
    /// Its own git folder (HEAD, index); `None` when the repository no longer knows of it.
    pub(super) admin: Option<PathBuf>,
    /// The repository's git folder.
    pub(super) common: PathBuf,
    /// The deadline of a call.
    pub(super) limit: Duration,
    /// Somebody is at work here: nothing is changed, not even permissions that are in the way.
    pub(super) guest: bool,
    /// The right to change this worktree, shared with every git that works in it.
    pub(super) lock: Option<Arc<fs::File>>,
}

impl Place {
    /// The worktree at `dir` of the repository whose git folder is `common`.
    pub(super) fn new(dir: &Path, common: &Path) -> Self {
        let admin = if common.parent() == Some(dir) && common.ends_with(".git") {
            Some(common.to_path_buf())
        } else {
            registration(common, dir).filter(|admin| head_is_sound(admin))
        };
        Self {
            files: dir.into(),
            admin,
            common: common.into(),
            limit: LONG,
            guest: false,
            lock: None,
        }
    }

    /// Waits for the right to change this worktree. Every git that then runs here shares it, so when a
    /// keeper is killed the next one waits for the git that the first left running.
    pub(super) fn hold(&mut self) -> Result<(), GitError> {
        if let Some(admin) = &self.admin {
            let lock = lock_file(&admin.join("skep-lock"), self.limit)?;
            self.lock = Some(Arc::new(lock));
        }
        Ok(())
    }

    /// The worktree at `dir`, which is either one of Skep's (below a `.skep` folder) or a user's.
    pub(super) fn find(dir: &Path) -> Result<Self, GitError> {
        let dir = fs::canonicalize(dir).map_err(GitError::io("find", dir))?;
        let state = dir.ancestors().skip(1).find(|a| a.ends_with(STATE_DIR));
        let asked = match state.and_then(Path::parent) {
            Some(root) if root.join(".git").exists() => root,
            _ => &dir,
        };
        // A folder of that name in Skep's own root is what git would say, too, and saves a process an attempt.
        let own = asked.join(".git");
        if asked != dir && fs::symlink_metadata(&own).is_ok_and(|m| m.is_dir()) {
            return Ok(Self::new(&dir, &own));
        }
        let git = Git::new(asked).args(["rev-parse", "--path-format=absolute"]);
        let mut common = git.arg("--git-common-dir").run()?;
        // Only the last newline is git's.
        common.pop();
        Ok(Self::new(&dir, Path::new(&OsString::from_vec(common))))
    }

    /// A call in this worktree.
    pub(super) fn git(&self) -> Git {
        let git = Git::new(&self.files)
            .limit(self.limit)
            .env("GIT_WORK_TREE", &self.files);
        let git = match self.lock.as_ref().and_then(|lock| lock.try_clone().ok()) {
            Some(lock) => git.holding(lock),
            None => git,
        };
        match &self.admin {
            // Named in full: the `commondir` file lies where an agent can write.
            Some(admin) if *admin != self.common => git
                .env("GIT_DIR", admin)
                .env("GIT_COMMON_DIR", &self.common),
            _ => git.env("GIT_DIR", &self.common),
        }
    }

    /// A call on objects and refs only: neither the files nor the index (which may be damaged) are
    /// within its reach.
    pub(super) fn objects(&self) -> Git {
        Git::objects(&self.common).limit(self.limit)
    }

    /// The folder for files of ours that belong to this worktree.
    pub(super) fn own(&self) -> &Path {
        self.admin.as_deref().unwrap_or(&self.common)
    }

    /// Runs a call that deletes or rewrites files; when permissions are in its way, opens them up
    /// (the files are ours to remove) and runs it once more.
    pub(super) fn forcing(&self, call: impl Fn() -> Git) -> Result<(), GitError> {
        match call().limit(self.limit).run() {
            Err(e) if e.says("ermission denied") => {
                open_up(&self.files, true)?;
                call().limit(self.limit).run()?;
            }
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        Ok(())
    }
}

/// Whether git would take the folder for one: a HEAD that is a ref or an id.
fn head_is_sound(admin: &Path) -> bool {
    let head = fs::read(admin.join("HEAD")).unwrap_or_default();
    let text = head.trim_ascii_end();
    let hex = text.len() >= 40 && text.iter().all(u8::is_ascii_hexdigit);
    hex || text.starts_with(b"ref: refs/")
}

/// The folder below `common` in which the worktree at `dir` is registered.
pub(super) fn registration(common: &Path, dir: &Path) -> Option<PathBuf> {
    let wanted = dir.join(".git");
    let all = fs::read_dir(common.join("worktrees")).ok()?;
    all.flatten().map(|entry| entry.path()).find(|admin| {
        let Ok(text) = fs::read(admin.join("gitdir")) else {
            return false;
        };
        // Relative since git 2.48, if the user wants it so.
        plain(&admin.join(path(text.trim_ascii_end()))) == wanted
    })
}

/// Completes registrations that a killed `git worktree add` left with an empty `commondir`: one such file
/// makes git fail for every worktree of the repository.
pub(super) fn mend_commondirs(common: &Path) -> Result<(), GitError> {
    let all = fs::read_dir(common.join("worktrees"));
    for admin in all.into_iter().flatten().flatten() {
        let file = admin.path().join("commondir");
        if fs::metadata(&file).is_ok_and(|m| m.len() == 0) {
            replace_file(&file, b"../..\n")?;
        }
    }
    Ok(())
}

/// A path without `.` and `..`, by its text alone.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// The real path of a folder that need not exist yet; its parent is made.
pub(super) fn settle(dir: &Path) -> Result<PathBuf, GitError> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(GitError::Refused {
            what: dir.display().to_string(),
            why: "cannot be a worktree".into(),
        });
    };
    fs::create_dir_all(parent).map_err(GitError::io("create", parent))?;
    let parent = fs::canonicalize(parent).map_err(GitError::io("find", parent))?;
    Ok(parent.join(name))
}

/// Lets the owner read (and with `write` change) every folder and file below `dir`. Links are not followed.
pub(super) fn open_up(dir: &Path, write: bool) -> Result<(), GitError> {
    let extra = if write { 0o700 } else { 0o500 };
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let meta = fs::symlink_metadata(&folder).map_err(GitError::io("look at", &folder))?;
        let mode = meta.permissions().mode();
        if mode & extra != extra {
            let opened = fs::set_permissions(&folder, fs::Permissions::from_mode(mode | extra));
            opened.map_err(GitError::io("open up", &folder))?;
        }
        let entries = fs::read_dir(&folder).map_err(GitError::io("read", &folder))?;
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let mode = entry.metadata().map_or(0o600, |m| m.permissions().mode());
                    if mode & 0o400 == 0 {
                        let mode = fs::Permissions::from_mode(mode | 0o400);
                        let _ = fs::set_permissions(entry.path(), mode);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes a file, link or folder, whatever its permissions; one that is not there is as good.
pub(super) fn remove_all(path: &Path) -> Result<(), GitError> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let gone = if meta.is_dir() {
        fs::remove_dir_all(path).or_else(|e| match e.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => {
                let _ = open_up(path, true);
                fs::remove_dir_all(path)
            }
        })
    } else {
        fs::remove_file(path)
    };
    match gone {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(GitError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Writes a small file whole or not at all.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> Result<(), GitError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".skep-new");
    let new = PathBuf::from(name);
    fs::write(&new, content).map_err(GitError::io("write", &new))?;
    fs::rename(&new, path).map_err(GitError::io("replace", path))
}

/// The content of a `.git` file or `gitdir` file that points to `target`.
pub(super) fn pointer(prefix: &str, target: &Path) -> Vec<u8> {
    [prefix.as_bytes(), bytes(target), b"\n"].concat()
}

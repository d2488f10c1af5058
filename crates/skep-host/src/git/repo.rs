//! A repository: where it is, what its refs say, and the calls that every other part makes.

use super::{
    error::{GitError, MIN_VERSION, RepoError, oid, shown},
    exec::{Git, LONG, QUICK, path, records},
};
use crate::site::ignore_all;
use rustix::fs::{Access, access};
use skep_core::id::Oid;
use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

/// The folder, at the repository's root, that holds everything Skep keeps there.
pub const STATE_DIR: &str = ".skep";

/// A repository that can be worked in.
#[derive(Clone, Debug)]
pub struct Repo {
    root: PathBuf,
    common: PathBuf,
    /// The git folder of the worktree that the user is in; its HEAD is the user's.
    here: PathBuf,
    format: ObjectFormat,
    limit: Option<Duration>,
    /// Orders threads before they queue for the lock between processes.
    pub(super) turn: Arc<Mutex<()>>,
}

/// How objects are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFormat {
    /// 40 digits.
    Sha1,
    /// 64 digits.
    Sha256,
}

/// What the user has checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A branch.
    Branch {
        /// Its name, without `refs/heads/`.
        name: String,
        /// Its tip.
        oid: Oid,
    },
    /// A commit.
    Detached(Oid),
}

impl Repo {
    /// Finds the repository that `dir` is in.
    ///
    /// In a linked worktree, the root (and with it Skep's state) is the main worktree's, so that one
    /// repository has one state; [`Repo::head`] is still that of the worktree `dir` is in. Where the main
    /// repository is bare, the root is the linked worktree's.
    ///
    /// # Errors
    /// See [`RepoError`]: each says what to do.
    pub fn discover(dir: &Path) -> Result<Self, RepoError> {
        fs::read_dir(dir).map_err(|source| RepoError::NoDirectory {
            dir: dir.into(),
            source,
        })?;
        check_version(dir)?;
        let asked = ["--is-bare-repository", "--is-inside-git-dir"];
        let git = Git::new(dir).arg("rev-parse").args(asked);
        let git = git.arg("--show-object-format");
        let text = git.text();
        let output = git.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("not a git repository") {
            return Err(RepoError::NotARepository { dir: dir.into() });
        }
        if said.contains("dubious ownership") {
            return Err(RepoError::Untrusted {
                dir: dir.into(),
                stderr: shown(said.trim().as_bytes()),
            });
        }
        let output = output.success(text, dir.into())?;
        let facts = String::from_utf8_lossy(&output.stdout).into_owned();
        if facts.lines().take(2).any(|l| l == "true") {
            return Err(RepoError::Bare { dir: dir.into() });
        }
        let one = |arg: &str| -> Result<PathBuf, GitError> {
            let git = Git::new(dir).args(["rev-parse", "--path-format=absolute", arg]);
            let mut line = git.run()?;
            // Only the last newline is git's; a path may contain others.
            line.pop();
            Ok(PathBuf::from(OsString::from_vec(line)))
        };
        let mut repo = Self {
            root: one("--show-toplevel")?,
            common: one("--git-common-dir")?,
            here: one("--git-dir")?,
            format: match facts.lines().nth(2) {
                Some("sha256") => ObjectFormat::Sha256,
                _ => ObjectFormat::Sha1,
            },
            limit: None,
            turn: Arc::default(),
        };
        if repo.here != repo.common
            && let Some(main) = repo.worktrees()?.into_iter().find(|w| !w.bare)
            && repo.here_is_linked_to(&main.path)
        {
            repo.root = main.path;
        }
        repo.check_head()?;
        for folder in [&repo.root, &repo.common.join("objects"), &repo.common] {
            access(folder, Access::WRITE_OK).map_err(|errno| RepoError::ReadOnly {
                path: folder.clone(),
                source: errno.into(),
            })?;
        }
        Ok(repo)
    }

    /// Whether `main` is a worktree whose git folder is the common one.
    fn here_is_linked_to(&self, main: &Path) -> bool {
        let dot_git = main.join(".git");
        dot_git.is_dir() || fs::read_to_string(dot_git).is_ok_and(|t| !t.contains("/worktrees/"))
    }

    fn check_head(&self) -> Result<(), RepoError> {
        let verify = |rev: &str| {
            let git = self.git_here().args(["rev-parse", "--verify", "--quiet"]);
            git.arg(rev).output()
        };
        if verify("HEAD^{commit}")?.status.success() {
            return Ok(());
        }
        if verify("HEAD")?.status.success() {
            // The branch names a commit that is damaged or gone: git's own words say which.
            let git = self.git_here().args(["cat-file", "-e", "HEAD^{commit}"]);
            git.run()?;
        }
        let root = self.root.clone();
        Err(RepoError::Unborn { root })
    }

    /// The same repository, with a deadline of `limit` for every call.
    #[must_use]
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The main worktree's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The folder with the objects and refs that all worktrees share.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common
    }
    /// Where Skep keeps its state: `.skep` at the root. It need not exist yet.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(STATE_DIR)
    }
    /// How objects are named.
    #[must_use]
    pub fn object_format(&self) -> ObjectFormat {
        self.format
    }
    /// The id that means "no such object" in ref updates.
    pub(super) fn zero(&self) -> String {
        "0".repeat(match self.format {
            ObjectFormat::Sha1 => 40,
            ObjectFormat::Sha256 => 64,
        })
    }

    /// Makes the state folder, invisible to the user's `git status`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ensure_state_dir(&self) -> Result<PathBuf, GitError> {
        let dir = self.state_dir();
        fs::create_dir_all(&dir).map_err(GitError::io("create", &dir))?;
        ignore_all(&dir).map_err(GitError::io("write .gitignore in", &dir))?;
        Ok(dir)
    }

    /// A call on objects and refs only: no worktree and no index is within its reach.
    pub(super) fn git(&self) -> Git {
        Git::objects(&self.common).limit(self.quick())
    }
    /// A call that sees the HEAD of the user's worktree, and still neither files nor index.
    fn git_here(&self) -> Git {
        self.git().env("GIT_DIR", &self.here)
    }
    pub(super) fn quick(&self) -> Duration {
        self.limit.unwrap_or(QUICK)
    }
    pub(super) fn long(&self) -> Duration {
        self.limit.unwrap_or(LONG)
    }

    /// What the user has checked out.
    ///
    /// # Errors
    /// When git fails.
    pub fn head(&self) -> Result<Head, GitError> {
        let tip = self.git_here().args(["rev-parse", "--verify", "HEAD"]);
        let tip = tip.oid()?;
        let git = self.git_here().args(["symbolic-ref", "--quiet", "HEAD"]);
        let (text, dir) = (git.text(), self.common.clone());
        let output = git.output()?;
        if output.code() == Some(1) {
            return Ok(Head::Detached(tip));
        }
        let name = output.success(text, dir)?.stdout;
        let name = shown(name.trim_ascii());
        let name = name.strip_prefix("refs/heads/").unwrap_or(&name).into();
        Ok(Head::Branch { name, oid: tip })
    }

    /// The commit that `rev` names: a branch, a tag, an id, `HEAD~2`.
    ///
    /// # Errors
    /// When it names nothing, or not a commit.
    pub fn resolve(&self, rev: &str) -> Result<Oid, GitError> {
        let git = self.git_here().args(["rev-parse", "--verify", "--quiet"]);
        let git = git.args(["--end-of-options", &format!("{rev}^{{commit}}")]);
        let text = git.text();
        let output = git.output()?;
        if output.status.success() {
            return oid(&text, &output.stdout);
        }
        Err(GitError::Refused {
            what: format!("revision {:?}", shown(rev.as_bytes())),
            why: "names no commit in this repository".into(),
        })
    }

    /// The tip of a branch, given without `refs/heads/`.
    ///
    /// # Errors
    /// When git fails; a missing branch is `None`.
    pub fn branch_tip(&self, name: &str) -> Result<Option<Oid>, GitError> {
        self.reference(&format!("refs/heads/{name}"))
    }

    /// What a ref, given in full, points to.
    ///
    /// # Errors
    /// When git fails; a missing ref is `None`.
    pub fn reference(&self, full: &str) -> Result<Option<Oid>, GitError> {
        if let Some(known) = super::refs::read(&self.common, full) {
            return Ok(known);
        }
        let git = self.git().args(["rev-parse", "--verify", "--quiet"]);
        let git = git.args(["--end-of-options", full]);
        let text = git.text();
        let output = git.output()?;
        match output.code() {
            Some(0) => oid(&text, &output.stdout).map(Some),
            Some(1) => Ok(None),
            _ => Err(output.failure(text, self.common.clone())),
        }
    }

    /// Whether `old` is `new` or one of its ancestors.
    ///
    /// # Errors
    /// When git fails.
    pub fn is_ancestor(&self, old: &Oid, new: &Oid) -> Result<bool, GitError> {
        if old == new {
            return Ok(true);
        }
        let git = self.git().args(["merge-base", "--is-ancestor"]);
        let git = git.args([old.as_str(), new.as_str()]);
        let text = git.text();
        let output = git.output()?;
        match output.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(output.failure(text, self.common.clone())),
        }
    }

    /// The refs below `prefix` (such as `refs/skep/salvage/`), in order.
    ///
    /// # Errors
    /// When git fails.
    pub fn refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let format = "--format=%(objectname) %(refname)";
        let git = self.git().args(["for-each-ref", format, "--", prefix]);
        let text = git.text();
        let listed = git.run()?;
        let lines = listed.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines
            .map(|line| {
                let (id, name) = line.split_at(line.iter().position(|b| *b == b' ').unwrap_or(0));
                Ok((shown(name.trim_ascii()), oid(&text, id)?))
            })
            .collect()
    }

    /// The files that differ between two commits.
    ///
    /// # Errors
    /// When git fails.
    pub fn files_changed(&self, from: &Oid, to: &Oid) -> Result<Vec<String>, GitError> {
        let git = self
            .git()
            .args(DIFF_NAMES)
            .args([from.as_str(), to.as_str()]);
        Ok(records(&git.run()?).map(shown).collect())
    }

    /// Whether history was cut off by `git clone --depth`.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        fs::metadata(self.common.join("shallow")).is_ok_and(|m| m.len() > 0)
    }

    /// Whether the commit has submodules. Skep neither fills nor follows them.
    ///
    /// # Errors
    /// When git fails.
    pub fn has_submodules(&self, commit: &Oid) -> Result<bool, GitError> {
        let git = self.git().args(["ls-tree", "-z", commit.as_str()]);
        Ok(!git.args(["--", ".gitmodules"]).run()?.is_empty())
    }

    /// The branches that are checked out, each with the worktree that has it.
    ///
    /// # Errors
    /// When git fails.
    pub fn checked_out(&self) -> Result<Vec<(String, PathBuf)>, GitError> {
        let all = self.worktrees()?.into_iter();
        Ok(all.filter_map(|w| Some((w.branch?, w.path))).collect())
    }

    /// Every worktree that git knows of, the main one first.
    ///
    /// # Errors
    /// When git fails.
    pub fn worktrees(&self) -> Result<Vec<Registered>, GitError> {
        let git = self.git().args(["worktree", "list", "--porcelain", "-z"]);
        let listed = match git.run() {
            Err(e) if e.says("commondir") => {
                super::place::mend_commondirs(&self.common)?;
                let git = self.git().args(["worktree", "list", "--porcelain", "-z"]);
                git.run()?
            }
            done => done?,
        };
        let mut all: Vec<Registered> = Vec::new();
        for line in records(&listed) {
            let text = String::from_utf8_lossy(line);
            if let Some(place) = line.strip_prefix(b"worktree ") {
                all.push(Registered::at(path(place)));
            } else if let Some(last) = all.last_mut() {
                match text.split_once(' ').unwrap_or((&text, "")) {
                    ("HEAD", id) => last.head = id.parse().ok(),
                    ("branch", name) => {
                        last.branch = Some(name.trim_start_matches("refs/heads/").into());
                    }
                    ("bare", _) => last.bare = true,
                    ("locked", why) => last.locked = Some(why.into()),
                    ("prunable", _) => last.prunable = true,
                    _ => {}
                }
            }
        }
        // Asked without a worktree, git lists its own folder in the main worktree's place.
        if let Some(main) = all.first_mut()
            && !main.bare
            && (main.path == Path::new("/dev/null") || main.path == self.common)
        {
            main.path = self.common.parent().unwrap_or(&self.common).into();
        }
        Ok(all)
    }
}

/// A plain list of the paths that differ, one record each.
pub(super) const DIFF_NAMES: [&str; 5] = ["diff-tree", "-r", "-z", "--name-only", "--no-renames"];

/// A worktree as git has it registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Where it is, or was.
    pub path: PathBuf,
    /// The commit checked out.
    pub head: Option<Oid>,
    /// The branch checked out, without `refs/heads/`.
    pub branch: Option<String>,
    /// A bare main repository.
    pub bare: bool,
    /// Why it is locked.
    pub locked: Option<String>,
    /// Its folder is gone.
    pub prunable: bool,
}

impl Registered {
    fn at(path: &Path) -> Self {
        Self {
            path: path.into(),
            head: None,
            branch: None,
            bare: false,
            locked: None,
            prunable: false,
        }
    }
}

/// Checks git's version; asked of git once in the life of the process.
fn check_version(dir: &Path) -> Result<(), RepoError> {
    static GOOD: OnceLock<()> = OnceLock::new();
    if GOOD.get().is_some() {
        return Ok(());
    }
    let said = match Git::new(dir).arg("--version").run() {
        Ok(said) => said,
        Err(GitError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(RepoError::NoGit(source));
        }
        Err(e) => return Err(e.into()),
    };
    let said = shown(said.trim_ascii());
    let found = said.trim_start_matches("git version ");
    if !is_new_enough(found) {
        return Err(RepoError::TooOld {
            found: found.into(),
        });
    }
    let _ = GOOD.set(());
    Ok(())
}

/// Whether a version such as `2.39.5 (Apple Git-154)` is one we can use.
fn is_new_enough(version: &str) -> bool {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    numbers(version) >= numbers(MIN_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["2.38.0", "2.39.5 (Apple Git-154)", "2.100.1", "3.0"] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in ["2.9.5", "2.37.9", "1.99", "", "git"] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }
}

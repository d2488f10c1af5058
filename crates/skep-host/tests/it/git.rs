//! Git, tried on real repositories in temporary folders.

// The lint's exception for tests does not reach helpers outside test functions.
#![allow(clippy::unwrap_used)]

mod faults;
mod forecast;
mod hostile;
mod landing;
mod merge;
mod prepare;
mod shared;
mod snapshot;

use skep_core::id::Oid;
use skep_host::{command::command, git::Repo};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A user's repository, with a first commit on `main`.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) repo: Repo,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|root| {
            write(root, "a.txt", "one\ntwo\nthree\n");
            write(root, "src/b.txt", "b\n");
            write(root, ".gitignore", "*.o\ntarget/\n.env\n");
        })
    }

    pub(crate) fn with(fill: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("user");
        fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        for (key, value) in [("user.name", "Ann"), ("user.email", "ann@example.org")] {
            git(&root, &["config", key, value]);
        }
        fill(&root);
        git(&root, &["add", "-A"]);
        git(&root, &["commit", "-q", "--allow-empty", "-m", "first"]);
        let repo = Repo::discover(&root).unwrap();
        Self { dir, repo }
    }

    pub(crate) fn root(&self) -> &Path {
        self.repo.root()
    }
    pub(crate) fn tip(&self, rev: &str) -> Oid {
        self.repo.resolve(rev).unwrap()
    }
    pub(crate) fn worker(&self, name: &str) -> PathBuf {
        self.repo.state_dir().join("worktrees").join(name)
    }
    /// Commits `files` on a new branch that starts at `from`, without touching the checkout.
    pub(crate) fn branch(&self, name: &str, from: &str, files: &[(&str, Option<&str>)]) -> Oid {
        let work = self.dir.path().join("side");
        let root = self.root();
        git(
            root,
            &[
                "worktree",
                "add",
                "-q",
                "-f",
                "-b",
                name,
                work.to_str().unwrap(),
                from,
            ],
        );
        for (path, content) in files {
            match content {
                Some(content) => write(&work, path, content),
                None => drop(git(&work, &["rm", "-rq", path])),
            }
        }
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "--allow-empty", "-m", name]);
        git(root, &["worktree", "remove", "-f", work.to_str().unwrap()]);
        self.tip(name)
    }
    /// A file's content in a commit.
    pub(crate) fn content(&self, commit: &Oid, path: &str) -> String {
        git(self.root(), &["show", &format!("{commit}:{path}")])
    }
}

/// Runs git as a user would; its output without the last newline.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let (ok, said) = try_git(dir, args);
    assert!(ok, "git {args:?} in {}: {said}", dir.display());
    said
}

pub(crate) fn try_git(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = command("git", dir)
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .output()
        .unwrap();
    let said = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    let said = String::from_utf8_lossy(&said).trim_end_matches('\n').into();
    (output.status.success(), said)
}

pub(crate) fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A file `name/…/f` whose path, even below `root`, is longer than the system takes in one piece.
pub(crate) fn bury(root: &Path, name: &str, content: &str) {
    let (inner, outer) = (root.join("n".repeat(200)), root.join(name));
    write(&inner, "f", content);
    // From the inside out, for each step to get along with short paths.
    for _ in 0..25 {
        fs::create_dir(&outer).unwrap();
        fs::rename(&inner, outer.join(inner.file_name().unwrap())).unwrap();
        fs::rename(&outer, &inner).unwrap();
    }
    fs::rename(&inner, &outer).unwrap();
}

pub(crate) fn script(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Every file of the user's checkout, the index, HEAD and the user's branches, byte for byte.
pub(crate) fn fingerprint(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if name == ".git" || name == ".skep" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let meta = entry.metadata().unwrap();
                let mut seen = format!("{:o} {:?}\n", meta.permissions().mode(), meta.modified());
                if meta.is_symlink() {
                    seen += &format!("{:?}", fs::read_link(&path).unwrap());
                }
                let mut seen = seen.into_bytes();
                seen.extend(fs::read(&path).unwrap_or_default());
                all.insert(name, seen);
            }
        }
    }
    for file in ["index", "HEAD", "config"] {
        let content = fs::read(root.join(".git").join(file)).unwrap_or_default();
        all.insert(format!(".git/{file}"), content);
    }
    let args = [
        "for-each-ref",
        "--exclude=refs/heads/skep",
        "refs/heads",
        "refs/tags",
    ];
    all.insert("refs".into(), git(root, &args).into_bytes());
    all
}

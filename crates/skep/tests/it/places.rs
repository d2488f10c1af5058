//! Repositories as people really have them, one table: in each, a run either ends merged, or is refused clearly.
//! Either way the user's checkout, index, configuration and hooks are byte for byte what they were.

mod kinds;

use crate::{Ran, ran, text};
use skep_host::command::command;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const PLAN: &str = r#"
[swarm]
name = "place"
workers = 2
check = "test -e made.txt"
[[task]]
id = "a"
mission = "Make a file."
command = "echo made > made.txt"
[[task]]
id = "b"
mission = "Copy it."
command = "cat made.txt > copy.txt"
depends_on = ["a"]
"#;

/// A folder with a repository in it, and where in it a person stands.
struct Spot {
    dir: TempDir,
    repo: PathBuf,
    /// From where `skep` is run.
    stands: PathBuf,
    plan: String,
    /// The user that runs it, where it is not the one that runs the tests.
    nobody: bool,
}

/// How a run must end.
enum End {
    Merged,
    /// With this exit code and this text; nothing at all is touched.
    Refused(i32, &'static str),
}
use End::{Merged, Refused};

type Case = (&'static str, fn(&mut Spot), End);

const CASES: &[Case] = &[
    ("a plain repository", |_| {}, Merged),
    ("inside a subfolder", kinds::subfolder, Merged),
    ("inside a linked worktree", kinds::linked_worktree, Merged),
    ("submodules", kinds::submodules, Merged),
    ("a shallow clone", kinds::shallow_clone, Merged),
    ("a detached HEAD", kinds::detached, Merged),
    (
        "a detached HEAD, to land on main",
        |spot| {
            kinds::detached(spot);
            spot.lands_on_main();
        },
        Refused(2, "HEAD is detached and the plan names no target"),
    ),
    (
        "the target checked out elsewhere",
        kinds::target_elsewhere,
        Merged,
    ),
    (
        "the target checked out elsewhere, to land on it",
        |spot| {
            kinds::target_elsewhere(spot);
            spot.lands_on_main();
        },
        Refused(2, "would move main, which is checked out at"),
    ),
    ("failing hooks", kinds::failing_hooks, Merged),
    ("a locked index", kinds::locked_index, Merged),
    (
        "staged, changed and untracked files",
        kinds::unsaved_work,
        Merged,
    ),
    ("a merge that was begun", kinds::begun_merge, Merged),
    (
        "names with spaces, quotes and line feeds",
        kinds::odd_names,
        Merged,
    ),
    ("a long path", |spot| kinds::long_path(spot, 480), Merged),
    (
        "a path too long for SQLite",
        |spot| kinds::long_path(spot, 1_500),
        Refused(3, "is the most that SQLite opens"),
    ),
    (
        "no folder that can be written",
        kinds::read_only,
        Refused(2, "cannot be written"),
    ),
    (
        "a repository of somebody else's",
        kinds::somebody_elses,
        Refused(2, "git does not trust"),
    ),
    (
        "a bare repository",
        kinds::bare,
        Refused(2, "is a bare repository"),
    ),
    (
        "inside the folder .git",
        |spot| spot.stands = spot.repo.join(".git"),
        Refused(2, "has files"),
    ),
    ("no commit", kinds::unborn, Refused(2, "has no commit yet")),
    (
        "no repository",
        |spot| fs::remove_dir_all(spot.repo.join(".git")).unwrap(),
        Refused(2, "is not in a git repository"),
    ),
];

// proves: W-6, W-12, T-3, U-1
#[test]
fn a_run_ends_merged_or_is_refused_and_leaves_the_users_files_alone() {
    let mut failed = Vec::new();
    for (name, set_up, end) in CASES {
        let mut spot = Spot::new();
        set_up(&mut spot);
        if spot.nobody && !rustix::process::getuid().is_root() {
            crate::skipped(&format!("{name}: it takes root to be somebody else"));
            continue;
        }
        let found = match end {
            Merged => spot.ends_merged(),
            Refused(code, says) => spot.is_refused(*code, says),
        };
        if let Err(why) = found {
            failed.push(format!("== {name}\n{why}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

impl Spot {
    fn new() -> Spot {
        let dir = tempfile::Builder::new().prefix("place").tempdir().unwrap();
        let repo = dir.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&repo).unwrap();
        let spot = Spot {
            stands: repo.clone(),
            dir,
            repo,
            plan: PLAN.into(),
            nobody: false,
        };
        spot.git(&["init", "-q", "-b", "main"]);
        spot.git(&["config", "user.name", "Ann"]);
        spot.git(&["config", "user.email", "ann@example.org"]);
        spot.commit("README", "hello\n");
        spot
    }

    fn git(&self, args: &[&str]) -> String {
        git(&self.repo, args)
    }

    fn commit(&self, name: &str, content: &str) {
        let path = self.repo.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "more"]);
    }

    fn lands_on_main(&mut self) {
        self.plan = self.plan.replace("workers", "landing = \"main\"\nworkers");
    }

    fn skep(&self, args: &[&str]) -> Ran {
        let program = env!("CARGO_BIN_EXE_skep");
        let mut skep = if self.nobody {
            let mut skep = command("setpriv", &self.stands);
            let own = self.dir.path().join("skep");
            skep.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
            skep.arg(own);
            skep
        } else {
            command(program, &self.stands)
        };
        ran(quiet(&mut skep).args(args).output().unwrap())
    }

    /// The plan stands beside the repository, so that it is no change in it.
    fn run(&self) -> Ran {
        let plan = self.dir.path().join("plan.toml");
        fs::write(&plan, &self.plan).unwrap();
        if self.nobody {
            // The build's folder may be closed to others.
            fs::copy(env!("CARGO_BIN_EXE_skep"), self.dir.path().join("skep")).unwrap();
        }
        self.skep(&["run", plan.to_str().unwrap()])
    }

    fn ends_merged(&self) -> Result<(), String> {
        let before = self.seen();
        let worktrees = self.git(&["worktree", "list"]);
        let ran = self.run();
        if ran.code != 0 {
            return Err(format!("exit {}\n{}\n{}", ran.code, ran.out, ran.err));
        }
        let made = self.git(&["show", "skep/place:copy.txt"]);
        if made != "made\n" {
            return Err(format!("copy.txt is {made:?}"));
        }
        self.compare(&before, true)?;
        let cleaned = self.skep(&["clean"]);
        if cleaned.code != 0 {
            return Err(format!("clean: exit {}\n{}", cleaned.code, cleaned.err));
        }
        let left = self.git(&["worktree", "list"]);
        if left != worktrees {
            return Err(format!("left behind: {left}"));
        }
        self.compare(&before, true)
    }

    fn is_refused(&self, code: i32, says: &str) -> Result<(), String> {
        let before = self.seen();
        let ran = self.run();
        if ran.code != code || !ran.err.contains(says) || !ran.err.contains("error: ") {
            return Err(format!("exit {}\n{}\n{}", ran.code, ran.out, ran.err));
        }
        self.compare(&before, false)
    }

    /// What must not change has not, and what is new is only Skep's own.
    fn compare(&self, before: &BTreeMap<PathBuf, Vec<u8>>, ran: bool) -> Result<(), String> {
        let after = self.seen();
        for (path, bytes) in before {
            if after.get(path) != Some(bytes) {
                return Err(format!("{} was changed", path.display()));
            }
        }
        let ours = |path: &Path| {
            let text = path.to_string_lossy();
            let below = |part: &str| text.contains(part);
            below("/.skep/")
                || below("/objects/")
                || below("/refs/heads/skep")
                || below("/refs/skep")
                || below("/worktrees/w1/")
                || below("/worktrees/w2/")
                || below("/worktrees/integration/")
        };
        let new = after.keys().filter(|path| !before.contains_key(*path));
        for path in new {
            if !ran || !ours(path) {
                return Err(format!("{} is new", path.display()));
            }
        }
        Ok(())
    }

    /// Every file around, with its bytes; the folders of the test itself aside.
    fn seen(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(self.dir.path().canonicalize().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, &mut all);
            }
        }
        all
    }
}

pub(crate) fn walk(dir: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            walk(&path, all);
        } else if meta.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            all.insert(path, target.into_os_string().into_encoded_bytes());
        } else if meta.is_file() {
            let mut bytes = fs::read(&path).unwrap();
            bytes.push(u8::from(meta.permissions().mode() & 0o111 != 0));
            all.insert(path, bytes);
        }
    }
}

pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("NO_COLOR", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
}

#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let mut git = command("git", dir);
    let file = ["-c", "protocol.file.allow=always"];
    let output = quiet(git.args(file).args(args)).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

//! A repository with a keeper that a browser can reach.

use skep_host::command::command;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub(crate) struct World {
    folder: tempfile::TempDir,
    /// Who follows the plan in a terminal, as a person would.
    follower: Option<Child>,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::Builder::new().prefix("web").tempdir().unwrap();
        let world = World {
            folder,
            follower: None,
        };
        for name in ["repo", "outside", "tmp"] {
            fs::create_dir(world.root().join(name)).unwrap();
        }
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        for args in [
            ["init", "--quiet", "--initial-branch=main"].as_slice(),
            &["commit", "--quiet", "--allow-empty", "--message=begin"],
        ] {
            let mut git = command("git", &world.repo());
            assert!(git.args(who).args(args).status().unwrap().success());
        }
        world
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn repo(&self) -> PathBuf {
        self.root().join("repo")
    }

    fn skep(&self, args: &[&str]) -> Command {
        let mut skep = command(env!("CARGO_BIN_EXE_skep"), &self.repo());
        skep.args(args)
            .env("NO_COLOR", "1")
            .env("TMPDIR", self.root().join("tmp"))
            .env("SKEP_TMUX_SOCKET", self.root().join("tmp/tmux"))
            .env_remove("RUST_BACKTRACE");
        skep
    }

    #[track_caller]
    fn expect(&self, args: &[&str]) {
        let output = self.skep(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "skep {args:?}: {said}");
    }

    /// Begins a plan with a keeper in the background, and its watchdog.
    #[track_caller]
    pub(crate) fn run(&mut self, plan: &str) {
        let outside = self.root().join("outside").display().to_string();
        let path = self.root().join("plan.toml");
        fs::write(&path, plan.replace("OUTSIDE", &outside)).unwrap();
        self.expect(&["up", "--detach"]);
        let mut run = self.skep(&["run", &path.display().to_string()]);
        let run = run.stdout(Stdio::null()).stderr(Stdio::null());
        self.follower = Some(run.spawn().unwrap());
    }

    /// What the page's tests are told of it.
    pub(crate) fn told(&self) -> Vec<(&'static str, PathBuf)> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        vec![
            ("SKEP_TEST_REPO", self.repo()),
            ("SKEP_TEST_BIN", env!("CARGO_BIN_EXE_skep").into()),
            ("SKEP_TEST_SHOTS", target.join("screenshots")),
            (
                "SKEP_TEST_CHROMIUM",
                crate::workshop::chromium().unwrap_or_default(),
            ),
        ]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let ended = self.skep(&["down", "--now"]).output().unwrap();
        if let Some(mut follower) = self.follower.take() {
            // It ends with the keeper, unless that is already the second one.
            let _ = follower.kill();
            let _ = follower.wait();
        }
        if std::thread::panicking() {
            return;
        }
        assert!(ended.status.success(), "{ended:?}");
        let left = fs::read_dir(self.root().join("tmp")).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "it left temporary files: {left:?}");
    }
}

/// 5,000 tasks in ten waves for 100 workers. Those that are begun do nothing: the load is what the test sends.
pub(crate) fn large() -> String {
    let mut plan = String::from("[swarm]\nname = \"dash\"\nworkers = 100\n");
    for n in 0..5_000 {
        let needs = match n / 500 {
            0 => String::new(),
            _ => format!("depends_on = [\"task-{:04}\"]\n", n - 500),
        };
        plan += &format!(
            "[[task]]\nid = \"task-{n:04}\"\nmission = \"Do part {n} of a large plan.\"\ncommand = \"sleep 600\"\n{needs}"
        );
    }
    plan
}

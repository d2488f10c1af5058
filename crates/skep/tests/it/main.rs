//! The program as people use it: real repositories, real processes, real signals.

#![allow(clippy::unwrap_used)] // A test that panics has failed, which is what is wanted.

mod agents;
mod alerts;
mod asking;
mod bad_commands;
mod config;
mod contract;
mod costs;
mod dash;
mod deeds;
mod demos;
mod doctor;
mod forecast;
mod full_disk;
mod health;
mod hooks;
mod imports;
mod keeper;
mod layers;
mod leftovers;
mod litter;
mod mcp;
mod metrics;
mod places;
mod refusals;
mod reports;
mod runs;
mod said;
mod scaling;
mod scenarios;
mod secrets;
mod shared;
mod standing;
mod streams;
mod terminal;
mod tmux;
mod unattended;
mod watchdog;
mod watching;

use skep_host::command::command;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Two tasks that nobody begins.
const HELD: &str = r#"
[swarm]
name = "held"
workers = 0
[[task]]
id = "one"
mission = "Make one."
command = "echo 1 > one.txt"
[[task]]
id = "two"
mission = "Make two."
command = "echo 2 > two.txt"
"#;

/// A folder of its own, with a repository in it.
struct Sandbox {
    dir: TempDir,
    /// Where the socket of its tmux server would be: nobody else's sessions are ever seen.
    tmux: TempDir,
    /// Where its user's own configuration would be.
    home: TempDir,
    /// Where its programs put temporary files, of which none may be left.
    tmp: TempDir,
}

/// What a command printed, and how it ended.
struct Ran {
    out: String,
    err: String,
    code: i32,
}

impl Sandbox {
    fn empty() -> Sandbox {
        Sandbox::named("repo")
    }

    /// In a folder whose name begins so.
    fn named(name: &str) -> Sandbox {
        Sandbox {
            dir: tempfile::Builder::new().prefix(name).tempdir().unwrap(),
            tmux: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
            tmp: tempfile::tempdir().unwrap(),
        }
    }

    /// With one commit on `main`.
    fn new() -> Sandbox {
        Sandbox::empty().with_commit()
    }

    fn with_commit(self) -> Sandbox {
        let sandbox = self;
        sandbox.git(&["init", "-q", "-b", "main"]);
        sandbox.git(&["commit", "-q", "--allow-empty", "-m", "start"]);
        sandbox
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = command("git", self.path());
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        let output = git.args(who).args(args).output().unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// The program with a quiet environment.
    fn command(&self, args: &[&str]) -> Command {
        let mut skep = command(env!("CARGO_BIN_EXE_skep"), self.path());
        skep.args(args)
            .env("NO_COLOR", "1")
            .env("SKEP_TMUX_SOCKET", self.tmux.path().join("socket"))
            .env("TMPDIR", self.tmp.path())
            // No configuration of whoever runs the tests.
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env_remove("RUST_BACKTRACE");
        skep.stdout(Stdio::piped()).stderr(Stdio::piped());
        skep
    }

    fn skep(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    /// The same, with `code` expected.
    #[track_caller]
    fn expect(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.skep(args);
        assert_eq!(ran.code, code, "skep {args:?}\n{}\n{}", ran.out, ran.err);
        ran
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.expect(0, args).out).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A keeper that a failed test left would keep its folder.
        let _ = self.skep(&["down", "--now"]);
        if std::thread::panicking() {
            // What the test had no time to end.
            let _ = self.skep(&["doctor", "--fix"]);
            return;
        }
        // Whatever a test did, Skep's own state explains what is left (W-15).
        let left = litter::told(self, &[]);
        assert!(left.is_empty(), "the test left {left:#?}");
        let left = fs::read_dir(self.tmp.path()).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "the test left temporary files: {left:?}");
        // Processes that were just ended are gone within moments; what stays is litter.
        let began = std::time::Instant::now();
        loop {
            let left = litter::processes(self.path());
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed().as_secs() < 10, "the test left {left:#?}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

fn ran(output: Output) -> Ran {
    let code = output.status.code().unwrap_or(-1);
    Ran {
        out: text(&output.stdout),
        err: text(&output.stderr),
        code,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says that a case cannot be tried here. Not by `eprintln!`, which nobody sees of a test that passes.
fn skipped(why: &str) {
    let _ = std::io::stderr().write_all(format!("\nSKIPPED {why}\n").as_bytes());
}

/// Waits until something holds, and fails loudly if it never does.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed().as_secs() < 30, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

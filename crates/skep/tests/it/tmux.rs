//! Workers in panes, on a real tmux server of each test's own (W-2, U-1).

mod attach;
mod chaos;
mod loss;
mod panes;
mod top;

use crate::{Ran, Sandbox, ran, until};
use serde_json::Value;
use skep_host::command::command;
use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
};

/// One task whose command waits for the file `go`, printing what it is told to before and after.
const WAITS: &str = r#"
[swarm]
name = "two"
workers = 2
host = "tmux"
[[task]]
id = "a"
mission = "Make a."
command = "echo a begins; while test ! -e ../../../go; do sleep 0.05; done; echo a goes on; while test ! -e ../../../end; do sleep 0.05; done; echo a > a.txt"
[[task]]
id = "b"
mission = "Make b."
command = "echo b > b.txt"
"#;

/// A server of one's own, with a session that is nobody's but the person's.
struct Server {
    socket: PathBuf,
}

impl Server {
    fn of(sandbox: &Sandbox) -> Server {
        Server::at(sandbox.tmux.path().join("socket"))
    }

    fn at(socket: PathBuf) -> Server {
        let server = Server { socket };
        // Not the settings of whoever runs the tests.
        server.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "mine",
            "-x",
            "160",
            "-y",
            "40",
            "cat",
            "-",
        ]);
        server
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut tmux = command("tmux", "/".as_ref());
        tmux.env_remove("TMUX")
            .arg("-S")
            .arg(&self.socket)
            .args(args);
        tmux
    }

    /// What tmux says; it must be there. `cargo xtask test` installs it.
    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        let said = self.command(args).output();
        let said = said.expect(
            "these tests need tmux: `cargo xtask test` installs it, or `apt-get install tmux`",
        );
        let err = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "tmux {args:?}: {err}");
        String::from_utf8_lossy(&said.stdout).trim_end().to_string()
    }

    fn has(&self, session: &str) -> bool {
        let asked = self
            .command(&["has-session", "-t", &format!("={session}")])
            .output();
        asked.unwrap().status.success()
    }

    /// A fact of a worker's pane.
    fn pane(&self, worker: &str, fact: &str) -> Option<String> {
        let format = format!("#{{@skep-worker}} {fact}");
        let list = ["list-panes", "-s", "-t", "=skep-two:", "-F", &format];
        let said = self.command(&list).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        lines
            .find(|(w, _)| *w == worker)
            .map(|(_, fact)| fact.to_string())
    }

    /// What a worker's pane shows. Only tests read panes.
    fn shows(&self, worker: &str) -> String {
        let Some(id) = self.pane(worker, "#{pane_id}") else {
            return String::new();
        };
        let said = self
            .command(&["capture-pane", "-p", "-t", &id])
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

impl Sandbox {
    fn begin(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// The worker that does a task, once its shim runs.
    fn worker_of(&self, task: &str) -> String {
        let mut found = None;
        until("the task is at work", || {
            found = self.doing(task);
            found.is_some()
        });
        found.unwrap()["id"].as_str().unwrap().to_string()
    }

    fn doing(&self, task: &str) -> Option<Value> {
        let said = self.skep(&["workers", "--json"]);
        let list: Value = serde_json::from_str(&said.out).ok()?;
        let attempt = self.path().join(".skep/runs");
        let workers = list["workers"].as_array()?.clone();
        workers.into_iter().find(|w| {
            let begun = attempt.join(format!("a{}/started.json", w["attempt"]));
            w["current_task"] == task && begun.exists()
        })
    }

    fn attempts(&self, task: &str) -> Value {
        self.json(&["tasks", "show", task, "--json"])["attempts"].clone()
    }

    /// What was noticed, as the log has it.
    fn signals(&self) -> Vec<String> {
        let events = self.expect(0, &["events", "--json"]).out;
        let events = events
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        events
            .filter(|e| e["type"] == "signal")
            .map(|e| e["text"].as_str().unwrap().to_string())
            .collect()
    }
}

fn end(child: Child) -> Ran {
    ran(child.wait_with_output().unwrap())
}

fn started(sandbox: &Sandbox, attempt: u64) -> String {
    let place = format!(".skep/runs/a{attempt}/started.json");
    let started = fs::read(sandbox.path().join(place)).unwrap();
    let started: Value = serde_json::from_slice(&started).unwrap();
    started["pid"].to_string()
}

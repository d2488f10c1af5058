//! `skep top` in a real terminal, by a person's keys (U-4).

use super::Server;
use crate::{Sandbox, until};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, process::Child};

/// One waits and prints what drives terminals, one fails, one is done, and one waits for the first.
const PLAN: &str = r#"
[swarm]
name = "tour"
workers = 3
[policy]
max_retries = 0
[[task]]
id = "long"
mission = "Wait."
command = "printf 'begins \\033[2J\\033]0;owned\\007 here\\n'; while test ! -e ../../../end; do sleep 0.05; done; echo a > a.txt"
[[task]]
id = "fails"
mission = "Fail."
command = "echo in vain; exit 3"
[[task]]
id = "quick"
mission = "Be quick."
command = "echo q > q.txt"
[[task]]
id = "later"
mission = "Be late."
command = "echo l > l.txt"
depends_on = ["long"]
"#;

/// A terminal with a shell in it.
struct Terminal {
    server: Server,
}

impl Terminal {
    /// In the sandbox's folder, with `skep` to be typed as a command.
    fn open(sandbox: &Sandbox) -> Terminal {
        let server = Server::of(sandbox);
        let folder = sandbox.path().to_str().unwrap();
        let tmp = format!("TMPDIR={}", sandbox.tmp.path().display());
        server.tmux(&[
            "new-session",
            "-d",
            "-s",
            "top",
            "-x",
            "100",
            "-y",
            "24",
            "-c",
            folder,
            "-e",
            &tmp,
            "-e",
            "PS1=ready> ",
            "sh",
            "-i",
        ]);
        let terminal = Terminal { server };
        terminal.shows("ready>");
        terminal
    }

    fn screen(&self) -> String {
        self.server.tmux(&["capture-pane", "-p", "-t", "=top:"])
    }

    #[track_caller]
    fn shows(&self, text: &str) -> String {
        let mut screen = String::new();
        let began = std::time::Instant::now();
        loop {
            if screen.contains(text) {
                return screen;
            }
            assert!(
                began.elapsed().as_secs() < 30,
                "{text:?} is not on\n{screen}"
            );
            screen = self.screen();
        }
    }

    fn press(&self, keys: &[&str]) {
        for key in keys {
            self.server.tmux(&["send-keys", "-t", "=top:", key]);
        }
    }

    fn begin(&self) {
        let program = env!("CARGO_BIN_EXE_skep");
        self.press(&[&format!("{program} top"), "Enter"]);
        self.shows("1 Workers");
    }

    /// The terminal is the shell's again, as it was.
    #[track_caller]
    fn is_given_back(&self) {
        self.shows("ready>");
        let facts = self.server.tmux(&[
            "display-message",
            "-p",
            "-t",
            "=top:",
            "#{alternate_on} #{cursor_flag}",
        ]);
        assert_eq!(facts, "0 1", "{}", self.screen());
        // Raw mode is off: what is typed is echoed, and Enter ends a line.
        self.press(&["echo a-$((40 + 2))", "Enter"]);
        self.shows("a-42");
        self.press(&["clear", "Enter"]);
        until("the screen is cleared", || !self.screen().contains("a-42"));
    }

    fn pid(&self) -> Pid {
        let shell = self
            .server
            .tmux(&["display-message", "-p", "-t", "=top:", "#{pane_pid}"]);
        let children = format!("/proc/{shell}/task/{shell}/children");
        let mut found = None;
        until("skep top runs", || {
            let children = fs::read_to_string(&children).unwrap();
            found = children
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok());
            found.is_some()
        });
        Pid::from_raw(found.unwrap()).unwrap()
    }
}

fn started(sandbox: &Sandbox) -> Child {
    sandbox.write("plan.toml", PLAN);
    let run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("one is at work and one has failed", || {
        let at_work = sandbox.skep(&["why", "long"]).out.contains("at work");
        at_work
            && sandbox
                .skep(&["why", "fails"])
                .out
                .contains("needs a person")
    });
    run
}

fn finish(sandbox: &Sandbox, mut run: Child) {
    sandbox.write("end", "");
    run.wait().unwrap();
}

// proves: U-4, T-3
#[test]
fn every_key_does_what_the_help_says_on_a_running_plan() {
    let sandbox = Sandbox::new();
    let run = started(&sandbox);
    let top = Terminal::open(&sandbox);
    top.begin();
    let screen = top.shows("working");
    assert!(screen.contains("1 problem"), "{screen}");
    for (keys, shown) in [
        (&["2"][..], "fails  flagged"),
        (&["Tab"], "nobody asks anything"),
        (&["p"], "skep retry fails"),
        (&["Enter"], "1  begin it anew: skep retry fails"),
        (&["Escape", "$"], "in all, by task"),
        (&["b"], "by model"),
        (&["6"], "begins \\u{1b}[2J"),
        (&["7"], "2     waiting  1: later"),
        (&["?"], "leave; the swarm goes on"),
        (&["q", "2", "/", "late", "Enter"], "only \"late\""),
        (&["d"], "waits for long (running) to be merged"),
        (&["q", "Escape", "g", "j"], "fails  flagged"),
        (&["d"], "in vain"),
        (&["q", "l"], "fails, attempt"),
        (&["1", "P"], "paused: nothing more is claimed"),
        (&["P"], "resumed"),
        (&["2", "G", "x"], "y/n"),
        (&["n"], "nothing was done"),
        (&["g", "j", "r"], "Begin fails anew? y/n"),
        (&["y"], "fails begins anew"),
    ] {
        top.press(keys);
        top.shows(shown);
    }
    until("it was begun anew", || sandbox.attempts("fails") == 2);
    top.press(&["1", "k", "k", "k", "Space"]);
    top.shows("w1 takes no more tasks");
    // Whatever the screen shows of it by then.
    top.press(&["Space"]);
    top.shows("w1 takes tasks again");
    // It takes tasks again, or still does what it did before.
    until("w1 is not paused", || {
        let why = sandbox.skep(&["why", "w1", "--json"]).out;
        !why.contains("\"paused\"")
    });
    let title = top
        .server
        .tmux(&["display-message", "-p", "-t", "=top:", "#{pane_title}"]);
    assert!(!title.contains("owned"), "{title}");
    top.server
        .tmux(&["resize-window", "-t", "=top:", "-x", "40", "-y", "12"]);
    top.press(&["p"]);
    top.shows("4 Problems");
    top.press(&["q"]);
    top.is_given_back();
    finish(&sandbox, run);
}

// proves: U-4, L-10
#[test]
fn it_outlives_its_keeper_and_shows_what_the_log_says_meanwhile() {
    let sandbox = Sandbox::new();
    let mut run = started(&sandbox);
    let top = Terminal::open(&sandbox);
    top.begin();
    top.shows("working");
    run.kill().unwrap();
    run.wait().unwrap();
    let screen = top.shows("no keeper; waiting");
    assert!(screen.contains("tour"), "{screen}");
    top.press(&["p"]);
    top.shows("no keeper runs, so nothing goes on");
    top.press(&["P"]);
    top.shows("no keeper runs for this repository");
    let run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("the keeper is seen", || {
        !top.screen().contains("no keeper;")
    });
    finish(&sandbox, run);
    top.press(&["2"]);
    top.shows("no keeper; waiting");
    top.shows("long   merged");
    top.press(&["C-c"]);
    top.is_given_back();
}

// proves: U-4
#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let sandbox = Sandbox::new();
    let top = Terminal::open(&sandbox);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        top.begin();
        kill_process(top.pid(), signal).unwrap();
        top.is_given_back();
    }
    // Ctrl-Z, and a stop from elsewhere: the shell has its terminal until `fg`.
    top.begin();
    top.press(&["C-z"]);
    top.is_given_back();
    top.press(&["fg", "Enter"]);
    top.shows("1 Workers");
    kill_process(top.pid(), Signal::TSTP).unwrap();
    top.is_given_back();
    top.press(&["fg", "Enter"]);
    top.shows("1 Workers");
    top.press(&["q"]);
    top.is_given_back();
}

// proves: U-4, U-12
#[test]
fn without_a_terminal_it_says_what_works_instead() {
    let sandbox = Sandbox::new();
    for args in [&["top"][..], &["top", "--json"]] {
        let no = sandbox.expect(2, args);
        assert!(no.err.contains("skep status"), "{}", no.err);
        assert!(no.err.contains("skep top"), "{}", no.err);
    }
}

//! Where a swarm of real agents runs: a repository, a person's home with nothing in it but what points agents at the
//! scripted server, and a key that must turn up nowhere.

use crate::{AGENTS, leaks::holding};
use serde_json::Value;
use skep_host::command::command;
use skep_models::{Call, Script, Server, Turn, agents};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The one secret here.
pub(crate) const KEY: &str = "sk-scripted-7f3c9a51e0";
/// The longest that a run may take on a busy machine.
const MOST: Duration = Duration::from_secs(90);

/// One swarm's world. It is gone with it.
pub(crate) struct World {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
}

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// These calls, one in each turn; for aider, which reads edits from what its model says, all in one.
pub(crate) fn script(agent: &str, calls: impl IntoIterator<Item = Call>) -> Script {
    if agent == "aider" {
        let turn = Turn::say("Here it is.");
        let turn = calls.into_iter().fold(turn, Turn::call);
        return Script::default().turn(turn).without_tools();
    }
    Script::calls(calls)
}

impl World {
    pub(crate) fn new() -> World {
        // Not below TMPDIR: codex's sandbox does not work there.
        let folder = tempfile::Builder::new()
            .prefix("r")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let world = World {
            server: Server::start().unwrap(),
            folder,
        };
        for name in ["home", "repo", "tmp"] {
            fs::create_dir(world.root().join(name)).unwrap();
        }
        let who = "[user]\nname = A\nemail = a@b.c\n[init]\ndefaultBranch = main\n";
        fs::write(world.home().join(".gitconfig"), who).unwrap();
        for agent in AGENTS {
            // pi takes a variable's name for a key.
            let wiring = agents::wiring(agent, &world.server.url(), "OPENAI_API_KEY").unwrap();
            for (path, content) in wiring.files {
                let path = world.home().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        world.git(&["init", "--quiet"]);
        world.git(&["commit", "--quiet", "--allow-empty", "--message=begin"]);
        world
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.root().join("repo")
    }

    fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.repo().join(name), text).unwrap();
    }

    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut git = command("git", &self.repo());
        let output = git.env("HOME", self.home()).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A file on the swarm's branch.
    #[track_caller]
    pub(crate) fn merged(&self, path: &str) -> String {
        self.git(&["show", &format!("skep/real:{path}")])
    }

    /// The program as a person starts it who has keys in the environment; nothing of ours is in it.
    fn command(&self, args: &[&str]) -> Command {
        let mut skep = command(env!("CARGO_BIN_EXE_skep"), &self.repo());
        skep.env_clear().args(args).envs(agents::nowhere());
        for agent in AGENTS {
            let wiring = agents::wiring(agent, &self.server.url(), KEY).unwrap();
            let env = wiring.env.into_iter();
            skep.envs(env.filter(|(name, _)| name != "OPENCODE_CONFIG_CONTENT"));
        }
        skep.env("PATH", agents::path())
            .env("HOME", self.home())
            .env("TMPDIR", self.root().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("SKEP_TMUX_SOCKET", self.root().join("tmux"))
            .stdin(Stdio::null());
        skep
    }

    pub(crate) fn skep(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    /// The same, with `code` expected.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.skep(args);
        assert_eq!(
            ran.code,
            code,
            "skep {args:?}\n{}\n{}\n{}",
            ran.out,
            ran.err,
            self.told()
        );
        ran
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.expect(0, args).out).unwrap()
    }

    #[track_caller]
    pub(crate) fn task(&self, id: &str) -> Value {
        self.json(&["tasks", "show", id, "--json"])
    }

    /// All that happened, of this type.
    pub(crate) fn events(&self, of: &str) -> Vec<Value> {
        let all = self.skep(&["events", "--json"]).out;
        let all = all.lines().map(|line| serde_json::from_str(line).unwrap());
        all.filter(|event: &Value| event["type"] == of).collect()
    }

    /// Begins to run the plan.
    pub(crate) fn begin(&self) -> Running<'_> {
        self.begins(&["run", "plan.toml"])
    }

    pub(crate) fn begins(&self, args: &[&str]) -> Running<'_> {
        let mut command = self.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running {
            world: self,
            child: child.spawn().unwrap(),
        }
    }

    /// Runs the plan to its end, which is with this code.
    #[track_caller]
    pub(crate) fn run(&self, code: i32) -> Ran {
        self.begin().ends(code)
    }

    /// Everything that is known of how it went: it may not fail so again.
    pub(crate) fn told(&self) -> String {
        let mut told = self.skep(&["events"]).out;
        for asked in self.server.asked() {
            let _ = std::fmt::Write::write_fmt(
                &mut told,
                format_args!("\n{} {:?} {}", asked.conversation, asked.got, asked.model),
            );
        }
        let runs = fs::read_dir(self.repo().join(".skep/runs")).into_iter();
        for run in runs.flatten().flatten() {
            let name = run.file_name().to_string_lossy().replace('a', "");
            let log = self.skep(&["logs", &name]).out;
            let from = log.floor_char_boundary(log.len().saturating_sub(1500));
            told.push_str(&format!("\n--- attempt {name}\n{}", &log[from..]));
        }
        told
    }

    /// No file of Skep's and nothing that it tells holds the key.
    #[track_caller]
    pub(crate) fn keeps_the_key(&self) {
        // Not by a program: its command line would hold the key, and others look at those.
        let found = holding(&self.repo().join(".skep"), &[KEY]);
        assert!(found.is_empty(), "the key is in {found:?}");
        for args in [&["events", "--json"][..], &["status", "--json"]] {
            assert!(!self.skep(args).out.contains(KEY), "skep {args:?}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed test left would keep its folder; after one that passed there is nothing.
        self.skep(&["down", "--now"]);
        if std::thread::panicking() {
            self.skep(&["doctor", "--fix"]);
        }
    }
}

/// A run that goes on.
pub(crate) struct Running<'w> {
    world: &'w World,
    child: Child,
}

impl Running<'_> {
    /// Waits for its end, which is with this code.
    #[track_caller]
    pub(crate) fn ends(mut self, code: i32) -> Ran {
        let out = drain(self.child.stdout.take());
        let err = drain(self.child.stderr.take());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > MOST {
                let told = self.world.told();
                self.world.skep(&["down", "--now"]);
                panic!("it ran for more than {MOST:?}\n{told}");
            }
            pause();
        };
        let ran = Ran {
            out: out.join().unwrap(),
            err: err.join().unwrap(),
            code: status.code().unwrap_or(-1),
        };
        assert_eq!(
            ran.code,
            code,
            "{}\n{}\n{}",
            ran.out,
            ran.err,
            self.world.told()
        );
        ran
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn ran(output: Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Between two looks at other processes, which tell nobody when they are ready.
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Waits until something holds, and fails loudly if it never does.
#[track_caller]
pub(crate) fn until(world: &World, what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > MOST {
            panic!("waited in vain: {what}\n{}", world.told());
        }
        pause();
    }
}

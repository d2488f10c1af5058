//! Where one agent runs: a repository, an empty home, a script, and nothing else to reach.

use crate::driver;
use skep_agents::{Adapter, Permission, Place, Settings};
use skep_core::{
    id::{Attempt, WorkerId},
    plan::{Order, OrderLimits},
    spec::{AgentSpec, Policy, TaskSpec},
    time::Time,
};
use skep_models::{
    Asked, Script, Server,
    agents::{self, Wiring},
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

/// One agent's world. It is gone with it.
pub(crate) struct World {
    pub(crate) agent: &'static str,
    pub(crate) order: Order,
    pub(crate) permission: Permission,
    pub(crate) resume: Option<String>,
    server: Arc<Server>,
    conversation: String,
    wiring: Wiring,
    folder: tempfile::TempDir,
}

impl World {
    /// A world in which `agent` is told to follow `script`, which gets a name from `scenario`.
    pub(crate) fn new(
        server: &Arc<Server>,
        agent: &'static str,
        scenario: &str,
        script: Script,
    ) -> World {
        // Not below TMPDIR: codex's sandbox does not work there.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = folder.path();
        for dir in ["home", "repo"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        fs::write(
            root.join("home/.gitconfig"),
            "[user]\nname = A\nemail = a@b.c\n[init]\ndefaultBranch = main\n",
        )
        .unwrap();
        let wiring = agents::wiring(agent, &server.url(), "sk-scripted").unwrap();
        for (path, content) in &wiring.files {
            let path = root.join("home").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let mut world = World {
            agent,
            order: order(agent, &wiring.model),
            permission: Permission::All,
            resume: None,
            server: Arc::clone(server),
            conversation: String::new(),
            wiring,
            folder,
        };
        let git = |args: &[&str]| {
            let mut git = driver::command("git", &world.repo());
            git.env("HOME", world.home()).args(args);
            assert!(git.output().unwrap().status.success(), "git {args:?}");
        };
        git(&["init", "--quiet"]);
        git(&["commit", "--quiet", "--allow-empty", "--message=begin"]);
        world.follow(scenario, script);
        world
    }

    /// The next prompt follows this script.
    pub(crate) fn follow(&mut self, scenario: &str, script: Script) {
        self.conversation = format!("{}.{scenario}", self.agent);
        let script = if self.agent == "aider" {
            script.without_tools()
        } else {
            script
        };
        self.server.script(&self.conversation, script);
        self.order.prompt = format!(
            "Do what the task says. [[script:{}]] Then stop.",
            self.conversation
        );
        fs::write(self.root().join("prompt"), &self.order.prompt).unwrap();
        if self.agent == "aider" {
            let words = std::iter::once("aider".into()).chain(self.wiring.args.clone());
            let mut env = self.wiring.env.clone();
            env.insert("HOME".into(), self.home());
            self.order.agent_spec = Some(AgentSpec {
                command: words.collect(),
                env,
                ..AgentSpec::default()
            });
        }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.root().join("repo")
    }

    pub(crate) fn home(&self) -> String {
        self.root().join("home").to_str().unwrap().into()
    }

    /// A file of the worktree, if it is there.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.repo().join(name)).ok()
    }

    pub(crate) fn adapter(&self) -> Adapter {
        driver::adapter(self.agent)
    }

    pub(crate) fn place(&self) -> Place<'_> {
        let at = |name: &str| -> &'static str {
            // Few and short, for as long as the test runs.
            String::leak(self.root().join(name).to_str().unwrap().into())
        };
        Place {
            worktree: at("repo"),
            repo: at("repo"),
            prompt_file: at("prompt"),
            result_file: at("result"),
            failure_file: at("failure"),
            port_base: 20_000,
        }
    }

    pub(crate) fn settings(&self) -> Settings<'_> {
        Settings {
            mcp: None,
            home: String::leak(self.home()),
            permission: self.permission,
            resume: self.resume.as_deref(),
            env: self.wiring.env.clone(),
            args: self.wiring.args.clone(),
        }
    }

    /// What is around an agent here: where programs are, and that nothing else can be reached.
    pub(crate) fn around(&self) -> BTreeMap<String, OsString> {
        let dead = agents::nowhere().into_iter();
        let mut all: BTreeMap<String, OsString> = dead.map(|(n, v)| (n, v.into())).collect();
        all.insert("PATH".into(), agents::path());
        all
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = Path::new(path);
        assert!(path.starts_with(self.root()), "{path:?} is outside");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn stderr(&self) -> Stdio {
        File::create(self.root().join("stderr")).unwrap().into()
    }

    /// What the agent wrote to standard error.
    pub(crate) fn said_aside(&self) -> String {
        fs::read_to_string(self.root().join("stderr")).unwrap_or_default()
    }

    /// Makes the sessions of before look older. gemini names their files by the minute and the session, and begins a
    /// file anew that has the name of a session which it is to go on with: within a minute, it forgets it.
    pub(crate) fn age_sessions(&self) {
        let folder = self.root().join("home/.gemini/tmp/repo/chats");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_str().unwrap().to_string();
            let (_, id) = name.rsplit_once('-').unwrap();
            let older = format!("session-2026-01-01T00-00-{id}");
            fs::rename(entry.path(), entry.path().with_file_name(older)).unwrap();
        }
    }

    /// The requests of this script.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.server.asked_by(&self.conversation)
    }

    /// How long ago its model was asked last.
    pub(crate) fn last_asked(&self) -> Option<Duration> {
        let now = self.server.elapsed();
        self.asked()
            .last()
            .map(|asked| now.saturating_sub(asked.at))
    }

    /// The processes of this world: they have its home in their environment, or its folder as their directory.
    pub(crate) fn processes(&self) -> Vec<(rustix::process::Pid, String)> {
        let home = format!("HOME={}\0", self.home());
        let of_here = |process: &Path| {
            let env = fs::read(process.join("environ")).unwrap_or_default();
            let there = String::from_utf8_lossy(&env).contains(&home);
            there || fs::read_link(process.join("cwd")).is_ok_and(|d| d.starts_with(self.root()))
        };
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|n| n.parse().ok());
            let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            // A process that has ended and was not waited for has no command line.
            if !line.is_empty() && of_here(&entry.path()) {
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    /// Ends them all.
    pub(crate) fn end_all(&self) {
        for (pid, _) in self.processes() {
            // It may have ended by itself meanwhile.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end_all();
    }
}

fn order(agent: &str, model: &str) -> Order {
    Order {
        attempt: Attempt(7),
        swarm: "s".parse().unwrap(),
        task: serde_json::from_str::<TaskSpec>(r#"{"id":"t","mission":"m"}"#)
            .unwrap()
            .into(),
        worker: WorkerId(2),
        role: None,
        agent: agent.into(),
        agent_spec: None,
        model: Some(model.into()),
        permission: None,
        base: "0123456789012345678901234567890123456789".parse().unwrap(),
        prompt: String::new(),
        previous: None,
        fix: None,
        setup: Vec::new(),
        shared: None,
        limits: OrderLimits::of(&Policy::default(), None),
        claimed: Time(0),
    }
}

//! A repository with a keeper on it, and short ways to make plans and to wait for what follows.

use serde_json::{Value, json};
use skep_core::{
    event::{By, Event, Record},
    id::{Oid, WorkerId},
    request::{Answer, Command, Request, What},
    spec::{Plan, TaskSpec},
    time::Time,
};
use skep_host::{
    command::command,
    git::Repo,
    keeper::{
        Handle, Keeper, Options,
        opening::{Last, opening},
    },
    site::Site,
};
use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::broadcast};

/// What every shim of the benchmarks is; also an agent that only connects to a socket.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_skep-test-shim");

/// A repository in a temporary folder.
pub(crate) struct World {
    pub(crate) dir: TempDir,
}

impl World {
    /// With some files in it: 100, a small project's.
    pub(crate) fn new() -> World {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("user");
        fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        git(&root, &["config", "user.name", "Ann"]);
        git(&root, &["config", "user.email", "ann@example.org"]);
        for n in 0..100 {
            let folder = root.join(format!("src/part{}", n % 10));
            fs::create_dir_all(&folder).unwrap();
            let text = format!("line of file {n}\n").repeat(40);
            fs::write(folder.join(format!("file{n}.txt")), text).unwrap();
        }
        git(&root, &["add", "-A"]);
        git(&root, &["commit", "-q", "-m", "first"]);
        World { dir }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("user")
    }
    pub(crate) fn site(&self) -> Site {
        Site::new(Repo::discover(&self.root()).unwrap().root())
    }
}

/// Runs git as a user would.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = command("git", dir).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_string();
    assert!(output.status.success(), "git {args:?}: {said}");
    said
}

/// A running keeper, and what it publishes.
pub(crate) struct Swarm {
    pub(crate) runtime: Runtime,
    pub(crate) keeper: Keeper,
    pub(crate) handle: Handle,
    pub(crate) repo: Repo,
    records: broadcast::Receiver<std::sync::Arc<Vec<Record>>>,
    heard: VecDeque<Record>,
}

impl Swarm {
    pub(crate) fn start(root: &Path) -> Swarm {
        Swarm::start_with(root, |_| {})
    }

    /// With a keeper that is told more than the usual.
    pub(crate) fn start_with(root: &Path, tell: impl FnOnce(&mut Options)) -> Swarm {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let repo = Repo::discover(root).unwrap();
        let site = Site::new(repo.root());
        let env = std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME");
        let mut options = Options {
            program: PROGRAM.into(),
            env: env.collect(),
            presence: Default::default(),
            host: None,
        };
        tell(&mut options);
        let keeper = Keeper::start(repo.clone(), site, options, runtime.handle()).unwrap();
        let handle = keeper.handle();
        let records = handle.watch();
        let heard = VecDeque::new();
        Swarm {
            runtime,
            keeper,
            handle,
            repo,
            records,
            heard,
        }
    }

    pub(crate) fn ask(&self, what: Command) -> Answer {
        let answer = self.handle.request(request(what));
        self.runtime.block_on(answer).unwrap()
    }

    /// The command that loads the plan; made ahead, so that git's part is not in what is measured.
    pub(crate) fn load(&self, plan: Plan) -> Command {
        let ours = self.repo.branch_tip("skep/bench").unwrap();
        let last = ours.map(|tip| Last {
            swarm: plan.swarm.name.clone(),
            tip,
            next_worker: WorkerId(u32::MAX),
        });
        let begin = opening(&self.repo, &plan, last.as_ref()).unwrap();
        load(plan, begin.target, begin.base)
    }

    /// Waits for a record, and says when it came. Those before it are passed over.
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> (Instant, Event) {
        loop {
            while let Some(record) = self.heard.pop_front() {
                if wanted(&record.event) {
                    return (Instant::now(), record.event);
                }
                if let Event::SwarmHalted { reason, .. } = &record.event {
                    panic!("the swarm halted: {reason}");
                }
            }
            self.heard
                .extend(self.records.blocking_recv().unwrap().iter().cloned());
        }
    }

    /// Waits until everything is done.
    pub(crate) fn finished(&mut self) -> Instant {
        self.wait_for(|e| matches!(e, Event::Finished {})).0
    }

    /// Runs a plan in which every worker does something, so that all of them are ready and idle.
    pub(crate) fn warm(&mut self, workers: usize) {
        let tasks = (0..workers).map(|n| noop(&format!("warm{n}"), json!(["sleep", "0.2"])));
        let tasks = Value::Array(tasks.collect());
        let load = self.load(plan(workers, tasks));
        self.ask(load);
        self.finished();
    }

    pub(crate) fn stop(self) {
        self.keeper.stop();
        self.runtime.block_on(self.keeper.closed()).unwrap();
    }
}

pub(crate) fn request(what: Command) -> Request {
    Request {
        key: None,
        trace: "bench".into(),
        by: By::Person("bench".into()),
        what: What::Command(what),
    }
}

pub(crate) fn load(plan: Plan, target: String, base: Oid) -> Command {
    let digest = format!("{:?}", Instant::now());
    Command::LoadPlan {
        plan: plan.into(),
        digest,
        target,
        base,
        kept: false,
        again: false,
    }
}

/// A plan for the shell agent, its numbers such that nothing of them limits what is measured.
pub(crate) fn plan(workers: usize, tasks: Value) -> Plan {
    let swarm = json!({
        "name": "bench", "target": null, "landing": "branch", "workers": { "count": workers },
        "agent": "shell", "model": null, "models": [], "check": [], "check_timeout": 20_000,
        "setup": [], "teardown": [], "budget": {}, "worktree": true, "roles": {}, "agents": {},
        "policy": { "timebox": 600_000, "grace": 500, "backoff": 100, "concurrency": workers },
    });
    serde_json::from_value(json!({ "swarm": swarm, "tasks": tasks })).unwrap()
}

/// A task that may end without a change.
pub(crate) fn noop(id: &str, command: Value) -> Value {
    json!({ "id": id, "mission": "Do it.", "command": command, "allow_no_op": true })
}

/// The command that adds a task.
pub(crate) fn add(task: Value) -> Command {
    let spec: TaskSpec = serde_json::from_value(task).unwrap();
    Command::AddTask { spec: spec.into() }
}

/// Some moment, for engines without a clock.
pub(crate) const EPOCH: Time = Time(1_700_000_000_000);

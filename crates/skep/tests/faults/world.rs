//! A repository with a plan, its keepers, and what must hold at the end whatever was done to them.

use crate::programs::{Keeper, Ran, SKEP, command, kill, until, until_or};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// What a world's plan is like.
pub(crate) struct Shape {
    pub(crate) tasks: usize,
    /// How many tasks have no dependency; each other depends on the one this many before it.
    pub(crate) wide: usize,
    pub(crate) workers: usize,
    /// More lines for `[policy]`.
    pub(crate) policy: &'static str,
    /// More lines for `[swarm]`.
    pub(crate) swarm: &'static str,
    /// What each agent does between its beginning and its work.
    pub(crate) meanwhile: &'static str,
    /// The integration check.
    pub(crate) check: &'static str,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            tasks: 4,
            wide: 4,
            workers: 3,
            policy: "",
            swarm: "",
            meanwhile: "",
            check: "test -f README",
        }
    }
}

/// Until the gate is open, agents that hold to this wait.
pub(crate) const GATE: &str = "until test -e $GATE; do sleep 0.02; done";

pub(crate) struct World {
    dir: TempDir,
    shape: Shape,
    mounted: bool,
    /// Whose the repository and all programs are, if not ours.
    user: Option<u32>,
}

impl World {
    pub(crate) fn new(shape: Shape) -> World {
        World::empty(shape).begun()
    }

    /// A world with its repository on a small disk of its own; none where nothing can be mounted.
    pub(crate) fn on_disk(shape: Shape, options: &str) -> Option<World> {
        let mut world = World::empty(shape);
        let mut mount = command("mount", world.root());
        let mount = mount.args(["-t", "tmpfs", "-o", options, "faults"]);
        world.mounted = mount.arg(world.repo()).status().unwrap().success();
        world.mounted.then(|| world.begun())
    }

    fn empty(shape: Shape) -> World {
        let world = World {
            dir: tempfile::Builder::new().prefix("faults").tempdir().unwrap(),
            shape,
            mounted: false,
            user: None,
        };
        fs::create_dir(world.repo()).unwrap();
        world
    }

    /// A world of a user who has no other processes.
    pub(crate) fn of_another_user(shape: Shape) -> World {
        let mut world = World::empty(shape);
        let user = 300_000 + std::process::id() % 100_000;
        for place in [world.root(), &world.repo()] {
            std::os::unix::fs::chown(place, Some(user), Some(user)).unwrap();
        }
        world.user = Some(user);
        world.begun()
    }

    /// A program that this world's user starts in its repository.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = command(name, &self.repo());
        // By this, whatever they start is found again.
        command.env("SKEP_FAULTS", self.root());
        if let Some(user) = self.user {
            command.uid(user).gid(user).env("HOME", self.root());
        }
        command
    }

    fn begun(self) -> World {
        let world = self;
        let repo = world.repo();
        world.git(&["init", "-q", "-b", "main"]);
        world.git(&["config", "user.name", "Ann"]);
        world.git(&["config", "user.email", "ann@example.org"]);
        fs::write(repo.join("README"), "hello\n").unwrap();
        world.git(&["add", "-A"]);
        world.git(&["commit", "-q", "-m", "first"]);
        fs::write(world.plan(), world.text()).unwrap();
        world
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }
    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }
    pub(crate) fn site(&self) -> PathBuf {
        self.repo().join(".skep")
    }
    pub(crate) fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.toml")
    }
    fn notes(&self) -> PathBuf {
        self.dir.path().join("notes")
    }
    pub(crate) fn gate(&self) -> PathBuf {
        self.dir.path().join("gate")
    }
    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn text(&self) -> String {
        let Shape {
            tasks,
            wide,
            workers,
            policy,
            swarm,
            meanwhile,
            check,
        } = &self.shape;
        let mut plan = format!(
            "[swarm]\nname = \"field\"\nagent = \"shell\"\nworkers = {workers}\ncheck = [\"{check}\"]\n{swarm}\n\
             [policy]\nbackoff = \"10ms\"\nbackoff_cap = \"200ms\"\ncrash_retries = 1000\ngrace = \"1s\"\n\
             heartbeat = \"1s\"\n{policy}\n"
        );
        let (notes, gate) = (self.notes(), self.gate());
        let (notes, gate) = (notes.display(), gate.display());
        let meanwhile = meanwhile.replace("$GATE", &gate.to_string());
        let meanwhile = if meanwhile.is_empty() {
            ":".into()
        } else {
            meanwhile
        };
        for n in 0..*tasks {
            let depends = match n.checked_sub(*wide) {
                Some(of) => format!("depends_on = [\"t{of}\"]\n"),
                None => String::new(),
            };
            plan.push_str(&format!(
                "[[task]]\nid = \"t{n}\"\nmission = \"Write file {n}.\"\n{depends}success = [\"test -s f{n}\"]\n\
                 command = '''echo begin $SKEP_ATTEMPT >> {notes}; {meanwhile}; echo {n} > f{n} || exit 1; \
                 echo end $SKEP_ATTEMPT >> {notes}'''\n"
            ));
        }
        plan
    }

    pub(crate) fn open_gate(&self) {
        fs::write(self.gate(), "").unwrap();
    }

    /// How many times agents noted `what`.
    pub(crate) fn noted(&self, what: &str) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(self.notes()).unwrap_or_default().lines() {
            if let Some(number) = line.strip_prefix(what) {
                *counts.entry(number.trim().parse().unwrap()).or_default() += 1;
            }
        }
        counts
    }

    /// From here on attempts are numbered anew.
    pub(crate) fn forget_notes(&self) {
        fs::remove_file(self.notes()).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait_for_agents(&self, count: usize) {
        let in_vain = || format!("{count} agents never began:\n{}", self.said());
        until_or(in_vain, || self.noted("begin").len() >= count);
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> Ran {
        Ran::of(&self.program("git").args(args).output().unwrap())
    }

    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let ran = self.try_git(args);
        assert_eq!(ran.code, 0, "git {args:?}: {}", ran.err);
        ran.out
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut skep = self.program(SKEP);
        skep.args(args);
        skep
    }

    pub(crate) fn skep(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
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
            self.said()
        );
        ran
    }

    /// `skep run PLAN`, with `wrap` put before it.
    pub(crate) fn wrapped(&self, wrap: &[&str], env: &[(&str, &str)]) -> Keeper {
        let plan = self.plan();
        self.keeper(wrap, &["run", plan.to_str().unwrap()], env)
    }

    /// A `skep` that is left running, with `wrap` put before it.
    pub(crate) fn keeper(&self, wrap: &[&str], args: &[&str], env: &[(&str, &str)]) -> Keeper {
        let out = fs::File::options()
            .append(true)
            .create(true)
            .open(self.out())
            .unwrap();
        let words: Vec<&str> = wrap.iter().copied().chain([SKEP]).collect();
        let mut run = self.program(words[0]);
        run.args(&words[1..])
            .args(args)
            .envs(env.iter().copied())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        Keeper(run.spawn().unwrap())
    }

    pub(crate) fn run(&self) -> Keeper {
        self.wrapped(&[], &[])
    }

    /// What the keepers have printed, or the end of it.
    pub(crate) fn said(&self) -> String {
        let bytes = fs::read(self.out()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let from = text.len().saturating_sub(6_000);
        text.get(from..).unwrap_or(&text).to_string()
    }

    /// Waits until a keeper answers.
    #[track_caller]
    pub(crate) fn wait_for_answer(&self) {
        until("a keeper answers", || {
            let status = self.skep(&["status", "--json"]);
            status.code == 0 && !status.err.contains("no keeper runs")
        });
    }

    #[track_caller]
    pub(crate) fn wait_for_word(&self, word: &str) {
        let in_vain = || format!("never said {word:?}:\n{}", self.said());
        until_or(in_vain, || self.said().contains(word));
    }

    /// Runs the plan to its end, and checks everything.
    #[track_caller]
    pub(crate) fn finish(&self) {
        let mut keeper = self.run();
        self.ends_well(&mut keeper);
        self.check();
    }

    #[track_caller]
    pub(crate) fn ends_well(&self, keeper: &mut Keeper) {
        let status = keeper.wait();
        assert_eq!(status.code(), Some(0), "{status}:\n{}", self.said());
    }

    /// How often each task was merged into the integration branch.
    pub(crate) fn merged(&self) -> BTreeMap<String, usize> {
        let trailer = "--format=%(trailers:key=Skep-Task,valueonly)";
        let log = self.git(&["log", "--first-parent", trailer, "main..skep/field"]);
        let mut merged = BTreeMap::new();
        for task in log.lines().map(str::trim).filter(|l| !l.is_empty()) {
            *merged.entry(task.to_string()).or_default() += 1;
        }
        merged
    }

    /// How many of the plan's files the integration branch has.
    pub(crate) fn merged_count(&self) -> usize {
        let listed = self.try_git(&["ls-tree", "--name-only", "skep/field"]);
        listed
            .out
            .lines()
            .filter(|name| name.starts_with('f'))
            .count()
    }

    /// What must hold at the end: every task merged once, no attempt started twice, git sound, the checkout as
    /// it was, nothing of ours left running.
    #[track_caller]
    pub(crate) fn check(&self) {
        let merged = self.merged();
        let twice: Vec<_> = merged.iter().filter(|(_, n)| **n != 1).collect();
        assert!(twice.is_empty(), "merged more than once: {twice:?}");
        assert_eq!(
            merged.len(),
            self.shape.tasks,
            "{merged:?}\n{}",
            self.said()
        );
        for n in 0..self.shape.tasks {
            let file = self.git(&["show", &format!("skep/field:f{n}")]);
            assert_eq!(file, format!("{n}\n"));
        }
        self.sound();
    }

    /// The part of [`check`](Self::check) that holds for unfinished runs, too.
    #[track_caller]
    pub(crate) fn sound(&self) {
        let begun = self.noted("begin");
        let twice: Vec<_> = begun.iter().filter(|(_, n)| **n != 1).collect();
        assert!(twice.is_empty(), "started more than once: {twice:?}");
        self.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        self.expect(0, &["doctor"]);
        self.nothing_runs();
    }

    /// Every process whose environment or command line names this world ends by itself.
    #[track_caller]
    pub(crate) fn nothing_runs(&self) {
        let in_vain = || format!("still run: {:?}", self.processes());
        until_or(in_vain, || self.processes().is_empty());
    }

    /// The processes that name this world's folder, by number, with their command lines.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let mark = self.dir.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\0', " ");
            let line = text(read("cmdline"));
            // The dead have neither.
            if line.contains(&mark) || text(read("environ")).contains(&mark) {
                found.push((pid, line));
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed test left would keep its folder. Found anew until none is left: ends of parents make
        // children ours to find.
        let killed_all = || {
            let left = self.processes();
            left.iter().for_each(|(pid, _)| _ = kill(*pid));
            left.is_empty()
        };
        let in_vain = || format!("cannot be killed: {:?}", self.processes());
        // A drop during a panic must not panic.
        if !std::thread::panicking() {
            until_or(in_vain, killed_all);
        } else {
            (0..100).any(|_| killed_all());
        }
        if self.mounted {
            // Lazily: what a failed test left open shall not keep it.
            let _ = command("umount", self.root())
                .arg("-l")
                .arg(self.repo())
                .status();
        }
    }
}

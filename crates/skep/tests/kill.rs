//! kill -9 of keepers, shims and agents at random moments of whole runs (T-1, W-4, Q-6).
//!
//! The seed of a failure is printed; `SKEP_SEED=N` repeats its moments as far as real time repeats.
// In a test's helpers, too, a surprise is a failure; and a seed must be said.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

const SKEP: &str = env!("CARGO_BIN_EXE_skep");
const TASKS: usize = 40;
/// Longer than any run takes, even on a busy machine with all its kills.
const LONGEST: Duration = Duration::from_secs(240);

#[allow(clippy::disallowed_methods)] // Tests stand outside: they run programs as a person would.
fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    command
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = command("git", dir).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A stream of numbers from a seed.
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Dice {
        let given = std::env::var("SKEP_SEED").ok().and_then(|s| s.parse().ok());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let seed = given.unwrap_or(now.subsec_nanos().into());
        eprintln!("{name}: SKEP_SEED={seed}");
        Dice(seed)
    }
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A repository with a plan of forty tasks in four waves. Each task notes when it begins and when it ends.
struct Field {
    dir: TempDir,
    /// All workers share one worktree.
    shared: bool,
}

impl Field {
    fn new(shared: bool) -> Field {
        let field = Field {
            dir: TempDir::new().unwrap(),
            shared,
        };
        let repo = field.repo();
        fs::create_dir(&repo).unwrap();
        git(&repo, &["init", "-q", "-b", "main"]);
        git(&repo, &["config", "user.name", "Ann"]);
        git(&repo, &["config", "user.email", "ann@example.org"]);
        fs::write(repo.join("README"), "hello\n").unwrap();
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-q", "-m", "first"]);
        fs::write(field.plan(), field.text()).unwrap();
        field
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }
    fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.toml")
    }
    fn notes(&self) -> PathBuf {
        self.dir.path().join("notes")
    }

    fn text(&self) -> String {
        let own = !self.shared;
        let mut plan = format!(
            "[swarm]\nname = \"field\"\nagent = \"shell\"\nworkers = 5\ncheck = [\"test -f README\"]\n\
             worktree = {own}\n[policy]\nbackoff = \"10ms\"\nbackoff_cap = \"50ms\"\ncrash_retries = 1000\ngrace = \"1s\"\n\
             [policy.health]\npoison_workers = 1000\n",
        );
        for n in 0..TASKS {
            let notes = self.notes();
            let notes = notes.display();
            let depends = if n < 10 {
                String::new()
            } else {
                format!("depends_on = [\"t{}\"]\n", n - 10)
            };
            plan.push_str(&format!(
                "[[task]]\nid = \"t{n}\"\nmission = \"Write file {n}.\"\nfiles = [\"f{n}\"]\n{depends}success = [\"test -s f{n}\"]\n\
                 command = \"\"\"echo begin $SKEP_ATTEMPT >> {notes}; echo {n} > f{n}; sleep 0.1; \
                 echo end $SKEP_ATTEMPT >> {notes}\"\"\"\n"
            ));
        }
        plan
    }

    fn keeper(&self) -> Child {
        let out = fs::File::options()
            .append(true)
            .create(true)
            .open(self.dir.path().join("out"))
            .unwrap();
        let mut run = command(SKEP, &self.repo());
        run.arg("run")
            .arg(self.plan())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        run.spawn().unwrap()
    }

    fn said(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("out")).unwrap_or_default();
        text[text.len().saturating_sub(4_000)..].to_string()
    }

    /// How often each attempt noted `what`.
    fn noted(&self, what: &str) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(self.notes()).unwrap_or_default().lines() {
            if let Some(number) = line.strip_prefix(what) {
                *counts.entry(number.trim().parse().unwrap()).or_default() += 1;
            }
        }
        counts
    }

    /// What must hold at the end, whatever was killed.
    fn check(&self) {
        let repo = self.repo();
        let log = git(
            &repo,
            &[
                "log",
                "--first-parent",
                "--format=%(trailers:key=Skep-Task,valueonly)",
                "main..skep/field",
            ],
        );
        let mut merged: BTreeMap<&str, usize> = BTreeMap::new();
        for task in log.lines().map(str::trim).filter(|l| !l.is_empty()) {
            *merged.entry(task).or_default() += 1;
        }
        let twice: Vec<_> = merged.iter().filter(|(_, n)| **n != 1).collect();
        assert!(twice.is_empty(), "merged more than once: {twice:?}");
        assert_eq!(merged.len(), TASKS, "merged: {merged:?}\n{}", self.said());
        for commit in git(&repo, &["rev-list", "--first-parent", "main..skep/field"]).lines() {
            let parent = format!("{commit}^1");
            let files = git(&repo, &["diff", "--name-only", &parent, commit]);
            assert_eq!(files.lines().count(), 1, "one task, one file: {files}");
        }
        for n in 0..TASKS {
            assert_eq!(
                git(&repo, &["show", &format!("skep/field:f{n}")]),
                format!("{n}\n")
            );
        }
        let twice: Vec<_> = self
            .noted("begin")
            .into_iter()
            .filter(|(_, n)| *n != 1)
            .collect();
        assert!(
            twice.is_empty(),
            "attempts that were started more than once: {twice:?}"
        );
        git(
            &repo,
            &["fsck", "--strict", "--no-dangling", "--no-progress"],
        );
        assert_eq!(
            git(&repo, &["status", "--porcelain"]),
            "",
            "the user's checkout is as it was"
        );
        let mut doctor = command(SKEP, &repo);
        let doctor = doctor.arg("doctor").output().unwrap();
        assert!(
            doctor.status.success(),
            "{}",
            String::from_utf8_lossy(&doctor.stdout)
        );
    }
}

/// Waits for the child, or for the moment.
fn wait(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_done(status: ExitStatus, field: &Field) -> bool {
    assert_eq!(status.code(), Some(0), "{}", field.said());
    true
}

// proves: W-4, Q-6, T-1
#[test]
fn a_keeper_killed_a_hundred_times_merges_every_task_once_and_starts_no_attempt_twice() {
    kill_keepers(false, 100);
}

// proves: W-3, W-4, T-1
#[test]
fn a_keeper_killed_while_all_share_a_worktree_merges_every_task_once() {
    kill_keepers(true, 40);
}

fn kill_keepers(shared: bool, enough: usize) {
    let mut dice = Dice::new("keeper");
    let mut kills = 0;
    while kills < enough {
        let field = Field::new(shared);
        let deadline = Instant::now() + LONGEST;
        loop {
            assert!(
                Instant::now() < deadline,
                "after {kills} kills it is not done:\n{}",
                field.said()
            );
            let mut keeper = field.keeper();
            let moment = Duration::from_millis(20 + dice.below(400));
            let end = wait(&mut keeper, Instant::now() + moment);
            match end {
                Some(status) if is_done(status, &field) => break,
                _ => {
                    keeper.kill().unwrap();
                    keeper.wait().unwrap();
                    kills += 1;
                }
            }
        }
        field.check();
        // Adopted, not killed and done again: nothing but the keeper was hurt, so every attempt that began has
        // ended, and no task needed a second one.
        assert_eq!(field.noted("begin"), field.noted("end"));
        assert_eq!(
            field.noted("begin").len(),
            TASKS,
            "attempts were lost with their keeper"
        );
    }
}

/// The shims of the runs under way, and the processes below them.
fn victims(field: &Field, agents: bool) -> Vec<i32> {
    let mut found = Vec::new();
    let Ok(runs) = fs::read_dir(field.repo().join(".skep/runs")) else {
        return found;
    };
    for run in runs
        .flatten()
        .filter(|r| r.file_name().to_string_lossy().starts_with('a'))
    {
        if run.path().join("exit.json").exists() {
            continue;
        }
        let started = fs::read_to_string(run.path().join("started.json")).unwrap_or_default();
        let number = |key: &str| {
            let rest = started.split(&format!("\"{key}\":")).nth(1)?;
            rest.split([',', '}']).next()?.trim().parse::<i32>().ok()
        };
        let Some(shim) = number("pid") else { continue };
        if !is_shim_of(shim, &run.path()) {
            continue;
        }
        if agents {
            // The holder's children: the agent and what it started.
            found.extend(children(shim).into_iter().flat_map(children));
        } else {
            found.push(shim);
        }
    }
    found
}

/// Only a process of ours is ever signalled: its command line names the run's folder.
fn is_shim_of(pid: i32, folder: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy())
}

fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect()
}

fn kill_some(agents: bool, shared: bool) {
    let mut dice = Dice::new(if agents { "agents" } else { "shims" });
    let field = Field::new(shared);
    let deadline = Instant::now() + LONGEST;
    let mut keeper = field.keeper();
    let mut kills = 0;
    loop {
        assert!(
            Instant::now() < deadline,
            "after {kills} kills it is not done:\n{}",
            field.said()
        );
        let pause = Duration::from_millis(30 + dice.below(120));
        if let Some(status) = wait(&mut keeper, Instant::now() + pause) {
            // On a busy machine the kills can come faster than the work: a storm, for which the swarm rightly halts
            // (L-5). A person would go on.
            if status.code() == Some(3) && field.said().contains("halted: every worker has crashed")
            {
                keeper = field.keeper();
                continue;
            }
            assert!(is_done(status, &field));
            break;
        }
        let all = victims(&field, agents);
        if kills < 40 && !all.is_empty() {
            let victim = all[usize::try_from(dice.below(all.len() as u64)).unwrap()];
            let pid = rustix::process::Pid::from_raw(victim).unwrap();
            // It may have ended by itself just now.
            kills += usize::from(
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok(),
            );
        }
    }
    assert!(
        kills > 10,
        "only {kills} were killed: the run was over too soon to say anything"
    );
    field.check();
}

// proves: W-5, Q-6, T-1
#[test]
fn shims_killed_at_random_lose_nothing() {
    kill_some(false, false);
}

// proves: W-5, Q-6, T-1
#[test]
fn agents_killed_at_random_lose_nothing() {
    kill_some(true, false);
}

// proves: W-3, W-12, T-1
#[test]
fn shims_killed_at_random_in_a_shared_worktree_lose_nothing() {
    kill_some(false, true);
}

// proves: W-3, W-12, T-1
#[test]
fn agents_killed_at_random_in_a_shared_worktree_lose_nothing() {
    kill_some(true, true);
}

//! Runs of real processes. No sleeps: tests wait for pipes, descriptors and files, with a deadline.

// These are tests all through, helpers included.
#![allow(clippy::unwrap_used)]

mod limits;
mod outputs;
mod placed;
mod program;
mod secrets;
mod starts;
mod talks;
mod told;
mod trees;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, Mode, mkfifoat},
};
use skep_host::run::{
    self, Look, Running,
    files::{Containment, RunReport, RunSpec, StepEnd, StepKind, StepSpec},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Read,
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Longer than anything here takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

/// A temporary folder with a worktree, and places for runs.
struct World {
    base: tempfile::TempDir,
    bare: bool,
}

impl World {
    fn new() -> World {
        World::with(Containment::PidNamespace)
    }

    fn with(containment: Containment) -> World {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("tree")).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_skep-test-shim"),
            base.path().join("bare-shim"),
        )
        .unwrap();
        World {
            base,
            bare: containment == Containment::Subreaper,
        }
    }

    fn tree(&self) -> PathBuf {
        self.base.path().join("tree")
    }

    fn folder(&self) -> PathBuf {
        self.base.path().join("runs/a1")
    }

    fn program(&self) -> PathBuf {
        match self.bare {
            true => self.base.path().join("bare-shim"),
            false => env!("CARGO_BIN_EXE_skep-test-shim").into(),
        }
    }

    /// A run of one agent: a shell script.
    fn script(&self, script: &str) -> RunSpec {
        self.spec(vec![step(StepKind::Agent, &["sh", "-c", script])])
    }

    fn spec(&self, steps: Vec<StepSpec>) -> RunSpec {
        RunSpec {
            version: 1,
            run: "a1".into(),
            worktree: self.tree(),
            env: BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())]),
            steps,
            snapshot: None,
            exists: Vec::new(),
            ceiling_ms: 120_000,
            grace_ms: 20_000,
            output_bytes: 1_000_000,
            heartbeat_ms: 60_000,
            notify: None,
            inherit: Vec::new(),
            passed: Default::default(),
        }
    }

    fn start(&self, spec: &RunSpec) -> Running {
        run::start(&self.program(), &self.folder(), spec).unwrap()
    }

    /// Runs to the end.
    fn run(&self, spec: &RunSpec) -> RunReport {
        let running = self.start(spec);
        ended(&running, &self.folder())
    }

    fn pipe(&self, name: &str) -> Pipe {
        Pipe::new(&self.tree().join(name))
    }
}

fn step(kind: StepKind, argv: &[&str]) -> StepSpec {
    StepSpec {
        name: argv.join(" "),
        kind,
        argv: argv.iter().map(ToString::to_string).collect(),
        stdin: None,
        timeout_ms: 60_000,
        go_on: false,
        talk: None,
    }
}

/// A named pipe through which a script says that it has come so far.
struct Pipe(File);

impl Pipe {
    fn new(path: &Path) -> Pipe {
        mkfifoat(CWD, path, Mode::from_raw_mode(0o666)).unwrap();
        // Open on both ends, so that it never ends.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        Pipe(
            options
                .read(true)
                .write(true)
                .custom_flags(nonblocking)
                .open(path)
                .unwrap(),
        )
    }

    /// Waits for a word.
    fn word(&mut self) -> String {
        assert!(readable(&self.0, LONG), "the script never said a word");
        let mut buffer = [0; 100];
        let length = self.0.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    }
}

/// Whether this becomes readable in time.
fn readable(fd: &impl AsFd, limit: Duration) -> bool {
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into().unwrap(),
        tv_nsec: limit.subsec_nanos().into(),
    };
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// Waits for the end of a run that must end with a report.
fn ended(running: &Running, folder: &Path) -> RunReport {
    assert!(readable(running, LONG), "the run does not end");
    match run::look(folder) {
        Look::Ended(report) => *report,
        other => panic!("{other:?}, and the shim's code was {:?}", running.reap()),
    }
}

fn end_of(report: &RunReport) -> &StepEnd {
    &report.steps[0].end
}

/// A text that no other process on this machine has in its command line; also a length of sleep.
fn marker() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("7000.{:010}{number:05}", std::process::id())
}

/// The processes that have it.
fn marked(marker: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines
        .filter(|line| line.contains(marker) && !line.contains("skep-test-shim"))
        .collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

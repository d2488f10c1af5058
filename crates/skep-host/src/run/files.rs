//! The files of a run's folder. Written once, read by whoever comes next: they are how an attempt
//! outlives its keeper.

use super::talk::{Heard, Talk};
use crate::git::snapshot::{Snapshot, SnapshotSpec};
use serde::{Deserialize, Serialize};
use skep_agents::{AgentEnd, Exit, verdict};
use skep_core::attempt::End;
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// What is to be run: an attempt, or an integration check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Format version, now 1.
    pub version: u32,
    /// Names the run in messages: `a7`, `check-2-1`.
    pub run: String,
    /// Where every step runs.
    pub worktree: PathBuf,
    /// The whole environment: nothing else is inherited.
    pub env: BTreeMap<String, String>,
    /// One after the other; a step that fails ends the run unless it says `go_on`.
    pub steps: Vec<StepSpec>,
    /// Save the worktree after the step of kind [`StepKind::Agent`], however that ended.
    pub snapshot: Option<SnapshotSpec>,
    /// Paths whose existence is to be reported after the agent's step.
    pub exists: Vec<String>,
    /// Everything is over after so long.
    pub ceiling_ms: u64,
    /// Between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// The most output kept.
    pub output_bytes: u64,
    /// How often the shim shows that it lives, while a step runs (L-3).
    #[serde(default = "a_minute")]
    pub heartbeat_ms: u64,
    /// A datagram socket that is told when something changed; best effort, nobody need listen.
    pub notify: Option<PathBuf>,
    /// Names of variables that every step gets with the values in `passed`, unless `env` has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherit: Vec<String>,
    /// Values that no file ever holds: the shim is handed them when it is started.
    #[serde(skip)]
    pub passed: Passed,
}

/// Variables with their values, secrets among them: never written down, and never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passed(pub BTreeMap<String, String>);

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn a_minute() -> u64 {
    60_000
}

/// One command of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// For messages and receipts: the command as the user wrote it.
    pub name: String,
    /// What it is for.
    pub kind: StepKind,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Text for standard input; none means an empty one.
    pub stdin: Option<String>,
    /// SIGTERM after so long, SIGKILL to the whole tree a grace later.
    pub timeout_ms: u64,
    /// Run the following steps even if this one fails.
    pub go_on: bool,
    /// How its program is spoken with, if it speaks a protocol. Then what it says of its end counts, and not its
    /// exit code (X-1a).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Box<Talk>>,
}

/// What a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Makes a fresh worktree usable.
    Setup,
    /// The agent itself.
    Agent,
    /// A success criterion, or a part of the integration check.
    Check,
}

/// `started.json`: written once, exclusively, by the shim that won.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The shim's process id in the keeper's namespace.
    pub pid: u32,
    /// The boot it belongs to (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Milliseconds since the epoch.
    pub at: u64,
}

/// `exit.json`: the last thing a shim writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Format version, now 1.
    pub version: u32,
    /// The run it belongs to.
    pub run: String,
    /// When the shim started and ended, milliseconds since the epoch.
    pub started: u64,
    /// See `started`.
    pub ended: u64,
    /// The steps that were begun, in order.
    pub steps: Vec<StepReport>,
    /// The snapshot, or why there is none.
    pub snapshot: Option<Result<Snapshot, String>>,
    /// Which of [`RunSpec::exists`] exist.
    pub exists: Vec<String>,
    /// Tracked or new files that the check steps changed after the snapshot; at most 100.
    pub changed_by_checks: Vec<String>,
    /// Where nothing was to be saved: what the agent made that git ignores; a few of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// Processes that outlived a step and were ended.
    pub survivors: u32,
    /// How the tree was held.
    pub containment: Containment,
    /// Why the run was cut short, if it was.
    pub cut: Option<Cut>,
    /// What the disk lacked when a step had failed, or the snapshot: then that says nothing about the work.
    #[serde(default)]
    pub full: Option<String>,
}

impl RunReport {
    /// Whether a step failed, or what the worktree held could not be saved.
    #[must_use]
    pub fn fell_short(&self) -> bool {
        let unsaved = matches!(self.snapshot, Some(Err(_)));
        unsaved || self.steps.iter().any(|s| !s.went_well())
    }
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// As in the spec.
    pub name: String,
    /// As in the spec.
    pub kind: StepKind,
    /// How it ended.
    pub end: StepEnd,
    /// How long it took.
    pub ms: u64,
    /// The end of its output, at most [`skep_core::limits::OUTPUT_TAIL`] bytes, made valid UTF-8.
    pub tail: String,
    /// How much output it wrote in all.
    pub output_bytes: u64,
    /// What was heard of it, if it was spoken with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Box<Heard>>,
}

impl StepReport {
    /// Whether it did what it was to do, as far as that can be told without looking at its work.
    #[must_use]
    pub fn went_well(&self) -> bool {
        match self.verdict() {
            Some(verdict) => matches!(verdict, AgentEnd::Claims { .. }),
            None => self.end == StepEnd::Exited(0),
        }
    }

    /// How its end is to be taken, if it was spoken with.
    #[must_use]
    pub fn verdict(&self) -> Option<AgentEnd> {
        let heard = self.heard.as_ref()?;
        let exit = Exit {
            end: self.end.clone().into(),
            by_us: heard.by_us.clone(),
        };
        Some(verdict(&heard.summary, &exit))
    }
}

impl From<StepEnd> for End {
    fn from(end: StepEnd) -> End {
        match end {
            StepEnd::Exited(code) => End::Exited(code),
            StepEnd::Signalled(signal) => End::Signalled(signal),
            StepEnd::TimedOut => End::TimedOut,
            StepEnd::Stopped => End::Stopped,
            StepEnd::NotStarted(why) => End::NotStarted(why),
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// By us: its time was up.
    TimedOut,
    /// By us: the run was stopped or reached its ceiling.
    Stopped,
    /// It could not be started: program not found, not executable, …
    NotStarted(String),
}

impl fmt::Display for StepEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepEnd::Exited(code) => write!(f, "exited with {code}"),
            StepEnd::Signalled(signal) => write!(f, "was killed by signal {signal}"),
            StepEnd::TimedOut => f.write_str("ran out of time"),
            StepEnd::Stopped => f.write_str("was stopped"),
            StepEnd::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// Why a run was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The keeper or a person asked.
    Stopped,
    /// The ceiling was reached.
    Ceiling,
}

/// How a process tree is held so that nothing escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// A PID namespace: ended by the kernel, also when the shim dies.
    PidNamespace,
    /// The shim is the subreaper and sweeps; the keeper sweeps when the shim dies.
    Subreaper,
}

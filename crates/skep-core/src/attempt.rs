//! An attempt: one run of one task by one worker; how it can end, and what its host reports of it.

use crate::{
    ask::{Ask, Waited},
    budget::Account,
    fault::ErrorKind,
    health::{Logged, Rung},
    id::{Attempt, Oid, TaskId, WorkerId},
    money::Usd,
    routing::Route,
    time::{Millis, Time},
    word::Words,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// How an attempt ended (SPEC §0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its claim was checked and holds.
    Succeeded,
    /// The agent gave up, or its claim did not hold.
    Failed,
    /// The hard stop or the ceiling ended it.
    TimedOut,
    /// It made no progress and was ended.
    Stale,
    /// The agent, its host or its shim died.
    Crashed,
    /// The provider refused for now.
    RateLimited,
    /// It would have cost too much.
    OverBudget,
    /// Its lease had been revoked when its result came.
    Fenced,
    /// Stopped on purpose.
    Cancelled,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Stale => "stale",
            Outcome::Crashed => "crashed",
            Outcome::RateLimited => "rate_limited",
            Outcome::OverBudget => "over_budget",
            Outcome::Fenced => "fenced",
            Outcome::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How far a live attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Claimed; its process is not known to run yet.
    Claimed,
    /// Its process runs.
    Running,
    /// Its agent is done, its checks run.
    Verifying,
}

/// Why an attempt is being stopped: decides what becomes of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopWhy {
    /// Its task was cancelled or skipped.
    TaskCancelled,
    /// The keeper was asked to end at once; the task goes back to the queue.
    Interrupted,
    /// Its worker is being removed or restarted; the task goes back to the queue.
    WorkerGone,
    /// It outlived its ceiling.
    Overtime,
    /// Its host has not been heard of.
    NoHeartbeat,
    /// It makes no progress (L-4).
    Stale,
    /// A cap leaves nothing for it (S-7); the task goes back to the queue.
    OverBudget,
    /// Its agent says that it cannot go on.
    Blocked,
}

/// A live attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Its number, which is its fencing token.
    pub attempt: Attempt,
    /// The task it is of.
    pub task: TaskId,
    /// Who runs it.
    pub worker: WorkerId,
    /// The adapter.
    pub agent: String,
    /// The model.
    pub model: Option<String>,
    /// The commit it starts from.
    pub base: Oid,
    /// When it was claimed, as the clock was then: dates its commits.
    pub claimed: Time,
    /// The moment its age counts from: that of its claim, by the clock as it is now.
    pub age_from: Time,
    /// How far it is.
    pub phase: Phase,
    /// Since when.
    pub since: Time,
    /// The keeper gives it up at this moment, whatever its shim says.
    pub give_up: Time,
    /// Whether and why it is being stopped.
    pub stopping: Option<Stopping>,
    /// The last checkup that was logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<Logged>>,
    /// The highest rung of the ladder that its agent was told of, or that it could not be told of.
    #[serde(default)]
    pub told: Rung,
    /// What was set aside for it, and what it was charged (S-7).
    #[serde(default)]
    pub account: Account,
    /// What its agent has said of it.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub words: Words,
    /// Who serves it (S-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Why it has its model, if there is more to say than that it is the swarm's (S-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What its agent asks a person, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// The number of its last question that its shim holds.
    #[serde(default)]
    pub asked: u32,
    /// How many questions the state has held for it.
    #[serde(default)]
    pub held: u32,
    /// Its agent's context is too full to be gone on with after this (L-9).
    #[serde(default)]
    pub refresh: bool,
    /// For how long it has waited for people.
    #[serde(default, skip_serializing_if = "Waited::is_nothing")]
    pub waited: Waited,
}

/// A stop that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Why.
    pub why: StopWhy,
    /// Without the grace.
    pub at_once: bool,
    /// Since when.
    pub since: Time,
}

/// What a host reports when an attempt has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How the agent ended; `None` if it was never begun (a setup step failed, or the run was cut short).
    pub agent: Option<Step>,
    /// The steps before the agent that failed.
    pub setup_failed: Option<Step>,
    /// The criteria's commands that were run, in order.
    pub checks: Vec<Step>,
    /// What the worktree held, or why it could not be saved.
    pub saved: Saved,
    /// Which of the paths asked for exist.
    pub exists: Vec<String>,
    /// Files that the checks changed after the work was saved.
    pub changed_by_checks: Vec<String>,
    /// Files of a shared worktree that changed while it ran and are not its own to change; nobody saved them.
    #[serde(default)]
    pub outside: Vec<String>,
    /// What it made that git ignores, where there is nothing else; a few of it.
    #[serde(default)]
    pub ignored: Vec<String>,
    /// Processes that outlived the agent and were ended.
    pub survivors: u32,
    /// Whether the run was cut short from outside: stopped, or at its ceiling.
    pub cut: Option<Cut>,
    /// The agent said, in its result file, that there was nothing to do, and why.
    pub no_op: Option<String>,
    /// Exit code of the agent means "rate limited".
    pub rate_limited: bool,
    /// What the agent's own protocol said of its end; `None` for agents without one, such as `shell`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What it used.
    pub usage: Usage,
    /// From the shim's start to its end.
    pub took: Millis,
}

/// What an agent's protocol said of its end (X-1a). It goes before the exit code, and success it only claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It is done. Whether that is so, its work must show.
    Done {
        /// In its words, cut short.
        text: String,
    },
    /// It is not done.
    Failed {
        /// How the attempt ended.
        outcome: Outcome,
        /// What failed, if that is known.
        fault: Option<ErrorKind>,
        /// When the provider's limit is lifted, if it said so (S-5a).
        until: Option<Time>,
        /// In a sentence.
        text: String,
    },
}

/// What an agent's protocol has said so far of an attempt that runs. Its numbers only grow; what it does not
/// tell stays unknown. Never stored as it is: it is measured again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What it has used.
    pub usage: Usage,
    /// How full its context is, in percent.
    pub context: Option<u8>,
    /// The vendor's session, to resume it by.
    pub session: Option<String>,
    /// Tool calls so far.
    pub tool_calls: u64,
    /// How often it has tried its provider again, since something last came of it.
    pub retries: u32,
    /// It waits for its provider until then, as it says itself.
    pub waits_until: Option<Time>,
}

/// Why a run was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Somebody asked.
    Stopped,
    /// The ceiling.
    Ceiling,
}

/// One command and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The command, as the user wrote it.
    pub name: String,
    /// How it ended.
    pub end: End,
    /// How long it took.
    pub took: Millis,
    /// The end of its output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// By us: its time was up.
    TimedOut,
    /// By us: the run was stopped.
    Stopped,
    /// It could not be started.
    NotStarted(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exited with {code}"),
            End::Signalled(signal) => write!(f, "was killed by signal {signal}"),
            End::TimedOut => f.write_str("ran out of time"),
            End::Stopped => f.write_str("was stopped"),
            End::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// What became of the worktree's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saved {
    /// Nothing differs from the base.
    Nothing,
    /// It is on a ref.
    Commit(SavedWork),
    /// It could not be saved; the worktree must be kept.
    Failed(String),
}

/// Work on a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedWork {
    /// The commit.
    pub commit: Oid,
    /// Files that differ from the base, at most some thousands.
    pub files: Vec<String>,
    /// How many differ in all.
    pub file_count: usize,
}

/// What an attempt used. Unknown stays unknown, never zero (W-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read anew.
    pub input_tokens: Option<u64>,
    /// Tokens read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Tokens read, and written to a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens written, reasoning included.
    pub output_tokens: Option<u64>,
    /// Money, as the agent reckons it.
    pub usd: Option<Usd>,
}

impl Usage {
    /// The most of each kind that either says: what is used once is not unused again.
    #[must_use]
    pub fn most(&self, other: &Usage) -> Usage {
        Usage {
            input_tokens: self.input_tokens.max(other.input_tokens),
            cache_read_tokens: self.cache_read_tokens.max(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.max(other.cache_write_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            usd: self.usd.max(other.usd),
        }
    }

    /// All tokens that were read; `None` if nothing is known of them.
    #[must_use]
    pub fn read_tokens(&self) -> Option<u64> {
        let kinds = [
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
        ];
        kinds.into_iter().flatten().reduce(u64::saturating_add)
    }
}

/// Why an attempt did not succeed, as the next attempt and a person see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which attempt.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
    /// With which model.
    pub model: Option<String>,
    /// In a sentence.
    pub reason: String,
    /// The end of the output that shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// What its provider did, if it is the provider's failure: then it is nobody else's (S-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ErrorKind>,
    /// What it cost, if that is known (W-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// What the next agent, which begins afresh, should know of this one's work (L-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff: Option<Box<Handoff>>,
}

/// What an agent that speaks leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Its last words.
    pub said: String,
    /// Where its work is, and how much there is of it; at most [`Handoff::FILES`] files are named.
    pub work: Option<SavedWork>,
    /// How full its context was at last, in percent.
    pub context: Option<u8>,
}

impl Handoff {
    /// So many files are named: a prompt is no list of files.
    pub const FILES: usize = 20;

    /// What `report` says of it; nothing for agents that do not speak.
    #[must_use]
    pub fn of(report: &Report, reading: Option<&Reading>) -> Option<Box<Handoff>> {
        let said = match report.said.as_ref()? {
            Said::Done { text } => text.clone(),
            // Why it failed is told already.
            Said::Failed { .. } => String::new(),
        };
        let work = match &report.saved {
            Saved::Commit(work) => Some(SavedWork {
                files: work.files.iter().take(Handoff::FILES).cloned().collect(),
                ..work.clone()
            }),
            Saved::Nothing | Saved::Failed(_) => None,
        };
        Some(Box::new(Handoff {
            said,
            work,
            context: reading.and_then(|reading| reading.context),
        }))
    }
}

/// The evidence that a task is done (W-14).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Files that differ from the base.
    pub files: Vec<String>,
    /// How many differ in all.
    pub file_count: usize,
    /// An explicit no-op, and why.
    pub no_op: Option<String>,
    /// Files touched outside the task's `files`.
    pub outside_files: Vec<String>,
    /// Every command that was run, with its exit.
    pub checks: Vec<Step>,
    /// Whether the tree was the same after the checks; the files that were not.
    pub changed_by_checks: Vec<String>,
    /// Processes that had to be ended.
    pub survivors: u32,
    /// What it used.
    pub usage: Usage,
    /// How long it took.
    pub took: Millis,
    /// What no machine has checked.
    pub not_checked: Vec<String>,
}

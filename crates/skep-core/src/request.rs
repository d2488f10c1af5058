//! What can be asked and what can be seen: the only inputs of the decider.

use crate::{
    alert::{Rule, post::Posted},
    ask::{AskId, Given, Question},
    attempt::{Reading, Report, Saved},
    event::By,
    forecast::Meeting,
    health::{Rung, Sample},
    hook::Ran,
    id::{Attempt, Oid, TaskId, WorkerId},
    merge::{Clash, Link, Severity},
    scale::Mode,
    spec::{Plan, Policy, Priority, TaskSpec},
    task::TaskState,
    time::Millis,
    word::Word,
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::fmt::{self, Write};
use serde::{Deserialize, Serialize};

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Sent again under the same key, a command acts once.
    pub key: Option<String>,
    /// Ties together everything it leads to.
    pub trace: String,
    /// Who asks.
    pub by: By,
    /// What.
    pub what: What,
}

/// What is asked or was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Somebody wants something.
    Command(Command),
    /// A host saw something.
    Observation(Observation),
    /// Time has passed.
    Tick,
}

/// What somebody can want.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Command {
    /// Begin this plan, or go on with it.
    LoadPlan {
        /// The plan, checked.
        plan: Box<Plan>,
        /// Tells two plans apart.
        digest: String,
        /// The branch it builds on.
        target: String,
        /// The integration branch's tip.
        base: Oid,
        /// Whether `base` holds all that the last plan merged.
        kept: bool,
        /// Do everything once more, what was merged already included.
        again: bool,
    },
    /// Add a task.
    AddTask {
        /// The task.
        spec: Arc<TaskSpec>,
    },
    /// Change a task that no attempt holds.
    EditTask {
        /// The new text, under the same id.
        spec: Arc<TaskSpec>,
    },
    /// Count a task as merged without doing it.
    SkipTask {
        /// Which.
        task: TaskId,
    },
    /// Give a task up.
    CancelTask {
        /// Which.
        task: TaskId,
    },
    /// Begin a task anew.
    RetryTask {
        /// Which.
        task: TaskId,
    },
    /// Change a task's priority.
    BoostTask {
        /// Which.
        task: TaskId,
        /// `None`: critical.
        priority: Option<Priority>,
    },
    /// Let only one worker claim a task.
    AssignTask {
        /// Which.
        task: TaskId,
        /// The worker; `None`: any.
        worker: Option<WorkerId>,
    },
    /// Add workers.
    AddWorkers {
        /// How many.
        count: u32,
        /// Of which role.
        role: Option<String>,
    },
    /// Remove a worker.
    RemoveWorker {
        /// Which.
        worker: WorkerId,
        /// Stop its attempt rather than wait for it.
        now: bool,
    },
    /// Say who decides how many workers there are.
    Scale {
        /// Who, and between which bounds.
        mode: Mode,
    },
    /// Let a worker take no more tasks.
    PauseWorker {
        /// Which.
        worker: WorkerId,
    },
    /// Let a paused or crashed worker take tasks again, at once.
    ResumeWorker {
        /// Which.
        worker: WorkerId,
    },
    /// Stop a worker's attempt and give it a fresh start.
    RestartWorker {
        /// Which.
        worker: WorkerId,
    },
    /// Claim nothing more.
    Pause,
    /// Claim again: after a pause, a halt or a drain.
    Resume,
    /// Claim nothing more and let live attempts end; the keeper is about to leave.
    Drain,
    /// Stop every live attempt, save its work, and put its task back.
    StopAll,
    /// Change the numbers.
    SetPolicy {
        /// The change as its sender put it.
        asked: String,
        /// What the numbers were when the change was worked out.
        was: Box<Policy>,
        /// What they are to be.
        policy: Box<Policy>,
    },
    /// Answer what an agent asks.
    Answer {
        /// Which ask.
        ask: AskId,
        /// With what.
        given: Given,
    },
    /// Let a worker use this model from its next attempt on; none: the task's or the swarm's.
    SetWorkerModel {
        /// Which.
        worker: WorkerId,
        /// The model.
        model: Option<String>,
    },
    /// Hear nothing of a rule for so long; for no time at all: hear of it again.
    SilenceAlerts {
        /// Which.
        rule: Rule,
        /// How long.
        lasts: Millis,
    },
    /// Send a test by a route; none: by each.
    TestAlerts {
        /// Which.
        route: Option<String>,
    },
}

impl Command {
    /// Tells whether two commands ask for the same. What the edge finds out for a command, rather than its sender
    /// says (where a plan begins), does not count.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = Fingerprint::default();
        // Writing to a number cannot fail.
        let _ = match self {
            Command::LoadPlan { digest, again, .. } => write!(text, "load {digest} {again}"),
            Command::SetPolicy { asked, .. } => write!(text, "set {asked}"),
            other => write!(text, "{other:?}"),
        };
        text.number()
    }
}

/// FNV-1a over what is written to it: 64 bits are plenty to notice a mistake, which is all this is for.
pub(crate) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    pub(crate) fn number(&self) -> u64 {
        self.0
    }
}

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// What a host can see. Every one may come late, twice, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A worker's worktree is ready at a commit.
    WorkerReady {
        /// Which.
        worker: WorkerId,
        /// The commit.
        base: Oid,
        /// The turn that [`Action::Prepare`](crate::plan::Action::Prepare) named.
        turn: u32,
    },
    /// A worker's worktree could not be made ready.
    WorkerFailed {
        /// Which.
        worker: WorkerId,
        /// Why.
        reason: String,
    },
    /// A worker's worktree is gone.
    WorkerGone {
        /// Which.
        worker: WorkerId,
    },
    /// An attempt's shim runs.
    Started {
        /// Which.
        attempt: Attempt,
    },
    /// An attempt's shim could not be started.
    StartFailed {
        /// Which.
        attempt: Attempt,
        /// Why.
        reason: String,
    },
    /// An attempt's agent is done and its checks run.
    AgentEnded {
        /// Which.
        attempt: Attempt,
    },
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: Attempt,
        /// What its shim reported.
        report: Box<Report>,
        /// The worktree is as it was before: still at the base, nothing in it.
        untouched: bool,
    },
    /// An attempt's shim died without a report.
    Lost {
        /// Which.
        attempt: Attempt,
        /// What is known of it.
        reason: String,
        /// What its worktree held.
        saved: Saved,
    },
    /// A new keeper found these attempts at work, and measured how long each has run, by a clock that nobody sets.
    Adopted {
        /// The attempts, with their ages.
        ages: Vec<(Attempt, Millis)>,
    },
    /// What was measured of attempts that run. Leads to events only where it changes a verdict.
    Vitals {
        /// Each with its measurement.
        seen: Vec<(Attempt, Sample)>,
    },
    /// What agents that tell it have used and done so far. Each replaces what was known of its attempt.
    Read {
        /// Each with what it said.
        seen: Vec<(Attempt, Reading)>,
    },
    /// What an attempt's agent asks people. What was seen earlier and comes later changes nothing.
    Asks {
        /// Which.
        attempt: Attempt,
        /// The highest number that it has given to a question.
        last: u32,
        /// The questions that wait.
        open: Vec<Question>,
    },
    /// An attempt's agent was told of a rung of the ladder, or cannot be told of anything.
    Told {
        /// Which.
        attempt: Attempt,
        /// The rung.
        rung: Rung,
        /// Whether the agent got it.
        delivered: bool,
    },
    /// An attempt's agent said something of itself, with the attempt's own token.
    Word {
        /// Which.
        attempt: Attempt,
        /// What.
        word: Word,
    },
    /// An attempt's host has not been heard of for too long.
    Silent {
        /// Which.
        attempt: Attempt,
    },
    /// A hook of the user's was run.
    HookRan {
        /// Which, and what came of it.
        ran: Ran,
    },
    /// A host noticed something that changes no task and no worker, but that people should know.
    Noticed {
        /// How much it matters.
        severity: Severity,
        /// What, in a sentence.
        text: String,
    },
    /// A message to people was sent, or was not.
    Posted {
        /// By which route.
        route: String,
        /// The letters that it held.
        letters: Vec<u64>,
        /// What became of it.
        posted: Posted,
    },
    /// This keeper takes the place of one that died.
    Restarted,
    /// The disk lacks something, or lacks nothing any more.
    Disk {
        /// What.
        lacking: Option<String>,
    },
    /// A chain was built.
    Built {
        /// For which wave.
        wave: u32,
        /// In which round.
        round: u32,
        /// The chain.
        chain: Vec<Link>,
        /// What did not merge.
        clashes: Vec<Clash>,
    },
    /// A commit was checked.
    Checked {
        /// For which wave.
        wave: u32,
        /// In which round.
        round: u32,
        /// After so many links.
        prefix: usize,
        /// Whether it passed.
        passed: bool,
        /// The end of the output, if not.
        output: String,
    },
    /// The integration branch moved, or was there already.
    Landed {
        /// For which wave.
        wave: u32,
        /// The branch's tip.
        tip: Oid,
    },
    /// The integration branch is not where it was left.
    BaseMoved {
        /// For which wave.
        wave: u32,
        /// Where it is; `None`: it is gone.
        actual: Option<Oid>,
        /// It holds everything that was landed so far.
        descends: bool,
    },
    /// A merge step could not be performed at all.
    MergeFailed {
        /// For which wave.
        wave: u32,
        /// Why.
        reason: String,
    },
    /// Work in flight was test-merged (W-9).
    Forecast {
        /// The mark that [`Action::Forecast`](crate::plan::Action::Forecast) named.
        mark: u64,
        /// The works that were merged, each pair with what came of it.
        met: Vec<Meeting>,
        /// Not everything was looked at.
        cut: bool,
    },
    /// How much memory the machine could give to more processes.
    Memory {
        /// In bytes.
        available: u64,
    },
    /// The target branch moved to this commit, or was there already.
    TargetLanded {
        /// The commit.
        tip: Oid,
    },
    /// The target branch could not be moved.
    TargetRefused {
        /// The commit it should have moved to.
        tip: Oid,
        /// Why.
        reason: String,
        /// It has commits of its own.
        diverged: bool,
    },
}

/// What a command led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The log's last sequence number with the command's effects; they are durable when it is.
    pub seq: u64,
    /// The command had been done before, under the same key.
    pub repeated: bool,
    /// Workers that the command made.
    pub workers: Vec<WorkerId>,
}

/// Why something is refused. A no is an answer, not a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No plan has been loaded.
    #[error("no plan has been loaded")]
    NoPlan,
    /// A different plan is under way.
    #[error("another plan is under way: {open} of its tasks {} not over", if *.open == 1 { "is" } else { "are" })]
    PlanUnderWay {
        /// Tasks that are not over.
        open: usize,
    },
    /// The plan has faults.
    #[error("the plan has {faults} faults, the first: {first}")]
    BadPlan {
        /// How many.
        faults: usize,
        /// The first, in a sentence.
        first: String,
    },
    /// No such task.
    #[error("there is no task {0}")]
    NoSuchTask(TaskId),
    /// No such worker.
    #[error("there is no worker {0}")]
    NoSuchWorker(WorkerId),
    /// The id is taken.
    #[error("there is a task {0} already")]
    TaskExists(TaskId),
    /// The task's state does not allow it.
    #[error("task {task} is {state}; {need}")]
    WrongState {
        /// Which.
        task: TaskId,
        /// Its state.
        state: TaskState,
        /// What would be needed, as a sentence's end.
        need: &'static str,
    },
    /// The change would make a fault of the plan.
    #[error("{0}")]
    Fault(String),
    /// The same key came with another command.
    #[error("the idempotency key {0:?} was used for another command")]
    KeyReused(String),
    /// A bound was reached.
    #[error("{0}")]
    Limit(String),
    /// No such route of alerts.
    #[error("there is no route {0:?}")]
    NoSuchRoute(String),
    /// Nobody waits for that answer.
    #[error("no ask {0} waits for an answer")]
    NoSuchAsk(AskId),
    /// It is no answer to that.
    #[error("that does not answer ask {ask}: {why}")]
    BadAnswer {
        /// Which.
        ask: AskId,
        /// Why not, and what would be one.
        why: String,
    },
    /// The observation is of an attempt that no longer holds its task.
    #[error("attempt {0} no longer holds its task")]
    Fenced(Attempt),
    /// The observation is of something that is over or was never begun.
    #[error("nothing waits for this any more")]
    OutOfDate,
    /// There is nothing to change.
    #[error("nothing to do: {0}")]
    NothingToDo(String),
}

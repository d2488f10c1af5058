//! What happened: the only thing that changes a [`State`](crate::state::State), and, with snapshots, the
//! only thing that is stored.

mod kind;
mod next;
mod record;

pub use next::{Next, WorkerNext};
pub use record::{By, Key, Record};

use crate::{
    alert::{self, Alert, Rule},
    ask::{Question, Reply},
    attempt::{Failure, StopWhy},
    budget::{Amounts, Charge, Scope, Told},
    fault::ErrorKind,
    forecast::{Collision, Gone, Work},
    health::{Logged, Rung},
    hook::Ran,
    id::{Attempt, Oid, TaskId, WorkerId},
    merge::{Clash, Conflict, Link, Queued, Severity},
    reputation::{Breach, Subject},
    routing::Route,
    scale::{Added, Mode, Retired},
    spec::{Plan, Policy, Priority, TaskSpec},
    task::{Accepted, Origin},
    time::Time,
    word::Block,
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use serde::{Deserialize, Serialize};
/// What happened. Past tense; self-contained enough for a reader of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A plan began. Tasks of an earlier, ended plan leave the state.
    PlanLoaded {
        /// The plan.
        plan: Box<Plan>,
        /// Tells two plans apart.
        digest: String,
        /// The branch it builds on.
        target: String,
        /// The integration branch's tip.
        base: Oid,
        /// Tasks that an earlier plan merged and that read the same in this one, each with its commit: they are
        /// not done again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        carried: Vec<(TaskId, Oid)>,
    },
    /// A task joined the plan.
    TaskAdded {
        /// The task.
        spec: Arc<TaskSpec>,
        /// Where it comes from.
        origin: Origin,
    },
    /// A task that no attempt held was changed.
    TaskEdited {
        /// The new text, under the same id.
        spec: Arc<TaskSpec>,
    },
    /// All dependencies of these tasks are merged.
    TasksReady {
        /// Which.
        tasks: Vec<TaskId>,
    },
    /// A task counts as merged without having been done.
    TaskSkipped {
        /// Which.
        task: TaskId,
    },
    /// A task was given up.
    TaskCancelled {
        /// Which.
        task: TaskId,
    },
    /// A task begins anew, its counts at zero.
    TaskRequeued {
        /// Which.
        task: TaskId,
    },
    /// A task's priority was changed.
    TaskBoosted {
        /// Which.
        task: TaskId,
        /// The priority from now on.
        priority: Priority,
    },
    /// Only this worker may claim the task (none: any).
    TaskAssigned {
        /// Which.
        task: TaskId,
        /// The worker.
        worker: Option<WorkerId>,
    },
    /// An attempt took a task.
    Claimed {
        /// Its number and fencing token.
        attempt: Attempt,
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// The adapter.
        agent: String,
        /// The model.
        model: Option<String>,
        /// The commit it starts from.
        base: Oid,
        /// The keeper gives it up at this moment.
        give_up: Time,
        /// What is set aside for it (S-7).
        #[serde(default, skip_serializing_if = "Amounts::is_nothing")]
        reserved: Amounts,
        /// Who serves it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        /// Why it has its model, unless that is just the swarm's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Route>,
    },
    /// An attempt's process runs.
    AttemptStarted {
        /// Which.
        attempt: Attempt,
    },
    /// An attempt's agent is done; its checks run.
    AgentEnded {
        /// Which.
        attempt: Attempt,
    },
    /// The keeper gives an attempt up at another moment than was thought: a new keeper measured how long it has
    /// run, and the clock had jumped.
    LeaseMoved {
        /// Which.
        attempt: Attempt,
        /// The moment.
        give_up: Time,
    },
    /// An attempt is known to have used more, or more was set aside for it (S-7). The last one comes with its end;
    /// that of one whose lease was revoked may come later.
    Metered {
        /// Which.
        attempt: Attempt,
        /// Its task.
        task: TaskId,
        /// What it is charged, in all.
        charge: Charge,
        /// What is set aside for it, in all.
        #[serde(default, skip_serializing_if = "Amounts::is_nothing")]
        reserved: Amounts,
    },
    /// People are told how much of a cap is spent (S-7).
    BudgetLevel {
        /// Of which.
        scope: Scope,
        /// How much.
        told: Told,
        /// In a sentence.
        text: String,
    },
    /// The verdict on an attempt's health has changed, or its score has by much (L-4).
    HealthChanged {
        /// Which.
        attempt: Attempt,
        /// What was found.
        health: Box<Logged>,
    },
    /// An attempt's agent was spoken to, or it is of a kind that cannot be (L-4a).
    Told {
        /// Which.
        attempt: Attempt,
        /// What about.
        rung: Rung,
        /// Whether the agent got it.
        delivered: bool,
    },
    /// An attempt's agent says how far it is.
    Checkpointed {
        /// Which.
        attempt: Attempt,
        /// The task.
        task: TaskId,
        /// What is done, and what is next.
        text: String,
        /// How much of it all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// An attempt's agent says that it cannot go on.
    BlockReported {
        /// Which.
        attempt: Attempt,
        /// The task.
        task: TaskId,
        /// Why not.
        block: Box<Block>,
    },
    /// What a task was blocked on is merged: it waits as others do.
    TaskUnblocked {
        /// Which.
        task: TaskId,
    },
    /// An attempt's agent has found something out (G-5).
    MemoRecorded {
        /// Which.
        attempt: Attempt,
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// What it is about.
        #[serde(rename = "about")]
        key: String,
        /// What was found.
        value: String,
        /// How that is known.
        source: String,
    },
    /// An attempt's agent asks a person, and waits (L-4b).
    Asked {
        /// Which.
        attempt: Attempt,
        /// What.
        question: Box<Question>,
    },
    /// A question was answered; the answer is on its way to the agent.
    Answered {
        /// Of which attempt.
        attempt: Attempt,
        /// Which question.
        number: u32,
        /// With what.
        reply: Reply,
    },
    /// A question does not wait any more, answered or not.
    AskClosed {
        /// Of which attempt.
        attempt: Attempt,
        /// Which question.
        number: u32,
    },
    /// An agent's context is nearly full. Its task goes on in it; whoever comes next begins afresh (L-9).
    ContextRefreshDeferred {
        /// Of which attempt.
        attempt: Attempt,
        /// How full, in percent.
        percent: u8,
    },
    /// An attempt is being stopped.
    StopAsked {
        /// Which.
        attempt: Attempt,
        /// Why.
        why: StopWhy,
        /// Without the grace.
        at_once: bool,
    },
    /// An attempt succeeded and its task is accepted.
    AttemptAccepted {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// The result.
        accepted: Box<Accepted>,
    },
    /// An attempt ended without success.
    AttemptEnded {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// What went wrong.
        failure: Box<Failure>,
        /// What becomes of the task.
        next: Next,
        /// What becomes of the worker.
        worker_next: WorkerNext,
        /// The agent's program could not even be started.
        spawn_failed: bool,
        /// The agent itself died, by a signal that Skep did not send (L-6).
        #[serde(default)]
        agent_died: bool,
        /// Nobody reported it: its lease was revoked, and its result may come yet.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        revoked: bool,
        /// Where its work is, if it left any.
        salvage: Option<Oid>,
    },
    /// A result came for an attempt that no longer holds its task. It changes nothing; its work is kept.
    AttemptFenced {
        /// Which.
        attempt: Attempt,
        /// Its task.
        task: Option<TaskId>,
        /// Where its work is, if it left any.
        salvage: Option<Oid>,
    },
    /// A worker joined.
    WorkerAdded {
        /// Its id.
        worker: WorkerId,
        /// Its role.
        role: Option<String>,
        /// Why policy added it; none: the plan or a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Added>,
    },
    /// A worker's worktree is ready at a commit.
    WorkerReady {
        /// Which.
        worker: WorkerId,
        /// The commit.
        base: Oid,
    },
    /// A worker could not be made ready.
    WorkerFailed {
        /// Which.
        worker: WorkerId,
        /// Why.
        reason: String,
        /// It is tried again at this moment.
        not_before: Time,
    },
    /// A worker's back-off is over.
    WorkerRestored {
        /// Which.
        worker: WorkerId,
    },
    /// A worker takes no tasks until it is resumed.
    WorkerPaused {
        /// Which.
        worker: WorkerId,
    },
    /// A paused worker takes tasks again.
    WorkerResumed {
        /// Which.
        worker: WorkerId,
    },
    /// A worker uses another model from its next attempt on.
    WorkerModelSet {
        /// Which.
        worker: WorkerId,
        /// The model; none: the task's or the swarm's.
        model: Option<String>,
    },
    /// A worker that crashed too often is replaced by a new one, which waits as long as it would have (L-6).
    WorkerRetired {
        /// Which.
        worker: WorkerId,
        /// The new one: of the same role, with a worktree of its own.
        successor: WorkerId,
        /// What went wrong last.
        reason: String,
    },
    /// A worker leaves once its attempt has ended.
    WorkerLeaving {
        /// Which.
        worker: WorkerId,
        /// Why policy lets it go; none: a person does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Retired>,
    },
    /// A worker is gone, its worktree removed.
    WorkerGone {
        /// Which.
        worker: WorkerId,
    },
    /// A wave's merge began; nothing is claimed until it ends.
    MergeStarted {
        /// The wave.
        wave: u32,
        /// The integration branch's tip.
        base: Oid,
        /// What is to be merged, in order.
        queue: Vec<Queued>,
    },
    /// A chain was built.
    MergeBuilt {
        /// In which round.
        round: u32,
        /// The chain.
        chain: Vec<Link>,
        /// What did not merge.
        clashes: Vec<Clash>,
        /// The same, as people see it.
        conflicts: Vec<Conflict>,
    },
    /// A commit of the chain was checked.
    MergeChecked {
        /// In which round.
        round: u32,
        /// After so many links.
        prefix: usize,
        /// Whether every command of the check exited 0.
        passed: bool,
        /// The end of the output, if not.
        output: String,
    },
    /// A task's work was taken out of the merge; a fix task, or a person, is to see to it.
    LeftOut {
        /// Which.
        task: TaskId,
        /// The fix task, unless there were too many already.
        fixed_by: Option<TaskId>,
        /// Why, in a sentence.
        reason: String,
    },
    /// The next round builds the chain anew.
    MergeRebuilt {
        /// The round that begins.
        round: u32,
        /// On what.
        base: Oid,
    },
    /// The integration branch moved to the end of the chain.
    WaveLanded {
        /// The wave.
        wave: u32,
        /// The branch's new tip.
        tip: Oid,
        /// The tasks that are now merged, each with the commit that holds it.
        merged: Vec<(TaskId, Oid)>,
        /// Whether the tip passed an integration check.
        checked: bool,
    },
    /// The target branch moved to the integration branch's tip (`landing = "main"`).
    TargetLanded {
        /// The commit.
        tip: Oid,
    },
    /// The target branch could not be moved.
    TargetRefused {
        /// The tip it should have moved to.
        tip: Oid,
        /// Why.
        reason: String,
        /// It has commits of its own, to be merged first.
        diverged: bool,
    },
    /// A task has waited for too long for something that moves no more (L-8).
    WaitedTooLong {
        /// Which.
        task: TaskId,
        /// For what, in a sentence.
        text: String,
        /// It was for one worker, and is for any now.
        freed: bool,
    },
    /// A provider refuses attempts: it is left alone, and then one tries it again (S-5, S-6).
    ProviderParked {
        /// Which.
        provider: String,
        /// How.
        kind: ErrorKind,
        /// Until this moment.
        until: Time,
        /// In a sentence, with what a person can do.
        reason: String,
        /// The attempt that was refused.
        attempt: Attempt,
        /// The task that tried it in vain: another goes first next time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<TaskId>,
    },
    /// A provider works again.
    ProviderResumed {
        /// Which.
        provider: String,
        /// The attempt that tried it.
        probe: Attempt,
    },
    /// A worker, an agent or a model does badly (G-6). Told once; again only after it did well.
    SloBreached {
        /// Which.
        subject: Subject,
        /// What it falls short of.
        breach: Breach,
        /// In a sentence.
        text: String,
    },
    /// A hook of the user's was run (U-11).
    HookRan {
        /// Which, and what came of it.
        ran: Box<Ran>,
    },
    /// Something was noticed.
    Signal {
        /// How much it matters.
        severity: Severity,
        /// What, in a sentence.
        text: String,
    },
    /// Works in flight do not merge as they are now, or now in other files or more surely than before (W-9).
    CollisionForeseen {
        /// Whose, and where.
        collision: Box<Collision>,
    },
    /// Works that did not merge do, or there is nothing left to merge of one of them.
    CollisionGone {
        /// Whose.
        works: Vec<Work>,
        /// Why.
        why: Gone,
    },
    /// A number was changed.
    PolicyChanged {
        /// The change as it was asked for.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        asked: String,
        /// All numbers from now on.
        policy: Box<Policy>,
    },
    /// Somebody else decides how many workers there are (S-1).
    ScaleSet {
        /// Who, and between which bounds.
        mode: Mode,
    },
    /// A host looked how much memory its machine has free (S-1).
    MemorySeen {
        /// Enough for so many more workers; the rest of what is free does not matter.
        room: u32,
    },
    /// Nothing more is claimed until a person resumes.
    SwarmPaused {},
    /// Claims go on.
    SwarmResumed {},
    /// Nothing more is claimed; live attempts end by themselves.
    SwarmDraining {},
    /// Something is wrong with the swarm as a whole.
    SwarmHalted {
        /// What.
        reason: String,
        /// One attempt is tried at this moment; `None`: a person must resume.
        probe_at: Option<Time>,
    },
    /// Something needs a person; or what was raised has become worse (U-6).
    AlertRaised {
        /// What.
        alert: Box<Alert>,
        /// How bad, in steps of its own.
        grade: u32,
    },
    /// What was raised still holds.
    AlertReminded {
        /// Of what.
        of: alert::Key,
    },
    /// What was raised is over.
    AlertResolved {
        /// Of what.
        of: alert::Key,
    },
    /// Nobody wants to hear of a rule for a while.
    AlertsSilenced {
        /// Which.
        rule: Rule,
        /// Until this moment.
        until: Time,
    },
    /// Somebody wants to see whether alerts arrive.
    AlertTested {
        /// By which route; none: by each.
        route: Option<String>,
    },
    /// A route's letters arrived.
    AlertSent {
        /// By which route.
        route: String,
        /// The letters, by the numbers of their events.
        letters: Vec<u64>,
    },
    /// A route's letters did not arrive, and are sent again.
    AlertDelayed {
        /// By which route.
        route: String,
        /// The letters.
        letters: Vec<u64>,
        /// Why.
        reason: String,
        /// Not before this moment.
        until: Time,
    },
    /// A route's letters did not arrive, and are given up.
    AlertUndelivered {
        /// By which route.
        route: String,
        /// The letters.
        letters: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// A keeper took the place of one that died.
    KeeperRestarted {},
    /// The disk has become full, or has room again.
    DiskSeen {
        /// What it lacks.
        lacking: Option<String>,
    },
    /// All that can be done is done.
    Finished {},
}

//! The state of a swarm: a fold over its events.
//!
//! Fields are private; [`apply`](State::apply) is the only way to change them. Beside the facts stand
//! indices over them, so that a decision costs what changed, not what there is.

mod apply;
mod index;
mod stored;

pub use stored::FOLD;

use crate::{
    alert,
    attempt::{Live, Phase, Reading},
    budget::Ledger,
    forecast::{Collision, Looked},
    health::{Facts, Pace, Sample},
    history::History,
    hook::Owed,
    id::{Attempt, Oid, TaskId, WorkerId},
    limits,
    merge::{Conflict, Merge},
    provider, reputation,
    routing::Shares,
    scale::Book,
    spec::{Policy, SwarmSpec},
    task::{Task, TaskState},
    time::{Millis, Time},
    word::{Memo, Word},
    worker::Worker,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use core::fmt;
use index::Index;
use serde::{Deserialize, Serialize};

/// Everything known of a swarm.
// `remote` makes the derived functions inherent ones, for `stored` to finish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct State {
    seq: u64,
    swarm: Option<Swarm>,
    tasks: Vec<Task>,
    live: BTreeMap<Attempt, Live>,
    workers: BTreeMap<WorkerId, Worker>,
    merge: Option<Merge>,
    waves: Vec<Wave>,
    conflicts: Vec<Conflict>,
    keys: Keys,
    next: Counters,
    paused: bool,
    draining: bool,
    halted: Option<Halt>,
    finished: Option<Time>,
    spawn_failures: u32,
    cap_warned: bool,
    scale: Book,
    /// How long attempts take, by kind; bounded by [`limits::PACES`](crate::limits::PACES).
    #[serde(default)]
    paces: BTreeMap<String, Pace>,
    #[serde(default)]
    ledger: Ledger,
    /// Works that are known not to merge as they are; bounded by
    /// [`limits::COLLISIONS`](crate::limits::COLLISIONS).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    collisions: Vec<Collision>,
    /// Beside the state, too.
    #[serde(skip)]
    looked: Looked,
    /// What agents have found out in this plan; bounded by [`limits::MEMOS`].
    #[serde(default)]
    memos: Vec<Memo>,
    /// Hooks that are to be run because of what has happened; bounded by [`limits::HOOKS_OWED`].
    #[serde(default)]
    hooks: Vec<Owed>,
    /// Who serves attempts, and who refuses to.
    #[serde(default)]
    providers: provider::Book,
    /// How attempts' models were shared out.
    #[serde(default)]
    shares: Shares,
    /// How workers, agents and models do.
    #[serde(default)]
    reputations: reputation::Book,
    /// What needs a person, and who was told.
    #[serde(default)]
    alerts: alert::Book,
    /// What happened when, and how long it took; bounded whatever happens.
    #[serde(default)]
    history: History,
    #[serde(skip)]
    index: Index,
    /// What hosts measure: beside the state, never of it.
    #[serde(skip)]
    facts: Facts,
}

/// What holds for the plan under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swarm {
    /// The plan's own settings.
    pub spec: SwarmSpec,
    /// Tells two plans apart.
    pub digest: String,
    /// The branch it builds on.
    pub target: String,
    /// The integration branch's tip: what new attempts start from.
    pub tip: Oid,
    /// The tip where the plan began.
    pub began_at: Oid,
    /// Whether the tip is known to pass the integration check.
    pub tip_checked: bool,
    /// The last commit the target branch was moved to (`landing = "main"`).
    pub landed: Option<Oid>,
    /// Why the target branch could not be moved, and which tip it was.
    pub landing_refused: Option<(Oid, String)>,
    /// The target has commits of its own that must be merged before landing.
    pub target_diverged: bool,
    /// When the plan began.
    pub since: Time,
    /// The numbers as the plan has them, while a live change makes them others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<Box<Policy>>,
}

impl Swarm {
    /// The numbers as the plan and the configuration have them, whatever was changed since.
    #[must_use]
    pub fn configured(&self) -> &Policy {
        self.configured.as_deref().unwrap_or(&self.spec.policy)
    }
}

/// A wave that has landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Its number, from 1.
    pub id: u32,
    /// What it merged.
    pub tasks: Vec<TaskId>,
    /// The tip it left.
    pub tip: Oid,
}

/// Why the swarm does nothing until it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// One attempt may be tried from this moment.
    pub probe_at: Option<Time>,
    /// The attempt that is being tried.
    pub probing: Option<Attempt>,
}

/// The swarm's state (SPEC §0), derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmState {
    /// Tasks are being claimed or done.
    Running,
    /// A person paused it.
    Paused,
    /// A wave is being merged.
    Merging,
    /// Nothing to do.
    Sleeping,
    /// Something is wrong with the swarm as a whole.
    Halted,
    /// The keeper is about to leave.
    Draining,
}

impl SwarmState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            SwarmState::Running => "running",
            SwarmState::Paused => "paused",
            SwarmState::Merging => "merging",
            SwarmState::Sleeping => "sleeping",
            SwarmState::Halted => "halted",
            SwarmState::Draining => "draining",
        }
    }
}

impl fmt::Display for SwarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The next numbers to give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    attempt: u64,
    worker: u32,
    order: u64,
    wave: u32,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            attempt: 1,
            worker: 1,
            order: 0,
            wave: 1,
        }
    }
}

/// Idempotency keys already acted on, oldest first; bounded by [`limits::KEYS`](crate::limits::KEYS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Keys {
    /// The event that answered it, and the command's fingerprint.
    seen: BTreeMap<String, (u64, u64)>,
    order: VecDeque<String>,
}

impl State {
    /// The sequence number of the last event applied.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// The plan under way, if one was ever loaded.
    #[must_use]
    pub fn swarm(&self) -> Option<&Swarm> {
        self.swarm.as_ref()
    }
    /// The numbers in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.swarm
            .as_ref()
            .map_or_else(Policy::default, |s| s.spec.policy.clone())
    }
    /// All tasks, oldest first.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }
    /// A task by id.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.index.find(id).map(|ix| &self.tasks[ix])
    }
    /// How many tasks are in a state.
    #[must_use]
    pub fn count(&self, state: TaskState) -> usize {
        self.index.count(state)
    }
    /// All live attempts, oldest first.
    pub fn live(&self) -> impl ExactSizeIterator<Item = &Live> {
        self.live.values()
    }
    /// A live attempt by number.
    #[must_use]
    pub fn attempt(&self, attempt: Attempt) -> Option<&Live> {
        self.live.get(&attempt)
    }
    /// The number the next attempt will get: every smaller one has been given out.
    #[must_use]
    pub fn next_attempt(&self) -> Attempt {
        Attempt(self.next.attempt)
    }
    /// The number the next worker will get.
    #[must_use]
    pub fn next_worker(&self) -> WorkerId {
        WorkerId(self.next.worker)
    }
    /// All workers.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = &Worker> {
        self.workers.values()
    }
    /// A worker by id.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }
    /// Whether all workers work in one worktree (`worktree = false`). Then its readiness is one fact: every
    /// worker's [`ready_at`](Worker::ready_at) is the same.
    #[must_use]
    pub fn shares_worktree(&self) -> bool {
        self.swarm.as_ref().is_some_and(|s| !s.spec.worktree)
    }
    /// The merge under way.
    #[must_use]
    pub fn merge(&self) -> Option<&Merge> {
        self.merge.as_ref()
    }
    /// The waves that have landed.
    #[must_use]
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }
    /// The wave that is being worked on.
    #[must_use]
    pub fn open_wave(&self) -> u32 {
        self.next.wave
    }
    /// The last wave there is: one that has landed, or that a task is still in. Once everything is merged the
    /// open wave is a number that no task has.
    #[must_use]
    pub fn last_wave(&self) -> u32 {
        let open = |task: &&Task| task.state != TaskState::Merged;
        let open = self.tasks.iter().filter(open);
        let open = open.map(|task| task.wave.max(self.next.wave));
        let landed = self.waves.iter().map(|wave| wave.id);
        open.chain(landed).max().unwrap_or(1)
    }
    /// Conflicts met so far in this plan.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }
    /// What agents have found out in this plan, oldest first.
    #[must_use]
    pub fn memos(&self) -> &[Memo] {
        &self.memos
    }
    /// Hooks that are to be run because of what has happened, oldest first.
    #[must_use]
    pub fn hooks_owed(&self) -> &[Owed] {
        &self.hooks
    }
    /// Whether a person paused the swarm.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused
    }
    /// Whether the keeper is about to leave.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining
    }
    /// Why the swarm is halted, if it is.
    #[must_use]
    pub fn halted(&self) -> Option<&Halt> {
        self.halted.as_ref()
    }
    /// Whether nothing goes on until a person resumes. A halt that probes is about starting agents only:
    /// finished work is merged meanwhile, else there may never be a task to probe with.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        self.halted
            .as_ref()
            .is_some_and(|halt| halt.probe_at.is_none())
    }
    /// When everything that can be done was done; `None` while there is something to do.
    #[must_use]
    pub fn finished(&self) -> Option<Time> {
        self.finished
    }
    /// Spawn failures in a row (L-5).
    #[must_use]
    pub fn spawn_failures(&self) -> u32 {
        self.spawn_failures
    }
    /// Whether the warning before the concurrency cap was given since attempts were last below it.
    #[must_use]
    pub fn cap_warned(&self) -> bool {
        self.cap_warned
    }
    /// Who decides how many workers there are, and what is remembered for that.
    #[must_use]
    pub fn scale(&self) -> &Book {
        &self.scale
    }
    /// Whether some task waits for this worker and no other.
    #[must_use]
    pub fn is_pinned(&self, worker: WorkerId) -> bool {
        self.index.is_pinned(worker)
    }
    /// What a worker of a role would be, with what the plan says of the role.
    #[must_use]
    pub(crate) fn new_worker(&self, id: WorkerId, role: Option<String>, now: Time) -> Worker {
        let mut new = Worker::new(id, role, now);
        let roles = self.swarm.as_ref().map(|s| &s.spec.roles);
        if let Some(role) = new.role.as_ref().and_then(|r| roles?.get(r)) {
            new.capabilities.clone_from(&role.capabilities);
            new.model.clone_from(&role.model);
        }
        new
    }
    /// The event that answered an idempotency key, and the fingerprint of the command it was used for.
    #[must_use]
    pub fn answered(&self, key: &str) -> Option<(u64, u64)> {
        self.keys.seen.get(key).copied()
    }

    /// The tasks that can be claimed, in dispatch order.
    pub fn ready(&self) -> impl Iterator<Item = &Task> {
        self.index.ready().map(|ix| &self.tasks[ix])
    }
    /// The waiting tasks whose dependencies are all merged.
    pub fn unblocked(&self) -> impl Iterator<Item = &Task> {
        self.index.unblocked().map(|ix| &self.tasks[ix])
    }
    /// A task whose agent was blocked on what is merged now.
    pub(crate) fn released(&self) -> Option<&Task> {
        let blocked = self.index.blocked().map(|ix| &self.tasks[ix]);
        let mut blocked = blocked.filter(|t| t.held_by().is_some_and(|on| self.is_merged(on)));
        blocked.next()
    }
    /// The accepted tasks, in plan order.
    pub fn accepted(&self) -> impl Iterator<Item = &Task> {
        self.index.accepted().map(|ix| &self.tasks[ix])
    }
    /// Ready tasks that only one worker may claim, the longest ready first.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = &Task> {
        self.index.assigned().map(|ix| &self.tasks[ix])
    }
    /// Of the other ready tasks, the one of each role that has been ready for longest.
    pub(crate) fn oldest_by_role(&self) -> impl Iterator<Item = &Task> {
        self.index.oldest_by_role().map(|ix| &self.tasks[ix])
    }
    /// Tasks that wait for each other in a circle, if there are any.
    pub fn circle(&self) -> impl Iterator<Item = &Task> {
        self.index.circle().iter().map(|ix| &self.tasks[*ix])
    }
    /// How many tasks keep a wave from merging.
    #[must_use]
    pub fn holding(&self, wave: u32) -> usize {
        self.index.holding(wave)
    }
    /// The live attempt that holds an ownership key.
    #[must_use]
    pub fn owner(&self, key: &str) -> Option<Attempt> {
        self.index.owner(key)
    }
    /// The earliest moment at which a ready task that must wait may be claimed.
    #[must_use]
    pub fn next_not_before(&self) -> Option<Time> {
        self.index.next_not_before()
    }

    /// How long attempts of a [kind](Pace::key) usually take, if that is known.
    #[must_use]
    pub fn usual_pace(&self, kind: &str) -> Option<Millis> {
        self.paces.get(kind)?.usual()
    }
    /// What has been spent.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Who serves attempts, and who refuses to, by name.
    #[must_use]
    pub fn providers(&self) -> &provider::Book {
        &self.providers
    }
    /// How attempts' models were shared out.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.shares
    }
    /// How workers, agents and models do.
    #[must_use]
    pub fn reputations(&self) -> &reputation::Book {
        &self.reputations
    }
    /// What needs a person, and who was told.
    #[must_use]
    pub fn alerts(&self) -> &alert::Book {
        &self.alerts
    }
    /// What is known under a key of [`reputation`].
    #[must_use]
    pub fn reputation(&self, key: &str) -> Option<&reputation::Record> {
        self.reputations.get(key)
    }
    /// What happened when, how often, and how long it took.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }
    /// What hosts have measured of live attempts, since this keeper began.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
    /// Takes measurements of live attempts into account. They change nothing that is stored.
    pub(crate) fn measure(&mut self, seen: &[(Attempt, Sample)], now: Time) {
        let policy = self.policy();
        for (attempt, sample) in seen {
            // Of one whose process is not known to run there is nothing to measure.
            if let Some(live) = self.live.get(attempt).filter(|l| l.phase > Phase::Claimed) {
                self.facts.take(live, sample.clone(), now, &policy);
            }
        }
    }
    /// Works that do not merge as they are now, as far as it is known (W-9).
    #[must_use]
    pub fn collisions(&self) -> &[Collision] {
        &self.collisions
    }
    /// Which works in flight were looked at last.
    pub(crate) fn looked(&self) -> &Looked {
        &self.looked
    }
    /// Notes that works in flight were looked at. It changes nothing that is stored.
    pub(crate) fn look(&mut self, mark: u64, cut: bool, now: Time) {
        self.looked.take(mark, cut, now);
    }
    fn pace(&mut self, kind: String, took: Millis) {
        if self.paces.len() < limits::PACES || self.paces.contains_key(&kind) {
            self.paces.entry(kind).or_default().add(took);
        }
    }

    /// Takes in what agents say of themselves. Attempts that are over are not heard any more.
    pub(crate) fn read(&mut self, seen: &[(Attempt, Reading)], now: Time) {
        for (attempt, reading) in seen {
            if self.live.contains_key(attempt) {
                self.facts.read(*attempt, reading.clone(), now);
            }
        }
    }

    /// Takes in that an agent says something, while it is its own to say. What it says is for `decide`.
    pub(crate) fn hear(&mut self, attempt: Attempt, word: &Word, now: Time) {
        let speaks = |live: &Live| live.phase < Phase::Verifying;
        if self.live.get(&attempt).is_some_and(speaks) && word.check().is_ok() {
            self.facts.hear(attempt, now);
        }
    }

    /// The swarm's state, derived from the facts.
    #[must_use]
    pub fn swarm_state(&self) -> SwarmState {
        if self.halted.is_some() {
            SwarmState::Halted
        } else if self.draining {
            SwarmState::Draining
        } else if self.paused {
            SwarmState::Paused
        } else if self.merge.is_some() {
            SwarmState::Merging
        } else if self.swarm.is_none()
            || self.finished.is_some()
            || (self.live.is_empty() && self.ledger.is_full())
        {
            SwarmState::Sleeping
        } else {
            SwarmState::Running
        }
    }
}

//! What must hold in every world, checked against the log and the world, never against the keeper's word.

mod asks;
mod providers;
mod scaling;
mod spending;

use crate::{
    git::Works,
    hosts::{Folder, FolderState},
    mutant::Mutant,
    world::World,
};
use skep_core::{
    attempt::StopWhy,
    event::{By, Event, Record, WorkerNext},
    id::{Attempt, Oid, TaskId, WorkerId},
    plan::Order,
    request::Answer,
    spec::{Budget, Plan, Policy},
    state::State,
    task::TaskState,
    time::Millis,
    violations, waiting,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which exit code a failure deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The code panicked.
    Crash,
    /// Something happened that must never happen.
    Safety,
    /// Something that should happen does not.
    Liveness,
}

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of which kind.
    pub kind: Kind,
    /// Which invariant.
    pub invariant: &'static str,
    /// The particulars.
    pub text: String,
}

/// In a minute one worker may crash so often: the back-off doubles from 5 s, less a quarter of jitter.
const CRASHES_A_MINUTE: usize = 5;
/// Nothing that is over or told to stop may go unnoticed for longer while a keeper lives.
const STALE: u64 = 30 * 60_000;

pub(crate) struct Audit {
    pub(crate) failure: Option<Failure>,
    /// The log, folded by the auditor.
    pub(crate) state: State,
    pub(crate) keeper_since: u64,
    /// Since when what is measured has not been forgotten.
    pub(crate) facts_since: u64,
    policy: Policy,
    pub(crate) user_works: Works,
    accepted: BTreeSet<TaskId>,
    allowed: Works,
    keys: BTreeSet<String>,
    traces: BTreeSet<String>,
    pub(crate) alive: BTreeMap<Attempt, (TaskId, WorkerId)>,
    crashes: BTreeMap<WorkerId, VecDeque<u64>>,
    stops: BTreeMap<Attempt, u64>,
    looked: u64,
    coming: scaling::Coming,
    pub(crate) spending: spending::Spending,
    pub(crate) asks: asks::Asks,
}

impl Audit {
    pub(crate) fn new(plan: &Plan) -> Audit {
        Audit {
            failure: None,
            state: State::default(),
            keeper_since: 0,
            facts_since: 0,
            policy: plan.swarm.policy.clone(),
            user_works: Works::default(),
            accepted: BTreeSet::new(),
            allowed: Works::default(),
            keys: BTreeSet::new(),
            traces: BTreeSet::new(),
            alive: BTreeMap::new(),
            crashes: BTreeMap::new(),
            stops: BTreeMap::new(),
            looked: 0,
            coming: scaling::Coming::default(),
            spending: spending::Spending::default(),
            asks: asks::Asks::default(),
        }
    }

    /// The plan as the keeper gets it: some planted bugs drop a number of the policy.
    pub(crate) fn shown(&self, mutant: Option<Mutant>, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        let policy = &mut plan.swarm.policy;
        match mutant {
            Some(Mutant::NoBackoff) => {
                (policy.backoff.0, policy.backoff_cap.0) = (0, 0);
            }
            Some(Mutant::IgnoreCap) => policy.concurrency = 1_000,
            Some(Mutant::AskForEver) => {
                policy.agents.ask_timeout = Millis::mins(90 * 24 * 60);
                policy.agents.ask_total = policy.agents.ask_timeout;
            }
            Some(Mutant::HurryPeople) => policy.agents.ask_timeout = Millis::secs(1),
            Some(Mutant::NoCaps) => policy.budget = Budget::default(),
            Some(Mutant::IgnoreBulkhead) => policy.providers.attempts = 1_000,
            Some(Mutant::ParkBriefly) => policy.providers.longest_park.0 = 1,
            Some(Mutant::ScaleWildly) => {
                policy.scaling.max_workers = 1_000;
                policy.scaling.idle_after.0 = 1_000;
            }
            _ => {}
        }
        plan
    }

    /// The policy as people know it.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn fail(&mut self, kind: Kind, invariant: &'static str, text: String) {
        self.failure.get_or_insert(Failure {
            kind,
            invariant,
            text,
        });
    }

    pub(crate) fn unsafe_if(
        &mut self,
        wrong: bool,
        invariant: &'static str,
        text: impl FnOnce() -> String,
    ) {
        if wrong && self.failure.is_none() {
            self.fail(Kind::Safety, invariant, text());
        }
    }
}

impl World {
    /// Records that are now in the log, whatever the keeper was told.
    pub(crate) fn audit_records(&mut self, records: &[Record]) {
        let mut traces = BTreeSet::new();
        for record in records {
            self.note(|| {
                let text = format!("{:?}", record.event);
                format!(
                    "#{} {}",
                    record.seq,
                    text.chars().take(230).collect::<String>()
                )
            });
            self.coverage.hit(crate::coverage::event(&record.event));
            self.audit_event(record);
            self.month_event(&record.event);
            self.audit_foresight(record);
            let found = violations::find(&self.audit.state);
            self.audit
                .unsafe_if(!found.is_empty(), "violations::find", || found.join("; "));
            if let Some(key) = &record.key {
                let fresh = self.audit.keys.insert(key.name.clone());
                self.audit.unsafe_if(!fresh, "IV: a key acts once", || {
                    format!("{} acted twice", key.name)
                });
            }
            if let By::Person(_) = record.by {
                traces.insert(record.trace.clone());
            }
        }
        for trace in traces {
            let fresh = self.audit.traces.insert(trace.clone());
            self.audit.unsafe_if(!fresh, "IV: a command acts once", || {
                format!("{trace} acted twice")
            });
        }
        if let Some(last) = records.last() {
            self.audit_caps(last.at);
        }
        self.audit_reasons();
    }

    /// VIII: every task that is not over has a reason, and none is merely about to start.
    fn audit_reasons(&mut self) {
        let Some(now) = self.log.records.last().map(|r| r.at) else {
            return;
        };
        let state = &self.audit.state;
        let idle = state
            .ready()
            .find(|t| waiting::task(state, t, now) == waiting::Waiting::AboutToStart);
        let idle = idle.map(|t| t.id().clone());
        for task in state.tasks().iter().filter(|t| !t.state.is_over()) {
            let _ = waiting::task(state, task, now);
        }
        self.audit
            .unsafe_if(idle.is_some(), "VIII: what can start starts", || {
                format!("{idle:?} is about to start and does not")
            });
    }

    fn audit_event(&mut self, record: &Record) {
        let before = (record.seq as usize).checked_sub(2);
        let last = before
            .and_then(|ix| self.log.records.get(ix))
            .map_or(0, |r| r.at.0);
        self.audit.unsafe_if(
            record.at.0 < last,
            "L-10: time does not run backwards",
            || format!("#{} is at {}, after {last}", record.seq, record.at.0),
        );
        self.audit_scaling(record);
        self.audit_spending(record);
        self.audit_providers(record);
        self.audit_given_up(record);
        self.audit_asks(record);
        match &record.event {
            Event::PlanLoaded { .. } => {
                self.audit.accepted.clear();
                self.audit.policy = self.plan.swarm.policy.clone();
            }
            Event::TaskRequeued { task } => {
                self.audit.accepted.remove(task);
            }
            Event::PolicyChanged { policy, .. } => self.audit.policy = (**policy).clone(),
            Event::Claimed {
                attempt,
                task,
                worker,
                ..
            } => {
                self.audit_claim(*attempt, task, *worker, record.at.0);
            }
            Event::AttemptAccepted {
                task,
                accepted,
                worker,
            } => {
                self.audit_end(accepted.attempt, &record.by);
                self.audit.crashes.remove(worker);
                let fresh = self.audit.accepted.insert(task.clone());
                self.audit
                    .unsafe_if(!fresh, "I: accepted at most once", || format!("{task}"));
                if let Some(commit) = &accepted.commit {
                    self.audit_commit(accepted.attempt, commit);
                    let works = &self.repo.commit(commit).works;
                    for work in works.iter() {
                        self.audit.allowed.add(work);
                    }
                    let own = self
                        .hosts
                        .folders
                        .get(&accepted.attempt)
                        .and_then(|f| f.work);
                    let holds = own.is_none_or(|w| works.has(w));
                    self.audit.unsafe_if(
                        !holds,
                        "I: what is accepted is the attempt's own",
                        || format!("attempt {} of {task}", accepted.attempt),
                    );
                }
            }
            Event::AttemptEnded {
                failure,
                worker,
                worker_next,
                ..
            } => {
                self.audit_end(failure.attempt, &record.by);
                if let WorkerNext::BackOff(_) = worker_next {
                    self.audit_crash(*worker, record.at.0);
                }
            }
            Event::WorkerFailed { worker, .. } => self.audit_crash(*worker, record.at.0),
            Event::WorkerResumed { worker } => {
                self.audit.crashes.remove(worker);
            }
            Event::SwarmResumed {} => self.audit.crashes.clear(),
            Event::StopAsked { attempt, why, .. } => {
                self.audit.stops.entry(*attempt).or_insert(self.now);
                if *why == StopWhy::Stale {
                    self.audit_stale(*attempt);
                }
            }
            Event::WaveLanded { tip, merged, .. } => self.audit_wave(tip, merged),
            _ => {}
        }
    }

    /// III: caps and exclusions hold at the moment of a claim.
    fn audit_claim(&mut self, attempt: Attempt, task: &TaskId, worker: WorkerId, at: u64) {
        let state = &self.audit.state;
        let live = state.live().len();
        let cap = self.audit.policy.concurrency as usize;
        let probe = state
            .halted()
            .map(|h| live == 0 && h.probe_at.is_some_and(|p| p.0 <= at));
        let shut = state.paused() || state.draining() || state.merge().is_some();
        let w = state.worker(worker);
        let unfit = w.is_none_or(|w| w.paused || w.stopping || w.not_before.is_some());
        let waiting = state.task(task).is_none_or(|t| t.state != TaskState::Ready);
        let clash = self.files_clash(task);
        let used = self.hosts.folders.contains_key(&attempt);
        let id = format!("attempt {attempt} of {task} by {worker}");
        let audit = &mut self.audit;
        audit.unsafe_if(live >= cap, "III: the cap holds", || {
            format!("{id}: {live} of {cap} run")
        });
        audit.unsafe_if(shut, "III: nothing is claimed while shut", || id.clone());
        audit.unsafe_if(
            probe == Some(false),
            "IX: a halted swarm tries one at most",
            || id.clone(),
        );
        audit.unsafe_if(unfit, "III: the worker can", || id.clone());
        audit.unsafe_if(waiting, "III: the task is ready", || id.clone());
        audit.unsafe_if(clash, "III: no two attempts on the same files", || {
            id.clone()
        });
        audit.unsafe_if(used, "II: an attempt's number is new", || id.clone());
    }

    /// L-4: an end is seen, and a stop takes effect, soon. Q-6: and what is seen is its own end.
    fn audit_end(&mut self, attempt: Attempt, by: &By) {
        let folder = self.hosts.folders.get(&attempt);
        let over = folder.is_some_and(|f| !matches!(f.state, FolderState::Running { .. }));
        let believed = *by == By::Host && !over;
        self.audit
            .unsafe_if(believed, "I: an end is that attempt's own", || {
                format!("{attempt}")
            });
        let since = |at: u64| self.now.saturating_sub(at.max(self.audit.keeper_since));
        let folder = self.hosts.folders.get(&attempt);
        let late = folder.and_then(|f| f.over_since).map_or(0, since);
        let hangs = folder.is_some_and(|f| f.stalled);
        let stop = self
            .audit
            .stops
            .remove(&attempt)
            .filter(|_| !hangs)
            .map_or(0, since);
        let minutes = late.max(stop) / 60_000;
        let stale = late > STALE || stop > STALE;
        if stale {
            let text = format!("attempt {attempt}: {minutes} minutes late");
            self.audit
                .fail(Kind::Liveness, "L-4: nothing is stale", text);
        }
    }

    /// IX: never a respawn storm.
    fn audit_crash(&mut self, worker: WorkerId, at: u64) {
        let recent = self.audit.crashes.entry(worker).or_default();
        recent.push_back(at);
        while recent.front().is_some_and(|first| first + 60_000 < at) {
            recent.pop_front();
        }
        let many = recent.len();
        self.audit
            .unsafe_if(many > CRASHES_A_MINUTE, "IX: no respawn storm", || {
                format!("{worker} crashed {many} times within a minute")
            });
    }

    /// I, V: what counts as merged is on the tip, once.
    fn audit_wave(&mut self, tip: &Oid, merged: &[(TaskId, Oid)]) {
        let works = self.repo.commit(tip).works.clone();
        for (id, _) in merged {
            let task = self.audit.state.task(id);
            let twice = task.is_none_or(|t| t.state == TaskState::Merged);
            let gone = task.is_some_and(|t| t.state == TaskState::Cancelled);
            let accepted = task.filter(|t| t.state == TaskState::Accepted);
            let accepted = accepted.and_then(|t| t.accepted.as_ref());
            let held = accepted.filter(|a| a.commit.is_some()).is_none_or(|a| {
                let work = self.hosts.folders.get(&a.attempt).and_then(|f| f.work);
                work.is_none_or(|w| works.has(w))
            });
            self.audit
                .unsafe_if(twice, "I: merged at most once", || format!("{id}"));
            self.audit
                .unsafe_if(gone, "I: what was given up is not merged", || {
                    format!("{id}")
                });
            self.audit
                .unsafe_if(!held, "V: what is merged is on the tip", || format!("{id}"));
        }
    }

    /// II: an attempt starts once, after its claim is in the log, alone, in a clean worktree at its base.
    pub(crate) fn audit_start(&mut self, attempt: Attempt, order: &Order) {
        let again = self.hosts.folders.contains_key(&attempt);
        let claimed = attempt < self.audit.state.next_attempt();
        let (task, worker) = (order.task.id.clone(), order.worker);
        let beside = self
            .audit
            .alive
            .iter()
            .find(|(_, (t, w))| *t == task || *w == worker);
        let beside = beside.map(|(a, _)| *a);
        let worktree = self.hosts.worktrees.get(&worker);
        let clean = worktree.is_some_and(|w| w.dirty.is_none() && w.head == order.base);
        let clean = self.audit_shared_start(attempt, order).unwrap_or(clean);
        let id = format!("attempt {attempt} of {task} by {worker}");
        let audit = &mut self.audit;
        audit.unsafe_if(again, "II: started at most once", || id.clone());
        audit.unsafe_if(!claimed, "II: no action before its events", || id.clone());
        audit.unsafe_if(beside.is_some(), "II: one agent at a time", || {
            format!("{id}, {beside:?}")
        });
        audit.unsafe_if(!clean, "II: a clean worktree at its base", || id.clone());
        audit.alive.insert(attempt, (task, worker));
    }

    pub(crate) fn audit_stopped(&mut self, attempt: Attempt) {
        self.audit.alive.remove(&attempt);
    }

    /// V: a worktree is reset only when what it holds is kept elsewhere.
    pub(crate) fn audit_reset(&mut self, worker: WorkerId) {
        let dirty = self.hosts.worktrees.get(&worker).and_then(|w| w.dirty);
        let work = dirty
            .and_then(|a| self.hosts.folders.get(&a))
            .and_then(|f| f.work);
        let lost = work.is_some_and(|w| !self.repo.is_kept(w));
        let within = self.audit.alive.values().any(|(_, w)| *w == worker);
        self.audit.unsafe_if(lost, "V: no work is lost", || {
            format!("{worker}, {dirty:?}")
        });
        self.audit
            .unsafe_if(within, "V: no worktree is reset under an agent", || {
                format!("{worker}")
            });
    }

    /// VI: the integration branch moves to a checked commit that holds all that it held.
    pub(crate) fn audit_land(&mut self, to: &Oid) {
        let checked = self.plan.swarm.check.is_empty() || self.repo.passed.contains(to);
        let keeps = self.repo.descends(to, &self.repo.integration);
        let works = &self.repo.commit(to).works;
        let strange = works
            .iter()
            .find(|w| !self.audit.allowed.has(*w) && !self.audit.user_works.has(*w));
        let audit = &mut self.audit;
        audit.unsafe_if(!checked, "VI: only what passed the check lands", || {
            format!("{to:?}")
        });
        audit.unsafe_if(!keeps, "VI: compare-and-set", || {
            format!("{to:?} drops commits")
        });
        audit.unsafe_if(strange.is_some(), "VI: only accepted work lands", || {
            format!("{strange:?}")
        });
    }

    /// VI: the target moves by fast-forward to a checked commit.
    pub(crate) fn audit_target(&mut self, to: &Oid) {
        let checked = self.plan.swarm.check.is_empty() || self.repo.passed.contains(to);
        let forward = self.repo.descends(to, &self.repo.target);
        let audit = &mut self.audit;
        audit.unsafe_if(!checked, "VI: the target gets only what passed", || {
            format!("{to:?}")
        });
        audit.unsafe_if(!forward, "VI: the target is fast-forwarded", || {
            format!("{to:?}")
        });
    }

    /// IV: what is acknowledged is in the log.
    pub(crate) fn audit_answer(&mut self, key: &str, answer: &Answer) {
        let known = self.audit.traces.contains(key) && answer.seq <= self.log.records.len() as u64;
        self.audit
            .unsafe_if(!known, "IV: what is acknowledged is durable", || {
                key.to_string()
            });
    }

    /// VII: a fold from scratch equals the auditor's own.
    pub(crate) fn audit_fold(&mut self, state: &State) {
        let same = *state == self.audit.state;
        self.audit
            .unsafe_if(!same, "VII: replay gives an equal state", || {
                format!("at #{}", state.seq())
            });
    }

    /// VII: the engine's state is the log's; compared in full now and then.
    pub(crate) fn audit_engine(&mut self) {
        let Some(keeper) = &self.keeper else { return };
        self.audit.looked += 1;
        let state = keeper.engine.state();
        let full = self.audit.looked.is_multiple_of(16);
        let same = state.seq() == self.audit.state.seq() && (!full || *state == self.audit.state);
        self.audit
            .unsafe_if(!same, "VII: the engine follows the log", || {
                "it does not".into()
            });
    }

    /// V, at the end: every work ever written is on a ref or still in its worktree.
    pub(crate) fn audit_works(&mut self) {
        let lost = |(attempt, folder): &(&Attempt, &Folder)| {
            let worktree = self.hosts.worktrees.get(&folder.worker);
            let held = worktree.and_then(|w| w.dirty) == Some(**attempt)
                || self
                    .hosts
                    .shared
                    .as_ref()
                    .is_some_and(|t| t.holds(**attempt));
            folder.work.is_some_and(|w| !self.repo.is_kept(w)) && !held
        };
        let first = self.hosts.folders.iter().find(lost).map(|(a, _)| *a);
        let runs = |f: &Folder| matches!(f.state, FolderState::Running { .. });
        let left = self
            .hosts
            .folders
            .iter()
            .find(|(_, f)| runs(f))
            .map(|(a, _)| *a);
        let audit = &mut self.audit;
        audit.unsafe_if(first.is_some(), "V: no work is lost", || {
            format!("attempt {first:?}")
        });
        audit.unsafe_if(left.is_some(), "X: nothing runs on unnoticed", || {
            format!("attempt {left:?}")
        });
    }
}

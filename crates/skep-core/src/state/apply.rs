//! Applying an event: pure, and it cannot fail. A fact about something unknown (which only a damaged log
//! can hold) changes nothing.

use super::{Halt, State, Swarm, Wave};
use crate::{
    attempt::{Live, Outcome, Phase, Stopping},
    event::{Event, Key, Next, Record, WorkerNext},
    id::{Attempt, Oid, TaskId, WorkerId},
    limits,
    merge::{Checking, Merge, MergeStep},
    spec::Landing,
    task::{Accepted, Past, Task, TaskState},
    time::Time,
    worker::Worker,
};
use alloc::{collections::BTreeSet, format, string::String};

impl State {
    /// Takes a record into account. Records come in order, without gaps.
    pub fn apply(&mut self, record: &Record) {
        debug_assert_eq!(record.seq, self.seq + 1, "records are applied in order");
        self.seq = record.seq;
        if let Some(key) = &record.key {
            self.remember_key(key, record.seq);
        }
        let now = record.at;
        match &record.event {
            Event::PlanLoaded {
                plan,
                digest,
                target,
                base,
            } => {
                self.load(plan, digest, target, base, now);
            }
            Event::TaskAdded { .. }
            | Event::TaskEdited { .. }
            | Event::TasksReady { .. }
            | Event::TaskSkipped { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskBoosted { .. }
            | Event::TaskAssigned { .. } => self.apply_task(&record.event, now),
            Event::Claimed { .. }
            | Event::AttemptStarted { .. }
            | Event::AgentEnded { .. }
            | Event::StopAsked { .. }
            | Event::AttemptAccepted { .. }
            | Event::AttemptEnded { .. }
            | Event::AttemptFenced { .. } => self.apply_attempt(&record.event, now),
            Event::WorkerAdded { .. }
            | Event::WorkerReady { .. }
            | Event::WorkerFailed { .. }
            | Event::WorkerRestored { .. }
            | Event::WorkerPaused { .. }
            | Event::WorkerResumed { .. }
            | Event::WorkerLeaving { .. }
            | Event::WorkerGone { .. } => self.apply_worker(&record.event, now),
            Event::MergeStarted { .. }
            | Event::MergeBuilt { .. }
            | Event::MergeChecked { .. }
            | Event::LeftOut { .. }
            | Event::MergeRebuilt { .. }
            | Event::WaveLanded { .. }
            | Event::TargetLanded { .. }
            | Event::TargetRefused { .. } => self.apply_merge(&record.event, now),
            Event::Signal { .. } => self.cap_warned = true,
            Event::PolicyChanged { policy } => {
                if let Some(swarm) = &mut self.swarm {
                    swarm.spec.policy = (**policy).clone();
                }
            }
            Event::SwarmPaused {} => self.paused = true,
            Event::SwarmResumed {} => {
                (self.paused, self.draining, self.halted) = (false, false, None);
                self.spawn_failures = 0;
                // Else the storm that halted the swarm would halt it again at once.
                for worker in self.workers.values_mut() {
                    worker.crashes = 0;
                }
            }
            Event::SwarmDraining {} => self.draining = true,
            Event::SwarmHalted { reason, probe_at } => {
                let since = self.halted.as_ref().map_or(now, |h| h.since);
                let reason = reason.clone();
                self.halted = Some(Halt {
                    reason,
                    since,
                    probe_at: *probe_at,
                    probing: None,
                });
            }
            Event::Finished {} => self.finished = Some(now),
        }
        if !matches!(record.event, Event::Finished {}) && self.finished.is_some() && self.has_work()
        {
            self.finished = None;
        }
    }

    /// Whether something is under way or can be.
    fn has_work(&self) -> bool {
        !self.live.is_empty()
            || self.merge.is_some()
            || self.index.ready().next().is_some()
            || self.index.unblocked().next().is_some()
            || self.index.accepted().next().is_some()
    }

    fn remember_key(&mut self, key: &Key, seq: u64) {
        let answer = (seq, key.command);
        if self.keys.seen.insert(key.name.clone(), answer).is_none() {
            self.keys.order.push_back(key.name.clone());
        }
        if self.keys.order.len() > limits::KEYS
            && let Some(oldest) = self.keys.order.pop_front()
        {
            self.keys.seen.remove(&oldest);
        }
    }

    fn load(
        &mut self,
        plan: &crate::spec::Plan,
        digest: &str,
        target: &str,
        base: &Oid,
        now: Time,
    ) {
        self.tasks.clear();
        self.conflicts.clear();
        self.waves.clear();
        (self.merge, self.finished) = (None, None);
        self.next.wave = 1;
        for spec in &plan.tasks {
            let order = self.next.order;
            self.next.order += 1;
            let origin = crate::task::Origin::Plan;
            self.tasks
                .push(Task::new(spec.clone().into(), origin, order, now));
        }
        self.swarm = Some(Swarm {
            spec: plan.swarm.clone(),
            digest: digest.into(),
            target: target.into(),
            tip: base.clone(),
            began_at: base.clone(),
            tip_checked: false,
            landed: None,
            landing_refused: None,
            target_diverged: false,
            since: now,
        });
        self.index.rebuild(&mut self.tasks, self.next.wave);
    }

    fn apply_task(&mut self, event: &Event, now: Time) {
        match event {
            Event::TaskAdded { spec, origin } => {
                let order = self.next.order;
                self.next.order += 1;
                self.tasks
                    .push(Task::new(spec.clone(), origin.clone(), order, now));
                self.index.add(&mut self.tasks, self.next.wave);
            }
            Event::TaskEdited { spec } => {
                if let Some(ix) = self.index.find(&spec.id) {
                    self.tasks[ix].spec = spec.clone();
                    self.tasks[ix].priority = spec.priority;
                    self.index.rebuild(&mut self.tasks, self.next.wave);
                    let waits = spec.depends_on.iter().any(|d| !self.is_merged(d));
                    if waits && self.tasks[ix].state == TaskState::Ready {
                        self.put(ix, TaskState::Waiting, now);
                    }
                }
            }
            Event::TasksReady { tasks } => {
                for id in tasks {
                    self.with(id, TaskState::Ready, now, |_| {});
                }
            }
            Event::TaskSkipped { task } => {
                let tip = self.swarm.as_ref().map(|s| s.tip.clone());
                self.with(task, TaskState::Merged, now, |t| {
                    t.merged = tip;
                    t.note = Some("skipped".into());
                });
                // What waits for it comes forward, by a wave perhaps.
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::TaskCancelled { task } => {
                self.with(task, TaskState::Cancelled, now, |t| {
                    t.note = Some("cancelled".into())
                });
            }
            Event::TaskRequeued { task } => {
                self.with(task, TaskState::Waiting, now, |t| {
                    (t.failures, t.crashes, t.not_before) = (0, 0, None);
                    (t.accepted, t.fixed_by, t.note) = (None, None, None);
                    t.model_failures.clear();
                });
                // Its wave may have landed without it.
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::TaskBoosted { task, priority } => {
                self.edit(task, |t| t.priority = *priority);
            }
            Event::TaskAssigned { task, worker } => self.edit(task, |t| t.assigned = *worker),
            _ => {}
        }
    }

    fn apply_attempt(&mut self, event: &Event, now: Time) {
        match event {
            Event::Claimed {
                attempt,
                task,
                worker,
                agent,
                model,
                base,
                give_up,
            } => {
                let live = Live {
                    attempt: *attempt,
                    task: task.clone(),
                    worker: *worker,
                    agent: agent.clone(),
                    model: model.clone(),
                    base: base.clone(),
                    claimed: now,
                    phase: Phase::Claimed,
                    since: now,
                    give_up: *give_up,
                    stopping: None,
                };
                self.next.attempt = self.next.attempt.max(attempt.0 + 1);
                self.live.insert(*attempt, live);
                self.with(task, TaskState::Running, now, |t| {
                    t.current = Some(*attempt);
                    t.not_before = None;
                });
                if let Some(ix) = self.index.find(task)
                    && let Some(key) = self.tasks[ix].spec.owner_key.clone()
                {
                    self.index.own(&key, *attempt);
                }
                if let Some(w) = self.workers.get_mut(worker) {
                    (w.current, w.since) = (Some(*attempt), now);
                }
                if let Some(halt) = &mut self.halted {
                    halt.probing = Some(*attempt);
                }
            }
            Event::AttemptStarted { attempt } => self.advance_phase(*attempt, Phase::Running, now),
            Event::AgentEnded { attempt } => {
                self.advance_phase(*attempt, Phase::Verifying, now);
                if let Some(task) = self.live.get(attempt).map(|l| l.task.clone()) {
                    self.with(&task, TaskState::Verifying, now, |_| {});
                }
            }
            Event::StopAsked {
                attempt,
                why,
                at_once,
            } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.stopping = Some(Stopping {
                        why: *why,
                        at_once: *at_once,
                        since: now,
                    });
                }
            }
            Event::AttemptAccepted {
                task,
                worker,
                accepted,
            } => {
                self.accept(task, *worker, accepted, now);
            }
            Event::AttemptEnded {
                task,
                worker,
                failure,
                next,
                worker_next,
                spawn_failed,
                ..
            } => {
                let past = Past {
                    attempt: failure.attempt,
                    worker: *worker,
                    model: failure.model.clone(),
                    outcome: failure.outcome,
                    ended: now,
                    reason: failure.reason.clone(),
                };
                self.release(failure.attempt, *worker, false, now);
                self.settle(task, *next, now, |t| {
                    t.history.push(past);
                    t.last_failure = Some((**failure).clone());
                    if let Some(model) = &failure.model
                        && matches!(next, Next::RetryFailed | Next::Flag)
                    {
                        *t.model_failures.entry(model.clone()).or_default() += 1;
                    }
                });
                if *spawn_failed {
                    self.spawn_failures += 1;
                } else if failure.outcome != Outcome::Cancelled {
                    self.spawn_failures = 0;
                }
                if let (Some(w), WorkerNext::BackOff(until)) =
                    (self.workers.get_mut(worker), worker_next)
                {
                    w.crashes += 1;
                    w.not_before = Some(*until);
                    w.trouble = Some(failure.reason.clone());
                }
            }
            _ => {}
        }
    }

    fn accept(&mut self, task: &TaskId, worker: WorkerId, accepted: &Accepted, now: Time) {
        let model = self
            .live
            .get(&accepted.attempt)
            .and_then(|l| l.model.clone());
        let untouched = accepted.commit.is_none() && accepted.receipt.changed_by_checks.is_empty();
        self.release(accepted.attempt, worker, untouched, now);
        self.spawn_failures = 0;
        if let Some(w) = self.workers.get_mut(&worker) {
            (w.crashes, w.trouble) = (0, None);
        }
        self.with(task, TaskState::Accepted, now, |t| {
            t.history.push(Past {
                attempt: accepted.attempt,
                worker,
                model,
                outcome: Outcome::Succeeded,
                ended: now,
                reason: format!("{} files changed", accepted.receipt.file_count),
            });
            t.current = None;
            t.accepted = Some(accepted.clone());
        });
    }

    /// Ends the attempt's hold on its worker and its ownership key.
    fn release(&mut self, attempt: Attempt, worker: WorkerId, untouched: bool, now: Time) {
        if let Some(live) = self.live.remove(&attempt)
            && let Some(ix) = self.index.find(&live.task)
            && let Some(key) = self.tasks[ix].spec.owner_key.clone()
        {
            self.index.disown(&key, attempt);
        }
        if let Some(w) = self.workers.get_mut(&worker)
            && w.current == Some(attempt)
        {
            (w.current, w.since) = (None, now);
            if !untouched {
                w.ready_at = None;
                w.turn += 1;
            }
        }
        if let Some(halt) = &mut self.halted
            && halt.probing == Some(attempt)
        {
            halt.probing = None;
        }
        let cap = self.policy().concurrency as usize;
        // Well below it, so that one attempt's end and the next one's start do not warn again.
        if self.live.len() * 2 <= cap {
            self.cap_warned = false;
        }
    }

    fn settle(&mut self, task: &TaskId, next: Next, now: Time, also: impl FnOnce(&mut Task)) {
        let to = match next {
            Next::RetryFailed | Next::RetryCrashed(_) | Next::Release => TaskState::Ready,
            Next::Flag => TaskState::Flagged,
            Next::DeadLetter => TaskState::Dead,
            Next::Cancel => TaskState::Cancelled,
        };
        self.with(task, to, now, |t| {
            also(t);
            t.current = None;
            match next {
                Next::RetryFailed | Next::Flag => t.failures += 1,
                Next::RetryCrashed(at) => {
                    t.crashes += 1;
                    t.not_before = at;
                }
                Next::DeadLetter => t.crashes += 1,
                Next::Release | Next::Cancel => {}
            }
            if matches!(next, Next::Flag | Next::DeadLetter) {
                t.note = t.last_failure.as_ref().map(|f| f.reason.clone());
            }
        });
    }

    fn advance_phase(&mut self, attempt: Attempt, phase: Phase, now: Time) {
        if let Some(live) = self.live.get_mut(&attempt)
            && live.phase < phase
        {
            (live.phase, live.since) = (phase, now);
        }
    }

    fn apply_worker(&mut self, event: &Event, now: Time) {
        if let Event::WorkerAdded { worker, role } = event {
            let mut new = Worker::new(*worker, role.clone(), now);
            if let Some(role) = role
                .as_ref()
                .and_then(|r| self.swarm.as_ref()?.spec.roles.get(r))
            {
                new.capabilities.clone_from(&role.capabilities);
                new.model.clone_from(&role.model);
            }
            self.next.worker = self.next.worker.max(worker.0 + 1);
            self.workers.insert(*worker, new);
            return;
        }
        let (Event::WorkerReady { worker, .. }
        | Event::WorkerFailed { worker, .. }
        | Event::WorkerRestored { worker }
        | Event::WorkerPaused { worker }
        | Event::WorkerResumed { worker }
        | Event::WorkerLeaving { worker }
        | Event::WorkerGone { worker }) = event
        else {
            return;
        };
        let Some(w) = self.workers.get_mut(worker) else {
            return;
        };
        w.since = now;
        match event {
            Event::WorkerReady { base, .. } => w.ready_at = Some(base.clone()),
            Event::WorkerFailed {
                reason, not_before, ..
            } => {
                w.crashes += 1;
                w.ready_at = None;
                w.turn += 1;
                w.not_before = Some(*not_before);
                w.trouble = Some(reason.clone());
                self.spawn_failures += 1;
            }
            Event::WorkerRestored { .. } => w.not_before = None,
            Event::WorkerPaused { .. } => w.paused = true,
            Event::WorkerResumed { .. } => {
                (w.paused, w.not_before, w.crashes) = (false, None, 0);
            }
            Event::WorkerLeaving { .. } => w.stopping = true,
            Event::WorkerGone { .. } => {
                self.workers.remove(worker);
            }
            _ => {}
        }
    }

    fn apply_merge(&mut self, event: &Event, now: Time) {
        match event {
            Event::MergeStarted { wave, base, queue } => {
                self.merge = Some(Merge {
                    wave: *wave,
                    round: 1,
                    base: base.clone(),
                    queue: queue.clone(),
                    step: MergeStep::Building,
                    passed: BTreeSet::new(),
                    started: now,
                });
            }
            Event::MergeBuilt {
                chain, conflicts, ..
            } => {
                self.conflicts.extend(conflicts.iter().cloned());
                let checked = self.swarm.as_ref().is_some_and(|s| s.tip_checked);
                let no_check = self.swarm.as_ref().is_some_and(|s| s.spec.check.is_empty());
                // Somebody else's commit on the branch is checked even alone, before the target gets it.
                let unchecked = self.swarm.as_ref().is_some_and(|s| {
                    s.spec.landing == Landing::Main && s.tip != s.began_at && !s.tip_checked
                });
                let Some(merge) = &mut self.merge else { return };
                let known = !unchecked || merge.passed.contains(&merge.base);
                let lone = chain.is_empty() && known;
                merge.step = if no_check || lone {
                    MergeStep::Landing(chain.clone())
                } else {
                    let base_passes = checked || merge.passed.contains(&merge.base);
                    let passing =
                        |prefix: &usize| merge.passed.contains(&chain[*prefix - 1].commit);
                    let good = (1..=chain.len())
                        .rev()
                        .find(passing)
                        .or(base_passes.then_some(0));
                    let chain = chain.clone();
                    if good == Some(chain.len()) {
                        MergeStep::Landing(chain)
                    } else {
                        MergeStep::Checking(Checking {
                            chain,
                            good,
                            bad: None,
                            output: String::new(),
                        })
                    }
                };
            }
            Event::MergeChecked {
                prefix,
                passed,
                output,
                ..
            } => {
                let Some(merge) = &mut self.merge else { return };
                let MergeStep::Checking(checking) = &mut merge.step else {
                    return;
                };
                checking.learn(*prefix, *passed, output);
                if *passed {
                    merge
                        .passed
                        .insert(checking.commit(&merge.base, *prefix).clone());
                }
                if checking.good == Some(checking.chain.len()) && checking.bad.is_none() {
                    merge.step = MergeStep::Landing(checking.chain.clone());
                }
            }
            Event::LeftOut {
                task,
                fixed_by,
                reason,
            } => {
                if let Some(merge) = &mut self.merge {
                    merge.queue.retain(|q| q.task != *task);
                }
                let to = if fixed_by.is_some() {
                    TaskState::Blocked
                } else {
                    TaskState::Flagged
                };
                self.with(task, to, now, |t| {
                    t.fixed_by.clone_from(fixed_by);
                    t.note = Some(reason.clone());
                });
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::MergeRebuilt { round, base } => {
                if let Some(merge) = &mut self.merge {
                    (merge.round, merge.base) = (*round, base.clone());
                    merge.step = MergeStep::Building;
                }
                if let Some(swarm) = &mut self.swarm
                    && swarm.tip != *base
                {
                    (swarm.tip, swarm.tip_checked) = (base.clone(), false);
                }
            }
            Event::WaveLanded {
                wave,
                tip,
                merged,
                checked,
            } => {
                self.land(*wave, tip, merged, *checked, now);
            }
            Event::TargetLanded { tip } => {
                if let Some(swarm) = &mut self.swarm {
                    swarm.landed = Some(tip.clone());
                    (swarm.landing_refused, swarm.target_diverged) = (None, false);
                }
            }
            Event::TargetRefused {
                tip,
                reason,
                diverged,
            } => {
                if let Some(swarm) = &mut self.swarm {
                    swarm.landing_refused = Some((tip.clone(), reason.clone()));
                    swarm.target_diverged = *diverged;
                }
            }
            _ => {}
        }
    }

    fn land(&mut self, wave: u32, tip: &Oid, merged: &[(TaskId, Oid)], checked: bool, now: Time) {
        self.merge = None;
        if let Some(swarm) = &mut self.swarm {
            swarm.tip_checked = checked || (swarm.tip_checked && swarm.tip == *tip);
            swarm.tip = tip.clone();
            swarm.target_diverged = false;
        }
        for (id, commit) in merged {
            self.with(id, TaskState::Merged, now, |t| {
                t.merged = Some(commit.clone());
                t.note = None;
            });
        }
        let tasks = merged.iter().map(|(id, _)| id.clone()).collect();
        self.waves.push(Wave {
            id: wave,
            tasks,
            tip: tip.clone(),
        });
        self.next.wave = self.next.wave.max(wave + 1);
        self.index.rebuild(&mut self.tasks, self.next.wave);
    }

    fn is_merged(&self, id: &TaskId) -> bool {
        self.task(id).is_some_and(|t| t.state == TaskState::Merged)
    }

    /// Changes a task without moving it.
    fn edit(&mut self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(ix) = self.index.find(id) {
            self.index.leave(ix, &self.tasks[ix]);
            change(&mut self.tasks[ix]);
            self.index.enter(ix, &self.tasks[ix]);
        }
    }

    /// Moves a task to a state and changes it.
    fn with(&mut self, id: &TaskId, to: TaskState, now: Time, change: impl FnOnce(&mut Task)) {
        self.edit(id, |task| {
            debug_assert!(
                task.state.may_become(to),
                "{id} from {} to {to}",
                task.state
            );
            (task.state, task.since) = (to, now);
            change(task);
        });
    }

    fn put(&mut self, ix: usize, to: TaskState, now: Time) {
        let id = self.tasks[ix].id().clone();
        self.with(&id, to, now, |_| {});
    }
}

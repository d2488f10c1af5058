//! Applying an event: pure, and it cannot fail. A fact about something unknown (which only a damaged log
//! can hold) changes nothing.

mod attempt;
mod merge;
mod money;
mod provider;
mod task;
mod worker;

use super::{Halt, State, Swarm};
use crate::{
    alert::Key as AlertKey,
    event::{By, Event, Key, Record},
    hook::{self, About},
    id::{Oid, TaskId},
    limits,
    scale::Mode,
    task::{Task, TaskState},
    time::Time,
};
use core::mem;

impl State {
    /// Takes a record into account. Records come in order, without gaps.
    pub fn apply(&mut self, record: &Record) {
        debug_assert_eq!(record.seq, self.seq + 1, "records are applied in order");
        self.seq = record.seq;
        // It looks at the state as it was: what ends with this event began there.
        let mut history = core::mem::take(&mut self.history);
        history.take(self, record);
        self.history = history;
        if let Some(key) = &record.key {
            self.remember_key(key, record.seq);
        }
        let now = record.at;
        let owed = hook::owed(self, &record.event);
        self.hooks.extend(owed);
        match &record.event {
            Event::PlanLoaded {
                plan,
                digest,
                target,
                base,
                carried,
            } => {
                self.load(plan, digest, target, base, now);
                self.carry(carried, now);
            }
            Event::TaskAdded { .. }
            | Event::TaskEdited { .. }
            | Event::TasksReady { .. }
            | Event::TaskSkipped { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskRequeued { .. }
            | Event::TaskBoosted { .. }
            | Event::TaskAssigned { .. }
            | Event::TaskUnblocked { .. }
            | Event::WaitedTooLong { .. } => self.apply_task(&record.event, now),
            Event::Claimed { .. }
            | Event::AttemptStarted { .. }
            | Event::AgentEnded { .. }
            | Event::LeaseMoved { .. }
            | Event::HealthChanged { .. }
            | Event::Told { .. }
            | Event::Checkpointed { .. }
            | Event::BlockReported { .. }
            | Event::MemoRecorded { .. }
            | Event::Asked { .. }
            | Event::Answered { .. }
            | Event::AskClosed { .. }
            | Event::ContextRefreshDeferred { .. }
            | Event::StopAsked { .. }
            | Event::AttemptAccepted { .. }
            | Event::AttemptEnded { .. }
            | Event::AttemptFenced { .. } => self.apply_attempt(&record.event, now),
            Event::Metered { .. } | Event::BudgetLevel { .. } => {
                self.apply_money(&record.event, now);
            }
            Event::WorkerAdded { .. }
            | Event::WorkerReady { .. }
            | Event::WorkerFailed { .. }
            | Event::WorkerRestored { .. }
            | Event::WorkerPaused { .. }
            | Event::WorkerResumed { .. }
            | Event::WorkerModelSet { .. }
            | Event::WorkerRetired { .. }
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
            Event::HookRan { ran } => {
                if let About::Attempt(attempt) = ran.about {
                    self.hooks.retain(|o| !o.is(&ran.hook, ran.on, attempt));
                }
            }
            // The one signal of Skep's own policy is that the cap is near; what hosts notice is not.
            Event::Signal { .. } => self.cap_warned |= record.by == By::Policy,
            Event::CollisionForeseen { collision } => {
                let known = self.collisions.iter_mut();
                match known.into_iter().find(|c| c.is_of(&collision.works)) {
                    Some(known) => known.clone_from(collision),
                    None => self.collisions.push((**collision).clone()),
                }
            }
            Event::CollisionGone { works, .. } => self.collisions.retain(|c| !c.is_of(works)),
            Event::ProviderParked { .. } | Event::ProviderResumed { .. } => {
                self.apply_provider(&record.event, now);
            }
            Event::SloBreached { subject, .. } => {
                self.reputations.told(&subject.key());
                self.alerts.begin(AlertKey::Target(subject.key()), now);
            }
            Event::PolicyChanged { policy, .. } => {
                if let Some(swarm) = &mut self.swarm {
                    let was = swarm.configured().clone();
                    swarm.spec.policy = (**policy).clone();
                    swarm.configured = (was != **policy).then(|| was.into());
                }
            }
            Event::ScaleSet { mode } => self.scale.set(*mode),
            Event::MemorySeen { room } => self.scale.room = Some(*room),
            Event::SwarmPaused {} => self.paused = true,
            Event::SwarmResumed {} => {
                (self.paused, self.draining, self.halted) = (false, false, None);
                self.spawn_failures = 0;
                self.retry_providers(now);
                // Else the storm that halted the swarm would halt it again at once.
                for worker in self.workers.values_mut() {
                    (worker.crashes, worker.lineage) = (0, 0);
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
            Event::AlertRaised { .. }
            | Event::AlertReminded { .. }
            | Event::AlertResolved { .. }
            | Event::AlertsSilenced { .. }
            | Event::AlertTested { .. }
            | Event::AlertSent { .. }
            | Event::AlertDelayed { .. }
            | Event::AlertUndelivered { .. }
            | Event::KeeperRestarted {}
            | Event::DiskSeen { .. } => {
                let routes = self.swarm.as_ref().map_or(&[][..], |s| &s.spec.routes);
                self.alerts.apply(&record.event, routes, record.seq, now);
            }
        }
        if !matches!(record.event, Event::Finished {}) && self.finished.is_some() && self.has_work()
        {
            self.finished = None;
        }
        let mut alerts = mem::take(&mut self.alerts);
        alerts.look(self, now);
        self.alerts = alerts;
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
        let moves = self
            .swarm
            .as_ref()
            .is_some_and(|s| s.spec.worktree != plan.swarm.worktree);
        if moves {
            // What is known is known of the worktrees that they had before.
            for worker in self.workers.values_mut() {
                worker.ready_at = None;
                worker.turn += 1;
            }
        }
        self.tasks.clear();
        self.conflicts.clear();
        self.collisions.clear();
        self.memos.clear();
        self.hooks.clear();
        self.waves.clear();
        (self.merge, self.finished) = (None, None);
        self.next.wave = 1;
        self.ledger.begin_plan();
        self.scale.set(Mode::of(&plan.swarm.workers));
        self.alerts.begin_plan(&plan.swarm.routes);
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
            configured: None,
        });
        self.index.rebuild(&mut self.tasks, self.next.wave);
    }

    fn carry(&mut self, merged: &[(TaskId, Oid)], now: Time) {
        for (id, commit) in merged {
            self.with(id, TaskState::Merged, now, |t| {
                t.merged = Some(commit.clone());
                t.note = Some("merged by an earlier plan".into());
            });
        }
        if !merged.is_empty() {
            // What waits for them comes forward.
            self.index.rebuild(&mut self.tasks, self.next.wave);
        }
    }

    pub(super) fn is_merged(&self, id: &TaskId) -> bool {
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
            (task.state, task.since, task.waited) = (to, now, None);
            change(task);
        });
        if matches!(to, TaskState::Flagged | TaskState::Dead) {
            self.alerts.begin(AlertKey::TaskFailed(id.clone()), now);
        }
    }

    fn put(&mut self, ix: usize, to: TaskState, now: Time) {
        let id = self.tasks[ix].id().clone();
        self.with(&id, to, now, |_| {});
    }
}

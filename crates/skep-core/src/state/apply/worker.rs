//! Workers: added, made ready, paused, crashed, gone.

use crate::{
    event::Event,
    id::{Oid, TaskId, WorkerId},
    state::State,
    time::Time,
    worker::Worker,
};
use alloc::vec::Vec;

impl State {
    pub(super) fn apply_worker(&mut self, event: &Event, now: Time) {
        if let Event::WorkerAdded { worker, role, why } = event {
            let mut new = self.new_worker(*worker, role.clone(), now);
            new.added.clone_from(why);
            if let (Some(why), Some(swarm)) = (why, &self.swarm) {
                let scaling = &swarm.spec.policy.scaling;
                self.scale.worker_added(why, scaling, now);
            }
            // With the last worker that stays, a shared worktree goes.
            if self.shares_worktree()
                && let Some(other) = self.workers.values().find(|w| !w.stopping)
            {
                new.ready_at.clone_from(&other.ready_at);
            }
            self.next.worker = self.next.worker.max(worker.0 + 1);
            self.workers.insert(*worker, new);
            return;
        }
        if let Event::WorkerModelSet { worker, model } = event {
            if let Some(w) = self.workers.get_mut(worker) {
                w.model.clone_from(model);
            }
            return;
        }
        if let Event::WorkerRetired {
            worker, successor, ..
        } = event
        {
            return self.retire(*worker, *successor, now);
        }
        let (Event::WorkerReady { worker, .. }
        | Event::WorkerFailed { worker, .. }
        | Event::WorkerRestored { worker }
        | Event::WorkerPaused { worker }
        | Event::WorkerResumed { worker }
        | Event::WorkerLeaving { worker, .. }
        | Event::WorkerGone { worker }) = event
        else {
            return;
        };
        let shared = self.shares_worktree();
        let Some(w) = self.workers.get_mut(worker) else {
            return;
        };
        w.since = now;
        match event {
            Event::WorkerReady { base, .. } if shared => self.share_ready(Some(base)),
            Event::WorkerReady { base, .. } => w.ready_at = Some(base.clone()),
            Event::WorkerFailed {
                reason, not_before, ..
            } => {
                w.crashes += 1;
                w.lineage += 1;
                w.turn += 1;
                w.not_before = Some(*not_before);
                w.trouble = Some(reason.clone());
                w.ready_at = None;
                self.spawn_failures += 1;
                if shared {
                    self.share_ready(None);
                }
            }
            Event::WorkerRestored { .. } => (w.not_before, w.free_since) = (None, now),
            Event::WorkerPaused { .. } => w.paused = true,
            Event::WorkerResumed { .. } => {
                (w.paused, w.not_before) = (false, None);
                (w.crashes, w.lineage) = (0, 0);
                w.free_since = now;
            }
            Event::WorkerLeaving { why, .. } => {
                w.stopping = true;
                w.retired.clone_from(why);
                if let Some(why) = why {
                    self.scale.worker_retired(why, now);
                }
            }
            Event::WorkerGone { .. } => {
                self.workers.remove(worker);
            }
            _ => {}
        }
    }
    /// A shared worktree is as ready for one worker as for the other.
    pub(super) fn share_ready(&mut self, base: Option<&Oid>) {
        for worker in self.workers.values_mut() {
            worker.ready_at = base.cloned();
        }
    }

    /// The new worker has everything of the old one's but its worktree and what it did to deserve this: the
    /// crashes in a row and the wait stay, or replacing workers would be a respawn storm (L-5).
    fn retire(&mut self, old: WorkerId, new: WorkerId, now: Time) {
        // One that all share is as ready for the new worker as it was for the old one.
        let shared = self.shares_worktree();
        let Some(worker) = self.workers.get_mut(&old) else {
            return;
        };
        let successor = Worker {
            id: new,
            since: now,
            free_since: now,
            ready_at: worker.ready_at.clone().filter(|_| shared),
            turn: 0,
            current: None,
            lineage: 0,
            ..worker.clone()
        };
        (worker.stopping, worker.since, worker.not_before) = (true, now, None);
        self.next.worker = self.next.worker.max(new.0 + 1);
        self.workers.insert(new, successor);
        let assigned = self.tasks.iter().filter(|t| t.assigned == Some(old));
        let assigned: Vec<TaskId> = assigned.map(|t| t.id().clone()).collect();
        for id in assigned {
            self.edit(&id, |t| t.assigned = Some(new));
        }
    }
}

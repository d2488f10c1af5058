//! Workers: added, made ready, paused, crashed, gone.

use crate::{
    event::Event,
    id::{TaskId, WorkerId},
    state::State,
    time::Time,
    worker::Worker,
};
use alloc::vec::Vec;

impl State {
    pub(super) fn apply_worker(&mut self, event: &Event, now: Time) {
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
                w.lineage += 1;
                w.ready_at = None;
                w.turn += 1;
                w.not_before = Some(*not_before);
                w.trouble = Some(reason.clone());
                self.spawn_failures += 1;
            }
            Event::WorkerRestored { .. } => w.not_before = None,
            Event::WorkerPaused { .. } => w.paused = true,
            Event::WorkerResumed { .. } => {
                (w.paused, w.not_before) = (false, None);
                (w.crashes, w.lineage) = (0, 0);
            }
            Event::WorkerLeaving { .. } => w.stopping = true,
            Event::WorkerGone { .. } => {
                self.workers.remove(worker);
            }
            _ => {}
        }
    }

    /// The new worker has everything of the old one's but its worktree and what it did to deserve this: the
    /// crashes in a row and the wait stay, or replacing workers would be a respawn storm (L-5).
    fn retire(&mut self, old: WorkerId, new: WorkerId, now: Time) {
        let Some(worker) = self.workers.get_mut(&old) else {
            return;
        };
        let successor = Worker {
            id: new,
            since: now,
            ready_at: None,
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

//! Workers: added, made ready, paused, crashed, gone.

use crate::{event::Event, state::State, time::Time};

impl State {
    pub(super) fn apply_worker(&mut self, event: &Event, now: Time) {
        if let Event::WorkerAdded { worker, role, why } = event {
            let mut new = self.new_worker(*worker, role.clone(), now);
            new.added.clone_from(why);
            if let (Some(why), Some(swarm)) = (why, &self.swarm) {
                let scaling = &swarm.spec.policy.scaling;
                self.scale.worker_added(why, scaling, now);
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
        | Event::WorkerLeaving { worker, .. }
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
            Event::WorkerRestored { .. } => (w.not_before, w.free_since) = (None, now),
            Event::WorkerPaused { .. } => w.paused = true,
            Event::WorkerResumed { .. } => {
                (w.paused, w.not_before, w.crashes) = (false, None, 0);
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
}

//! XI: workers come and go by the rules of S-1 and S-2, counted by the auditor itself.

use crate::world::World;
use skep_core::{
    event::{Event, Record},
    id::WorkerId,
    scale::{Added, Mode, Retired},
    spec::Scaling,
};
use std::collections::BTreeMap;

/// What the auditor remembers of workers that come and go.
#[derive(Default)]
pub(super) struct Coming {
    /// When a worker last had an attempt, or came.
    rested: BTreeMap<WorkerId, u64>,
    /// When workers were last added for tasks, and how many at that moment.
    added: (u64, u32),
    /// When a worker last left for want of work.
    left: Option<u64>,
}

impl World {
    pub(super) fn audit_scaling(&mut self, record: &Record) {
        let at = record.at.0;
        match &record.event {
            Event::WorkerAdded { worker, why, .. } => {
                self.audit.coming.rested.insert(*worker, at);
                if let Some(why) = why {
                    self.audit_added(*worker, why, at);
                }
            }
            Event::WorkerRetired { successor, .. } => {
                self.audit.coming.rested.insert(*successor, at);
            }
            Event::WorkerLeaving {
                worker,
                why: Some(why),
            } => self.audit_leaving(*worker, why, at),
            Event::AttemptAccepted { worker, .. } | Event::AttemptEnded { worker, .. } => {
                self.audit.coming.rested.insert(*worker, at);
            }
            // Another word on who decides begins anew.
            Event::ScaleSet { .. } | Event::PlanLoaded { .. } => {
                self.audit.coming.left = None;
                self.audit.coming.added = (0, 0);
            }
            _ => {}
        }
    }

    /// The fewest and the most workers that policy may lead to; `None` where it may lead to none at all.
    fn bounds(&self) -> Option<(u32, u32)> {
        let (policy, scaling) = (&self.audit.policy, self.scaling());
        let (min, max) = match self.audit.state.scale().mode() {
            Mode::Manual => return None,
            Mode::Auto => (scaling.min_workers, scaling.max_workers),
            Mode::Between { min, max } => (min, max.min(scaling.max_workers)),
        };
        let floor = min.min(max);
        Some((floor, max.min(policy.concurrency).max(floor)))
    }

    fn scaling(&self) -> Scaling {
        self.audit.policy.scaling
    }

    fn staying(&self) -> u32 {
        let workers = self.audit.state.workers();
        workers.filter(|w| !w.stopping).count() as u32
    }

    fn audit_added(&mut self, worker: WorkerId, why: &Added, at: u64) {
        let (bounds, staying, scaling) = (self.bounds(), self.staying(), self.scaling());
        let within = bounds.is_some_and(|(floor, most)| match why {
            Added::Floor { .. } => staying < floor,
            Added::Role { .. } | Added::Tasks { .. } | Added::Arrivals { .. } => staying < most,
        });
        let state = &self.audit.state;
        let shut = state.paused() || state.draining() || state.merge().is_some();
        let step = matches!(why, Added::Tasks { .. } | Added::Arrivals { .. });
        let added = &mut self.audit.coming.added;
        if step {
            *added = (at, if added.0 == at { added.1 + 1 } else { 1 });
        }
        let many = added.1;
        let id = format!("{worker}, {why:?}, {staying} of {bounds:?}");
        self.audit
            .unsafe_if(!within, "XI: never above the ceiling", || id.clone());
        self.audit
            .unsafe_if(shut, "XI: none comes while claims are shut", || id.clone());
        self.audit
            .unsafe_if(many > scaling.step, "XI: at most a step at once", || id);
    }

    fn audit_leaving(&mut self, worker: WorkerId, why: &Retired, at: u64) {
        let (bounds, staying, scaling) = (self.bounds(), self.staying(), self.scaling());
        let state = &self.audit.state;
        let busy = state.worker(worker).is_none_or(|w| w.current.is_some());
        let pinned = state
            .tasks()
            .iter()
            .any(|t| t.assigned == Some(worker) && !t.state.is_over() && t.accepted.is_none());
        let rested = self.audit.coming.rested.get(&worker).copied();
        let idle = rested.map_or(0, |since| at.saturating_sub(since));
        let below = bounds.is_none_or(|(floor, _)| match why {
            Retired::Idle { .. } => staying <= floor,
            Retired::Over { .. } => staying <= floor,
            // Another comes in its place at the same moment.
            Retired::Room { .. } => false,
        });
        let is_idle = matches!(why, Retired::Idle { .. });
        let early = is_idle && idle < scaling.idle_after.0;
        let last = self.audit.coming.left;
        let soon = is_idle && last.is_some_and(|last| at < last + scaling.down_interval.0);
        if is_idle {
            self.audit.coming.left = Some(at);
        }
        let id = format!("{worker}, {why:?}, {staying} of {bounds:?}, idle for {idle} ms");
        let audit = &mut self.audit;
        audit.unsafe_if(busy, "XI: none leaves in flight", || id.clone());
        audit.unsafe_if(pinned, "XI: none leaves that a task waits for", || {
            id.clone()
        });
        audit.unsafe_if(below, "XI: never below the floor", || id.clone());
        audit.unsafe_if(early, "XI: only one that is idle leaves", || id.clone());
        audit.unsafe_if(soon, "XI: one at a time", || id);
    }
}

//! Tasks: added, edited, made ready, given up, begun anew.

use crate::{
    event::Event,
    state::State,
    task::{Refusals, Task, TaskState},
    time::Time,
};

impl State {
    pub(super) fn apply_task(&mut self, event: &Event, now: Time) {
        match event {
            Event::TaskAdded { spec, origin } => {
                let order = self.next.order;
                self.next.order += 1;
                self.tasks
                    .push(Task::new(spec.clone(), origin.clone(), order, now));
                self.index.add(&mut self.tasks, self.next.wave);
                self.scale.task_added(now);
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
                self.scale.tasks_ready(now);
            }
            Event::TaskSkipped { task } => {
                let tip = self.swarm.as_ref().map(|s| s.tip.clone());
                self.with(task, TaskState::Merged, now, |t| {
                    t.merged = tip;
                    t.block = None;
                    t.note = Some("skipped".into());
                });
                // What waits for it comes forward, by a wave perhaps.
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::TaskCancelled { task } => {
                self.with(task, TaskState::Cancelled, now, |t| {
                    t.block = None;
                    t.note = Some("cancelled".into());
                });
            }
            Event::TaskRequeued { task } => {
                self.ledger.begin_task(task);
                self.with(task, TaskState::Waiting, now, |t| {
                    (t.failures, t.crashes, t.not_before) = (0, 0, None);
                    t.killed.clear();
                    t.refusals = Refusals::default();
                    (t.accepted, t.fixed_by, t.note) = (None, None, None);
                    t.block = None;
                    t.model_failures.clear();
                });
                // Its wave may have landed without it.
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::TaskUnblocked { task } => {
                self.with(task, TaskState::Waiting, now, |t| t.block = None);
                // Its wave may have landed without it.
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::TaskBoosted { task, priority } => {
                self.edit(task, |t| t.priority = *priority);
            }
            Event::TaskAssigned { task, worker } => self.edit(task, |t| t.assigned = *worker),
            Event::WaitedTooLong { task, freed, .. } => self.edit(task, |t| {
                t.waited = Some(now);
                if *freed {
                    t.assigned = None;
                }
            }),
            _ => {}
        }
    }
}

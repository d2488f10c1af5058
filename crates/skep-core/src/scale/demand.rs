//! What the tasks ask for: how many could run at once, by role, and how many workers there are for them.

use crate::{
    claim,
    state::State,
    task::Task,
    time::Time,
    worker::{Worker, WorkerState},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

/// How many ready tasks are looked at: far more than there are workers to run them, and few enough to be looked
/// at after every event.
const LOOK: usize = 1_000;

/// The tasks of one role, and the workers for them.
#[derive(Clone, Debug)]
pub(super) struct Group<'s> {
    /// The role; none: tasks that any worker may take.
    pub(super) role: Option<&'s String>,
    /// Tasks that could be claimed by a worker of the role.
    pub(super) ready: u32,
    /// Tasks of the role that run.
    pub(super) running: u32,
    /// Workers of just this role that are to stay.
    pub(super) own: u32,
    /// All workers that could take its tasks.
    pub(super) fitting: u32,
    /// Those of them that work.
    pub(super) busy: u32,
    /// Those of them that are idle.
    pub(super) idle: u32,
    /// The first of its ready tasks, in dispatch order.
    pub(super) first: &'s Task,
}

/// The groups that have ready tasks, in dispatch order of their first.
///
/// Tasks that more workers would not help are left out: those for one worker only, those that wait or are held,
/// all but one of an ownership key, and those that no model is left for.
pub(super) fn groups(state: &State, now: Time) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut fresh: BTreeMap<Option<&String>, Worker> = BTreeMap::new();
    let mut owners = BTreeSet::new();
    for task in state.ready().take(LOOK) {
        let role = task.spec.role.as_ref();
        let worker = fresh
            .entry(role)
            .or_insert_with(|| state.new_worker(state.next_worker(), role.cloned(), now));
        let claimable = task.assigned.is_none()
            && claim::free(state, task, now).is_ok()
            && claim::suits(state, task, worker).is_ok()
            && task
                .spec
                .owner_key
                .as_ref()
                .is_none_or(|key| owners.insert(key));
        if !claimable {
            continue;
        }
        match groups.iter_mut().find(|g| g.role == role) {
            Some(group) => group.ready += 1,
            None => groups.push(Group {
                role,
                ready: 1,
                running: 0,
                own: 0,
                fitting: 0,
                busy: 0,
                idle: 0,
                first: task,
            }),
        }
    }
    for live in state.live() {
        let role = state.task(&live.task).and_then(|t| t.spec.role.as_ref());
        if let Some(group) = groups.iter_mut().find(|g| g.role == role) {
            group.running += 1;
        }
    }
    let base = state.swarm().map(|s| &s.tip);
    for worker in state.workers().filter(|w| !w.stopping) {
        let standing = worker.state(base);
        for group in &mut groups {
            group.own += u32::from(worker.role.as_ref() == group.role);
            if worker.role.is_none() || group.role.is_none() || worker.role.as_ref() == group.role {
                group.fitting += 1;
                group.busy += u32::from(standing == WorkerState::Working);
                group.idle += u32::from(standing == WorkerState::Idle);
            }
        }
    }
    groups
}

impl Group<'_> {
    /// Workers that are missing: one for each `tasks_per_worker` tasks that could run at once, less those there
    /// are. Tasks that run count too, else the number wanted would fall as soon as tasks are claimed.
    pub(super) fn missing(&self, tasks_per_worker: u32) -> u32 {
        let target = (self.ready + self.running).div_ceil(tasks_per_worker.max(1));
        target.saturating_sub(self.fitting)
    }

    /// Whether those there are have their hands full (S-1).
    pub(super) fn is_stretched(&self, utilisation_percent: u32) -> bool {
        self.idle == 0 || self.busy * 100 > self.fitting * utilisation_percent
    }
}

//! Indices over the tasks, kept in step by `apply`: never stored, always derivable.

use crate::{
    attempt::Live,
    id::{Attempt, TaskId, WorkerId},
    spec::{Graph, Priority},
    task::{Task, TaskState},
    time::Time,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};
use core::cmp::Reverse;

/// Dispatch order: priority, then the longest chain behind it, then age.
type ReadyKey = (Priority, Reverse<u32>, usize);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    by_id: BTreeMap<TaskId, usize>,
    counts: [usize; TaskState::ALL.len()],
    ready: BTreeSet<ReadyKey>,
    unmet: Vec<u32>,
    dependents: Vec<Vec<usize>>,
    unblocked: BTreeSet<usize>,
    accepted: BTreeSet<usize>,
    /// Tasks that are blocked on another by their agent's word.
    blocked: BTreeSet<usize>,
    holding: BTreeMap<u32, usize>,
    owners: BTreeMap<String, Attempt>,
    not_before: BTreeSet<(Time, usize)>,
    pinned: BTreeMap<WorkerId, u32>,
    /// Ready tasks that are for one worker, and since when.
    assigned: BTreeSet<(Time, usize)>,
    /// All other ready tasks by role, and since when.
    by_role: BTreeMap<Option<String>, BTreeSet<(Time, usize)>>,
    /// Tasks that wait for each other, if there are any: commands refuse what would lead there.
    circle: Vec<usize>,
}

impl Index {
    pub(super) fn find(&self, id: &TaskId) -> Option<usize> {
        self.by_id.get(id).copied()
    }
    pub(super) fn count(&self, state: TaskState) -> usize {
        self.counts[state as usize]
    }
    pub(super) fn ready(&self) -> impl Iterator<Item = usize> {
        self.ready.iter().map(|(_, _, ix)| *ix)
    }
    pub(super) fn unblocked(&self) -> impl Iterator<Item = usize> {
        self.unblocked.iter().copied()
    }
    pub(super) fn accepted(&self) -> impl Iterator<Item = usize> {
        self.accepted.iter().copied()
    }
    pub(super) fn blocked(&self) -> impl Iterator<Item = usize> {
        self.blocked.iter().copied()
    }
    pub(super) fn holding(&self, wave: u32) -> usize {
        self.holding.get(&wave).copied().unwrap_or(0)
    }
    pub(super) fn owner(&self, key: &str) -> Option<Attempt> {
        self.owners.get(key).copied()
    }
    pub(super) fn next_not_before(&self) -> Option<Time> {
        self.not_before.first().map(|(at, _)| *at)
    }

    pub(super) fn is_pinned(&self, worker: WorkerId) -> bool {
        self.pinned.contains_key(&worker)
    }
    pub(super) fn assigned(&self) -> impl Iterator<Item = usize> {
        self.assigned.iter().map(|(_, ix)| *ix)
    }
    pub(super) fn oldest_by_role(&self) -> impl Iterator<Item = usize> {
        let oldest = self.by_role.values().filter_map(BTreeSet::first);
        oldest.map(|(_, ix)| *ix)
    }
    pub(super) fn circle(&self) -> &[usize] {
        &self.circle
    }

    pub(super) fn own(&mut self, key: &str, attempt: Attempt) {
        self.owners.insert(key.into(), attempt);
    }
    pub(super) fn disown(&mut self, key: &str, attempt: Attempt) {
        if self.owners.get(key) == Some(&attempt) {
            self.owners.remove(key);
        }
    }

    /// Counts a task in, as it now stands.
    pub(super) fn enter(&mut self, ix: usize, task: &Task) {
        self.counts[task.state as usize] += 1;
        if task.state.holds_wave() {
            *self.holding.entry(task.wave).or_default() += 1;
        }
        if let Some(worker) = pinned_to(task) {
            *self.pinned.entry(worker).or_default() += 1;
        }
        match task.state {
            TaskState::Ready => {
                self.ready
                    .insert((task.priority, Reverse(task.critical), ix));
                if let Some(at) = task.not_before {
                    self.not_before.insert((at, ix));
                }
                if task.assigned.is_some() {
                    self.assigned.insert((task.since, ix));
                } else if let Some(alike) = self.by_role.get_mut(&task.spec.role) {
                    alike.insert((task.since, ix));
                } else {
                    let alike = BTreeSet::from([(task.since, ix)]);
                    self.by_role.insert(task.spec.role.clone(), alike);
                }
            }
            TaskState::Waiting if self.unmet[ix] == 0 => {
                self.unblocked.insert(ix);
            }
            TaskState::Accepted => {
                self.accepted.insert(ix);
            }
            TaskState::Blocked if task.block.is_some() => {
                self.blocked.insert(ix);
            }
            _ => {}
        }
    }

    /// Counts a task out, as it stood. Exactly undoes [`enter`](Self::enter).
    pub(super) fn leave(&mut self, ix: usize, task: &Task) {
        self.counts[task.state as usize] -= 1;
        if task.state.holds_wave()
            && let Some(n) = self.holding.get_mut(&task.wave)
        {
            *n -= 1;
            if *n == 0 {
                self.holding.remove(&task.wave);
            }
        }
        if let Some(worker) = pinned_to(task)
            && let Some(n) = self.pinned.get_mut(&worker)
        {
            *n -= 1;
            if *n == 0 {
                self.pinned.remove(&worker);
            }
        }
        self.ready
            .remove(&(task.priority, Reverse(task.critical), ix));
        self.unblocked.remove(&ix);
        self.accepted.remove(&ix);
        self.blocked.remove(&ix);
        if let Some(at) = task.not_before {
            self.not_before.remove(&(at, ix));
        }
        if task.state == TaskState::Ready {
            self.assigned.remove(&(task.since, ix));
            if let Some(alike) = self.by_role.get_mut(&task.spec.role) {
                alike.remove(&(task.since, ix));
                if alike.is_empty() {
                    self.by_role.remove(&task.spec.role);
                }
            }
        }
    }

    /// Counts in a task that was just added at the end. Nothing depends on it yet, so of the others only the
    /// chains that it makes longer change. Comes to what [`rebuild`](Self::rebuild) would.
    pub(super) fn add(&mut self, tasks: &mut [Task], open_wave: u32) {
        let Some(new) = tasks.len().checked_sub(1) else {
            return;
        };
        let is_open = |tasks: &[Task], ix: usize| tasks[ix].state != TaskState::Merged;
        let needs = self.needs(&tasks[new]);
        let open = needs.iter().copied().filter(|ix| is_open(tasks, *ix));
        self.unmet.push(open.clone().count() as u32);
        tasks[new].wave = open.map(|ix| tasks[ix].wave + 1).max().unwrap_or(open_wave);
        tasks[new].critical = 1;
        self.by_id.insert(tasks[new].id().clone(), new);
        self.dependents.push(Vec::new());
        for ix in needs {
            self.dependents[ix].push(new);
        }
        self.enter(new, &tasks[new]);
        let mut longer = vec![new];
        while let Some(ix) = longer.pop() {
            let critical = tasks[ix].critical + 1;
            for before in self.needs(&tasks[ix]) {
                // No chain is longer than all tasks in a row: a damaged log's circle ends here.
                if is_open(tasks, before)
                    && tasks[before].critical < critical
                    && critical as usize <= tasks.len()
                {
                    self.leave(before, &tasks[before]);
                    tasks[before].critical = critical;
                    self.enter(before, &tasks[before]);
                    longer.push(before);
                }
            }
        }
    }

    /// What a task depends on.
    fn needs(&self, task: &Task) -> Vec<usize> {
        let needs = task.spec.depends_on.iter();
        needs.filter_map(|d| self.find(d)).collect()
    }

    /// Builds everything that follows from the tasks, waves and critical paths included: after a plan
    /// was loaded, a task was added or edited, or a wave has landed.
    pub(super) fn rebuild(&mut self, tasks: &mut [Task], open_wave: u32) {
        self.name(tasks);
        self.set_waves(tasks, open_wave);
        self.count_in(tasks);
    }

    /// The indices over tasks and live attempts that were folded before: nothing of them is changed.
    pub(super) fn over<'s>(tasks: &[Task], live: impl Iterator<Item = &'s Live>) -> Index {
        let mut index = Index::default();
        index.name(tasks);
        index.count_in(tasks);
        index.find_circle(&index.graph(tasks));
        for live in live {
            let task = index.find(&live.task).map(|ix| &tasks[ix]);
            if let Some(key) = task.and_then(|t| t.spec.owner_key.as_ref()) {
                index.own(key, live.attempt);
            }
        }
        index
    }

    fn name(&mut self, tasks: &[Task]) {
        let numbered = tasks.iter().enumerate();
        self.by_id = numbered.map(|(ix, t)| (t.id().clone(), ix)).collect();
    }

    fn count_in(&mut self, tasks: &[Task]) {
        self.dependents = vec![Vec::new(); tasks.len()];
        self.unmet = vec![0; tasks.len()];
        for (ix, task) in tasks.iter().enumerate() {
            for dependency in task
                .spec
                .depends_on
                .iter()
                .filter_map(|d| self.by_id.get(d))
            {
                self.dependents[*dependency].push(ix);
                if tasks[*dependency].state != TaskState::Merged {
                    self.unmet[ix] += 1;
                }
            }
        }
        self.counts = [0; TaskState::ALL.len()];
        self.ready.clear();
        self.unblocked.clear();
        self.accepted.clear();
        self.blocked.clear();
        self.holding.clear();
        self.not_before.clear();
        self.pinned.clear();
        self.assigned.clear();
        self.by_role.clear();
        for (ix, task) in tasks.iter().enumerate() {
            self.enter(ix, task);
        }
    }

    /// Unmerged tasks get waves from the open one on; merged ones keep theirs. A blocked task comes in with
    /// its fix, so what depends on it comes after the fix.
    fn set_waves(&mut self, tasks: &mut [Task], open_wave: u32) {
        let mut graph = self.dependencies(tasks);
        let critical = graph.critical_paths();
        self.add_holds(&mut graph, tasks);
        let waves = self.find_circle(&graph);
        // A task that its own fix (or what blocks it) would push back one wave is not work of its own.
        for ((task, wave), critical) in tasks.iter_mut().zip(waves).zip(critical) {
            if task.state != TaskState::Merged {
                task.wave = wave.unwrap_or(1) + open_wave - 1;
                task.critical = critical;
            }
        }
    }

    /// What waits for what: dependencies, fixes, and what agents say that they lack (L-8).
    fn graph(&self, tasks: &[Task]) -> Graph {
        let mut graph = self.dependencies(tasks);
        self.add_holds(&mut graph, tasks);
        graph
    }

    /// What has no wave waits for itself, by way of others, or for what does.
    fn find_circle(&mut self, graph: &Graph) -> Vec<Option<u32>> {
        let waves = graph.waves();
        self.circle.clear();
        if waves.iter().any(Option::is_none) {
            self.circle = crate::spec::cycles(graph)
                .into_iter()
                .next()
                .unwrap_or_default();
        }
        waves
    }

    fn dependencies(&self, tasks: &[Task]) -> Graph {
        let open = |ix: &usize| tasks[*ix].state != TaskState::Merged;
        let edges = tasks.iter().enumerate().map(|(ix, task)| {
            if !open(&ix) {
                return Vec::new();
            }
            let found = task
                .spec
                .depends_on
                .iter()
                .filter_map(|d| self.find(d))
                .filter(open);
            found.collect()
        });
        Graph {
            edges: edges.collect(),
        }
    }

    fn add_holds(&self, graph: &mut Graph, tasks: &[Task]) {
        for (ix, task) in tasks.iter().enumerate() {
            // What it waits for may be merged, while it is not yet said to be free.
            if let Some(other) = task.held_by().and_then(|id| self.find(id))
                && tasks[other].state != TaskState::Merged
            {
                graph.edges[ix].push(other);
            }
        }
    }
}

/// The worker that a task waits for, if it still needs one.
fn pinned_to(task: &Task) -> Option<WorkerId> {
    let open = !task.state.is_over() && task.state != TaskState::Accepted;
    task.assigned.filter(|_| open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{task::Origin, testing};
    use alloc::format;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_task_added_comes_to_the_same_as_building_anew(
            needs in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 1..12),
            merged in prop::collection::vec(any::<bool>(), 12),
        ) {
            let mut tasks: Vec<Task> = Vec::new();
            let mut index = Index::default();
            for (n, needs) in needs.iter().enumerate() {
                let mut spec = testing::task(&format!("t{n}"));
                spec.depends_on = needs.iter().filter(|d| **d < n)
                    .map(|d| format!("t{d}").parse().unwrap()).collect();
                tasks.push(Task::new(spec.into(), Origin::Person, n as u64, Time(0)));
                index.add(&mut tasks, 3);
                let mut anew = tasks.clone();
                let mut whole = Index::default();
                whole.rebuild(&mut anew, 3);
                prop_assert_eq!(&index, &whole);
                prop_assert_eq!(&tasks, &anew);
                if merged[n] {
                    tasks[n].state = TaskState::Merged;
                    index.rebuild(&mut tasks, 3);
                }
            }
        }
    }
}

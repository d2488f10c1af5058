//! The documents while no keeper runs. The log then tells what was meant to be, and nobody acts on it: only an
//! attempt whose shim lives is at work, and everything else rests.

use super::{
    ConcernList, Live, Status, TaskDetail, TaskDoc, TaskList, WhyDoc, WorkerDoc, WorkerList,
};
use skep_core::{
    budget,
    id::{Attempt, WorkerId},
    state::{State, SwarmState},
    task::{Task, TaskState},
    time::Time,
    worker::WorkerState,
};
use std::collections::BTreeSet;

/// A swarm without a keeper: what its log says, and which attempts' shims live all the same.
#[derive(Clone, Debug, Default)]
pub struct Unattended {
    /// The log's state.
    pub state: State,
    /// The attempts whose shims run.
    pub running: BTreeSet<Attempt>,
}

impl Unattended {
    /// The swarm at a glance.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let mut status = Status::of(&self.state, now, &Live::new());
        status.status = match self.state.swarm_state() {
            // What a person or the policy decided holds for the next keeper too.
            asked @ (SwarmState::Paused | SwarmState::Halted) => asked,
            _ if self.running.is_empty() => SwarmState::Sleeping,
            _ => SwarmState::Running,
        }
        .to_string();
        status.workers = self.workers(now).workers;
        status
    }

    /// All workers.
    #[must_use]
    pub fn workers(&self, now: Time) -> WorkerList {
        let mut list = WorkerList::of(&self.state, now, &Live::new());
        for doc in &mut list.workers {
            self.correct_worker(doc);
        }
        list
    }

    /// All tasks.
    #[must_use]
    pub fn tasks(&self, now: Time) -> TaskList {
        let mut list = TaskList::of(&self.state, now);
        for doc in &mut list.tasks {
            self.correct_task(doc, now);
        }
        list
    }

    /// Everything known of a task.
    #[must_use]
    pub fn task(&self, task: &Task, now: Time) -> TaskDetail {
        let mut detail = TaskDetail::of(&self.state, task, now);
        self.correct_task(&mut detail.task, now);
        detail
    }

    /// Why something is not moving; `None` when nothing has that name.
    #[must_use]
    pub fn why(&self, name: &str, now: Time) -> Option<WhyDoc> {
        let mut why = WhyDoc::of(&self.state, name, now)?;
        if let Some(task) = self.find(name) {
            if let Some(reason) = self.rests(task, now) {
                (why.reason, why.waiting) = (reason, None);
            }
        } else if let Ok(worker) = name.parse::<WorkerId>() {
            let list = self.workers(now).workers;
            if let Some(doc) = list.into_iter().find(|w| w.id == worker.to_string()) {
                why.reason = doc.reason.unwrap_or(why.reason);
                why.state = doc.status;
            }
        }
        Some(why)
    }

    /// What needs a person: before all, that nobody keeps the swarm.
    #[must_use]
    pub fn concerns(&self, now: Time) -> ConcernList {
        ConcernList::unattended(&self.state, now)
    }

    fn correct_worker(&self, doc: &mut WorkerDoc) {
        let attempt = doc.attempt.map(Attempt);
        doc.alive = attempt.is_some_and(|a| self.running.contains(&a));
        if doc.alive {
            return;
        }
        if doc.status != WorkerState::Paused.word() {
            doc.status = WorkerState::Stopped.to_string();
        }
        doc.reason = Some(match attempt {
            Some(attempt) => format!("no keeper runs, and attempt {attempt} has ended"),
            None => "no keeper runs".into(),
        });
    }

    fn correct_task(&self, doc: &mut TaskDoc, now: Time) {
        if let Some(reason) = self.find(&doc.id).and_then(|task| self.rests(task, now)) {
            doc.reason = reason;
        }
    }

    fn find(&self, task: &str) -> Option<&Task> {
        self.state.task(&task.parse().ok()?)
    }

    /// What to say of a task that a keeper would move; `None` where the log's own reason holds without one.
    fn rests(&self, task: &Task, now: Time) -> Option<String> {
        match task.state {
            TaskState::Running | TaskState::Verifying => {
                let attempt = task.current?;
                (!self.running.contains(&attempt)).then(|| {
                    format!("attempt {attempt} has ended, and no keeper runs to see what it did")
                })
            }
            TaskState::Ready if budget::starved(&self.state, now).is_some() => None,
            TaskState::Ready => Some("is ready, and no keeper runs to start it".into()),
            TaskState::Accepted => Some("is done, and no keeper runs to merge it".into()),
            _ => None,
        }
    }
}

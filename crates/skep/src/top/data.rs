//! What the screen knows: the API's documents, as they were last read.

use skep_server::api::{
    AskList, By, ConcernList, CostsDoc, Status, TaskDetail, TaskDoc, TaskList, WhyDoc,
};

/// Whether somebody keeps the swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing was heard yet.
    #[default]
    Looking,
    /// A keeper answers.
    Kept,
    /// None does: what is shown is the log's.
    Unkept,
    /// There may be one, and it cannot be heard; why not.
    Trouble(String),
}

/// What was read.
#[derive(Debug)]
pub(super) enum News {
    Link(Link),
    Status(Box<Status>),
    Concerns(ConcernList),
    Tasks(TaskList),
    Asks(AskList),
    Costs(Box<CostsDoc>),
    Detail(Box<Detail>),
    Log(Log),
    /// What became of a command: what was done, or why not.
    Done(Result<String, String>),
}

/// What has to be read for what is shown, beside the status and the concerns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) tasks: bool,
    pub(super) asks: bool,
    pub(super) costs: Option<By>,
    /// A task's or a worker's name.
    pub(super) detail: Option<String>,
    /// An attempt.
    pub(super) log: Option<u64>,
}

/// Everything known of one task or worker.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Detail {
    pub(super) name: String,
    /// None: nothing has that name any more.
    pub(super) why: Option<WhyDoc>,
    /// Of a task only.
    pub(super) task: Option<TaskDetail>,
}

/// The end of what an attempt printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) attempt: u64,
    /// As it may be shown: nothing in it drives a terminal.
    pub(super) lines: Vec<String>,
    pub(super) ended: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) link: Link,
    pub(super) status: Option<Status>,
    pub(super) concerns: Option<ConcernList>,
    pub(super) tasks: Vec<TaskDoc>,
    pub(super) asks: Option<AskList>,
    pub(super) costs: Option<CostsDoc>,
    pub(super) detail: Option<Detail>,
    pub(super) log: Log,
}

impl Data {
    /// Takes in what was read; what became of a command is for who shows it.
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Link(link) => self.link = link,
            News::Status(status) => self.status = Some(*status),
            News::Concerns(concerns) => self.concerns = Some(concerns),
            News::Tasks(list) => {
                self.tasks = list.tasks;
                // Stable: those of a state stay in the plan's order.
                self.tasks.sort_by_key(|task| rank(&task.state));
            }
            News::Asks(asks) => self.asks = Some(asks),
            News::Costs(costs) => self.costs = Some(*costs),
            News::Detail(detail) => self.detail = Some(*detail),
            News::Log(log) => self.log = log,
            News::Done(_) => {}
        }
    }

    /// Whether anything is at work, so that ages and measurements move by themselves.
    pub(super) fn moves(&self) -> bool {
        let works = |status: &Status| status.workers.iter().any(|w| w.attempt.is_some());
        self.status.as_ref().is_some_and(works)
    }

    /// The attempt that a task's or worker's log is of.
    pub(super) fn attempt_of(&self, name: &str) -> Option<u64> {
        let workers = self.status.iter().flat_map(|s| &s.workers);
        let mut workers = workers.filter_map(|w| Some((w, w.attempt?)));
        let by_worker =
            workers.find(|(w, _)| w.id == name || w.current_task.as_deref() == Some(name));
        let detail = self.detail.as_ref().filter(|d| d.name == name);
        let task = self.tasks.iter().find(|t| t.id == name);
        let past = || {
            let task = detail?.task.as_ref()?;
            let last = task.history.last().map(|past| past.attempt);
            task.task.attempt.or(last)
        };
        let by_worker = by_worker.map(|(_, attempt)| attempt);
        by_worker.or(task.and_then(|t| t.attempt)).or_else(past)
    }
}

/// What moves comes first, then what waits, then what is over.
fn rank(state: &str) -> usize {
    let order = [
        "running",
        "verifying",
        "flagged",
        "dead",
        "blocked",
        "ready",
        "waiting",
        "accepted",
        "merged",
        "cancelled",
    ];
    order
        .iter()
        .position(|s| *s == state)
        .unwrap_or(order.len())
}

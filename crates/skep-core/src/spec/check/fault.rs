//! What can be wrong with a plan: the faults, and where in the document they are.

use crate::{
    id::{SwarmName, TaskId},
    limits,
};
use alloc::{format, string::String, vec::Vec};

/// The longest short text (a category, a capability, a model's name), in bytes.
pub(super) const LABEL: usize = 200;

/// A step into a plan document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a table, by key.
    Key(&'static str),
    /// Into a table whose keys are names.
    Name(String),
    /// Into a list.
    Index(usize),
}

/// Where in the plan document a value stands, from the root.
pub type FieldPath = Vec<Step>;

/// One thing wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: FieldPath,
    /// What.
    pub kind: FaultKind,
}

/// What can be wrong with a plan whose every value is well formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// A plan must do something.
    #[error("the plan has no tasks")]
    NoTasks,
    /// More tasks than [`limits::TASKS`].
    #[error("the plan has {0} tasks; {max} is the most", max = limits::TASKS)]
    TooManyTasks(usize),
    /// Two tasks with one id.
    #[error("the id {id} is used twice")]
    DuplicateId {
        /// The id.
        id: TaskId,
        /// The index of the first task that has it.
        first: usize,
    },
    /// Ids that only case tells apart are one file on some systems.
    #[error("the ids {id} and {other} differ only in case")]
    CaseClash {
        /// This id.
        id: TaskId,
        /// The other.
        other: TaskId,
        /// The index of the first task that has it.
        first: usize,
    },
    /// `depends_on` or `relations` names no task.
    #[error("there is no task {id}")]
    MissingTask {
        /// The name used.
        id: TaskId,
        /// The nearest existing ones are for the caller to find: all ids are in the plan.
        of: TaskId,
    },
    /// The same dependency twice.
    #[error("{0} is named twice")]
    RepeatedDependency(TaskId),
    /// A cycle, in full, starting at its first task in plan order.
    #[error("tasks wait for each other in a circle: {}", circle(.0))]
    Cycle(Vec<TaskId>),
    /// No worker will have the role.
    #[error("no worker has the role {role:?}; the plan's workers have {}", listed(.known))]
    NoSuchRole {
        /// The role wanted.
        role: String,
        /// The roles there are.
        known: Vec<String>,
    },
    /// No worker of a fitting role can do this.
    #[error("no worker that may run this task can do {capability:?}; known are {}", listed(.known))]
    ImpossibleCapability {
        /// The capability wanted.
        capability: String,
        /// What fitting workers can do.
        known: Vec<String>,
    },
    /// The `shell` agent needs a command.
    #[error("the shell agent needs a command; give the task `command`")]
    ShellWithoutCommand,
    /// `command` is only for the `shell` agent.
    #[error("`command` is for the shell agent, and this task's agent is {0:?}")]
    CommandWithoutShell(String),
    /// Neither built in nor configured.
    #[error("there is no agent {name:?}; known are {}", listed(.known))]
    NoSuchAgent {
        /// The name used.
        name: String,
        /// The agents there are.
        known: Vec<String>,
    },
    /// A text beyond [`limits::TEXT`].
    #[error("is {0} bytes long; {max} is the most", max = limits::TEXT)]
    TooLong(usize),
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// A path that leaves the worktree.
    #[error("{0:?} is not a path inside the repository")]
    OutsidePath(String),
    /// A number of workers beyond [`limits::WORKERS`].
    #[error("{0} workers; {max} is the most", max = limits::WORKERS)]
    TooManyWorkers(u64),
    /// The most workers must be one at least, and not fewer than the fewest.
    #[error("between {min} and {max} workers; the most must be at least 1 and at least the fewest")]
    BadRange {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A number or a length of time beyond what can be kept.
    #[error("is {given}; {most} is the most")]
    Above {
        /// What is given.
        given: String,
        /// The most.
        most: String,
    },
    /// A list beyond its bound.
    #[error("has {0} entries; {max} is the most", max = limits::DEPENDENCIES)]
    TooManyEntries(usize),
    /// A short text beyond [`LABEL`].
    #[error("is {0} bytes long; {LABEL} is the most")]
    LabelTooLong(usize),
    /// Two routes of alerts with one name.
    #[error("two routes have the name {0:?}")]
    RouteTwice(String),
    /// A character that would drive a terminal or end a C string.
    #[error("contains the control character {0:?}")]
    Control(char),
    /// A number or a length of time that would stop the swarm from working.
    #[error("is {given}; it must be at least {least}{}", which_is(.of))]
    Below {
        /// What is given.
        given: String,
        /// The least that works.
        least: String,
        /// The number of the policy that asks for so much, if one does.
        of: Option<&'static str>,
    },
    /// Workers' branches are `skep/<swarm>.w1`, so a dot would let two swarms share one.
    #[error(
        "the swarm's name {0} contains '.', which stands between a swarm and its workers in branch names"
    )]
    DottedSwarm(SwarmName),
    /// `landing = "main"` and so on need a target that is a safe branch name.
    #[error("{0:?} is not a branch name that git accepts")]
    BadBranch(String),
}

fn circle(ids: &[TaskId]) -> String {
    let mut text = String::new();
    for id in ids.iter().chain(ids.first()) {
        if !text.is_empty() {
            text.push_str(" → ");
        }
        text.push_str(id.as_str());
    }
    text
}

fn which_is(of: &Option<&'static str>) -> String {
    of.map_or_else(String::new, |of| format!(", as `{of}` asks for"))
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        "none".into()
    } else {
        known.join(", ")
    }
}

//! What a person asks for: the plan, its tasks, and the policy, as checked values.
//!
//! These are the core's own types, not a file format: `skep-server` reads plan files into them. A
//! [`Plan`] that [`check`] accepts holds everything the decider later relies on: ids are unique,
//! dependencies exist and have no cycle, every task can be run by some worker.

pub mod catalog;
mod check;
mod glob;
mod graph;
mod hook;
mod policy;
mod zone;

pub use check::{Fault, FaultKind, FieldPath, Step, check, check_label};
pub use glob::{BadGlob, Glob};
pub use graph::{Graph, cycles};
pub use hook::{HookSpec, Moment, OnFail};
pub use policy::{
    Agents, Alerts, Budget, Cap, Health, OnCap, Policy, Providers, Reports, RouteBy, Routing,
    Scaling, Slo, Targets,
};
pub use zone::{Span, Zone};

use crate::{
    alert::route::Route,
    id::{SwarmName, TaskId},
    money::Usd,
    time::Millis,
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A whole plan: how the swarm works, and its tasks in the order they were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What holds for all tasks.
    pub swarm: SwarmSpec,
    /// The tasks, in the plan's order (which is their age).
    pub tasks: Vec<TaskSpec>,
}

/// The plan's `[swarm]` part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwarmSpec {
    /// The swarm's name.
    pub name: SwarmName,
    /// The branch to build on. `None`: the branch the repository stands on.
    pub target: Option<String>,
    /// Where results end.
    pub landing: Landing,
    /// How many workers, of which roles.
    pub workers: Workers,
    /// The agent of tasks that name none.
    pub agent: String,
    /// The model of tasks that name none.
    pub model: Option<String>,
    /// Known models from weakest to strongest: after repeated failures the next stronger one is tried.
    pub models: Vec<String>,
    /// What is known of models: whose they are, how strong, and what they cost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub catalog: BTreeMap<String, ModelSpec>,
    /// The integration check: every command must exit 0 on the merged tree.
    pub check: Vec<Command>,
    /// How long one command of the integration check may run.
    pub check_timeout: Millis,
    /// What agents are told instead of Skep's own text (L-2); `{mission}`, `{success}` and the other names of
    /// [`prompt::TEMPLATE`](crate::prompt::TEMPLATE) are replaced by the attempt's facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Run in each fresh worktree before its first attempt.
    pub setup: Vec<Command>,
    /// Run in each worktree before it is removed.
    pub teardown: Vec<Command>,
    /// Whether each worker has its own worktree; if not, all share one.
    pub worktree: bool,
    /// Where attempts run.
    #[serde(default, skip_serializing_if = "Host::is_headless")]
    pub host: Host,
    /// What workers of a role are.
    pub roles: BTreeMap<String, Role>,
    /// Agents defined by configuration.
    pub agents: BTreeMap<String, AgentSpec>,
    /// Agents that Skep knows by itself: the edge says which, for the core knows no vendors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub built_in: Vec<String>,
    /// What agents may do without asking, where neither they nor their role say it; none: the least with which
    /// they can work unattended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// Whom alerts reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// The user's own commands at set moments, by name (U-11).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, HookSpec>,
    /// Where what the plan does not say itself comes from, by key: for people, nothing is decided by it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, String>,
    /// The numbers that steer the swarm.
    pub policy: Policy,
}

impl SwarmSpec {
    /// The hooks of a moment, in the order of their names.
    pub fn hooks_on(&self, moment: Moment) -> impl Iterator<Item = (&String, &HookSpec)> {
        let mine = move |(_, hook): &(&String, &HookSpec)| hook.on.contains(&moment);
        self.hooks.iter().filter(mine)
    }
}

/// Where results end (W-17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landing {
    /// On the integration branch `skep/<swarm>`.
    #[default]
    Branch,
    /// On the target branch itself, moved by fast-forward only.
    Main,
}

/// Where attempts run (W-2). Nothing is decided by it: it says how people can watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// In the background.
    #[default]
    Headless,
    /// Each worker's in its pane of a tmux session.
    Tmux,
}

impl Host {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Host::Headless => "headless",
            Host::Tmux => "tmux",
        }
    }
    /// Whether it is the default, which is not stored.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        *self == Host::Headless
    }
}

/// The spawn strategy (W-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workers {
    /// One worker per distinct role in the plan, and at least one; then as many as the tasks ask for (S-1).
    Auto,
    /// The fewest, and then as many as the tasks ask for, up to the most (S-1).
    Between {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
    /// So many workers that take tasks of any role. Zero: workers are added by hand.
    Count(u32),
    /// So many workers of each role.
    PerRole(BTreeMap<String, u32>),
}

/// What workers of a role are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// What they can do. `None`: anything.
    pub capabilities: Option<Vec<String>>,
    /// The model they use instead of the swarm's.
    pub model: Option<String>,
    /// What their agents may do without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
}

/// An agent defined by configuration: a command that does a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// The command; `{prompt}`, `{prompt_file}`, `{model}`, `{task}` and `{worktree}` in its words are
    /// replaced by values, never re-split and never seen by a shell. Empty for an agent that Skep knows by itself,
    /// of which only settings are given.
    pub command: Vec<String>,
    /// Give the prompt on standard input.
    pub stdin: bool,
    /// Extra environment.
    pub env: BTreeMap<String, String>,
    /// Exit codes that mean "rate limited" rather than "failed".
    pub rate_limited_exit: Vec<i32>,
    /// Who serves the models that it uses, where the model does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The protocol that the command speaks on its standard streams; none: no more than its output rules tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// What its output means: rules as JSON, which the edge has checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// What it may do without asking; goes before its role's and the swarm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// Arguments after the adapter's own, for an agent that Skep knows by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// What an agent may do without asking. Ordered: safest first, and the safest is the default.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Read. Everything else is asked, or refused where the agent cannot ask.
    #[default]
    Ask,
    /// Edit files of the worktree too.
    Edits,
    /// Everything. Only for a place that is itself a sandbox.
    All,
}

impl Permission {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Permission::Ask => "ask",
            Permission::Edits => "edits",
            Permission::All => "all",
        }
    }
}

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Who serves it: the unit of rate limits, bulkheads and circuit breakers.
    pub provider: String,
    /// How strong it is among its like.
    pub tier: Tier,
    /// What it costs; `None`: unknown, which is never taken for nothing.
    pub price: Option<Price>,
}

/// How strong a model is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// For what is simple.
    Cheap,
    /// For most work.
    #[default]
    Default,
    /// For what is hard.
    Smart,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Tier::Cheap => "cheap",
            Tier::Default => "default",
            Tier::Smart => "smart",
        }
    }
}

/// What a million tokens cost, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Read anew.
    pub input: Usd,
    /// Read from a cache.
    pub cache_read: Usd,
    /// Read, and written to a cache.
    pub cache_write: Usd,
    /// Written.
    pub output: Usd,
}

/// A command: a line for `sh -c`, or words that no shell sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// Run as `sh -c LINE`.
    Line(String),
    /// Program and arguments.
    Words(Vec<String>),
}

impl Command {
    /// The words to execute.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Command::Line(line) => Vec::from(["sh".into(), "-c".into(), line.clone()]),
            Command::Words(words) => words.clone(),
        }
    }
    /// As a person would write it, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Command::Line(line) => line.clone(),
            Command::Words(words) => words.join(" "),
        }
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Unique in the swarm.
    pub id: TaskId,
    /// The goal in one sentence.
    pub mission: String,
    /// Longer text: references, constraints.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub brief: String,
    /// What must hold for the task to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<Criterion>,
    /// Tasks that must be merged before this one is claimable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TaskId>,
    /// The role a worker must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Free grouping, used for affinity and statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How urgent.
    #[serde(default)]
    pub priority: Priority,
    /// What the worker must be able to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// The model wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelWish>,
    /// The agent, if not the swarm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the `shell` agent runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The time the agent is told; the hard stop and the ceiling follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timebox: Option<Millis>,
    /// The most this task may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Usd>,
    /// The files it may touch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Glob>,
    /// Two running attempts never share this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_key: Option<String>,
    /// Dangers that call for a gate (`legal`, `safety`, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hazards: Vec<String>,
    /// How hard the task is, for routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
    /// How it relates to other tasks, without ordering them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// How often a failed attempt is retried. `None`: the policy's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Whether ending with no change is a success (W-14's explicit no-op).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub allow_no_op: bool,
}

/// How urgent a task is; `P0` first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// Critical.
    P0,
    /// High.
    P1,
    /// Medium.
    #[default]
    P2,
    /// Low.
    P3,
}

/// The model a task wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelWish {
    /// No other will do.
    Required(String),
    /// First choice.
    Preferred(String),
}

/// How hard a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// A mechanical change.
    Simple,
    /// Ordinary work.
    Moderate,
    /// Needs the strongest models.
    Complex,
}

/// A relation to another task that does not order them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Which relation.
    pub kind: RelationKind,
    /// To which task.
    pub to: TaskId,
}

/// Kinds of [`Relation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// This task is part of that one.
    Parent,
    /// This task makes that one easier.
    Supports,
    /// The two belong together.
    Complements,
    /// The two are alike.
    Peer,
}

/// One success criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// This command exits 0 in the worktree.
    Run(Command),
    /// A file that matches has changed against the attempt's base.
    Changed(Glob),
    /// This path exists in the worktree.
    Exists(String),
    /// Text for the agent and the reviewer; no machine checks it, and the receipt says so.
    Says(String),
}

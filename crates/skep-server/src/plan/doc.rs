//! The plan file as types, only to make its JSON Schema for editors. The decoder is written by hand for
//! its diagnostics; a test holds the two together.

mod alerts;
mod budget;
mod hook;
mod model;
mod targets;

use alerts::{AlertNumbersDoc, AlertsDoc};
use budget::BudgetDoc;
use hook::HookDoc;
use model::ModelSpecDoc;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use targets::TargetsDoc;

/// The JSON Schema (draft 2020-12) of plan files, as pretty JSON.
#[must_use]
pub fn schema() -> String {
    let mut schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<PlanDoc>();
    RecursiveTransform(without_null).transform(&mut schema);
    let mut text = serde_json::to_string_pretty(schema.as_value()).unwrap_or_default();
    text.push('\n');
    text
}

/// An optional key is left out; `null` is no way to write it.
fn without_null(schema: &mut Schema) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| *t != null);
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.retain(|s| s.get("type") != Some(&null));
        if let [Value::Object(one)] = any.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (key, value) in one {
                schema.insert(key, value);
            }
        }
    }
}

/// A plan for Skep: a swarm and its tasks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Plan")]
#[expect(dead_code, reason = "only its schema is used")]
struct PlanDoc {
    /// Where this schema is.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// What holds for all tasks.
    swarm: Option<SwarmDoc>,
    /// What workers of a role are, by the role's name.
    roles: Option<BTreeMap<String, RoleDoc>>,
    /// Agents defined by a command, by name.
    agents: Option<BTreeMap<String, AgentDoc>>,
    /// What is known of models beside what Skep knows itself, by name.
    models: Option<BTreeMap<String, ModelSpecDoc>>,
    /// Whom alerts reach.
    alerts: Option<AlertsDoc>,
    /// Commands of your own at set moments, by name.
    hooks: Option<BTreeMap<String, HookDoc>>,
    /// Where what the plan does not say itself comes from; written by `skep run`.
    #[schemars(rename = "$origins")]
    origins: Option<BTreeMap<String, String>>,
    /// The numbers that steer the swarm.
    policy: Option<PolicyDoc>,
    /// The tasks, oldest first.
    #[schemars(length(min = 1))]
    task: Vec<TaskDoc>,
}

/// What holds for all tasks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Swarm")]
#[expect(dead_code, reason = "only its schema is used")]
struct SwarmDoc {
    /// The swarm's name, and the end of its branch `skep/<name>`. Default: the repository's folder name.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]*$"), length(max = 64))]
    name: Option<String>,
    /// The branch to build on. Default: the one the repository stands on.
    target: Option<String>,
    /// Where results end: on `skep/<name>`, or on the target itself by fast-forward.
    #[schemars(extend("default" = "branch"))]
    landing: Option<LandingDoc>,
    /// "auto" (as many as the tasks ask for), { min = 1, max = 8 }, a number, or a number for each role.
    #[schemars(extend("default" = "auto"))]
    workers: Option<WorkersDoc>,
    /// The agent of tasks that name none.
    agent: Option<String>,
    /// The model of tasks that name none.
    model: Option<String>,
    /// Known models from weakest to strongest: after repeated failures the next stronger one is tried.
    models: Option<Texts>,
    /// What must exit 0 on the merged tree after each wave.
    check: Option<Commands>,
    /// How long one command of the check may run.
    #[schemars(extend("default" = "30m"))]
    check_timeout: Option<Duration>,
    /// What agents are told instead of Skep's own text: {task}, {mission}, {brief}, {success}, {files}, {fix},
    /// {previous}, {timebox}, {hard_stop}, {grace} and {checkpoint} are replaced by the attempt's facts.
    prompt: Option<String>,
    /// Run in each fresh worktree before its first attempt.
    setup: Option<Commands>,
    /// Run in each worktree before it is removed.
    teardown: Option<Commands>,
    /// Caps on spending; the same as `budget` under `policy`.
    budget: Option<BudgetDoc>,
    /// Whether each worker has its own worktree. If not, all share one of Skep's: set-up is run once, tasks whose
    /// `files` may overlap take turns, and only what a task's `files` name is merged.
    #[schemars(extend("default" = true))]
    worktree: Option<bool>,
    /// What agents may do without asking. Default: the least with which they can work unattended.
    permission: Option<PermissionDoc>,
    /// Where agents run: in the background, or each worker's in its pane of the tmux session `skep-<name>`.
    #[schemars(extend("default" = "headless"))]
    host: Option<HostDoc>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Host")]
#[expect(dead_code, reason = "only its schema is used")]
enum HostDoc {
    Headless,
    Tmux,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Landing")]
#[expect(dead_code, reason = "only its schema is used")]
enum LandingDoc {
    Branch,
    Main,
}

#[derive(JsonSchema)]
#[schemars(untagged, rename = "Workers")]
#[expect(dead_code, reason = "only its schema is used")]
enum WorkersDoc {
    /// One worker for each role in the plan, and then as many as the tasks ask for.
    Auto(AutoDoc),
    /// As many as the tasks ask for, between these.
    Between(BetweenDoc),
    /// So many workers that take tasks of any role; 0: workers are added by hand.
    Count(#[schemars(range(max = 1000))] u32),
    /// So many workers of each role.
    PerRole(BTreeMap<String, u32>),
}

/// Bounds on the number of workers.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Between")]
#[expect(dead_code, reason = "only its schema is used")]
struct BetweenDoc {
    /// The fewest.
    #[schemars(range(max = 1000))]
    min: u32,
    /// The most.
    #[schemars(range(min = 1, max = 1000))]
    max: u32,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Auto")]
#[expect(dead_code, reason = "only its schema is used")]
enum AutoDoc {
    Auto,
}

/// What workers of a role are.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Role")]
#[expect(dead_code, reason = "only its schema is used")]
struct RoleDoc {
    /// What they can do. Default: anything.
    capabilities: Option<Texts>,
    /// The model they use instead of the swarm's.
    model: Option<String>,
    /// What their agents may do without asking.
    permission: Option<PermissionDoc>,
}

/// What an agent may do without asking: only read, edit the files of its worktree too, or everything (for places
/// that are sandboxes themselves).
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Permission")]
#[expect(dead_code, reason = "only its schema is used")]
enum PermissionDoc {
    Ask,
    Edits,
    All,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Protocol")]
#[expect(dead_code, reason = "only its schema is used")]
enum ProtocolDoc {
    Acp,
}

/// The name of rules that Skep has ("aider"), rules, or the same as JSON text.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Rules")]
#[expect(dead_code, reason = "only its schema is used")]
enum RulesDoc {
    Text(String),
    Table(BTreeMap<String, Value>),
}

/// An agent defined by a command that does a task, or settings for one that Skep knows by itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Agent")]
#[expect(dead_code, reason = "only its schema is used")]
struct AgentDoc {
    /// Program and arguments; `{prompt}`, `{prompt_file}`, `{model}`, `{task}` and `{worktree}` are replaced. Left
    /// out for agents that Skep knows by itself.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// Give the prompt on standard input.
    #[schemars(extend("default" = false))]
    stdin: Option<bool>,
    /// Extra environment.
    env: Option<BTreeMap<String, String>>,
    /// Exit codes that mean "rate limited" rather than "failed".
    rate_limited_exit: Option<Vec<i32>>,
    /// Who serves the models that it uses: what is down or limited there is the same for all its agents.
    provider: Option<String>,
    /// The protocol that the command speaks on its standard input and output.
    protocol: Option<ProtocolDoc>,
    /// What the command's output means.
    rules: Option<RulesDoc>,
    /// What it may do without asking.
    permission: Option<PermissionDoc>,
    /// Arguments after Skep's own, for agents that it knows by itself.
    args: Option<Vec<String>>,
}

/// US dollars, such as 2.5.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Dollars(#[schemars(range(min = 0, max = 1_000_000_000))] f64);

/// A length of time: a number with its unit (ms, s, m, h or d), such as "90s", "45m" or "1h30m".
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Duration(#[schemars(regex(pattern = "^([0-9]+(ms|s|m|h|d))+$"))] String);

/// A line for `sh -c`, or program and arguments that no shell sees.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Command")]
#[expect(dead_code, reason = "only its schema is used")]
enum CommandDoc {
    Line(String),
    Words(#[schemars(length(min = 1))] Vec<String>),
}

/// One shell line, or a list of commands.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Commands {
    One(String),
    Many(Vec<CommandDoc>),
}

/// One text, or a list of texts.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// One unit of work.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Task")]
#[expect(dead_code, reason = "only its schema is used")]
struct TaskDoc {
    /// Unique in the plan; becomes part of folders and branches.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 64))]
    id: String,
    /// The goal in one sentence.
    mission: String,
    /// Longer text: references, constraints.
    brief: Option<String>,
    /// What must hold for the task to be done: commands that exit 0, files, or words for the agent.
    success: Option<Success>,
    /// Tasks that must be merged before this one starts.
    depends_on: Option<Texts>,
    /// The role a worker must have.
    role: Option<String>,
    /// Free grouping, used for affinity and statistics.
    category: Option<String>,
    /// How urgent: P0 critical, P1 high, P2 medium, P3 low.
    #[schemars(extend("default" = "P2"))]
    priority: Option<PriorityDoc>,
    /// What the worker must be able to do.
    capabilities: Option<Texts>,
    /// The model preferred, or { required = "…" }.
    model: Option<ModelDoc>,
    /// The agent, if not the swarm's.
    agent: Option<String>,
    /// What the `shell` agent runs.
    command: Option<CommandDoc>,
    /// The time the agent is told; it is stopped after one and a half times as long.
    #[schemars(extend("default" = "30m"))]
    timebox: Option<Duration>,
    /// The most this task may cost, in US dollars.
    budget: Option<Dollars>,
    /// Patterns of the files it may touch, such as "src/**".
    files: Option<Texts>,
    /// Two running attempts never share this key.
    owner_key: Option<String>,
    /// Dangers that call for a gate, such as "safety".
    hazards: Option<Texts>,
    /// How hard the task is, for choosing a model.
    complexity: Option<ComplexityDoc>,
    /// How it relates to other tasks, without ordering them.
    relations: Option<RelationsDoc>,
    /// How often a failed attempt is retried. Default: the policy's number.
    max_retries: Option<u32>,
    /// Whether ending with no change is a success.
    #[schemars(extend("default" = false))]
    allow_no_op: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(rename = "Priority")]
#[expect(dead_code, reason = "only its schema is used")]
enum PriorityDoc {
    P0,
    P1,
    P2,
    P3,
    #[schemars(rename = "critical")]
    Critical,
    #[schemars(rename = "high")]
    High,
    #[schemars(rename = "medium")]
    Medium,
    #[schemars(rename = "low")]
    Low,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Complexity")]
#[expect(dead_code, reason = "only its schema is used")]
enum ComplexityDoc {
    Simple,
    Moderate,
    Complex,
}

/// A preferred model, or a table that says how firm the wish is.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Model")]
#[expect(dead_code, reason = "only its schema is used")]
enum ModelDoc {
    Name(String),
    Wish(ModelWishDoc),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "ModelWish")]
#[expect(dead_code, reason = "only its schema is used")]
enum ModelWishDoc {
    /// No other will do.
    Required(String),
    /// First choice.
    Preferred(String),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Success {
    One(String),
    OneTable(CriterionDoc),
    Many(Vec<CriterionOrLine>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum CriterionOrLine {
    /// A shell line that must exit 0.
    Line(String),
    Table(CriterionDoc),
}

/// One success criterion.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Criterion")]
#[expect(dead_code, reason = "only its schema is used")]
enum CriterionDoc {
    /// This command exits 0 in the worktree.
    Run(CommandDoc),
    /// A file that matches this pattern has changed.
    Changed(String),
    /// This path exists in the worktree.
    Exists(String),
    /// Words for the agent and the reviewer; no machine checks them.
    Says(String),
}

/// Relations to other tasks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Relations")]
#[expect(dead_code, reason = "only its schema is used")]
struct RelationsDoc {
    /// This task is part of these.
    parent: Option<Texts>,
    /// This task makes these easier.
    supports: Option<Texts>,
    /// These belong together with this task.
    complements: Option<Texts>,
    /// These are like this task.
    peer: Option<Texts>,
}

/// The numbers that steer a swarm.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Policy")]
#[expect(dead_code, reason = "only its schema is used")]
struct PolicyDoc {
    /// Attempts that may run at once.
    #[schemars(extend("default" = 6))]
    concurrency: Option<u32>,
    /// Retries of a failed attempt.
    #[schemars(extend("default" = 1))]
    max_retries: Option<u32>,
    /// Retries of a crashed, stale or rate-limited attempt, on a count of their own.
    #[schemars(extend("default" = 3))]
    crash_retries: Option<u32>,
    /// Failures on one model after which it may no longer claim the task.
    #[schemars(extend("default" = 2))]
    model_failures: Option<u32>,
    /// The time an agent is told.
    #[schemars(extend("default" = "30m"))]
    timebox: Option<Duration>,
    /// The hard stop of the agent, in percent of the timebox.
    #[schemars(extend("default" = 150))]
    hard_stop_percent: Option<u32>,
    /// The end of the whole attempt with its checks, in percent of the timebox.
    #[schemars(extend("default" = 200))]
    ceiling_percent: Option<u32>,
    /// How often the agent is asked to report.
    #[schemars(extend("default" = "10m"))]
    checkpoint_interval: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    #[schemars(extend("default" = "30s"))]
    grace: Option<Duration>,
    /// How often a worker's host reports.
    #[schemars(extend("default" = "1m"))]
    heartbeat: Option<Duration>,
    /// Without a heartbeat for so long, a worker counts as crashed.
    #[schemars(extend("default" = "3m"))]
    heartbeat_timeout: Option<Duration>,
    /// First wait before a crashed worker is restarted; doubles each time.
    #[schemars(extend("default" = "5s"))]
    backoff: Option<Duration>,
    /// The longest such wait.
    #[schemars(extend("default" = "5m"))]
    backoff_cap: Option<Duration>,
    /// Consecutive spawn failures that halt the swarm.
    #[schemars(extend("default" = 5))]
    spawn_failures: Option<u32>,
    /// How long one success criterion's command may run.
    #[schemars(extend("default" = "10m"))]
    criterion_timeout: Option<Duration>,
    /// How long one setup command may run in a fresh worktree.
    #[schemars(extend("default" = "10m"))]
    setup_timeout: Option<Duration>,
    /// The most output kept of one attempt, in bytes.
    #[schemars(extend("default" = 67_108_864))]
    output_bytes: Option<u64>,
    /// Ports reserved for each worktree.
    #[schemars(extend("default" = 10))]
    ports_per_worktree: Option<u16>,
    /// How often at most work in flight is test-merged, to name those on a collision course; 0s: never.
    #[schemars(extend("default" = "1m"))]
    forecast_interval: Option<Duration>,
    /// How many workers there are, where the tasks decide it, and which of them takes what.
    scaling: Option<ScalingDoc>,
    /// When an attempt, a worker or a wait counts as unhealthy.
    health: Option<HealthDoc>,
    /// Caps on spending.
    budget: Option<BudgetDoc>,
    /// Which model an attempt gets.
    routing: Option<RoutingDoc>,
    /// What is asked of providers, and for how long one that refuses is left alone.
    providers: Option<ProvidersDoc>,
    /// From when on a worker, an agent or a model does badly.
    slo: Option<SloDoc>,
    /// What the swarm should come to, and from where on somebody is told.
    targets: Option<TargetsDoc>,
    /// How agents that speak a protocol are spoken with.
    agents: Option<TalkingDoc>,
    /// When people are told that something needs them.
    alerts: Option<AlertNumbersDoc>,
    /// Which reports are written to `.skep/reports` by themselves.
    reports: Option<ReportsDoc>,
}

/// How patient Skep is with agents that say what they do, and how long a person may let them wait.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Talking")]
#[expect(dead_code, reason = "only its schema is used")]
struct TalkingDoc {
    /// The longest wait for a model's first sign of life.
    #[schemars(extend("default" = "5m"))]
    first_reply: Option<Duration>,
    /// The longest silence between two signs of life of a model.
    #[schemars(extend("default" = "5m"))]
    reply: Option<Duration>,
    /// The longest silence while a tool runs.
    #[schemars(extend("default" = "30m"))]
    tool: Option<Duration>,
    /// How often an agent may try its provider again by itself, with nothing coming of it.
    #[schemars(extend("default" = 5))]
    retries: Option<u32>,
    /// How often what an agent has used is read.
    #[schemars(extend("default" = "5s"))]
    metering: Option<Duration>,
    /// A question that no person has answered for so long is answered for them: no, or "decide yourself".
    #[schemars(extend("default" = "30m"))]
    ask_timeout: Option<Duration>,
    /// The clock of an attempt stands still for questions no longer than this in all.
    #[schemars(extend("default" = "2h"))]
    ask_total: Option<Duration>,
    /// An agent whose context is fuller than this is not gone on with: the next attempt begins afresh.
    #[schemars(extend("default" = 80))]
    context_percent: Option<u32>,
}

/// The numbers of scaling and affinity.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Scaling")]
#[expect(dead_code, reason = "only its schema is used")]
struct ScalingDoc {
    /// Never fewer workers than this, where the plan does not say.
    #[schemars(extend("default" = 1))]
    min_workers: Option<u32>,
    /// Never more workers than this.
    #[schemars(extend("default" = 32))]
    max_workers: Option<u32>,
    /// Tasks that can run at once for which one worker is enough.
    #[schemars(extend("default" = 1))]
    tasks_per_worker: Option<u32>,
    /// Between two looks at whether there are enough workers.
    #[schemars(extend("default" = "5s"))]
    check_interval: Option<Duration>,
    /// The most workers that one such look adds.
    #[schemars(extend("default" = 4))]
    step: Option<u32>,
    /// Workers are added when more than so many percent of them work, or none is idle.
    #[schemars(extend("default" = 80))]
    utilisation_percent: Option<u32>,
    /// A worker that had nothing to do for so long may leave.
    #[schemars(extend("default" = "5m"))]
    idle_after: Option<Duration>,
    /// Between two workers that leave; doubles with each that was missed soon after.
    #[schemars(extend("default" = "30s"))]
    down_interval: Option<Duration>,
    /// Over how long the rate at which tasks are added is measured.
    #[schemars(extend("default" = "2m"))]
    arrival_window: Option<Duration>,
    /// When more tasks than this are added in a minute, workers are made ready ahead of them.
    #[schemars(extend("default" = 3))]
    arrivals_per_minute: Option<u32>,
    /// The most workers made ready ahead.
    #[schemars(extend("default" = 2))]
    spare_workers: Option<u32>,
    /// Memory that must be free for each worker that is added, in bytes; 0 does not look.
    #[schemars(extend("default" = 268_435_456))]
    memory_per_worker: Option<u64>,
    /// A worker that idles takes from one with more tasks than this in its backlog.
    #[schemars(extend("default" = 5))]
    backlog: Option<u32>,
    /// A ready task waits for the worker it suits best for no longer than this.
    #[schemars(extend("default" = "5m"))]
    affinity_wait: Option<Duration>,
}

/// The numbers of supervision. Silence is measured from the last sign of progress of any kind.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Health")]
#[expect(dead_code, reason = "only its schema is used")]
struct HealthDoc {
    /// How often a changed health score is logged.
    #[schemars(extend("default" = "5m"))]
    interval: Option<Duration>,
    /// No agent is judged before it has run for so long.
    #[schemars(extend("default" = "2m"))]
    grace: Option<Duration>,
    /// Silent for so long, an agent is reminded to report. At least two heartbeats.
    #[schemars(extend("default" = "10m"))]
    nudge: Option<Duration>,
    /// Silent for so long, it is asked what it is doing.
    #[schemars(extend("default" = "12m"))]
    ask: Option<Duration>,
    /// Silent for so long, it is asked to leave its work as it is.
    #[schemars(extend("default" = "14m"))]
    checkpoint: Option<Duration>,
    /// Silent for so long, it is ended, if its task may be retried.
    #[schemars(extend("default" = "15m"))]
    stale: Option<Duration>,
    /// Silent for so long, it is ended whatever follows.
    #[schemars(extend("default" = "30m"))]
    silent: Option<Duration>,
    /// Claimed for so long, a task is released, unless its own timebox allows more.
    #[schemars(extend("default" = "1h"))]
    claimed: Option<Duration>,
    /// From this CPU use on, in percent of one core, an agent that prints nothing is at work.
    #[schemars(extend("default" = 2))]
    busy_percent: Option<u32>,
    /// An attempt that takes so much longer than the median of its like is called slow, in percent.
    #[schemars(extend("default" = 300))]
    slow_percent: Option<u32>,
    /// Crashes in a row after which a worker is replaced by a new one.
    #[schemars(extend("default" = 3))]
    worker_crashes: Option<u32>,
    /// A task whose agents died under so many workers is quarantined.
    #[schemars(extend("default" = 2))]
    poison_workers: Option<u32>,
    /// What waits for longer, on something that moves no more, is told, and freed where it can be.
    #[schemars(extend("default" = "30m"))]
    wait: Option<Duration>,
}

mod reports;
mod routing;
use reports::ReportsDoc;
use routing::{ProvidersDoc, RoutingDoc, SloDoc};

#[cfg(test)]
mod tests;

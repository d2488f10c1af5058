//! A task: in a list, and with everything that is known of it.

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    attempt::{End, Failure, Receipt, Step, Usage},
    budget::Charge,
    money::Usd,
    spec::{Criterion, ModelWish, TaskSpec},
    state::State,
    task::{Past, Task, TaskState},
    time::Time,
    waiting,
};

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDoc {
    /// Its id.
    pub id: String,
    /// The goal in one sentence.
    pub mission: String,
    /// Where it stands.
    pub state: String,
    /// Since when.
    pub since: Stamp,
    /// Why it is there, in one line.
    pub reason: String,
    /// The wave it merges with.
    pub wave: u32,
    /// How many tasks deep the longest chain behind it is, itself included.
    pub critical_path: u32,
    /// `P0` to `P3`; a boost raises it over the plan's.
    pub priority: String,
    /// What must be merged before it.
    pub depends_on: Vec<String>,
    /// The role a worker must have.
    pub role: Option<String>,
    /// The agent that does it.
    pub agent: Option<String>,
    /// The only worker that may claim it.
    pub assigned: Option<String>,
    /// The worker whose attempt holds it, or whose result was accepted.
    pub worker: Option<String>,
    /// The attempt that holds it, or whose result was accepted.
    pub attempt: Option<u64>,
    /// How many attempts there were, the live one included.
    pub attempts: usize,
    /// How long its attempts took in all, as far as is known.
    pub took_ms: Option<u64>,
    /// What is known of what its attempts have cost; null is unknown.
    pub cost_usd: Option<f64>,
    /// How many files its accepted result changes.
    pub files_changed: Option<usize>,
    /// The commit on the integration branch that holds it.
    pub commit: Option<String>,
    /// The task whose work it brings in, if it is a fix.
    pub fixes: Option<String>,
    /// The fix task that is to bring its work in.
    pub fixed_by: Option<String>,
    /// Why a person must look, or why it was given up.
    pub note: Option<String>,
}

/// All tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    /// The document's version.
    pub schema: u32,
    /// The tasks, oldest first.
    pub tasks: Vec<TaskDoc>,
}

/// Everything known of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDetail {
    /// The document's version.
    pub schema: u32,
    /// What the list shows.
    #[serde(flatten)]
    pub task: TaskDoc,
    /// Longer text.
    pub brief: String,
    /// What must hold for it to be done.
    pub success: Vec<String>,
    /// Free grouping.
    pub category: Option<String>,
    /// What the worker must be able to do.
    pub capabilities: Vec<String>,
    /// The model wanted.
    pub model: Option<String>,
    /// The time the agent is told.
    pub timebox_ms: Option<u64>,
    /// The most it may cost.
    pub budget_usd: Option<f64>,
    /// The files it may touch.
    pub files: Vec<String>,
    /// Two running attempts never share this.
    pub owner_key: Option<String>,
    /// Dangers that call for a gate.
    pub hazards: Vec<String>,
    /// How often a failed attempt is retried; null means the policy's number.
    pub max_retries: Option<u32>,
    /// Failed attempts since it last began anew.
    pub failures: u32,
    /// Crashed attempts since it last began anew.
    pub crashes: u32,
    /// The last failure.
    pub last_failure: Option<FailureDoc>,
    /// The evidence that it is done.
    pub receipt: Option<ReceiptDoc>,
    /// Past attempts, oldest first.
    pub history: Vec<PastDoc>,
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureDoc {
    /// Which attempt.
    pub attempt: u64,
    /// How it ended.
    pub outcome: String,
    /// With which model.
    pub model: Option<String>,
    /// In a sentence.
    pub reason: String,
    /// The end of the output that shows it.
    pub output: String,
}

/// The evidence that a task is done (W-14).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptDoc {
    /// Files that differ from the base, at most some thousands.
    pub files: Vec<String>,
    /// How many differ in all.
    pub file_count: usize,
    /// An explicit no-op, and why.
    pub no_op: Option<String>,
    /// Files touched outside the task's `files`.
    pub outside_files: Vec<String>,
    /// Every command that was run.
    pub checks: Vec<StepDoc>,
    /// Files that the checks changed.
    pub changed_by_checks: Vec<String>,
    /// Processes that had to be ended.
    pub survivors: u32,
    /// What it used.
    pub usage: UsageDoc,
    /// What that cost, as caps count it; null is unknown.
    pub cost_usd: Option<f64>,
    /// Who says so: the `agent`, or the model's `price` if that is more or all there is.
    pub cost_from: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// What no machine has checked.
    pub not_checked: Vec<String>,
}

/// One command and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDoc {
    /// The command, as the user wrote it.
    pub name: String,
    /// Its exit code, if it ended by itself.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub end: String,
    /// How long it took.
    pub took_ms: u64,
}

/// What was used; null is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageDoc {
    /// Tokens read anew.
    pub input_tokens: Option<u64>,
    /// Tokens read from a cache.
    pub cache_read_tokens: Option<u64>,
    /// Tokens read, and written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// Money.
    pub usd: Option<f64>,
}

/// A past attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastDoc {
    /// Which attempt.
    pub attempt: u64,
    /// By whom.
    pub worker: String,
    /// With which model.
    pub model: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// When.
    pub ended: Stamp,
    /// What it cost; null is unknown.
    pub cost_usd: Option<f64>,
    /// Who says so: the `agent` or the model's `price`.
    pub cost_from: Option<String>,
    /// Tokens that it read and wrote; null is unknown.
    pub tokens: Option<u64>,
    /// In a sentence.
    pub reason: String,
}

impl TaskDoc {
    /// The view of one task.
    #[must_use]
    pub fn of(state: &State, task: &Task, now: Time) -> TaskDoc {
        let reason = waiting::task(state, task, now).to_string();
        TaskDoc::with_reason(state, task, reason)
    }

    fn with_reason(state: &State, task: &Task, reason: String) -> TaskDoc {
        let live = task.current.and_then(|a| state.attempt(a));
        let accepted = task.accepted.as_ref();
        let attempt = task.current.or(accepted.map(|a| a.attempt));
        let past = task.history.iter().find(|p| Some(p.attempt) == attempt);
        let worker = live.map(|l| l.worker).or(past.map(|p| p.worker));
        let agent = task.spec.agent.clone();
        TaskDoc {
            id: task.id().to_string(),
            mission: task.spec.mission.clone(),
            state: task.state.to_string(),
            since: Stamp(task.since),
            reason,
            wave: task.wave,
            critical_path: task.critical,
            priority: format!("{:?}", task.priority),
            depends_on: task
                .spec
                .depends_on
                .iter()
                .map(ToString::to_string)
                .collect(),
            role: task.spec.role.clone(),
            agent: agent.or_else(|| state.swarm().map(|s| s.spec.agent.clone())),
            assigned: task.assigned.map(|w| w.to_string()),
            worker: worker.map(|w| w.to_string()),
            attempt: attempt.map(|a| a.0),
            attempts: task.history.len() + usize::from(live.is_some()),
            took_ms: accepted.map(|a| a.receipt.took.0),
            cost_usd: {
                let past = task.history.iter().filter_map(|p| p.charge.usd);
                let now = live.and_then(|l| l.account.charge.usd);
                past.chain(now).reduce(Usd::plus).map(Usd::dollars)
            },
            files_changed: accepted.map(|a| a.receipt.file_count),
            commit: task.merged.as_ref().map(ToString::to_string),
            fixes: task.fix().map(|f| f.of.to_string()),
            fixed_by: task.fixed_by.as_ref().map(ToString::to_string),
            note: task.note.clone(),
        }
    }
}

impl TaskList {
    /// The view of all tasks.
    #[must_use]
    pub fn of(state: &State, now: Time) -> TaskList {
        // Every accepted task waits for the same things, and finding them looks at every task.
        let mut accepted: Option<String> = None;
        let one = |task: &Task| {
            let said = || waiting::task(state, task, now).to_string();
            let reason = if task.state == TaskState::Accepted {
                accepted.get_or_insert_with(said).clone()
            } else {
                said()
            };
            TaskDoc::with_reason(state, task, reason)
        };
        TaskList {
            schema: SCHEMA,
            tasks: state.tasks().iter().map(one).collect(),
        }
    }
}

impl TaskDetail {
    /// The view of one task with everything known of it.
    #[must_use]
    pub fn of(state: &State, task: &Task, now: Time) -> TaskDetail {
        let TaskSpec {
            brief,
            capabilities,
            files,
            owner_key,
            hazards,
            ..
        } = &*task.spec;
        TaskDetail {
            schema: SCHEMA,
            task: TaskDoc::of(state, task, now),
            brief: brief.clone(),
            success: task.spec.success.iter().map(criterion).collect(),
            category: task.spec.category.clone(),
            capabilities: capabilities.clone(),
            model: task.spec.model.as_ref().map(|m| match m {
                ModelWish::Required(model) | ModelWish::Preferred(model) => model.clone(),
            }),
            timebox_ms: task.spec.timebox.map(|t| t.0),
            budget_usd: task.spec.budget.map(Usd::dollars),
            files: files.iter().map(ToString::to_string).collect(),
            owner_key: owner_key.clone(),
            hazards: hazards.clone(),
            max_retries: task.spec.max_retries,
            failures: task.failures,
            crashes: task.crashes,
            last_failure: task.last_failure.as_ref().map(FailureDoc::of),
            receipt: task.accepted.as_ref().map(|accepted| {
                let past = task.history.iter().find(|p| p.attempt == accepted.attempt);
                ReceiptDoc::of(&accepted.receipt, past)
            }),
            history: task.history.iter().map(PastDoc::of).collect(),
        }
    }
}

fn criterion(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Run(command) => command.shown(),
        Criterion::Changed(glob) => format!("{glob} has changed"),
        Criterion::Exists(path) => format!("{path} exists"),
        Criterion::Says(text) => text.clone(),
    }
}

impl FailureDoc {
    pub(super) fn of(failure: &Failure) -> FailureDoc {
        FailureDoc {
            attempt: failure.attempt.0,
            outcome: failure.outcome.to_string(),
            model: failure.model.clone(),
            reason: failure.reason.clone(),
            output: failure.output.clone(),
        }
    }
}

impl ReceiptDoc {
    pub(super) fn of(receipt: &Receipt, past: Option<&Past>) -> ReceiptDoc {
        let charge = past.map(|past| past.charge).unwrap_or_default();
        ReceiptDoc {
            files: receipt.files.clone(),
            file_count: receipt.file_count,
            no_op: receipt.no_op.clone(),
            outside_files: receipt.outside_files.clone(),
            checks: receipt.checks.iter().map(StepDoc::of).collect(),
            changed_by_checks: receipt.changed_by_checks.clone(),
            survivors: receipt.survivors,
            // What was read while it ran may be more than its report says.
            usage: UsageDoc::of(
                &Charge::default()
                    .with(&receipt.usage, None)
                    .with(&charge.usage, None)
                    .usage,
            ),
            cost_usd: charge.usd.map(Usd::dollars),
            cost_from: charge.basis.map(|basis| basis.word().into()),
            took_ms: receipt.took.0,
            not_checked: receipt.not_checked.clone(),
        }
    }
}

impl StepDoc {
    fn of(step: &Step) -> StepDoc {
        let exit = match step.end {
            End::Exited(code) => Some(code),
            _ => None,
        };
        let Step {
            name, end, took, ..
        } = step;
        StepDoc {
            name: name.clone(),
            exit,
            end: end.to_string(),
            took_ms: took.0,
        }
    }
}

impl UsageDoc {
    fn of(usage: &Usage) -> UsageDoc {
        let Usage {
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            usd,
        } = *usage;
        UsageDoc {
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            usd: usd.map(Usd::dollars),
        }
    }
}

impl PastDoc {
    fn of(past: &Past) -> PastDoc {
        PastDoc {
            attempt: past.attempt.0,
            worker: past.worker.to_string(),
            model: past.model.clone(),
            outcome: past.outcome.to_string(),
            ended: Stamp(past.ended),
            cost_usd: past.charge.usd.map(Usd::dollars),
            cost_from: past.charge.basis.map(|basis| basis.word().into()),
            tokens: past.charge.tokens(),
            reason: past.reason.clone(),
        }
    }
}

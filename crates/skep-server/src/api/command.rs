//! What a client can ask for: one document a command.

use super::{SCHEMA, TaskInput, input};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skep_core::{
    alert::Rule,
    ask::Given,
    id::{TaskId, WorkerId},
    request::{Answer, Command},
    scale::Mode,
    spec::check_label,
};

/// A command. `POST /api/v1/commands` takes one, with an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // The fields say what they are; the verbs are the core's.
pub enum CommandDoc {
    /// Add a task.
    AddTask { task: Box<TaskInput> },
    /// Change a task that nobody has begun, or that was given up.
    EditTask { task: Box<TaskInput> },
    /// Count a task as merged without doing it.
    SkipTask { task: String },
    /// Give a task up.
    CancelTask { task: String },
    /// Begin a task anew.
    RetryTask { task: String },
    /// Change a task's priority; without one, to P0.
    BoostTask {
        task: String,
        priority: Option<String>,
    },
    /// Let only one worker claim a task; without one, any.
    AssignTask {
        task: String,
        worker: Option<String>,
    },
    /// Add workers.
    AddWorkers { count: u32, role: Option<String> },
    /// Remove a worker; with `now`, without waiting for its attempt.
    RemoveWorker {
        worker: String,
        #[serde(default)]
        now: bool,
    },
    /// Let the tasks decide how many workers there are, between these bounds or, without them, the policy's.
    Scale { min: Option<u32>, max: Option<u32> },
    /// Let a worker take no more tasks.
    PauseWorker { worker: String },
    /// Let a paused or crashed worker take tasks again.
    ResumeWorker { worker: String },
    /// Stop a worker's attempt and give it a fresh start.
    RestartWorker { worker: String },
    /// Let a worker use this model from its next attempt on; without one, the task's or the swarm's.
    SetWorkerModel {
        worker: String,
        model: Option<String>,
    },
    /// Answer what an agent asks: a question by a text or one of its options (from 1), a permission by `allow`;
    /// either by `deny`, with or without a reason as the text.
    Answer {
        ask: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        option: Option<u32>,
        #[serde(default)]
        allow: bool,
        #[serde(default)]
        deny: bool,
    },
    /// Hear nothing of a rule of alerts for so long, such as `1h`; `0s` ends the silence.
    SilenceAlerts { rule: String, lasts: String },
    /// Send a test by a route of alerts; without one, by each.
    TestAlerts { route: Option<String> },
    /// Claim nothing more.
    Pause,
    /// Claim again: after a pause, a halt or a drain.
    Resume,
    /// Claim nothing more and let live attempts end; the keeper is about to leave.
    Drain,
    /// Stop every live attempt, save its work, and put its task back.
    StopAll,
}

impl CommandDoc {
    /// Reads a command as it came.
    ///
    /// # Errors
    /// What it is instead, in a sentence.
    pub fn parse(body: &[u8]) -> Result<CommandDoc, String> {
        let not_one = |error: serde_json::Error| format!("this is not a command: {error}");
        let doc: CommandDoc = serde_json::from_slice(body).map_err(not_one)?;
        // Verbs without fields let any field pass, which serde would refuse elsewhere.
        let given: Map<String, Value> = serde_json::from_slice(body).map_err(not_one)?;
        let known = serde_json::to_value(&doc).map_err(not_one)?;
        match given.keys().find(|key| known.get(key).is_none()) {
            Some(key) => Err(format!(
                "this is not a command: unknown field {key:?} beside this verb"
            )),
            None => Ok(doc),
        }
    }

    /// The core's command.
    ///
    /// # Errors
    /// The first value that is not well formed, in a sentence.
    pub fn read(&self) -> Result<Command, String> {
        Ok(match self {
            CommandDoc::AddTask { task } => Command::AddTask {
                spec: task.read()?.into(),
            },
            CommandDoc::EditTask { task } => Command::EditTask {
                spec: task.read()?.into(),
            },
            CommandDoc::SkipTask { task } => Command::SkipTask {
                task: task_id(task)?,
            },
            CommandDoc::CancelTask { task } => Command::CancelTask {
                task: task_id(task)?,
            },
            CommandDoc::RetryTask { task } => Command::RetryTask {
                task: task_id(task)?,
            },
            CommandDoc::BoostTask { task, priority } => Command::BoostTask {
                task: task_id(task)?,
                priority: priority.as_deref().map(input::priority).transpose()?,
            },
            CommandDoc::AssignTask { task, worker } => Command::AssignTask {
                task: task_id(task)?,
                worker: worker.as_deref().map(worker_id).transpose()?,
            },
            CommandDoc::AddWorkers { count: 0, .. } => {
                return Err("count: it is 0; it must be at least 1".into());
            }
            CommandDoc::AddWorkers { count, role } => Command::AddWorkers {
                count: *count,
                role: role.as_deref().map(input::role).transpose()?,
            },
            CommandDoc::RemoveWorker { worker, now } => Command::RemoveWorker {
                worker: worker_id(worker)?,
                now: *now,
            },
            CommandDoc::Scale { min, max } => Command::Scale {
                mode: match (*min, *max) {
                    (None, None) => Mode::Auto,
                    (Some(min), Some(max)) => Mode::Between { min, max },
                    (Some(_), None) => return Err("max: it is missing beside min".into()),
                    (None, Some(_)) => return Err("min: it is missing beside max".into()),
                },
            },
            CommandDoc::PauseWorker { worker } => Command::PauseWorker {
                worker: worker_id(worker)?,
            },
            CommandDoc::ResumeWorker { worker } => Command::ResumeWorker {
                worker: worker_id(worker)?,
            },
            CommandDoc::RestartWorker { worker } => Command::RestartWorker {
                worker: worker_id(worker)?,
            },
            CommandDoc::SetWorkerModel { worker, model } => Command::SetWorkerModel {
                worker: worker_id(worker)?,
                model: model.as_deref().map(label).transpose()?,
            },
            CommandDoc::Answer {
                ask,
                text,
                option,
                allow,
                deny,
            } => Command::Answer {
                ask: ask
                    .parse()
                    .map_err(|fault| format!("ask: {ask:?} {fault}"))?,
                given: match (text, option, allow, deny) {
                    (None, None, true, false) => Given::Allow,
                    (why, None, false, true) => Given::Deny(why.clone()),
                    (Some(text), None, false, false) => Given::Text(text.clone()),
                    (None, Some(number), false, false) => Given::Option(*number),
                    _ => {
                        return Err(
                            "expected one of `text`, `option`, `allow` and `deny` (which may have a text)".into(),
                        );
                    }
                },
            },
            CommandDoc::SilenceAlerts { rule, lasts } => Command::SilenceAlerts {
                rule: Rule::ALL
                    .into_iter()
                    .find(|known| known.word() == rule)
                    .ok_or_else(|| {
                        let words = Rule::ALL.map(Rule::word).join(", ");
                        format!("rule: {rule:?} is none; expected one of {words}")
                    })?,
                lasts: lasts
                    .parse()
                    .map_err(|_| format!("lasts: {lasts:?} is no length of time, such as 1h"))?,
            },
            CommandDoc::TestAlerts { route } => Command::TestAlerts {
                route: route.clone(),
            },
            CommandDoc::Pause => Command::Pause,
            CommandDoc::Resume => Command::Resume,
            CommandDoc::Drain => Command::Drain,
            CommandDoc::StopAll => Command::StopAll,
        })
    }
}

fn task_id(text: &str) -> Result<TaskId, String> {
    text.parse()
        .map_err(|fault| format!("task: {text:?} {fault}"))
}

/// A model's name, as a plan may have it.
fn label(model: &str) -> Result<String, String> {
    check_label(model).map_err(|fault| format!("model: {model:?} {fault}"))?;
    Ok(model.into())
}

fn worker_id(text: &str) -> Result<WorkerId, String> {
    text.parse().map_err(|fault| format!("worker: {fault}"))
}

/// What a command led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerDoc {
    /// The document's version.
    pub schema: u32,
    /// The log's last sequence number with the command's effects; they are durable.
    pub seq: u64,
    /// The command had been done before, under the same key.
    pub repeated: bool,
    /// Workers that the command made.
    pub workers: Vec<String>,
}

impl AnswerDoc {
    /// All is as it was asked for, and was before.
    pub(crate) fn nothing(seq: u64) -> AnswerDoc {
        AnswerDoc {
            schema: SCHEMA,
            seq,
            repeated: true,
            workers: Vec::new(),
        }
    }
}

impl From<Answer> for AnswerDoc {
    fn from(answer: Answer) -> AnswerDoc {
        let workers = answer.workers.iter().map(ToString::to_string).collect();
        AnswerDoc {
            schema: SCHEMA,
            seq: answer.seq,
            repeated: answer.repeated,
            workers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: T-3
    #[test]
    fn names_that_would_drive_a_terminal_are_refused_as_in_a_plan() {
        let read = |text: &str| serde_json::from_str::<CommandDoc>(text).unwrap().read();
        for (text, key) in [
            (
                r#"{"verb": "add_workers", "count": 1, "role": "x\n\u001b[31m"}"#,
                "role:",
            ),
            (
                r#"{"verb": "add_workers", "count": 1, "role": ""}"#,
                "role:",
            ),
            (r#"{"verb": "add_workers", "count": 0}"#, "count:"),
            (
                r#"{"verb": "set_worker_model", "worker": "w1", "model": "x\u001b[2J"}"#,
                "model:",
            ),
            (
                r#"{"verb": "set_worker_model", "worker": "w1", "model": " "}"#,
                "model:",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with(key), "{text}: {said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
        let unknown = CommandDoc::parse(br#"{"verb": "pause", "worker": "w1"}"#);
        assert!(unknown.unwrap_err().contains("worker"));
        assert!(CommandDoc::parse(br#"{"verb": "pause"}"#).is_ok());
        for good in [
            r#"{"verb": "add_workers", "count": 1, "role": "back-end"}"#,
            r#"{"verb": "set_worker_model", "worker": "w1", "model": "claude sonnet/4.5:beta"}"#,
            r#"{"verb": "set_worker_model", "worker": "w1", "model": null}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
    }
}

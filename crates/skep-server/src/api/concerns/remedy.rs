//! What a person can do about a concern: as a command line, and as the command that a button sends.

use crate::api::CommandDoc;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One thing that mends a concern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RemedyDoc {
    /// What it does, in a few words: `begin it anew`.
    pub label: String,
    /// What to type for it. Words in capitals are the person's to fill in.
    pub shell: String,
    /// The same as a command to send; null where that takes words of the person's own, or where only the shell can.
    #[schemars(schema_with = "takeable")]
    pub command: Option<CommandDoc>,
}

/// A command as `POST /commands` takes it. What is sent here has every key, too, and would be a second type beside
/// that one for no use.
fn takeable(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "$ref": "#/components/schemas/CommandDoc" }, { "type": "null" }] })
}

impl RemedyDoc {
    pub(super) fn shell(label: &str, shell: impl Into<String>) -> RemedyDoc {
        RemedyDoc {
            label: label.into(),
            shell: shell.into(),
            command: None,
        }
    }

    fn send(label: &str, shell: impl Into<String>, command: CommandDoc) -> RemedyDoc {
        RemedyDoc {
            command: Some(command),
            ..RemedyDoc::shell(label, shell)
        }
    }

    pub(super) fn resume(label: &str) -> RemedyDoc {
        RemedyDoc::send(label, "skep resume", CommandDoc::Resume)
    }

    pub(super) fn retry(task: &str) -> RemedyDoc {
        let command = CommandDoc::RetryTask { task: task.into() };
        RemedyDoc::send("begin it anew", format!("skep retry {task}"), command)
    }

    pub(super) fn cancel(task: &str) -> RemedyDoc {
        let command = CommandDoc::CancelTask { task: task.into() };
        RemedyDoc::send("give it up", format!("skep cancel {task}"), command)
    }

    pub(super) fn skip(task: &str) -> RemedyDoc {
        let command = CommandDoc::SkipTask { task: task.into() };
        RemedyDoc::send(
            "count it as merged",
            format!("skep tasks skip {task}"),
            command,
        )
    }

    pub(super) fn show(task: &str) -> RemedyDoc {
        RemedyDoc::shell("see its attempts", format!("skep tasks show {task}"))
    }

    pub(super) fn logs(name: &str) -> RemedyDoc {
        RemedyDoc::shell("see what it printed", format!("skep logs {name}"))
    }

    pub(super) fn restart(worker: &str) -> RemedyDoc {
        let command = CommandDoc::RestartWorker {
            worker: worker.into(),
        };
        let shell = format!("skep workers restart {worker}");
        RemedyDoc::send("stop its attempt and begin afresh", shell, command)
    }

    pub(super) fn wake(worker: &str) -> RemedyDoc {
        let command = CommandDoc::ResumeWorker {
            worker: worker.into(),
        };
        RemedyDoc::send("restart it now", format!("skep resume {worker}"), command)
    }

    pub(super) fn allow(ask: &str, allow: bool) -> RemedyDoc {
        let (label, flag) = match allow {
            true => ("allow it, this once", "--allow"),
            false => ("do not allow it", "--deny"),
        };
        RemedyDoc::send(
            label,
            format!("skep answer {ask} {flag}"),
            CommandDoc::Answer {
                ask: ask.into(),
                text: None,
                option: None,
                allow,
                deny: !allow,
            },
        )
    }

    pub(super) fn option(ask: &str, number: u32, said: &str) -> RemedyDoc {
        RemedyDoc::send(
            &format!("answer {said:?}"),
            format!("skep answer {ask} --option {number}"),
            CommandDoc::Answer {
                ask: ask.into(),
                text: None,
                option: Some(number),
                allow: false,
                deny: false,
            },
        )
    }
}

//! One table of `[agents]`: a command of the user's own, or settings for an agent that Skep knows by itself.

use super::{Decoder, Field, Table, nowhere};
use crate::plan::tree::{Node, Value};
use serde_json::{Map, Value as Json};
use skep_core::spec::{AgentSpec, Step};
use skep_host::agents::check_rules;

impl Decoder {
    pub(super) fn agent(&mut self, field: &Field<'_>, built_in: &[String]) -> Option<AgentSpec> {
        let known = matches!(field.path.last(), Some(Step::Name(name)) if built_in.contains(name));
        let mut table: Table<'_> = self.table(
            field,
            "an agent",
            "a table such as { command = [\"aider\", \"--yes\"] }",
        )?;
        let example = "command = [\"aider\", \"--message-file\", \"{prompt_file}\"]";
        let command = if known {
            table.take(self, "command", Self::words)
        } else {
            table.need(self, "command", example, Self::words)
        };
        let plain = command.is_some();
        let protocol = table.take(self, "protocol", |d, f| d.choice(f, &[("acp", "acp")]));
        let spoken = protocol.is_some() || !plain;
        let agent = AgentSpec {
            command: command.unwrap_or_default(),
            stdin: table.take(self, "stdin", Self::truth).unwrap_or_default(),
            env: table
                .take(self, "env", |d, f| {
                    d.named(f, "{ NAME = \"value\" }", false, Self::text)
                })
                .unwrap_or_default(),
            rate_limited_exit: table
                .take(self, "rate_limited_exit", |d, f| {
                    d.list(f, "exit codes", Self::count)
                })
                .unwrap_or_default(),
            provider: table.take(self, "provider", Self::text),
            rules: table.take(self, "rules", Self::rules),
            permission: table
                .take(self, "permission", |d, f| {
                    let permission = d.permission(f)?;
                    if !spoken {
                        let message = "a plain command cannot be held to a permission".into();
                        let help = "leave `permission` out and restrict the command by its own arguments, or \
                                    set `protocol = \"acp\"` if it speaks that";
                        return d.bad("plan::bad_value", f, message, help);
                    }
                    Some(permission)
                }),
            args: table
                .take(self, "args", |d, f| {
                    if plain {
                        let message = "`args` are for agents that Skep knows by itself".into();
                        let help = "write them into `command`";
                        return d.bad("plan::bad_value", f, message, help);
                    }
                    d.list(f, "arguments", Self::text)
                })
                .unwrap_or_default(),
            protocol: protocol.map(Into::into),
        };
        table.finish(self, nowhere);
        Some(agent)
    }

    /// Output rules: the name of a set that Skep has, a table, or the same as JSON text.
    fn rules(&mut self, field: &Field<'_>) -> Option<String> {
        const HELP: &str = "write \"aider\", or { lines = \"text\", rules = [{ line = \"Tokens: {n} sent{}\", \
                            see = [{ progress = {} }] }] }";
        let text = match &field.node.value {
            Value::Text(text) => text.clone(),
            Value::Table(_) => json(field.node).to_string(),
            _ => return self.wrong(field, "a name or a table of rules", HELP),
        };
        match check_rules(&text) {
            Ok(rules) => Some(rules),
            Err(why) => self.bad("plan::bad_rules", field, why, HELP),
        }
    }
}

/// A part of the tree as JSON. What JSON cannot say becomes null, and is then refused by whoever reads it.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Date => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => i64::try_from(*number).map_or(Json::Null, Json::from),
        Value::Float(number) => Json::from(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Table(entries) => {
            let entries = entries.iter().map(|e| (e.key.clone(), json(&e.node)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
    }
}

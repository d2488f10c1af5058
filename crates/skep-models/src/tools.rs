//! From what a call is for to the tool that the agent declared for it.

use crate::{request::Tools, script::Call};
use serde_json::{Map, Value, json};

/// A call as it goes to the agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) name: String,
    pub(crate) input: Input,
}

/// What a tool is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Arguments by name.
    Named(Value),
    /// Free text.
    Text(String),
    /// What should be JSON and is not.
    Broken,
}

impl Input {
    /// As the text of JSON that most protocols carry arguments in.
    pub(crate) fn text(&self) -> String {
        match self {
            Input::Named(args) => args.to_string(),
            Input::Text(text) => text.clone(),
            Input::Broken => r#"{"command": "echo "#.into(),
        }
    }

    /// As JSON, for protocols that carry nothing else.
    pub(crate) fn json(&self) -> Value {
        match self {
            Input::Named(args) => args.clone(),
            Input::Text(text) => json!({ "input": text }),
            Input::Broken => json!({}),
        }
    }
}

const SHELLS: &[&str] = &[
    "Bash",
    "exec_command",
    "shell_command",
    "shell",
    "local_shell",
    "bash",
    "run_shell_command",
    "execute_command",
];
const WRITERS: &[&str] = &["Write", "write_file", "write"];
const EDITORS: &[&str] = &["Edit", "replace", "edit"];
const PATHS: &[&str] = &["file_path", "filePath", "path", "absolute_path"];
const OLDS: &[&str] = &["old_string", "oldString", "oldText", "old_str"];
const NEWS: &[&str] = &["new_string", "newString", "newText", "new_str"];
const COMMANDS: &[&str] = &["command", "cmd", "commands", "script"];

/// The call that carries out `call` with the declared tools. An agent that declares none that fits gets a call of
/// a tool that it does not know, and will say so.
pub(crate) fn resolve(call: &Call, tools: &Tools) -> Called {
    match call {
        Call::Shell(line) => shell(line, tools),
        Call::Write { path, content } => write(path, content, tools),
        Call::Edit { path, old, new } => edit(path, old, new, tools),
        Call::Tool { name, args } => Called {
            name: named(name, tools),
            input: Input::Named(args.clone()),
        },
        Call::Malformed => Called {
            input: Input::Broken,
            ..shell("true", tools)
        },
    }
}

fn named(name: &str, tools: &Tools) -> String {
    let fits = |tool: &&String| match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => tool.ends_with(end),
        (_, Some(begin)) => tool.starts_with(begin),
        _ => *tool == name,
    };
    tools.keys().find(fits).map_or(name, String::as_str).into()
}

fn shell(line: &str, tools: &Tools) -> Called {
    let name = first(SHELLS, tools).unwrap_or(SHELLS[0]);
    let schema = schema(name, tools);
    let key = parameter(COMMANDS, &schema);
    let kind = &schema["properties"][key]["type"];
    let value = if kind
        .as_str()
        .is_some_and(|k| k.eq_ignore_ascii_case("array"))
    {
        json!(["bash", "-c", line])
    } else {
        json!(line)
    };
    called(name, &schema, [(key, value)])
}

fn write(path: &str, content: &str, tools: &Tools) -> Called {
    if let Some(name) = first(WRITERS, tools) {
        let schema = schema(name, tools);
        let at = (parameter(PATHS, &schema), json!(path));
        return called(name, &schema, [at, ("content", json!(content))]);
    }
    patch(&format!("Add File: {path}\n{}", lines('+', content)), tools)
}

fn edit(path: &str, old: &str, new: &str, tools: &Tools) -> Called {
    let Some(name) = first(EDITORS, tools) else {
        let change = lines('-', old) + &lines('+', new);
        return patch(&format!("Update File: {path}\n@@\n{change}"), tools);
    };
    let schema = schema(name, tools);
    let at = (parameter(PATHS, &schema), json!(path));
    if schema["properties"]["edits"].is_object() {
        // pi takes several at once.
        let inner = &schema["properties"]["edits"]["items"];
        let one = json!({ parameter(OLDS, inner): old, parameter(NEWS, inner): new });
        return called(name, &schema, [at, ("edits", json!([one]))]);
    }
    let (before, after) = (parameter(OLDS, &schema), parameter(NEWS, &schema));
    called(
        name,
        &schema,
        [at, (before, json!(old)), (after, json!(new))],
    )
}

/// Codex edits by patches: with a tool of its own, or else with a program that its shell has.
fn patch(hunk: &str, tools: &Tools) -> Called {
    let patch = format!("*** Begin Patch\n*** {hunk}*** End Patch");
    match tools.get("apply_patch") {
        Some(None) => Called {
            name: "apply_patch".into(),
            input: Input::Text(patch),
        },
        Some(Some(schema)) => called("apply_patch", schema, [("input", json!(patch))]),
        None => shell(&format!("apply_patch <<'PATCH'\n{patch}\nPATCH\n"), tools),
    }
}

fn lines(sign: char, text: &str) -> String {
    text.lines().map(|line| format!("{sign}{line}\n")).collect()
}

fn first<'n>(names: &[&'n str], tools: &Tools) -> Option<&'n str> {
    names.iter().find(|n| tools.contains_key(**n)).copied()
}

fn schema(name: &str, tools: &Tools) -> Value {
    tools.get(name).cloned().flatten().unwrap_or(Value::Null)
}

/// The one of `names` that is a parameter; the first if none is.
fn parameter<'n>(names: &[&'n str], schema: &Value) -> &'n str {
    let known = |name: &&&str| schema["properties"][**name].is_object();
    names
        .iter()
        .find(known)
        .or(names.first())
        .copied()
        .unwrap_or_default()
}

/// A call with these arguments, and with something for every other one that is required.
fn called<const N: usize>(name: &str, schema: &Value, args: [(&str, Value); N]) -> Called {
    let mut all: Map<String, Value> = args.into_iter().map(|(k, v)| (k.into(), v)).collect();
    let required = schema["required"].as_array().into_iter().flatten();
    for key in required.filter_map(Value::as_str) {
        if !all.contains_key(key) {
            all.insert(key.into(), something(&schema["properties"][key]));
        }
    }
    Called {
        name: name.into(),
        input: Input::Named(Value::Object(all)),
    }
}

fn something(schema: &Value) -> Value {
    if let Some(one) = schema["enum"].get(0) {
        return one.clone();
    }
    let kind = schema["type"].as_str().unwrap_or("string");
    match kind.to_ascii_lowercase().as_str() {
        "boolean" => json!(false),
        "integer" | "number" => json!(1),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("scripted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(tools: &[(&str, Value)]) -> Tools {
        let tools = tools.iter().map(|(n, s)| ((*n).into(), Some(s.clone())));
        tools.collect()
    }

    // proves: X-3
    #[test]
    fn a_call_is_of_the_tool_that_was_declared_with_the_names_it_wants() {
        let text = json!({"type": "string"});
        let gemini = declared(&[
            (
                "write_file",
                json!({"properties": {"file_path": text, "content": text}}),
            ),
            (
                "run_shell_command",
                json!({"properties": {"command": text, "is_background": {"type": "boolean"}},
                    "required": ["command", "is_background"]}),
            ),
        ]);
        assert_eq!(
            resolve(&Call::write("a", "b"), &gemini).input,
            Input::Named(json!({"file_path": "a", "content": "b"}))
        );
        assert_eq!(
            resolve(&Call::Shell("ls".into()), &gemini),
            Called {
                name: "run_shell_command".into(),
                input: Input::Named(json!({"command": "ls", "is_background": false})),
            }
        );
        let mut codex = declared(&[("exec_command", json!({"properties": {"cmd": text}}))]);
        codex.insert("apply_patch".into(), None);
        let written = resolve(&Call::edit("a", "x", "y"), &codex);
        assert_eq!(
            written.input,
            Input::Text("*** Begin Patch\n*** Update File: a\n@@\n-x\n+y\n*** End Patch".into())
        );
        let mcp = Call::Tool {
            name: "*note".into(),
            args: json!({}),
        };
        let named = declared(&[("mcp__skep__note", json!({}))]);
        assert_eq!(resolve(&mcp, &named).name, "mcp__skep__note");
    }
}

//! How each vendor is told of the attempt's MCP server (U-8).
//!
//! Some vendors hand their own environment to such servers and some take everything out of it that looks like a
//! secret, so each is told by name what the server needs. The values stay where they are: in the environment, and in
//! no file and on no command line (T-2).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde_json::{Map, Value, json};

/// What the server is called; its tools are then `mcp__skep__…`, or what a vendor makes of that.
pub(crate) const NAME: &str = "skep";

/// What it needs to know its attempt.
const NEEDS: [&str; 3] = ["SKEP_TOKEN", "SKEP_REPO", "SKEP_RESULT"];

/// Its program and the arguments of that.
fn split(command: &[String]) -> (&str, &[String]) {
    command
        .split_first()
        .map_or(("", &[]), |(program, args)| (program, args))
}

/// What it needs, each as a reference that the vendor resolves: `open` name `close`.
fn references(open: &str, close: &str) -> Map<String, Value> {
    let each = NEEDS.iter();
    each.map(|name| ((*name).into(), format!("{open}{name}{close}").into()))
        .collect()
}

/// For Claude Code: a file of its own format.
pub(crate) fn claude(command: &[String]) -> String {
    let (program, args) = split(command);
    json!({"mcpServers": {NAME: {"type": "stdio", "command": program, "args": args, "env": references("${", "}")}}})
        .to_string()
}

/// For Codex: settings. Their values are TOML; a JSON string is a string of it, too.
pub(crate) fn codex(command: &[String]) -> Vec<String> {
    let (program, args) = split(command);
    let set = |key: &str, value: Value| format!("mcp_servers.{NAME}.{key}={value}");
    [
        set("command", program.into()),
        set("args", args.into()),
        set("env_vars", NEEDS.as_slice().into()),
        // To speak of its own attempt it need not ask. By default it asks, and where nobody can be asked, as in
        // `exec`, that is a refusal.
        set("default_tools_approval_mode", "approve".into()),
        // It asks the keeper, which may have to wait for room on its disk.
        set("tool_timeout_sec", 90.into()),
    ]
    .into()
}

/// For Gemini CLI: a part of its settings.
pub(crate) fn gemini(settings: &str, command: &[String]) -> String {
    let (program, args) = split(command);
    let mut settings: Map<String, Value> = serde_json::from_str(settings).unwrap_or_default();
    let server =
        json!({"command": program, "args": args, "env": references("$", ""), "trust": true});
    settings.insert("mcpServers".into(), json!({ NAME: server }));
    Value::Object(settings).to_string()
}

/// For opencode: the value of `mcp` in its configuration.
pub(crate) fn opencode(command: &[String]) -> Value {
    json!({NAME: {"type": "local", "command": command, "enabled": true, "environment": references("{env:", "}")}})
}

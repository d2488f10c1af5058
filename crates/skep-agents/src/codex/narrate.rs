//! Codex's lines, for people: those of `exec`, and those of its server.

use super::tokens;
use crate::{
    json::Json,
    narrate::{Tale, argument, texts},
};
use alloc::{format, string::String, vec::Vec};

/// Tells what a line of `codex exec` says; no if it is none.
pub(crate) fn narrate(line: &Json, tale: &mut Tale) -> bool {
    match line.at("type").str() {
        "thread.started" => tale.note("session begins"),
        "turn.started" | "item.updated" => {}
        "item.started" => began(line.at("item"), tale),
        "item.completed" => ended(line.at("item"), tale),
        "error" => tale.error(line.at("message").str()),
        "turn.failed" => {
            tale.error(line.path("error.message").str());
            tale.done();
        }
        "turn.completed" => {
            let usage = line.at("usage");
            let tokens = tokens(
                usage.at("input_tokens"),
                usage.at("cached_input_tokens"),
                usage.at("cache_write_input_tokens"),
                usage.at("output_tokens"),
                usage.at("reasoning_output_tokens"),
            );
            tale.usage(tokens, &Json::Null);
            tale.done();
        }
        // Versions to come have more kinds, and none is for people as it is.
        kind => return !kind.is_empty(),
    }
    true
}

/// Tells what a line of `codex app-server` says; no if it is none.
pub(crate) fn narrate_server(line: &Json, tale: &mut Tale) -> bool {
    let params = line.at("params");
    let Some(method) = line.at("method").text() else {
        let error = line.path("error.message").text();
        if let Some(text) = error {
            tale.error(text);
        }
        return error.is_some() || !line.at("id").is_null();
    };
    match method {
        "item/started" => began(params.at("item"), tale),
        "item/completed" => ended(params.at("item"), tale),
        "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
            let told = params.at("command").text().or(params.at("reason").text());
            tale.note(&format!("asks: {}", told.unwrap_or(method)));
        }
        "item/tool/requestUserInput" => {
            for question in params.at("questions").list() {
                tale.note(&format!("asks: {}", question.at("question").str()));
            }
        }
        "thread/tokenUsage/updated" => {
            let total = params.path("tokenUsage.total");
            let tokens = tokens(
                total.at("inputTokens"),
                total.at("cachedInputTokens"),
                total.at("cacheWriteInputTokens"),
                total.at("outputTokens"),
                total.at("reasoningOutputTokens"),
            );
            tale.usage(tokens, &Json::Null);
        }
        "error" => {
            let text = params.path("error.message").str();
            if params.at("willRetry").bool() == Some(true) {
                let why = params.path("error.additionalDetails").str();
                tale.note(&format!("tries again: {text} {why}"));
            } else {
                tale.error(text);
            }
        }
        "turn/completed" => {
            match params.path("turn.status").str() {
                "completed" => {}
                "interrupted" => tale.note("interrupted"),
                _ => tale.error(params.path("turn.error.message").str()),
            }
            tale.done();
        }
        _ => {}
    }
    true
}

/// Both write the same kinds of items, in two spellings.
fn began(item: &Json, tale: &mut Tale) {
    match item.at("type").str() {
        "command_execution" | "commandExecution" => tale.tool("shell", item.at("command").str()),
        "file_change" | "fileChange" => tale.tool("edit", &changes(item)),
        "web_search" | "webSearch" => tale.tool("search", item.at("query").str()),
        "mcp_tool_call" | "mcpToolCall" | "dynamicToolCall" => {
            tale.tool(item.at("tool").str(), &argument(item.at("arguments")));
        }
        _ => {}
    }
}

fn ended(item: &Json, tale: &mut Tale) {
    let told = |one, other| item.at(one).text().or(item.at(other).text());
    let exit = [item.at("exit_code"), item.at("exitCode")];
    let failed = exit.iter().any(|code| code.f64().is_some_and(|n| n != 0.0));
    let ok = !failed && matches!(item.at("status").str(), "completed" | "");
    match item.at("type").str() {
        "agent_message" | "agentMessage" => tale.said(item.at("text").str()),
        "reasoning" => match item.at("text").text() {
            Some(text) => tale.thought(text),
            None => {
                let parts = item.at("summary").list().iter().map(Json::str);
                tale.thought(&parts.collect::<Vec<_>>().join("\n"));
            }
        },
        "command_execution" | "commandExecution" => {
            let output = told("aggregated_output", "aggregatedOutput");
            tale.result(ok, output.unwrap_or_default());
        }
        "file_change" | "fileChange" => tale.result(ok, &changes(item)),
        "mcp_tool_call" | "mcpToolCall" | "dynamicToolCall" => {
            let text = match item.path("error.message").text() {
                Some(text) => text.into(),
                None => texts(item.path("result.content")),
            };
            tale.result(ok, &text);
        }
        "error" => tale.note(item.at("message").str()),
        _ => {}
    }
}

fn changes(item: &Json) -> String {
    let paths = item.at("changes").list().iter();
    let paths: Vec<&str> = paths.map(|change| change.at("path").str()).collect();
    paths.join(", ")
}

//! pi's lines, for people.

use super::tokens;
use crate::{
    json::Json,
    narrate::{Tale, argument, texts},
};
use alloc::format;

/// Tells what a line says; no if it is none of the protocol.
pub(crate) fn narrate(line: &Json, tale: &mut Tale) -> bool {
    match line.at("type").str() {
        "session" => tale.note("session begins"),
        "message_end" => message(line.at("message"), tale),
        "tool_execution_start" => {
            tale.tool(line.at("toolName").str(), &argument(line.at("args")));
        }
        "tool_execution_end" => {
            let ok = line.at("isError").bool() != Some(true);
            tale.result(ok, &texts(line.path("result.content")));
        }
        "auto_retry_start" => {
            tale.note(&format!("tries again: {}", line.at("errorMessage").str()));
        }
        "auto_retry_end" if line.at("success").bool() == Some(false) => {
            tale.error(line.at("finalError").str());
        }
        "response" => response(line, tale),
        "extension_ui_request" => {
            let text = format!("{} {}", line.at("title").str(), line.at("message").str());
            tale.note(&format!("asks: {text}"));
        }
        "agent_end" => tale.done(),
        "compaction_start" => tale.note("makes its context smaller"),
        "agent_start"
        | "turn_start"
        | "turn_end"
        | "message_start"
        | "message_update"
        | "tool_execution_update"
        | "auto_retry_end"
        | "queue_update" => {}
        // Versions to come have more kinds, and none is for people as it is.
        kind => return !kind.is_empty(),
    }
    true
}

fn message(message: &Json, tale: &mut Tale) {
    if message.at("role").str() != "assistant" {
        return;
    }
    for block in message.at("content").list() {
        match block.at("type").str() {
            "text" => tale.said(block.at("text").str()),
            "thinking" => tale.thought(block.at("thinking").str()),
            _ => {}
        }
    }
    match message.at("stopReason").str() {
        "error" => tale.error(message.at("errorMessage").str()),
        "aborted" => tale.note("interrupted"),
        "length" => tale.error("the reply was too long"),
        _ => {}
    }
}

fn response(line: &Json, tale: &mut Tale) {
    let ok = line.at("success").bool() == Some(true);
    match line.at("command").str() {
        "get_session_stats" if ok => {
            let data = line.at("data");
            tale.usage(tokens(data.at("tokens")), data.at("cost"));
        }
        _ if !ok => tale.error(line.at("error").str()),
        _ => {}
    }
}

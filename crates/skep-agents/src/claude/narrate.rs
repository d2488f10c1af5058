//! Claude Code's lines, for people.

use super::tokens;
use crate::{
    json::Json,
    narrate::{Tale, argument, texts},
};
use alloc::format;

/// Tells what a line says; no if it is none of the protocol.
pub(crate) fn narrate(line: &Json, tale: &mut Tale) -> bool {
    match line.at("type").str() {
        "system" => match line.at("subtype").str() {
            "init" => tale.note(&format!("session with {}", line.at("model").str())),
            "api_retry" => tale.note(&format!("tries again: {}", line.at("error").str())),
            _ => {}
        },
        "assistant" => message(line.at("message"), tale),
        "user" => {
            for block in line.path("message.content").list() {
                if block.at("type").str() == "tool_result" {
                    let ok = block.at("is_error").bool() != Some(true);
                    tale.result(ok, &texts(block.at("content")));
                }
            }
        }
        "stream_event" => {}
        "control_request" => {
            let request = line.at("request");
            if request.at("subtype").str() == "can_use_tool" {
                let tool = request.at("tool_name").str();
                tale.note(&format!("asks: {tool}: {}", argument(request.at("input"))));
            }
        }
        "rate_limit_event" => {
            let info = line.at("rate_limit_info");
            if info.at("status").str() == "rejected" {
                tale.error(&format!(
                    "limit reached: {}",
                    info.at("rateLimitType").str()
                ));
            }
        }
        "result" => {
            if line.at("is_error").bool() == Some(true) {
                let text = line.at("result").text();
                tale.error(text.unwrap_or(line.at("subtype").str()));
            }
            tale.usage(tokens(line.at("usage")), line.at("total_cost_usd"));
            tale.done();
        }
        "control_response" | "control_cancel_request" | "tool_progress" | "keep_alive" => {}
        // Versions to come have more kinds, and none is for people as it is.
        kind => return !kind.is_empty(),
    }
    true
}

fn message(message: &Json, tale: &mut Tale) {
    for block in message.at("content").list() {
        match block.at("type").str() {
            // The CLI's own words in place of a reply, which the result repeats.
            "text" if message.at("model").str() == "<synthetic>" => {}
            "text" => tale.said(block.at("text").str()),
            "thinking" => tale.thought(block.at("thinking").str()),
            "tool_use" => tale.tool(block.at("name").str(), &argument(block.at("input"))),
            _ => {}
        }
    }
}

//! The Agent Client Protocol's lines, for people.

use super::update;
use crate::{
    json::Json,
    narrate::{Tale, argument, texts},
    seen::Tokens,
};
use alloc::{format, string::String};

/// Tells what a line says; no if it is none of the protocol.
pub(crate) fn narrate(line: &Json, tale: &mut Tale) -> bool {
    if line.at("jsonrpc").str() != "2.0" {
        return false;
    }
    let params = line.at("params");
    match line.at("method").text() {
        Some("session/update") => of_update(params.at("update"), tale),
        Some("session/request_permission") => {
            let call = params.at("toolCall");
            tale.note(&format!("asks: {}", call.at("title").str()));
        }
        Some(_) => {}
        None => answer(line, tale),
    }
    true
}

/// The agent's answers to our requests: of interest is how a turn ended.
fn answer(line: &Json, tale: &mut Tale) {
    let error = line.at("error");
    if !error.is_null() {
        let text = error.at("message").str();
        match error.path("data.details").text() {
            Some(details) => tale.error(&format!("{text}: {details}")),
            None => tale.error(text),
        }
        tale.done();
        return;
    }
    let result = line.at("result");
    if let Some(reason) = result.at("stopReason").text() {
        let counted = result.path("_meta.quota.token_count");
        let tokens = if counted.is_null() {
            update::tokens(result.at("usage"))
        } else {
            Tokens {
                input: counted.at("input_tokens").u64(),
                output: counted.at("output_tokens").u64(),
                ..Tokens::default()
            }
        };
        if tokens != Tokens::default() {
            tale.usage(tokens, &Json::Null);
        }
        if reason != "end_turn" {
            tale.note(&format!("ended: {reason}"));
        }
        tale.done();
    } else if result.at("sessionId").text().is_some() {
        tale.note("session begins");
    }
}

fn of_update(update: &Json, tale: &mut Tale) {
    let text = update.path("content.text").str();
    match update.at("sessionUpdate").str() {
        "agent_message_chunk" => tale.words(false, text),
        "agent_thought_chunk" => tale.words(true, text),
        "tool_call" => {
            let title = update.at("title").str();
            let kind = update.at("kind").str();
            let name = if title.is_empty() { kind } else { title };
            let given = argument(update.at("rawInput"));
            // Where it only says in which folder, that is no argument.
            let known = given.starts_with('/') || title.contains(&given);
            tale.tool(name, if known { "" } else { &given });
        }
        "tool_call_update" => {
            let status = update.at("status").str();
            if matches!(status, "completed" | "failed") {
                let exit = update.path("rawOutput.metadata.exit").f64();
                let ok = status == "completed" && exit.is_none_or(|exit| exit == 0.0);
                let output = texts(update.at("content"));
                let output = match update.at("title").text() {
                    // Some tell only now what they did.
                    Some(title) if !title.is_empty() && !output.is_empty() => {
                        format!("{title} → {output}")
                    }
                    Some(title) if !title.is_empty() => title.into(),
                    _ => output,
                };
                tale.result(ok, &output);
            }
        }
        "usage_update" => tale.usage(Tokens::default(), update.path("cost.amount")),
        "plan" => {
            for entry in update.at("entries").list() {
                let (status, text) = (entry.at("status").str(), entry.at("content").str());
                tale.note(&format!("plan: {}", joined(status, text)));
            }
        }
        _ => {}
    }
}

fn joined(status: &str, text: &str) -> String {
    if status.is_empty() {
        text.into()
    } else {
        format!("{text} ({status})")
    }
}

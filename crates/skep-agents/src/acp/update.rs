//! `session/update`: what an agent tells while it works.

use super::{Acp, Step};
use crate::{
    json::Json,
    protocol::{Out, usd},
    seen::{Seen, Span, Tokens},
    text::EXCERPT,
};

impl Acp {
    pub(super) fn update(&mut self, update: &Json, out: &mut Out) {
        // A session that is loaded tells its whole story again; none of it happens now.
        if !matches!(self.step, Step::Prompting(_)) {
            out.see(Seen::Progress);
            return;
        }
        let kind = update.at("sessionUpdate").str();
        if kind == "agent_message_chunk" {
            // One mark of life for each word, and the words together later.
            if self.words.len() < EXCERPT * 4 {
                self.words.push_str(update.path("content.text").str());
            }
            out.see(Seen::Writing);
            return;
        }
        self.flush(out);
        if kind == "agent_thought_chunk" {
            out.see(Seen::Writing);
            return;
        }
        let id = update.at("toolCallId").str();
        match kind {
            "tool_call" => {
                let told = |name| update.at(name).text().filter(|text| !text.is_empty());
                self.began(id, told("title").or(told("kind")).unwrap_or_default(), out);
            }
            "tool_call_update" => match update.at("status").str() {
                status @ ("completed" | "failed") => {
                    self.calls.remove(id);
                    out.tool_ended(id, status == "completed" && !failed(update));
                }
                _ => out.see(Seen::Progress),
            },
            "usage_update" => {
                out.context(update.at("used").u64(), update.at("size").u64());
                let cost = update.at("cost");
                if cost.at("currency").str() == "USD"
                    && let Some(usd) = usd(cost.at("amount"))
                {
                    let span = Span::Session;
                    out.see(Seen::Cost { usd, span });
                }
            }
            _ => out.see(Seen::Progress),
        }
    }
}

/// A command that failed is "completed" to some agents.
fn failed(update: &Json) -> bool {
    let exit = update.path("rawOutput.metadata.exit");
    exit.f64().is_some_and(|exit| exit != 0.0)
}

/// The usage of a turn, as the protocol's draft has it.
pub(super) fn usage(usage: &Json, out: &mut Out) {
    if usage.is_null() {
        return;
    }
    let tokens = tokens(usage);
    let span = Span::Step;
    out.see(Seen::Usage { tokens, span });
}

pub(super) fn tokens(usage: &Json) -> Tokens {
    let output = usage.at("outputTokens").u64();
    let thought = usage.at("thoughtTokens").u64();
    Tokens {
        input: usage.at("inputTokens").u64(),
        cache_read: usage.at("cachedReadTokens").u64(),
        cache_write: usage.at("cachedWriteTokens").u64(),
        output: output.map(|output| output.saturating_add(thought.unwrap_or(0))),
        reasoning: thought,
    }
}

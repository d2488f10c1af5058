//! The `result` line: how a turn ended, and what the process has used.

use super::{Claude, limits, moment, tokens};
use crate::{
    fault::{ErrorKind, Fault},
    json::Json,
    protocol::{Out, usd},
    seen::{Seen, Span, Tokens, Until},
    text::{EXCERPT, excerpt},
};

impl Claude {
    pub(super) fn result(&mut self, line: &Json, out: &mut Out) {
        self.started(line, out);
        self.totals(line, out);
        // Whoever is asked after the end is not waited for.
        let ids: alloc::vec::Vec<_> = self.asks.keys().cloned().collect();
        for id in ids {
            self.withdrawn(&id, out);
        }
        let text = line.at("result").str();
        let failed = line.at("is_error").bool() != Some(false);
        if !failed && line.at("subtype").str() == "success" {
            out.done(true, text);
            return;
        }
        let fault = fault(line);
        if limits(fault.kind) {
            out.see(Seen::RateLimited {
                until: told(text).or(self.reset),
                text: fault.text.clone(),
            });
        }
        let text = fault.text.clone();
        out.see(Seen::Error(fault));
        out.done(false, &text);
    }

    fn totals(&mut self, line: &Json, out: &mut Out) {
        let models = line.at("modelUsage").fields();
        let turn = line.at("usage");
        let total = if models.is_empty() {
            self.earlier = self.earlier.plus(tokens(turn));
            (!turn.is_null()).then_some(self.earlier)
        } else {
            let each = models.iter().map(|(_, model)| of_model(model));
            Some(each.fold(Tokens::default(), Tokens::plus))
        };
        if let Some(tokens) = total {
            out.see(Seen::Usage {
                tokens,
                span: Span::Process,
            });
        }
        if let Some(usd) = usd(line.at("total_cost_usd")) {
            out.see(Seen::Cost {
                usd,
                span: Span::Process,
            });
        }
        // With several models the largest context is the main conversation's; helpers use small ones.
        let windows = models
            .iter()
            .filter_map(|(_, m)| m.at("contextWindow").u64());
        if let Some(window) = windows.max() {
            self.window = Some(window);
            out.context(self.used, self.window);
        }
    }
}

fn of_model(model: &Json) -> Tokens {
    Tokens {
        input: model.at("inputTokens").u64(),
        cache_read: model.at("cacheReadInputTokens").u64(),
        cache_write: model.at("cacheCreationInputTokens").u64(),
        output: model.at("outputTokens").u64(),
        reasoning: None,
    }
}

fn fault(line: &Json) -> Fault {
    let text = line.at("result").text();
    let text = text.unwrap_or_else(|| line.at("errors").list().first().map_or("", Json::str));
    let ended = line.at("terminal_reason").str();
    let kind = match line.at("subtype").str() {
        "error_max_turns" => ErrorKind::Bound,
        "error_max_budget_usd" => ErrorKind::Budget,
        _ if ended.starts_with("aborted") => ErrorKind::Interrupted,
        _ if ended == "prompt_too_long" => ErrorKind::Context,
        _ if line.at("stop_reason").str() == "refusal" => ErrorKind::Policy,
        _ => return Fault::of(line.at("api_error_status").u64(), text),
    };
    Fault::new(kind, &excerpt(text, EXCERPT))
}

/// Subscriptions say `...limit reached|1754000000`.
fn told(text: &str) -> Option<Until> {
    let (_, number) = text.rsplit_once('|')?;
    let number: u64 = number.trim().parse().ok()?;
    // Anything before 2020 is no moment that a limit ends at.
    (number > 1_577_836_800).then(|| moment(number))
}

//! Reading lines by rules.

use super::{Format, Rules, See, Value};
use crate::{
    fault::{ErrorKind, Fault, of_text, retry_after},
    json::Json,
    protocol::{Out, Protocol},
    seen::{Seen, Span, Tokens, Until},
    text::EXCERPT,
};
use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

/// The reader's state.
#[derive(Debug)]
pub(crate) struct Reader {
    rules: Arc<Rules>,
    words: String,
    error: Option<Fault>,
    /// Sums that a text told last, of tokens and of money. Its agent can print such lines as well, and what was
    /// charged once is not given back: so they are seen at its end, when the program's own have replaced those.
    sums: [Option<Seen>; 2],
}

/// A line, and how facts are found in it.
enum Facts<'l> {
    Json(&'l Json),
    Text(&'l str, Vec<(&'l str, &'l str)>),
}

impl Facts<'_> {
    fn get(&self, place: &str) -> Json {
        if place.is_empty() {
            return Json::Null;
        }
        match self {
            Facts::Json(line) => line.path(place).clone(),
            Facts::Text(_, holes) => holes
                .iter()
                .find(|(hole, _)| *hole == place)
                .map_or(Json::Null, |(_, text)| Json::Text(text.to_string())),
        }
    }

    fn text(&self, place: &str) -> String {
        self.get(place).str().to_string()
    }

    fn number(&self, place: &str) -> Option<u64> {
        match self.get(place) {
            // Casts of floats saturate.
            Json::Text(text) => number(&text).map(|n| n as u64),
            other => other.u64(),
        }
    }
}

/// A number as people write it: `12,345`, `1.2k`, `3M`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let (digits, scale) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1e3),
        (at, 'm' | 'M') => (&text[..at], 1e6),
        _ => (text, 1.0),
    };
    let digits = digits.replace(',', "");
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let number: f64 = digits.parse().ok()?;
    Some(number * scale)
}

impl Reader {
    pub(super) fn new(rules: Rules) -> Reader {
        Reader {
            rules: Arc::new(rules),
            words: String::new(),
            error: None,
            sums: [None, None],
        }
    }

    fn see(&mut self, see: &See, facts: &Facts<'_>, out: &mut Out) {
        if let See::Words { text } = see {
            if self.words.len() < EXCERPT * 4 {
                self.words.push_str(&facts.text(text));
            }
            out.see(Seen::Writing);
            return;
        }
        out.said(&core::mem::take(&mut self.words));
        match see {
            See::Words { .. } | See::Progress {} => out.see(Seen::Progress),
            See::Started { session } => out.started(&facts.text(session)),
            See::TurnBegan {} => out.see(Seen::TurnBegan),
            See::Said { text } => out.said(&facts.text(text)),
            See::ToolBegan { id, name } => out.tool_began(&facts.text(id), &facts.text(name)),
            See::ToolEnded { id, ok } => out.tool_ended(&facts.text(id), *ok),
            See::Cost { usd, span } => {
                let amount = match facts.get(usd) {
                    Json::Text(text) => number(&text),
                    other => other.f64(),
                };
                let usd = amount.and_then(|n| skep_core::money::Usd::from_dollars(n).ok());
                if let Some(usd) = usd {
                    let span = *span;
                    out.see(Seen::Cost { usd, span });
                }
            }
            See::Context { used, size } => out.context(facts.number(used), facts.number(size)),
            See::Retrying { seconds } => {
                let wait = match retry_after(&facts.get(seconds)) {
                    Some(Until::After(wait)) => Some(wait),
                    _ => None,
                };
                let fault = self.error.clone();
                out.see(Seen::Retrying {
                    attempt: None,
                    wait,
                    fault: fault.unwrap_or_else(|| Fault::new(ErrorKind::Other, "")),
                });
            }
            See::Done { ok, text } => out.done(*ok, &facts.text(text)),
            See::Usage { .. } => usage(see, facts, out),
            See::Error { .. } => self.error(see, facts, out),
        }
    }

    /// Takes the sums out of what was seen of this line.
    fn hold_sums(&mut self, before: usize, out: &mut Out) {
        for seen in &mut out.seen[before..] {
            let kind = match seen {
                Seen::Usage { span, .. } if *span != Span::Step => 0,
                Seen::Cost { span, .. } if *span != Span::Step => 1,
                _ => continue,
            };
            self.sums[kind] = Some(core::mem::replace(seen, Seen::Progress));
        }
    }

    fn error(&mut self, see: &See, facts: &Facts<'_>, out: &mut Out) {
        let See::Error {
            kind,
            status,
            retry_after: after,
            text,
        } = see
        else {
            return;
        };
        let told = match (facts, text.as_str()) {
            (Facts::Text(line, _), "") => (*line).to_string(),
            (_, place) => facts.text(place),
        };
        let status = facts.number(status);
        let fault = match (kind, status) {
            (Some(kind), _) => Fault::new(*kind, &told),
            (None, Some(_)) => Fault::of(status, &told),
            (None, None) => Fault::new(of_text(&told), &told),
        };
        if matches!(fault.kind, ErrorKind::RateLimit | ErrorKind::Quota) {
            out.see(Seen::RateLimited {
                until: retry_after(&facts.get(after)),
                text: fault.text.clone(),
            });
        }
        self.error = Some(fault.clone());
        out.see(Seen::Error(fault));
    }
}

impl Protocol for Reader {
    fn line(&mut self, line: &str, out: &mut Out) {
        let rules = Arc::clone(&self.rules);
        let json = match rules.lines {
            Format::Json => match Json::object(line) {
                Some(json) => json,
                None => return,
            },
            Format::Text => Json::Null,
        };
        let before = out.seen.len();
        for rule in &rules.rules {
            let facts = match (rules.lines, &rule.line) {
                (Format::Json, _) if rule.when.iter().all(|(at, is)| holds(json.path(at), is)) => {
                    Facts::Json(&json)
                }
                (Format::Text, Some(pattern)) => match pattern.read(line) {
                    Some(holes) => Facts::Text(line, holes),
                    None => continue,
                },
                _ => continue,
            };
            for see in &rule.see {
                self.see(see, &facts, out);
            }
        }
        if out.seen.len() == before {
            out.see(Seen::Progress);
        }
        if rules.lines == Format::Text {
            self.hold_sums(before, out);
        }
    }

    fn end(&mut self, out: &mut Out) {
        out.said(&core::mem::take(&mut self.words));
        for sum in self.sums.iter_mut().filter_map(Option::take) {
            out.see(sum);
        }
    }
}

pub(super) fn holds(found: &Json, value: &Value) -> bool {
    match value {
        Value::Bool(value) => found.bool() == Some(*value),
        Value::Int(value) => found.u64() == Some(*value),
        Value::Text(value) => found.text() == Some(value),
    }
}

fn usage(see: &See, facts: &Facts<'_>, out: &mut Out) {
    let See::Usage { span, .. } = see else {
        return;
    };
    let span = *span;
    if let Some(tokens) = tokens(see, |place| facts.number(place)) {
        out.see(Seen::Usage { tokens, span });
    }
}

/// The tokens that a line tells, if it tells any.
pub(super) fn tokens(see: &See, number: impl Fn(&str) -> Option<u64>) -> Option<Tokens> {
    let See::Usage {
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        reasoning_apart,
        ..
    } = see
    else {
        return None;
    };
    let reasoning = number(reasoning);
    let apart = if *reasoning_apart { reasoning } else { None };
    let output = number(output);
    let tokens = Tokens {
        input: number(input),
        cache_read: number(cache_read),
        cache_write: number(cache_write),
        output: output.map(|output| output.saturating_add(apart.unwrap_or(0))),
        reasoning,
    };
    (tokens != Tokens::default()).then_some(tokens)
}

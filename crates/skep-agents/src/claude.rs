//! Claude Code: stream-json both ways. Recorded with 2.1.197.
//!
//! What a reader must know of it:
//! - Exit 0 says nothing: an interrupt before the first reply gives 0 and no `result`. `subtype` says "success"
//!   when every request was refused; `is_error` is the field that counts.
//! - There is one `assistant` line for each block of a message, each with the usage of the whole message, and its
//!   `output_tokens` is a stub. So usage counts once for each message id, without output. What was written the
//!   `message_delta` at a message's end tells, which is passed on because partial messages are asked for: without
//!   them nothing tells it before the `result`, and an attempt could pass its budget by all that it writes.
//! - A `message_start` is no reply: of a stream that is cut again and again there is one each time.
//! - In a `result`, `usage` is of the turn and `modelUsage` and `total_cost_usd` are of the process.

mod launch;
mod narrate;
mod result;

pub(crate) use launch::{ABOUT, launch};
pub(crate) use narrate::narrate;

use crate::{
    dialogue::CannotSay,
    fault::{ErrorKind, Fault},
    json::{Json, type_of_head},
    launch::Permission,
    protocol::{ASKS_MAX, Answer, Out, Protocol},
    seen::{Seen, Span, Tokens, Until},
    text::{EXCERPT, NAME, excerpt},
};
use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, VecDeque},
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use skep_core::time::{Millis, Time};

/// An input of a tool that is larger than this cannot be asked about: it must be sent back whole.
const INPUT_MAX: usize = 1024 * 1024;

/// So many messages at once are told apart: a conversation has one open, and it has a few helpers.
const OPEN_MAX: usize = 32;

/// The protocol's state.
#[derive(Debug)]
pub(crate) struct Claude {
    prompt: String,
    session: String,
    /// The messages whose usage was counted last: those of helpers come between those of the main conversation.
    counted: VecDeque<String>,
    /// What is counted of what each conversation's open message wrote, by the call of a tool that it is within.
    written: BTreeMap<String, u64>,
    /// What the last message of the main conversation read, and the size of its context.
    used: Option<u64>,
    window: Option<u64>,
    /// Usage of the turns before, for versions that do not sum it up themselves.
    earlier: Tokens,
    asks: BTreeMap<String, Held>,
    requests: u32,
    permission: Permission,
    interrupting: bool,
    /// When a limit that was hit is lifted.
    reset: Option<Until>,
}

/// A question that waits.
#[derive(Debug)]
struct Held {
    /// The tool's input as it came: allowing it means sending it back.
    input: String,
    /// The questions, if the tool is the one that asks a person.
    questions: Vec<String>,
}

impl Claude {
    pub(crate) fn new(prompt: &str, permission: Permission) -> Claude {
        Claude {
            prompt: crate::launch::not_a_command(prompt).into_owned(),
            session: String::new(),
            counted: VecDeque::new(),
            written: BTreeMap::new(),
            used: None,
            window: None,
            earlier: Tokens::default(),
            asks: BTreeMap::new(),
            requests: 0,
            permission,
            interrupting: false,
            reset: None,
        }
    }

    /// Every line names the session; it is told when it changes.
    fn started(&mut self, line: &Json, out: &mut Out) {
        let id = excerpt(line.at("session_id").str(), NAME);
        if id != self.session {
            out.started(&id);
            self.session = id;
        }
    }

    fn system(&mut self, line: &Json, out: &mut Out) {
        match line.at("subtype").str() {
            "init" => {
                self.started(line, out);
                self.interrupting = false;
                out.see(Seen::TurnBegan);
            }
            "api_retry" => {
                let status = line.at("error_status").u64();
                out.see(Seen::Retrying {
                    attempt: line.at("attempt").u64().and_then(|n| n.try_into().ok()),
                    wait: line.at("retry_delay_ms").u64().map(Millis),
                    fault: Fault::of(status, line.at("error").str()),
                });
            }
            _ => out.see(Seen::Progress),
        }
    }

    fn assistant(&mut self, line: &Json, out: &mut Out) {
        let message = line.at("message");
        // The CLI's own words in place of a reply; the `result` tells what they are about.
        if message.at("model").str() == "<synthetic>" {
            out.see(Seen::Progress);
            return;
        }
        let aside = !line.at("parent_tool_use_id").is_null();
        self.count(message, aside, out);
        for block in message.at("content").list() {
            match block.at("type").str() {
                "text" => out.said(block.at("text").str()),
                "tool_use" => out.tool_began(block.at("id").str(), block.at("name").str()),
                _ => out.see(Seen::Progress),
            }
        }
    }

    /// Counts what a message read, once.
    fn count(&mut self, message: &Json, aside: bool, out: &mut Out) {
        let id = message.at("id").str();
        let usage = message.at("usage");
        let id = excerpt(id, NAME);
        if id.is_empty() || self.counted.contains(&id) || usage.is_null() {
            return;
        }
        if self.counted.len() == OPEN_MAX {
            self.counted.pop_front();
        }
        self.counted.push_back(id);
        let tokens = Tokens {
            output: None,
            ..tokens(usage)
        };
        out.see(Seen::Usage {
            tokens,
            span: Span::Step,
        });
        if !aside {
            self.used = tokens.read();
            out.context(self.used, self.window);
        }
    }

    /// A part of a message of one conversation. Every word is a mark of life, and the end tells what was written.
    fn event(&mut self, event: &Json, within: &str, out: &mut Out) {
        match event.at("type").str() {
            "message_delta" => {
                let sum = event.path("usage.output_tokens").u64();
                match sum.and_then(|sum| self.wrote(within, sum)) {
                    Some(more) => out.see(Seen::Usage {
                        tokens: Tokens {
                            output: Some(more),
                            ..Tokens::default()
                        },
                        span: Span::Step,
                    }),
                    None => out.see(Seen::Progress),
                }
            }
            "content_block_delta" => out.see(Seen::Writing),
            kind => {
                if matches!(kind, "message_start" | "message_stop") {
                    self.written.remove(&excerpt(within, NAME));
                }
                out.see(Seen::Progress);
            }
        }
    }

    /// What is new in a sum of what an open message wrote. Of more helpers than anybody has at once the `result` tells.
    fn wrote(&mut self, within: &str, sum: u64) -> Option<u64> {
        let within = excerpt(within, NAME);
        if self.written.len() >= OPEN_MAX && !self.written.contains_key(&within) {
            return None;
        }
        let known = self.written.entry(within).or_default();
        let more = sum.checked_sub(*known).filter(|more| *more > 0)?;
        *known = sum;
        Some(more)
    }

    fn tool_results(line: &Json, out: &mut Out) {
        let before = out.seen.len();
        for block in line.path("message.content").list() {
            if block.at("type").str() == "tool_result" {
                let ok = block.at("is_error").bool() != Some(true);
                out.tool_ended(block.at("tool_use_id").str(), ok);
            }
        }
        if out.seen.len() == before {
            out.see(Seen::Progress);
        }
    }

    /// The CLI asks something of us.
    fn request(&mut self, line: &str, out: &mut Out) {
        #[derive(Deserialize)]
        struct Line<'l> {
            request_id: String,
            #[serde(borrow)]
            request: Request<'l>,
        }
        #[derive(Deserialize)]
        struct Request<'l> {
            subtype: String,
            #[serde(default)]
            tool_name: String,
            #[serde(borrow)]
            input: Option<&'l RawValue>,
            description: Option<String>,
        }
        let Ok(Line {
            request_id: id,
            request,
        }) = serde_json::from_str::<Line<'_>>(line)
        else {
            out.see(Seen::Progress);
            return;
        };
        let input = request.input.map_or("{}", RawValue::get);
        if id.len() > NAME || request.subtype != "can_use_tool" {
            let error = "Skep does not offer this";
            out.say(&json!({"type": "control_response",
                "response": {"subtype": "error", "request_id": id, "error": error}}));
            return;
        }
        if input.len() > INPUT_MAX || self.asks.len() >= ASKS_MAX {
            deny(
                &id,
                "this is too much to ask a person about; do it in smaller steps",
                out,
            );
            return;
        }
        if self.interrupting {
            deny(&id, "interrupted", out);
            return;
        }
        let parsed = Json::parse(input).unwrap_or(Json::Null);
        let questions: Vec<String> = match request.tool_name.as_str() {
            "AskUserQuestion" => parsed
                .at("questions")
                .list()
                .iter()
                .map(|q| q.at("question").str().to_owned())
                .collect(),
            _ => Vec::new(),
        };
        if questions.is_empty() && self.permission == Permission::All {
            allow(&id, input, out);
            out.see(Seen::Progress);
            return;
        }
        if questions.is_empty() {
            let text = request.description.as_deref().unwrap_or(input);
            out.see(Seen::PermissionAsked {
                id: id.clone(),
                tool: excerpt(&request.tool_name, NAME),
                text: excerpt(text, EXCERPT),
            });
        } else {
            let offered = parsed.at("questions").list().iter();
            out.see(Seen::Question {
                id: id.clone(),
                text: excerpt(&questions.join(" / "), EXCERPT),
                options: offered
                    .flat_map(|q| q.at("options").list())
                    .map(|option| excerpt(option.at("label").str(), NAME))
                    .collect(),
            });
        }
        let input = input.to_string();
        self.asks.insert(id, Held { input, questions });
    }

    fn withdrawn(&mut self, id: &str, out: &mut Out) {
        if self.asks.remove(id).is_some() {
            out.see(Seen::Settled { id: id.to_string() });
        }
    }

    fn limit(&mut self, info: &Json, out: &mut Out) {
        if info.at("status").str() != "rejected" {
            out.see(Seen::Progress);
            return;
        }
        self.reset = info.at("resetsAt").u64().map(moment);
        out.see(Seen::RateLimited {
            until: self.reset,
            text: excerpt(info.at("rateLimitType").str(), NAME),
        });
    }
}

impl Protocol for Claude {
    fn begin(&mut self, out: &mut Out) {
        out.say(&json!({"type": "control_request", "request_id": "skep-0",
            "request": {"subtype": "initialize", "hooks": {}}}));
        out.say(&user(&self.prompt));
        self.prompt = String::new();
    }

    fn line(&mut self, text: &str, out: &mut Out) {
        let Some(line) = Json::object(text) else {
            return;
        };
        match line.at("type").str() {
            "system" => self.system(&line, out),
            "assistant" => self.assistant(&line, out),
            "user" => Claude::tool_results(&line, out),
            "stream_event" => {
                self.event(line.at("event"), line.at("parent_tool_use_id").str(), out);
            }
            "control_request" => self.request(text, out),
            "control_cancel_request" => self.withdrawn(line.at("request_id").str(), out),
            "rate_limit_event" => self.limit(line.at("rate_limit_info"), out),
            "result" => self.result(&line, out),
            _ => out.see(Seen::Progress),
        }
    }

    fn cut(&mut self, head: &str, out: &mut Out) {
        // What says how it ended stands before the agent's own words, which made the line long.
        let front = head
            .split_once(",\"result\":")
            .map(|(front, _)| format!("{front}}}"));
        match front.as_deref().and_then(Json::object) {
            Some(line) if type_of_head(head) == "result" => self.result(&line, out),
            _ => out.see(Seen::Progress),
        }
    }

    fn answer(&mut self, id: &str, answer: &Answer, out: &mut Out) -> Result<(), CannotSay> {
        let held = self.asks.get(id);
        let held = held.ok_or_else(|| CannotSay::NotAsked(id.to_string()))?;
        match answer {
            Answer::Deny(why) => deny(id, why, out),
            Answer::Allow if held.questions.is_empty() => allow(id, &held.input, out),
            Answer::Text(text) if !held.questions.is_empty() => {
                let fields = serde_json::from_str(&held.input).ok();
                let mut fields: serde_json::Map<_, _> = fields.unwrap_or_default();
                let answers = held.questions.iter().map(|q| (q.clone(), json!(text)));
                fields.insert("answers".into(), answers.collect());
                allow(id, &serde_json::Value::Object(fields).to_string(), out);
            }
            Answer::Allow | Answer::Text(_) => return Err(CannotSay::NotAnAnswer(id.to_string())),
        }
        self.withdrawn(id, out);
        Ok(())
    }

    fn interrupt(&mut self, out: &mut Out) -> Result<(), CannotSay> {
        self.interrupting = true;
        self.requests += 1;
        let id = format!("skep-{}", self.requests);
        out.say(&json!({"type": "control_request", "request_id": id,
            "request": {"subtype": "interrupt"}}));
        Ok(())
    }

    fn nudge(&mut self, text: &str, out: &mut Out) -> Result<(), CannotSay> {
        out.say(&user(&crate::launch::not_a_command(text)));
        Ok(())
    }
}

fn user(text: &str) -> serde_json::Value {
    json!({"type": "user", "message": {"role": "user", "content": text}})
}

/// The input goes back byte for byte: what is allowed is what was asked.
fn allow(id: &str, input: &str, out: &mut Out) {
    let id = json!(id);
    out.say_line(&format!(
        r#"{{"type":"control_response","response":{{"subtype":"success","request_id":{id},"response":{{"behavior":"allow","updatedInput":{input}}}}}}}"#
    ));
}

fn deny(id: &str, why: &str, out: &mut Out) {
    out.say(
        &json!({"type": "control_response", "response": {"subtype": "success", "request_id": id,
        "response": {"behavior": "deny", "message": why}}}),
    );
}

fn tokens(usage: &Json) -> Tokens {
    Tokens {
        input: usage.at("input_tokens").u64(),
        cache_read: usage.at("cache_read_input_tokens").u64(),
        cache_write: usage.at("cache_creation_input_tokens").u64(),
        output: usage.at("output_tokens").u64(),
        reasoning: None,
    }
}

/// A moment in seconds or, in some versions, milliseconds.
fn moment(number: u64) -> Until {
    // Seconds reach this number in the year 5138, milliseconds passed it in 1973.
    let ms = if number < 100_000_000_000 {
        number.saturating_mul(1000)
    } else {
        number
    };
    Until::At(Time(ms))
}

/// Whether a fault is one that a rate limit's reset time belongs to.
fn limits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::RateLimit | ErrorKind::Quota)
}

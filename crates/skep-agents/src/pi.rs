//! pi in its rpc mode: JSON lines both ways. Recorded with 0.73.1; its words are in `docs/rpc.md` of the package.
//!
//! - It exits with 0 whatever happened: only `agent_end` and the last message's `stopReason` tell.
//! - `message_update` repeats the whole message for each word: it is a mark of life and nothing else.
//! - `agent_end` repeats the whole conversation and can be longer than any line that is kept.
//! - It has no permissions: it does everything at once.

mod narrate;

pub(crate) use narrate::narrate;

use crate::{
    adapter::{About, Can, Cancel, LoginBy, Resume, Told},
    dialogue::CannotSay,
    fault::{ErrorKind, Fault, of_text},
    json::{Json, type_of_head},
    launch::{Launch, LaunchFault, Login, Permission, Place, Settings, Stdin, session},
    protocol::{ASKS_MAX, Answer, Out, Protocol, usd},
    seen::{Seen, Span, Tokens},
    text::{EXCERPT, NAME, excerpt},
    wait,
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
};
use serde_json::json;
use skep_core::{plan::Order, time::Millis};

/// What it is and can.
pub(crate) const ABOUT: About = About {
    name: "pi",
    title: "pi",
    program: "pi",
    version: &["--version"],
    recorded: "0.73.1",
    logins: &[
        LoginBy::File(AUTH),
        LoginBy::Env("ANTHROPIC_API_KEY"),
        LoginBy::Env("OPENAI_API_KEY"),
        LoginBy::Env("GEMINI_API_KEY"),
    ],
    least: Permission::All,
    can: Can {
        cancel: Cancel::Protocol,
        asks: false,
        nudge: true,
        resume: Resume::SamePath,
        tokens: Told::Live,
        cost: Told::Live,
        context: Told::Live,
        tells_retries: true,
        mcp: false,
    },
};

const AUTH: &str = ".pi/agent/auth.json";
/// Providers of the user's own, with their addresses and keys: without it `--provider` knows none of them.
const MODELS: &str = ".pi/agent/models.json";

/// Skep owns retrying: its own retries are few, and it never waits for long without a word.
const SETTINGS: &str = r#"{"retry":{"enabled":true,"maxRetries":1,"baseDelayMs":2000,"provider":{"maxRetries":0,"maxRetryDelayMs":30000}}}"#;

pub(crate) fn launch(
    order: &Order,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<Launch, LaunchFault> {
    let pass = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"];
    let mut launch = Launch::of(order, place, settings, vec!["pi".into()], &pass);
    launch.words(&["--mode", "rpc", "--no-extensions"]);
    if let Some(model) = order.model.as_deref() {
        // It reads options with a space only, so a value must not look like one.
        if model.starts_with('-') {
            return Err(LaunchFault::NotAModel(model.to_string()));
        }
        launch.words(&["--model", model]);
    }
    if let Some(id) = settings.resume {
        launch.words(&["--session", session(id)?]);
    }
    let home = format!("{}/.pi/agent", settings.home);
    for name in ["PI_OFFLINE", "PI_SKIP_VERSION_CHECK"] {
        launch.set(name, "1");
    }
    launch.set("PI_TELEMETRY", "0");
    launch.file(format!("{home}/settings.json"), SETTINGS.into());
    launch.set("PI_CODING_AGENT_DIR", home);
    for from in [AUTH, MODELS] {
        launch.logins.push(Login {
            from,
            to: format!("{}/{from}", settings.home),
        });
    }
    launch.stdin = Stdin::Dialogue;
    Ok(launch.finish(settings))
}

/// The protocol's state.
#[derive(Debug)]
pub(crate) struct Pi {
    prompt: String,
    requests: u64,
    session: String,
    working: bool,
    /// How the last message ended, if it failed.
    failed: Option<Fault>,
    /// What failed for good unless it tries again, and the request after whose answer it does not.
    ending: Option<(u64, String)>,
    asks: BTreeMap<String, Method>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Confirm,
    Text,
}

impl Pi {
    pub(crate) fn new(prompt: &str) -> Pi {
        Pi {
            prompt: crate::launch::not_a_command(prompt).into_owned(),
            requests: 0,
            session: String::new(),
            working: false,
            failed: None,
            ending: None,
            asks: BTreeMap::new(),
        }
    }

    fn command(&mut self, mut command: serde_json::Value, out: &mut Out) -> u64 {
        self.requests += 1;
        command["id"] = json!(self.requests.to_string());
        out.say(&command);
        self.requests
    }

    fn ask_stats(&mut self, out: &mut Out) {
        self.command(json!({"type": "get_session_stats"}), out);
    }

    fn session(&mut self, id: &str, out: &mut Out) {
        if self.session.is_empty() {
            self.session = excerpt(id, NAME);
            out.started(id);
        }
    }

    fn response(&mut self, line: &Json, out: &mut Out) {
        let ok = line.at("success").bool() == Some(true);
        let to = line.at("id").str().parse().ok();
        if let Some((_, text)) = self.ending.take_if(|(id, _)| to == Some(*id)) {
            out.done(false, &text);
        }
        match line.at("command").str() {
            "prompt" if !ok => {
                let text = line.at("error").str();
                out.see(Seen::Error(Fault::new(of_text(text), text)));
                out.done(false, text);
            }
            "get_session_stats" if ok => {
                let data = line.at("data");
                self.session(data.at("sessionId").str(), out);
                out.see(Seen::Usage {
                    tokens: tokens(data.at("tokens")),
                    span: Span::Session,
                });
                if let Some(usd) = usd(data.at("cost")) {
                    let span = Span::Session;
                    out.see(Seen::Cost { usd, span });
                }
                let context = data.at("contextUsage");
                out.context(
                    context.at("tokens").u64(),
                    context.at("contextWindow").u64(),
                );
            }
            _ => out.see(Seen::Progress),
        }
    }

    fn message(&mut self, message: &Json, out: &mut Out) {
        if message.at("role").str() != "assistant" {
            out.see(Seen::Progress);
            return;
        }
        let error = message.at("errorMessage").str();
        self.failed = match message.at("stopReason").str() {
            "error" => Some(Fault::new(of_text(error), error)),
            "aborted" => Some(Fault::new(ErrorKind::Interrupted, error)),
            "length" => Some(Fault::new(ErrorKind::Bound, "the reply was too long")),
            _ => None,
        };
        let usage = message.at("usage");
        let span = Span::Step;
        let tokens = tokens(usage);
        // A request that failed tells zeros, which are not known to be true.
        if tokens.read() != Some(0) || self.failed.is_none() {
            out.see(Seen::Usage { tokens, span });
            if let Some(usd) = usd(usage.path("cost.total")) {
                out.see(Seen::Cost { usd, span });
            }
        }
        for block in message.at("content").list() {
            match block.at("type").str() {
                "text" => out.said(block.at("text").str()),
                _ => out.see(Seen::Progress),
            }
        }
    }

    fn ended(&mut self, out: &mut Out) {
        self.working = false;
        for id in core::mem::take(&mut self.asks).into_keys() {
            out.see(Seen::Settled { id });
        }
        let Some(fault) = self.failed.take() else {
            out.done(true, "");
            return;
        };
        if matches!(fault.kind, ErrorKind::RateLimit | ErrorKind::Quota) {
            out.see(Seen::RateLimited {
                until: wait::told(&fault.text),
                text: fault.text.clone(),
            });
        }
        let text = fault.text.clone();
        let interrupted = fault.kind == ErrorKind::Interrupted;
        out.see(Seen::Error(fault));
        if interrupted {
            out.done(false, &text);
            return;
        }
        // It may try again, and says so at once: before it answers whatever is asked after this. To be taken for
        // done meanwhile would be the end of it, since its standard input is closed then.
        let asked = self.command(json!({"type": "get_state"}), out);
        self.ending = Some((asked, text));
    }

    /// It tried again, and will not any more.
    fn gave_up(&mut self, line: &Json, out: &mut Out) {
        // While it waited for the next try there was no end that could be told; one that has come is.
        if line.at("success").bool() == Some(false) && !self.working && self.ending.is_none() {
            out.done(false, line.at("finalError").str());
        } else {
            out.see(Seen::Progress);
        }
    }

    /// Extensions are switched off, but a user's own arguments can switch them on.
    fn asked(&mut self, line: &Json, out: &mut Out) {
        let id = line.at("id").str();
        let method = match line.at("method").str() {
            "confirm" => Method::Confirm,
            "select" | "input" | "editor" => Method::Text,
            _ => {
                out.see(Seen::Progress);
                return;
            }
        };
        if self.asks.len() >= ASKS_MAX || id.len() > NAME {
            let id: String = id.chars().take(NAME).collect();
            out.say(&json!({"type": "extension_ui_response", "id": id, "cancelled": true}));
            return;
        }
        let text = format!("{} {}", line.at("title").str(), line.at("message").str());
        let options = line.at("options").list().iter();
        out.see(Seen::Question {
            id: id.to_string(),
            text: excerpt(&text, EXCERPT),
            options: options.map(|option| excerpt(option.str(), NAME)).collect(),
        });
        self.asks.insert(id.to_string(), method);
    }
}

impl Protocol for Pi {
    fn begin(&mut self, out: &mut Out) {
        let prompt = core::mem::take(&mut self.prompt);
        self.command(json!({"type": "prompt", "message": prompt}), out);
        // For the session's id: in this mode nothing else tells it.
        self.ask_stats(out);
    }

    fn end(&mut self, out: &mut Out) {
        if let Some((_, text)) = self.ending.take() {
            out.done(false, &text);
        }
    }

    fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = Json::object(line) else {
            return;
        };
        match line.at("type").str() {
            "session" => self.session(line.at("id").str(), out),
            "response" => self.response(&line, out),
            "agent_start" => {
                self.working = true;
                self.ending = None;
                out.see(Seen::TurnBegan);
            }
            "message_end" => self.message(line.at("message"), out),
            "tool_execution_start" => {
                out.tool_began(line.at("toolCallId").str(), line.at("toolName").str());
            }
            "tool_execution_end" => {
                let ok = line.at("isError").bool() != Some(true);
                out.tool_ended(line.at("toolCallId").str(), ok);
            }
            "turn_end" => self.ask_stats(out),
            "auto_retry_end" => self.gave_up(&line, out),
            "auto_retry_start" => {
                self.ending = None;
                let text = line.at("errorMessage").str();
                out.see(Seen::Retrying {
                    attempt: line.at("attempt").u64().and_then(|n| n.try_into().ok()),
                    wait: line.at("delayMs").u64().map(Millis),
                    fault: Fault::new(of_text(text), text),
                });
            }
            "message_update" => out.see(Seen::Writing),
            "agent_end" => self.ended(out),
            "extension_ui_request" => self.asked(&line, out),
            _ => out.see(Seen::Progress),
        }
    }

    fn cut(&mut self, head: &str, out: &mut Out) {
        match type_of_head(head) {
            "message_update" => out.see(Seen::Writing),
            "agent_end" => self.ended(out),
            "turn_end" => self.ask_stats(out),
            _ => out.see(Seen::Progress),
        }
    }

    fn answer(&mut self, id: &str, answer: &Answer, out: &mut Out) -> Result<(), CannotSay> {
        let method = self.asks.get(id);
        let method = method.ok_or_else(|| CannotSay::NotAsked(id.to_string()))?;
        let mut response = json!({"type": "extension_ui_response", "id": id});
        match (answer, method) {
            (Answer::Allow, Method::Confirm) => response["confirmed"] = json!(true),
            (Answer::Deny(_), Method::Confirm) => response["confirmed"] = json!(false),
            (Answer::Deny(_), Method::Text) => response["cancelled"] = json!(true),
            (Answer::Text(text), Method::Text) => response["value"] = json!(text),
            _ => return Err(CannotSay::NotAnAnswer(id.to_string())),
        }
        out.say(&response);
        self.asks.remove(id);
        out.see(Seen::Settled { id: id.to_string() });
        Ok(())
    }

    fn interrupt(&mut self, out: &mut Out) -> Result<(), CannotSay> {
        self.command(json!({"type": "abort"}), out);
        Ok(())
    }

    fn nudge(&mut self, text: &str, out: &mut Out) -> Result<(), CannotSay> {
        let text = crate::launch::not_a_command(text);
        let kind = if self.working { "steer" } else { "prompt" };
        self.command(json!({"type": kind, "message": text}), out);
        Ok(())
    }
}

fn tokens(usage: &Json) -> Tokens {
    Tokens {
        input: usage.at("input").u64(),
        cache_read: usage.at("cacheRead").u64(),
        cache_write: usage.at("cacheWrite").u64(),
        output: usage.at("output").u64(),
        reasoning: None,
    }
}

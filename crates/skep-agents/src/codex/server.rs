//! `codex app-server`: JSON-RPC over lines. Its words are from the schema that the CLI itself prints
//! (`codex app-server generate-json-schema`).

use super::{LOGINS, PASS, common, sandbox, tokens};
use crate::{
    adapter::{About, Can, Cancel, Resume, Told},
    dialogue::CannotSay,
    fault::{ErrorKind, Fault, of_text},
    json::Json,
    launch::{Launch, LaunchFault, Permission, Place, Settings, Stdin, session},
    protocol::{ASKS_MAX, Answer, Out, Protocol},
    rpc::{Client, Id, Message},
    seen::{Seen, Span, Until},
    text::{EXCERPT, NAME, excerpt},
};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use serde_json::{Value, json};
use skep_core::{plan::Order, time::Time};

/// What it is and can.
pub(crate) const ABOUT: About = About {
    name: "codex-server",
    title: "Codex (app-server)",
    program: "codex",
    version: &["--version"],
    recorded: "0.169.0",
    logins: LOGINS,
    least: Permission::Ask,
    can: Can {
        cancel: Cancel::ProtocolLeavesTools,
        asks: true,
        nudge: true,
        resume: Resume::Anywhere,
        tokens: Told::Live,
        cost: Told::Never,
        context: Told::Live,
        tells_retries: true,
        mcp: true,
    },
};

pub(crate) fn launch(
    order: &Order,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<Launch, LaunchFault> {
    // Only to refuse what is no session; it goes into a message, not into a word.
    settings.resume.map(session).transpose()?;
    let mut launch = Launch::of(order, place, settings, vec!["codex".into()], PASS);
    launch.words(&["app-server"]);
    common(&mut launch, settings);
    launch.stdin = Stdin::Dialogue;
    Ok(launch.finish(settings))
}

/// The protocol's state.
#[derive(Debug)]
pub(crate) struct Server {
    client: Client,
    /// Parameters of the request that opens the thread, and its method.
    open: (&'static str, Value),
    prompt: String,
    step: Step,
    thread: String,
    turn: String,
    working: bool,
    asks: BTreeMap<String, Ask>,
    reset: Option<Until>,
    interrupting: bool,
    /// The last error: the end of the turn repeats it.
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Greeting(u64),
    Opening(u64),
    Talking,
}

#[derive(Debug)]
struct Ask {
    id: Id,
    /// The ids of the questions; none for a permission.
    questions: Vec<String>,
}

impl Server {
    pub(crate) fn new(order: &Order, place: &Place<'_>, settings: &Settings<'_>) -> Server {
        let policy = match settings.permission {
            Permission::Ask => "untrusted",
            Permission::Edits => "on-request",
            Permission::All => "never",
        };
        let mut params = json!({"cwd": place.worktree, "approvalPolicy": policy,
            "sandbox": sandbox(settings.permission)});
        if let Some(model) = &order.model {
            params["model"] = json!(model);
        }
        let open = if let Some(id) = settings.resume {
            params["threadId"] = json!(id);
            ("thread/resume", params)
        } else {
            ("thread/start", params)
        };
        Server {
            client: Client::new(false),
            open,
            prompt: order.prompt.clone(),
            step: Step::Greeting(0),
            thread: String::new(),
            turn: String::new(),
            working: false,
            asks: BTreeMap::new(),
            reset: None,
            interrupting: false,
            error: String::new(),
        }
    }

    fn begin_turn(&mut self, text: &str, out: &mut Out) {
        let params = json!({"threadId": self.thread, "input": [{"type": "text", "text": text}]});
        self.client.request("turn/start", params, out);
    }

    fn answered(&mut self, to: u64, result: &Json, out: &mut Out) {
        match self.step {
            Step::Greeting(id) if id == to => {
                self.client.notice("initialized", Value::Null, out);
                let (method, params) = self.open.clone();
                self.step = Step::Opening(self.client.request(method, params, out));
            }
            Step::Opening(id) if id == to => {
                self.thread = result.path("thread.id").str().chars().take(NAME).collect();
                out.started(&self.thread);
                self.step = Step::Talking;
                let prompt = core::mem::take(&mut self.prompt);
                self.begin_turn(&prompt, out);
            }
            _ => {
                if let Some(turn) = result.path("turn.id").text() {
                    self.turn = turn.chars().take(NAME).collect();
                }
                out.see(Seen::Progress);
            }
        }
    }

    fn refused(&mut self, to: u64, error: &Json, out: &mut Out) {
        let text = error.at("message").str();
        let fault = Fault::new(of_text(text), text);
        // What is refused after the turn has begun (an interrupt that came late) ends nothing.
        if self.working && !matches!(self.step, Step::Greeting(id) | Step::Opening(id) if id == to)
        {
            out.see(Seen::Progress);
            return;
        }
        out.see(Seen::Error(fault));
        out.done(false, text);
    }

    fn notice(&mut self, method: &str, params: &Json, out: &mut Out) {
        match method {
            "turn/started" => {
                self.turn = params.path("turn.id").str().chars().take(NAME).collect();
                self.working = true;
                self.interrupting = false;
                self.error.clear();
                out.see(Seen::TurnBegan);
            }
            "item/started" => Server::item(params.at("item"), false, out),
            "item/completed" => Server::item(params.at("item"), true, out),
            method if method.ends_with("/delta") || method.ends_with("Delta") => {
                out.see(Seen::Writing);
            }
            "thread/tokenUsage/updated" => {
                let usage = params.at("tokenUsage");
                let total = usage.at("total");
                out.see(Seen::Usage {
                    tokens: tokens(
                        total.at("inputTokens"),
                        total.at("cachedInputTokens"),
                        total.at("cacheWriteInputTokens"),
                        total.at("outputTokens"),
                        total.at("reasoningOutputTokens"),
                    ),
                    span: Span::Session,
                });
                out.context(
                    usage.path("last.totalTokens").u64(),
                    usage.at("modelContextWindow").u64(),
                );
            }
            "account/rateLimits/updated" => self.limits(params.at("rateLimits"), out),
            "error" => {
                let fault = fault(params.at("error"));
                if params.at("willRetry").bool() == Some(true) {
                    // "Reconnecting... n/5": why is in the details.
                    let count = fault
                        .text
                        .rsplit_once(' ')
                        .and_then(|(_, n)| n.split_once('/'));
                    let attempt = count.and_then(|(count, _)| count.parse().ok());
                    let why = params.path("error.additionalDetails").str();
                    let kind = match fault.kind {
                        ErrorKind::Network | ErrorKind::Other => of_text(why),
                        told => told,
                    };
                    out.see(Seen::Retrying {
                        attempt,
                        wait: None,
                        fault: if why.is_empty() {
                            fault
                        } else {
                            Fault::new(kind, why)
                        },
                    });
                } else {
                    self.failed(fault, out);
                }
            }
            "turn/completed" => self.ended(params.at("turn"), out),
            "serverRequest/resolved" => {
                let id = match params.at("requestId") {
                    Json::Int(number) => number.to_string(),
                    other => json!(other.str()).to_string(),
                };
                self.settled(&id, out);
            }
            _ => out.see(Seen::Progress),
        }
    }

    fn item(item: &Json, ended: bool, out: &mut Out) {
        let id = item.at("id").str();
        match item.at("type").str() {
            "agentMessage" if ended => out.said(item.at("text").str()),
            "commandExecution" | "fileChange" | "webSearch" | "mcpToolCall" | "dynamicToolCall"
                if ended =>
            {
                let ok = matches!(item.at("status").str(), "completed" | "");
                let failed = item.at("exitCode").u64().is_some_and(|code| code != 0);
                out.tool_ended(id, ok && !failed);
            }
            "mcpToolCall" | "dynamicToolCall" => out.tool_began(id, item.at("tool").str()),
            kind @ ("commandExecution" | "fileChange" | "webSearch") => out.tool_began(id, kind),
            _ => out.see(Seen::Progress),
        }
    }

    fn limits(&mut self, limits: &Json, out: &mut Out) {
        let full = |window: &Json| {
            window
                .at("usedPercent")
                .u64()
                .is_some_and(|used| used >= 100)
        };
        let windows = ["primary", "secondary"].map(|name| limits.at(name));
        let resets = windows
            .into_iter()
            .filter(|window| full(window))
            .filter_map(|window| window.at("resetsAt").u64())
            .max();
        self.reset = resets.map(|at| Until::At(Time(at.saturating_mul(1000))));
        match limits.at("rateLimitReachedType").text() {
            Some(kind) => out.see(Seen::RateLimited {
                until: self.reset,
                text: excerpt(kind, NAME),
            }),
            None => out.see(Seen::Progress),
        }
    }

    fn failed(&mut self, fault: Fault, out: &mut Out) {
        if fault.text == self.error && !self.error.is_empty() {
            return;
        }
        self.error.clone_from(&fault.text);
        if matches!(fault.kind, ErrorKind::RateLimit | ErrorKind::Quota) {
            out.see(Seen::RateLimited {
                until: self.reset.or_else(|| crate::wait::told(&fault.text)),
                text: fault.text.clone(),
            });
        }
        out.see(Seen::Error(fault));
    }

    fn ended(&mut self, turn: &Json, out: &mut Out) {
        self.working = false;
        let open: Vec<String> = self.asks.keys().cloned().collect();
        for id in open {
            self.settled(&id, out);
        }
        match turn.at("status").str() {
            "completed" => out.done(true, ""),
            "interrupted" => {
                out.see(Seen::Error(Fault::new(ErrorKind::Interrupted, "")));
                out.done(false, "interrupted");
            }
            _ => {
                let fault = fault(turn.at("error"));
                let text = fault.text.clone();
                self.failed(fault, out);
                out.done(false, &text);
            }
        }
    }

    fn request(&mut self, id: Id, method: &str, params: &Json, out: &mut Out) {
        let questions: Vec<String> = match method {
            "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
                Vec::new()
            }
            "item/tool/requestUserInput" if !params.at("questions").list().is_empty() => params
                .at("questions")
                .list()
                .iter()
                .take(ASKS_MAX)
                .map(|question| question.at("id").str().chars().take(NAME).collect())
                .collect(),
            _ => {
                self.client.refuse(&id, method, out);
                return;
            }
        };
        let word = id.word();
        if self.interrupting || self.asks.len() >= ASKS_MAX {
            self.client.answer(&id, refusal(&questions), out);
            return;
        }
        if questions.is_empty() {
            let told = |name| params.at(name).text();
            let text = told("command").or(told("reason")).unwrap_or_default();
            out.see(Seen::PermissionAsked {
                id: word.clone(),
                tool: method.split('/').nth(1).unwrap_or_default().to_string(),
                text: excerpt(text, EXCERPT),
            });
        } else {
            let asked = params.at("questions").list().iter();
            let text: Vec<&str> = asked.clone().map(|q| q.at("question").str()).collect();
            out.see(Seen::Question {
                id: word.clone(),
                text: excerpt(&text.join(" / "), EXCERPT),
                options: asked
                    .flat_map(|question| question.at("options").list())
                    .map(|option| excerpt(option.at("label").str(), NAME))
                    .collect(),
            });
        }
        self.asks.insert(word, Ask { id, questions });
    }

    fn settled(&mut self, id: &str, out: &mut Out) {
        if self.asks.remove(id).is_some() {
            out.see(Seen::Settled { id: id.to_string() });
        }
    }
}

impl Protocol for Server {
    fn begin(&mut self, out: &mut Out) {
        let params = json!({"clientInfo": {"name": "skep", "title": "Skep",
            "version": env!("CARGO_PKG_VERSION")}});
        self.step = Step::Greeting(self.client.request("initialize", params, out));
    }

    fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = Json::object(line) else {
            return;
        };
        match Message::of(&line) {
            Some(Message::Request { id, method, params }) => self.request(id, method, params, out),
            Some(Message::Notice { method, params }) => self.notice(method, params, out),
            Some(Message::Answer { to, result }) => self.answered(to, result, out),
            Some(Message::Refusal { to, error }) => self.refused(to, error, out),
            None => out.see(Seen::Progress),
        }
    }

    fn answer(&mut self, id: &str, answer: &Answer, out: &mut Out) -> Result<(), CannotSay> {
        let ask = self.asks.get(id);
        let ask = ask.ok_or_else(|| CannotSay::NotAsked(id.to_string()))?;
        let result = match answer {
            Answer::Allow if ask.questions.is_empty() => json!({"decision": "accept"}),
            Answer::Deny(_) if ask.questions.is_empty() => refusal(&ask.questions),
            Answer::Text(text) | Answer::Deny(text) if !ask.questions.is_empty() => {
                answers(&ask.questions, text)
            }
            _ => return Err(CannotSay::NotAnAnswer(id.to_string())),
        };
        self.client.answer(&ask.id.clone(), result, out);
        self.settled(id, out);
        Ok(())
    }

    fn interrupt(&mut self, out: &mut Out) -> Result<(), CannotSay> {
        if !self.working {
            return Err(CannotSay::NotByProtocol);
        }
        let params = json!({"threadId": self.thread, "turnId": self.turn});
        self.client.request("turn/interrupt", params, out);
        self.interrupting = true;
        Ok(())
    }

    fn nudge(&mut self, text: &str, out: &mut Out) -> Result<(), CannotSay> {
        if self.step != Step::Talking {
            return Err(CannotSay::NotByProtocol);
        }
        if self.working {
            let params = json!({"threadId": self.thread, "expectedTurnId": self.turn,
                "input": [{"type": "text", "text": text}]});
            self.client.request("turn/steer", params, out);
        } else {
            self.begin_turn(text, out);
        }
        Ok(())
    }
}

fn answers(questions: &[String], text: &str) -> Value {
    let each = questions.iter();
    let each = each.map(|question| (question.clone(), json!({"answers": [text]})));
    json!({"answers": each.collect::<serde_json::Map<_, _>>()})
}

/// No, to a permission or to questions.
fn refusal(questions: &[String]) -> Value {
    if questions.is_empty() {
        json!({"decision": "decline"})
    } else {
        answers(questions, "nobody can answer this")
    }
}

/// An error with its kind; what has none is told by its words.
fn fault(error: &Json) -> Fault {
    let info = error.at("codexErrorInfo");
    let text = error.at("message").str();
    let status = info
        .fields()
        .first()
        .and_then(|(_, detail)| detail.at("httpStatusCode").u64());
    let kind = match info
        .text()
        .or(info.fields().first().map(|(name, _)| name.as_str()))
    {
        Some("contextWindowExceeded") => ErrorKind::Context,
        Some("sessionBudgetExceeded") => ErrorKind::Budget,
        Some("usageLimitExceeded" | "rateLimitExceeded") => match of_text(text) {
            ErrorKind::Quota => ErrorKind::Quota,
            _ => ErrorKind::RateLimit,
        },
        Some("serverOverloaded" | "internalServerError" | "flexUnavailable") => ErrorKind::Server,
        Some("unauthorized") => ErrorKind::Auth,
        Some("badRequest" | "modelNotFound") => ErrorKind::Request,
        Some("cyberPolicy" | "misalignmentPolicyViolation") => ErrorKind::Policy,
        Some("tooManyDenials") => ErrorKind::Bound,
        Some(
            "httpConnectionFailed"
            | "responseStreamConnectionFailed"
            | "responseStreamDisconnected"
            | "responseTooManyFailedAttempts",
        ) => status
            .and_then(ErrorKind::of_status)
            .unwrap_or(ErrorKind::Network),
        _ => of_text(text),
    };
    Fault::new(kind, text)
}

//! The Agent Client Protocol, version 1, as a client: JSON-RPC over lines. Recorded with gemini and opencode.
//!
//! The messages are written by hand. The official crate `agent-client-protocol-schema` (1.17) needs `std`, brings
//! six more crates, and switches `serde_json` to `preserve_order` for the whole workspace, which would change
//! every JSON text that Skep writes. And its types are strict: one update of an unknown kind would be an error,
//! where a reader should go on. The part that is needed is small.
//!
//! Of the optional parts none is offered (`fs`, `terminal`): agents work on the worktree themselves.

mod log;
mod narrate;
mod permission;
mod program;
mod update;

pub(crate) use narrate::narrate;
use permission::Ask;
pub(crate) use program::{CONFIGURED, GEMINI, OPENCODE, launch};
pub use program::{Model, Program};

use crate::{
    dialogue::CannotSay,
    fault::{ErrorKind, Fault, of_text},
    json::Json,
    launch::{Permission, Place, Settings},
    protocol::{Answer, Out, Protocol},
    rpc::{Client, Message},
    seen::{Seen, Span, Tokens},
    text::NAME,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde_json::json;
use skep_core::plan::Order;

/// How many nudges wait for the end of a turn, at most: the protocol has one prompt at a time.
const NUDGES_MAX: usize = 8;
/// The code of "log in first".
const AUTH_REQUIRED: &str = "-32000";

/// The protocol's state.
#[derive(Debug)]
pub(crate) struct Acp {
    client: Client,
    program: &'static Program,
    worktree: String,
    resume: Option<String>,
    permission: Permission,
    model: Option<String>,
    prompt: String,
    step: Step,
    session: String,
    nudges: Vec<String>,
    asks: BTreeMap<String, Ask>,
    /// Tool calls that run.
    calls: BTreeSet<String>,
    cancelling: bool,
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Greeting(u64),
    Opening(u64),
    /// The prompt must not come before its model is set.
    Model(u64),
    Prompting(u64),
    Idle,
}

impl Acp {
    pub(crate) fn new(
        program: &'static Program,
        order: &Order,
        place: &Place<'_>,
        settings: &Settings<'_>,
    ) -> Acp {
        Acp {
            client: Client::new(true),
            program,
            worktree: place.worktree.to_string(),
            resume: settings.resume.map(ToString::to_string),
            permission: settings.permission,
            model: order.model.clone(),
            prompt: crate::launch::not_a_command(&order.prompt).into_owned(),
            step: Step::Idle,
            session: String::new(),
            nudges: Vec::new(),
            asks: BTreeMap::new(),
            calls: BTreeSet::new(),
            cancelling: false,
            words: String::new(),
        }
    }

    fn greeted(&mut self, result: &Json, out: &mut Out) {
        let mut params = json!({"cwd": self.worktree, "mcpServers": []});
        let Some(id) = &self.resume else {
            self.step = Step::Opening(self.client.request("session/new", params, out));
            return;
        };
        if result.path("agentCapabilities.loadSession").bool() != Some(true) {
            let fault = Fault::new(ErrorKind::Request, "the agent cannot resume a session");
            out.see(Seen::Error(fault));
            out.done(false, "the agent cannot resume a session");
            return;
        }
        params["sessionId"] = json!(id);
        self.step = Step::Opening(self.client.request("session/load", params, out));
    }

    fn opened(&mut self, result: &Json, out: &mut Out) {
        // Loading a session answers with nothing: its id is the one that was asked for.
        let id = result.at("sessionId").text();
        let id = id.or(self.resume.as_deref()).unwrap_or_default();
        self.session = id.chars().take(NAME).collect();
        out.started(&self.session);
        self.set_model(out);
    }

    fn set_model(&mut self, out: &mut Out) {
        let request = match (&self.model, self.program.model) {
            (Some(model), Model::Method) => ("session/set_model", "modelId", model),
            (Some(model), Model::Option) => ("session/set_config_option", "value", model),
            _ => {
                let prompt = core::mem::take(&mut self.prompt);
                self.begin_turn(&prompt, out);
                return;
            }
        };
        let (method, field, model) = request;
        let mut params = json!({"sessionId": self.session, field: model});
        if self.program.model == Model::Option {
            params["configId"] = json!("model");
        }
        self.step = Step::Model(self.client.request(method, params, out));
    }

    fn begin_turn(&mut self, text: &str, out: &mut Out) {
        let params = json!({"sessionId": self.session, "prompt": [{"type": "text", "text": text}]});
        self.step = Step::Prompting(self.client.request("session/prompt", params, out));
        out.see(Seen::TurnBegan);
    }

    fn answered(&mut self, to: u64, result: &Json, out: &mut Out) {
        match self.step {
            Step::Greeting(id) if id == to => self.greeted(result, out),
            Step::Opening(id) if id == to => self.opened(result, out),
            Step::Model(id) if id == to => {
                let prompt = core::mem::take(&mut self.prompt);
                self.begin_turn(&prompt, out);
            }
            Step::Prompting(id) if id == to => self.ended(result, out),
            _ => out.see(Seen::Progress),
        }
    }

    fn refused(&mut self, to: u64, error: &Json, out: &mut Out) {
        match self.step {
            Step::Greeting(id) | Step::Opening(id) | Step::Model(id) | Step::Prompting(id)
                if id == to =>
            {
                self.over(out);
                let fault = fault(error);
                if matches!(fault.kind, ErrorKind::RateLimit | ErrorKind::Quota) {
                    out.see(Seen::RateLimited {
                        until: crate::fault::retry_after(error.path("data.retryAfter"))
                            .or_else(|| crate::wait::told(&fault.text)),
                        text: fault.text.clone(),
                    });
                }
                let text = fault.text.clone();
                out.see(Seen::Error(fault));
                out.done(false, &text);
            }
            _ => out.see(Seen::Progress),
        }
    }

    fn ended(&mut self, result: &Json, out: &mut Out) {
        let cancelled = self.cancelling;
        self.over(out);
        let counted = result.path("_meta.quota.token_count");
        if !counted.is_null() {
            let tokens = Tokens {
                input: counted.at("input_tokens").u64(),
                output: counted.at("output_tokens").u64(),
                ..Tokens::default()
            };
            let span = Span::Step;
            out.see(Seen::Usage { tokens, span });
        } else if self.program.counts_turns {
            update::usage(result.at("usage"), out);
        }
        let reason = result.at("stopReason").str();
        let kind = match reason {
            // opencode says so too of a turn that was cancelled while it tried again in secret.
            "end_turn" if !cancelled => None,
            "end_turn" | "cancelled" => Some(ErrorKind::Interrupted),
            "refusal" => Some(ErrorKind::Policy),
            "max_tokens" | "max_turn_requests" => Some(ErrorKind::Bound),
            _ => Some(ErrorKind::Protocol),
        };
        if let Some(kind) = kind {
            self.nudges.clear();
            out.see(Seen::Error(Fault::new(kind, reason)));
            out.done(false, reason);
        } else if self.nudges.is_empty() {
            out.done(true, "");
        } else {
            // The turn that a nudge begins takes the place of the end.
            let text = core::mem::take(&mut self.nudges).join("\n\n");
            self.begin_turn(&text, out);
        }
    }

    /// A turn is over: nothing waits for an answer any more.
    fn over(&mut self, out: &mut Out) {
        self.step = Step::Idle;
        self.cancelling = false;
        self.calls.clear();
        self.flush(out);
        let open: Vec<String> = self.asks.keys().cloned().collect();
        for id in open {
            self.settled(&id, out);
        }
    }

    fn settled(&mut self, id: &str, out: &mut Out) {
        if self.asks.remove(id).is_some() {
            out.see(Seen::Settled { id: id.to_string() });
        }
    }

    /// Words come one by one; they are shown together once something else comes.
    fn flush(&mut self, out: &mut Out) {
        out.said(&core::mem::take(&mut self.words));
    }
}

impl Protocol for Acp {
    fn begin(&mut self, out: &mut Out) {
        let params = json!({"protocolVersion": 1, "clientCapabilities":
            {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
            "clientInfo": {"name": "skep", "title": "Skep", "version": env!("CARGO_PKG_VERSION")}});
        self.step = Step::Greeting(self.client.request("initialize", params, out));
    }

    fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = Json::object(line) else {
            return;
        };
        match Message::of(&line) {
            Some(Message::Request { id, method, params }) => self.request(id, method, params, out),
            Some(Message::Notice {
                method: "session/update",
                params,
            }) => {
                self.update(params.at("update"), out);
            }
            Some(Message::Answer { to, result }) => self.answered(to, result, out),
            Some(Message::Refusal { to, error }) => self.refused(to, error, out),
            Some(Message::Notice { .. }) | None => out.see(Seen::Progress),
        }
    }

    fn complaint(&mut self, line: &str, out: &mut Out) {
        self.logged(line, out);
    }

    fn end(&mut self, out: &mut Out) {
        self.flush(out);
    }

    fn answer(&mut self, id: &str, answer: &Answer, out: &mut Out) -> Result<(), CannotSay> {
        self.answer_ask(id, answer, out)
    }

    fn interrupt(&mut self, out: &mut Out) -> Result<(), CannotSay> {
        let Step::Prompting(_) = self.step else {
            return Err(CannotSay::NotByProtocol);
        };
        let params = json!({"sessionId": self.session});
        self.client.notice("session/cancel", params, out);
        self.cancelling = true;
        // The protocol wants every open request answered by whoever cancels.
        for (word, ask) in core::mem::take(&mut self.asks) {
            self.client.answer(&ask.id, permission::cancelled(), out);
            out.see(Seen::Settled { id: word });
        }
        Ok(())
    }

    fn nudge(&mut self, text: &str, out: &mut Out) -> Result<(), CannotSay> {
        let text = crate::launch::not_a_command(text);
        match self.step {
            Step::Idle if !self.session.is_empty() => self.begin_turn(&text, out),
            Step::Prompting(_) if self.nudges.len() < NUDGES_MAX => {
                self.nudges.push(text.into_owned());
            }
            _ => return Err(CannotSay::NotByProtocol),
        }
        Ok(())
    }
}

/// Agents differ in where they put what the provider said: in the code, in the data, or in words only.
fn fault(error: &Json) -> Fault {
    let message = error.at("message").str();
    let text = &match error.path("data.details").text() {
        Some(details) => format!("{message}: {details}"),
        None => message.to_string(),
    };
    let status = [
        error.at("code"),
        error.path("data.statusCode"),
        error.path("data.status"),
    ]
    .into_iter()
    .filter_map(Json::u64)
    .find(|status| (400..600).contains(status));
    let code = error.at("code").f64().unwrap_or_default();
    if status.is_none() && code.to_string() == AUTH_REQUIRED {
        return Fault::new(ErrorKind::Auth, text);
    }
    if error.path("data.errorName").str() == "ContextOverflowError" {
        return Fault::new(ErrorKind::Context, text);
    }
    match status {
        Some(_) => Fault::of(status, text),
        None => Fault::new(of_text(text), text),
    }
}

//! JSON-RPC over lines, as far as agents speak it.

use crate::{json::Json, protocol::Out, text::NAME};
use alloc::string::{String, ToString};
use serde_json::{Value, json};

/// A message from the agent.
#[derive(Debug)]
pub(crate) enum Message<'j> {
    /// It asks for something, and waits.
    Request {
        id: Id,
        method: &'j str,
        params: &'j Json,
    },
    /// It tells something.
    Notice { method: &'j str, params: &'j Json },
    /// The answer to our request of this number.
    Answer { to: u64, result: &'j Json },
    /// Our request of this number was refused.
    Refusal { to: u64, error: &'j Json },
}

/// The id of a request of the agent: to be given back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) Value);

impl Id {
    /// As a word to answer by; numbers and texts do not meet.
    pub(crate) fn word(&self) -> String {
        self.0.to_string()
    }
}

impl<'j> Message<'j> {
    /// Reads a message; `None` if it is not one.
    pub(crate) fn of(line: &'j Json) -> Option<Message<'j>> {
        let id = line.at("id");
        let params = line.at("params");
        match (line.at("method").text(), id) {
            (Some(method), Json::Null) => Some(Message::Notice { method, params }),
            (Some(method), id) => {
                let id = match id {
                    Json::Int(number) => json!(number),
                    Json::Text(text) if text.len() <= NAME => json!(text),
                    _ => return None,
                };
                let id = Id(id);
                Some(Message::Request { id, method, params })
            }
            (None, Json::Int(to)) if !line.at("error").is_null() => Some(Message::Refusal {
                to: *to,
                error: line.at("error"),
            }),
            (None, Json::Int(to)) => Some(Message::Answer {
                to: *to,
                result: line.at("result"),
            }),
            _ => None,
        }
    }
}

/// How requests of ours are written, and how they are numbered: from 0 on, so that the same dialogue is the
/// same bytes.
#[derive(Debug)]
pub(crate) struct Client {
    /// Whether messages carry `jsonrpc`: Codex leaves it out.
    versioned: bool,
    next: u64,
}

impl Client {
    pub(crate) fn new(versioned: bool) -> Client {
        Client { versioned, next: 0 }
    }

    /// Sends a request, and says its number.
    pub(crate) fn request(&mut self, method: &str, params: Value, out: &mut Out) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send(json!({"id": id, "method": method, "params": params}), out);
        id
    }

    pub(crate) fn notice(&self, method: &str, params: Value, out: &mut Out) {
        let mut message = json!({"method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(message, out);
    }

    pub(crate) fn answer(&self, id: &Id, result: Value, out: &mut Out) {
        self.send(json!({"id": id.0, "result": result}), out);
    }

    /// Refuses what was never offered.
    pub(crate) fn refuse(&self, id: &Id, method: &str, out: &mut Out) {
        let method: String = method.chars().take(NAME).collect();
        let message = "Skep does not offer ".to_string() + &method;
        self.send(
            json!({"id": id.0, "error": {"code": -32601, "message": message}}),
            out,
        );
    }

    fn send(&self, mut message: Value, out: &mut Out) {
        if self.versioned {
            message["jsonrpc"] = json!("2.0");
        }
        out.say(&message);
    }
}

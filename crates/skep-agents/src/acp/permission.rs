//! Permissions: what is granted by the settings, what is asked, and what is refused.
//!
//! The modes of the programs are not used for this. gemini allows its freer ones only in a folder that it
//! trusts, and a folder that it trusts may bring hooks of its own. So every program is kept in its strictest mode
//! and asks about everything, and what the settings grant is answered here.

use super::Acp;
use crate::{
    dialogue::CannotSay,
    json::Json,
    launch::Permission,
    protocol::{ASKS_MAX, Answer, Out},
    rpc::Id,
    seen::Seen,
    text::{EXCERPT, NAME, excerpt},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use serde_json::{Value, json};

/// A permission prompt that waits.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) id: Id,
    /// What is offered: id, kind, name.
    options: Vec<[String; 3]>,
    /// The tool call that it is about: id and name.
    call: (String, String),
}

impl Acp {
    pub(super) fn request(&mut self, id: Id, method: &str, params: &Json, out: &mut Out) {
        if method != "session/request_permission" {
            self.client.refuse(&id, method, out);
            return;
        }
        let offered = params.at("options").list();
        // One that comes while the turn is being cancelled is on its way to nowhere.
        if self.cancelling || self.asks.len() >= ASKS_MAX || offered.len() > ASKS_MAX {
            self.client.answer(&id, cancelled(), out);
            return;
        }
        self.flush(out);
        let call = params.at("toolCall");
        let told = |name| excerpt(call.at(name).str(), NAME);
        let title = Some(told("title")).filter(|title| !title.is_empty());
        let option = |option: &Json| {
            ["optionId", "kind", "name"].map(|field| option.at(field).str().to_string())
        };
        let ask = Ask {
            id,
            options: offered.iter().map(option).collect(),
            call: (told("toolCallId"), title.unwrap_or_else(|| told("kind"))),
        };
        if self.granted(call) && self.reply(&ask, &Answer::Allow, out) {
            return;
        }
        let word = ask.id.word();
        out.see(Seen::PermissionAsked {
            id: word.clone(),
            tool: told("kind"),
            text: excerpt(call.at("title").str(), EXCERPT),
        });
        self.asks.insert(word, ask);
    }

    /// Whether the settings grant what a call wants. It is judged by where it says that it writes; that a link
    /// leads elsewhere is for the fence around the process to prevent.
    fn granted(&self, call: &Json) -> bool {
        match self.permission {
            Permission::Ask => false,
            Permission::All => true,
            Permission::Edits => {
                let places = call.at("locations").list();
                call.at("kind").str() == "edit"
                    && !places.is_empty()
                    && places
                        .iter()
                        .all(|place| self.inside(place.at("path").str()))
            }
        }
    }

    /// Whether a path lies in the worktree, and not in what belongs to git.
    fn inside(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.worktree.as_str());
        below.is_some_and(|rest| {
            rest.starts_with('/') && !rest.split('/').any(|part| matches!(part, ".." | ".git"))
        })
    }

    pub(super) fn answer_ask(
        &mut self,
        id: &str,
        answer: &Answer,
        out: &mut Out,
    ) -> Result<(), CannotSay> {
        let ask = self.asks.remove(id);
        let ask = ask.ok_or_else(|| CannotSay::NotAsked(id.to_string()))?;
        if !self.reply(&ask, answer, out) {
            self.asks.insert(id.to_string(), ask);
            return Err(CannotSay::NotAnAnswer(id.to_string()));
        }
        out.see(Seen::Settled { id: id.to_string() });
        Ok(())
    }

    /// Says an answer, if what is offered has words for it.
    fn reply(&mut self, ask: &Ask, answer: &Answer, out: &mut Out) -> bool {
        let kind = |wanted: &str| ask.options.iter().find(|[_, kind, _]| kind == wanted);
        let option = match answer {
            Answer::Allow => kind("allow_once").or_else(|| kind("allow_always")),
            Answer::Deny(_) => kind("reject_once"),
            Answer::Text(text) => ask
                .options
                .iter()
                .find(|[option, _, name]| option == text || name == text),
        };
        let result = match (option, answer) {
            (Some([option, ..]), _) => {
                json!({"outcome": {"outcome": "selected", "optionId": option}})
            }
            (None, Answer::Deny(_)) => cancelled(),
            (None, _) => return false,
        };
        self.client.answer(&ask.id, result, out);
        // Some programs do not tell of a call that was asked about until it has ended.
        if option.is_some_and(|[_, kind, _]| kind.starts_with("allow")) {
            let (id, name) = &ask.call;
            self.began(id, name, out);
        }
        true
    }

    /// A tool call runs; it is told once.
    pub(super) fn began(&mut self, id: &str, name: &str, out: &mut Out) {
        if self.calls.contains(id) {
            out.see(Seen::Progress);
            return;
        }
        if self.calls.len() < ASKS_MAX {
            self.calls.insert(excerpt(id, NAME));
        }
        out.tool_began(id, name);
    }
}

pub(super) fn cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

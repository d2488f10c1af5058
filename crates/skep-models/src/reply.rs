//! A turn, ready to be put into a provider's words.

use crate::{
    request::{Api, Request},
    script::{self, Stop, Turn, Usage},
    tools::{Input, resolve},
    wire::{chat, gemini, messages, responses},
};
use serde_json::Value;

/// What the model replies.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The number of the reply: its ids are made from it, so that no two are the same.
    number: usize,
    pub(crate) model: String,
    pub(crate) say: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) stop: Stop,
    pub(crate) usage: Usage,
}

/// One call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its number in the reply.
    number: usize,
    pub(crate) name: String,
    pub(crate) input: Input,
}

impl Reply {
    /// With `edits` what is to be written stands in what is said, as edit blocks: for agents that declare no tools.
    pub(crate) fn of(
        number: usize,
        request: &Request,
        turn: &Turn,
        usage: Usage,
        edits: bool,
    ) -> Reply {
        if edits {
            let blocks: String = turn.call.iter().map(block).collect();
            return Reply {
                number,
                model: request.model.clone(),
                say: format!("{}\n\n{blocks}", turn.say),
                calls: Vec::new(),
                stop: turn.stop,
                usage: turn.usage.unwrap_or(usage),
            };
        }
        let calls = turn.call.iter().enumerate().map(|(at, call)| {
            let called = resolve(call, &request.tools);
            Call {
                number: number * 100 + at,
                name: called.name,
                input: called.input,
            }
        });
        Reply {
            number,
            model: request.model.clone(),
            say: turn.say.clone(),
            calls: calls.collect(),
            stop: turn.stop,
            usage: turn.usage.unwrap_or(usage),
        }
    }

    /// An id, as long as real ones are: some agents look at that.
    pub(crate) fn id(&self, kind: &str) -> String {
        format!("{kind}_{:024}", self.number)
    }

    /// The words of what is said; together they are all of it.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.say.split_inclusive(' ')
    }

    /// All of it, as one document.
    pub(crate) fn whole(&self, api: Api) -> Value {
        match api {
            Api::Messages => messages::whole(self),
            Api::Chat => chat::whole(self),
            Api::Responses => responses::whole(self),
            Api::Gemini => gemini::whole(self),
        }
    }

    /// All of it, as server-sent events.
    pub(crate) fn events(&self, api: Api) -> Vec<String> {
        match api {
            Api::Messages => messages::events(self),
            Api::Chat => chat::events(self),
            Api::Responses => responses::events(self),
            Api::Gemini => gemini::events(self),
        }
    }
}

impl Call {
    /// An id, see [`Reply::id`].
    pub(crate) fn id(&self, kind: &str) -> String {
        format!("{kind}_{:024}", self.number)
    }
}

/// A change as an edit block, which aider reads. There is none for the others: it runs no command unasked.
fn block(call: &script::Call) -> String {
    let (path, old, new) = match call {
        script::Call::Write { path, content } => (path, "", content.as_str()),
        script::Call::Edit { path, old, new } => (path, old.as_str(), new.as_str()),
        script::Call::Shell(_) | script::Call::Tool { .. } | script::Call::Malformed => {
            return String::new();
        }
    };
    let line = |text: &str| match text {
        "" => String::new(),
        text => format!("{}\n", text.trim_end_matches('\n')),
    };
    format!(
        "{path}\n```\n<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n```\n\n",
        line(old),
        line(new)
    )
}

//! What agents ask people (L-4b).

use super::{SCHEMA, Stamp, clean};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    ask::{self, Ask, AskId, Reply},
    attempt::Live,
    state::State,
    word::Word,
};

/// A question, or a request for a permission, that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskDoc {
    /// To answer it by, such as `7.1`.
    pub id: String,
    /// The attempt whose agent asks.
    pub attempt: u64,
    /// Its task.
    pub task: String,
    /// Its worker.
    pub worker: String,
    /// `question` or `permission`.
    pub kind: String,
    /// The tool that it would use, if it asks for a permission.
    pub tool: Option<String>,
    /// What it asks.
    pub text: String,
    /// What it offers.
    pub options: Vec<String>,
    /// Since when.
    pub since: Stamp,
    /// It is answered for whoever has not by then: no, or "decide yourself".
    pub until: Stamp,
    /// The answer, if it is on its way to the agent.
    pub answer: Option<String>,
}

impl AskDoc {
    fn of(state: &State, id: AskId, ask: &Ask) -> Option<AskDoc> {
        let live = state.attempt(id.attempt)?;
        let limit = state.swarm()?.spec.policy.agents.ask_timeout;
        let kind = if ask.question.tool.is_some() {
            "permission"
        } else {
            "question"
        };
        Some(AskDoc {
            id: id.to_string(),
            attempt: id.attempt.0,
            task: live.task.to_string(),
            worker: live.worker.to_string(),
            kind: kind.into(),
            tool: ask.question.tool.clone(),
            text: ask.question.text.clone(),
            options: ask.question.options.clone(),
            since: Stamp(ask.since),
            until: Stamp(ask.since + limit),
            answer: ask.reply.as_ref().map(|reply| match reply {
                Reply::Allow => "allowed".into(),
                Reply::Deny(why) => format!("denied: {why}"),
                Reply::Text(text) => text.clone(),
            }),
        })
    }
}

/// All that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskList {
    /// The document's version.
    pub schema: u32,
    /// The asks, oldest attempt first.
    pub asks: Vec<AskDoc>,
}

impl AskList {
    /// The view of all asks.
    #[must_use]
    pub fn of(state: &State) -> AskList {
        let asks = ask::all(state).filter_map(|(id, ask)| AskDoc::of(state, id, ask));
        AskList {
            schema: SCHEMA,
            asks: asks.collect(),
        }
    }
}

/// A question, as an agent asks it of a person by its attempt's token (U-8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskInput {
    /// What is asked, with all that a person needs to answer it; at most 4096 bytes.
    pub question: String,
    /// What there is to choose from: at most 16 options of at most 256 bytes. Any text will do if there are none.
    #[serde(default)]
    pub options: Vec<String>,
}

impl AskInput {
    /// The core's word.
    #[must_use]
    pub fn read(&self) -> Word {
        let line = |option: &String| clean(option).replace(['\n', '\t'], " ");
        Word::Ask {
            text: clean(&self.question),
            options: self.options.iter().map(line).collect(),
        }
    }
}

/// What an agent hears of its question. While both `answer` and `declined` are null, it waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeardDoc {
    /// The document's version.
    pub schema: u32,
    /// The question's id, such as `7.m1`.
    pub ask: String,
    /// If nobody has answered by then, it is declined.
    pub until: Stamp,
    /// What the person says: a text, or the option as it was offered.
    pub answer: Option<String>,
    /// Why there is no answer; the agent decides by itself then.
    pub declined: Option<String>,
}

impl HeardDoc {
    /// The view of a question of an attempt that is at work.
    #[must_use]
    pub fn of(state: &State, live: &Live, ask: &Ask) -> Option<HeardDoc> {
        let limit = state.swarm()?.spec.policy.agents.ask_timeout;
        let (answer, declined) = match &ask.reply {
            None => (None, None),
            Some(Reply::Deny(why)) => (None, Some(why.clone())),
            Some(Reply::Text(text)) => (Some(text.clone()), None),
            Some(Reply::Allow) => (Some("yes".into()), None),
        };
        let id = AskId {
            attempt: live.attempt,
            number: ask.question.number,
        };
        Some(HeardDoc {
            schema: SCHEMA,
            ask: id.to_string(),
            until: Stamp(ask.since + limit),
            answer,
            declined,
        })
    }

    /// Whether it still waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.answer.is_none() && self.declined.is_none()
    }
}

//! What agents ask people (L-4b).

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    ask::{self, Ask, AskId, Reply},
    state::State,
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

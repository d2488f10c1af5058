//! A no, as RFC 9457 has it: what was refused, why, and what to do.

use crate::near;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{request::Refusal, state::State};
use skep_host::keeper::opening::OpeningError;

/// The media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request has no other answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A name for the kind of problem, as a URI: `about:blank` followed by nothing, or `skep:CODE`.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The kind of problem in a few words.
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// This very problem, in a sentence.
    pub detail: String,
    /// The kind of problem, for programs.
    pub code: Box<str>,
    /// What to do.
    pub hint: Option<String>,
    /// Everything wrong with a plan, if that is the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Box<serde_json::Value>>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("skep:{code}").into(),
            title: status.canonical_reason().unwrap_or("Problem").into(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            ..Problem::default()
        }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}

/// The core's no, with what to do about it.
#[must_use]
pub fn refusal(state: &State, refusal: &Refusal) -> Problem {
    use StatusCode as S;
    let (status, code) = match refusal {
        Refusal::NoPlan => (S::CONFLICT, "no_plan"),
        Refusal::PlanUnderWay { .. } => (S::CONFLICT, "plan_under_way"),
        Refusal::BadPlan { .. } => (S::UNPROCESSABLE_ENTITY, "bad_plan"),
        Refusal::NoSuchTask(_) => (S::NOT_FOUND, "no_such_task"),
        Refusal::NoSuchWorker(_) => (S::NOT_FOUND, "no_such_worker"),
        Refusal::TaskExists(_) => (S::CONFLICT, "task_exists"),
        Refusal::WrongState { .. } => (S::CONFLICT, "wrong_state"),
        Refusal::Fault(_) => (S::UNPROCESSABLE_ENTITY, "bad_task"),
        Refusal::KeyReused(_) => (S::CONFLICT, "key_reused"),
        Refusal::Limit(_) => (S::CONFLICT, "limit"),
        Refusal::NoSuchRoute(_) => (S::NOT_FOUND, "no_such_route"),
        Refusal::NoSuchAsk(_) => (S::NOT_FOUND, "no_such_ask"),
        Refusal::BadAnswer { .. } => (S::UNPROCESSABLE_ENTITY, "bad_answer"),
        Refusal::NothingToDo(_) => (S::CONFLICT, "nothing_to_do"),
        _ => (S::CONFLICT, "refused"),
    };
    let problem = Problem::new(status, code, refusal.to_string());
    match refusal {
        Refusal::NoPlan => problem.hint("`skep run PLAN` loads one"),
        Refusal::PlanUnderWay { .. } => problem
            .hint("`skep run` without a plan goes on with it; `skep cancel --all` gives it up"),
        Refusal::NoSuchTask(id) => problem.hint(near::task_hint(state, id.as_str())),
        Refusal::NoSuchWorker(_) => problem.hint(near::worker_hint(state)),
        Refusal::TaskExists(id) => problem.hint(format!("`skep tasks edit {id}` changes it")),
        Refusal::WrongState { task, .. } => problem.hint(format!("`skep why {task}` says more")),
        Refusal::NoSuchAsk(_) | Refusal::BadAnswer { .. } => {
            problem.hint("`skep asks` lists what is asked, and how it can be answered")
        }
        Refusal::NoSuchRoute(_) => problem.hint("`skep alerts` lists the plan's routes"),
        Refusal::KeyReused(_) => problem.hint("use a fresh key for each command"),
        _ => problem,
    }
}

/// Why a plan cannot begin on its repository, with what to do about it.
#[must_use]
pub fn cannot_open(error: &OpeningError) -> Problem {
    Problem {
        hint: error.hint(),
        ..Problem::new(StatusCode::CONFLICT, "cannot_open", error.to_string())
    }
}

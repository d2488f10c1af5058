//! The routes of the live configuration: shown whole, changed in part.

use super::{App, gone, write};
use crate::{
    api::{AnswerDoc, ConfigDoc, Problem, SCHEMA},
    config::{self, Changes},
};
use axum::{
    Json,
    body::Bytes,
    extract::{State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use skep_core::request::{Command, Refusal};
use skep_host::keeper::RequestError;

/// How often a change is decided anew because somebody else's came between.
const TRIES: u32 = 8;

pub(super) async fn show(Shared(app): Shared<App>) -> Result<Json<ConfigDoc>, Problem> {
    let settings = app.handle.query(|state, _| config::of_state(state)).await;
    Ok(Json(ConfigDoc {
        schema: SCHEMA,
        settings: settings.map_err(gone)?,
    }))
}

pub(super) async fn change(
    Shared(app): Shared<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AnswerDoc>, Problem> {
    let body = body.map_err(write::unread)?;
    let changes: Changes = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("this is not a set of changes: {error}");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_config", detail)
    })?;
    let (key, client) = (write::key(&headers)?, write::client(&headers));
    configure(&app, key, client, &changes).await.map(Json)
}

/// Every number as it is where nobody says otherwise.
pub(super) async fn reset(
    Shared(app): Shared<App>,
    headers: HeaderMap,
) -> Result<Json<AnswerDoc>, Problem> {
    // All of them, changed or not: so the same request reads the same under its key.
    let all = config::settings(&skep_core::spec::Policy::default()).into_iter();
    let all: Changes = all.map(|s| (s.key, serde_json::Value::Null)).collect();
    let (key, client) = (write::key(&headers)?, write::client(&headers));
    configure(&app, key, client, &all).await.map(Json)
}

/// Changes numbers: all of them, or none.
///
/// # Errors
/// The problem that a client would be shown.
pub async fn configure(
    app: &App,
    key: Option<String>,
    client: String,
    changes: &Changes,
) -> Result<AnswerDoc, Problem> {
    let mut tries = 0;
    loop {
        let was = app.handle.query(|state, _| state.policy()).await;
        let was = was.map_err(gone)?;
        let policy = config::changed(&was, changes).map_err(|fault| Problem {
            hint: fault.hint.clone(),
            ..Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_config",
                fault.to_string(),
            )
        })?;
        let command = Command::SetPolicy {
            // A map of texts and values: its JSON cannot fail.
            asked: serde_json::to_string(changes).unwrap_or_default(),
            was: was.into(),
            policy: policy.into(),
        };
        tries += 1;
        match write::try_ask(app, key.clone(), client.clone(), command).await {
            Err(RequestError::Refused(Refusal::OutOfDate)) if tries < TRIES => {}
            Err(RequestError::Refused(no)) => return Err(write::explain(app, no).await),
            Err(RequestError::Gone(error)) => return Err(gone(error)),
            Ok(answer) => return Ok(answer),
        }
    }
}

//! The routes of alerts: what was raised and told, and a test of whether it arrives.

use super::{App, gone, write};
use crate::api::{AlertList, AnswerDoc, CommandDoc, Problem, TestInput};
use axum::{
    Json,
    body::Bytes,
    extract::{State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};

pub(super) async fn list(Shared(app): Shared<App>) -> Result<Json<AlertList>, Problem> {
    let list = app.handle.query(AlertList::of).await;
    list.map(Json).map_err(gone)
}

/// A test is a command like any other; what became of it is seen in the list.
pub(super) async fn test(
    Shared(app): Shared<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AnswerDoc>, Problem> {
    let body = body.map_err(write::unread)?;
    let unprocessable =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_test", detail);
    let input: TestInput = if body.is_empty() {
        TestInput::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| unprocessable(format!("this is no test of alerts: {error}")))?
    };
    let doc = CommandDoc::TestAlerts { route: input.route };
    let command = doc.read().map_err(unprocessable)?;
    write::send(&app, &headers, command).await
}

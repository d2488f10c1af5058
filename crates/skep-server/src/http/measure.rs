//! The routes that measure: charts, metrics, targets (U-3, U-5).

use super::{App, gone, read::view};
use crate::{
    api::{MetricsDoc, Problem, SeriesDoc, TargetsDoc},
    prometheus,
};
use axum::{
    Json, Router,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use serde::Deserialize;
use skep_core::time::Millis;

/// So many points make a chart where nobody says how fine it should be.
const POINTS: u64 = 180;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/series", get(series))
        .route("/metrics", get(metrics))
        .route("/targets", get(targets))
}

/// The one that is not of the API.
pub(super) fn root() -> Router<App> {
    Router::new().route("/metrics", get(prometheus))
}

/// What charts and metrics can be asked: lengths as people write them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    window: Option<String>,
    step: Option<String>,
}

/// What metrics can be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    window: Option<String>,
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail)
}

/// A length between a second and the longest that is remembered.
fn length(name: &str, text: Option<&str>) -> Result<Option<Millis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let length: Millis = text
        .parse()
        .map_err(|fault| bad(format!("{name}: {fault}")))?;
    if !(Millis::secs(1)..=SeriesDoc::LONGEST).contains(&length) {
        return Err(bad(format!(
            "{name}: {length} is not from 1s to {}",
            SeriesDoc::LONGEST
        )));
    }
    Ok(Some(length))
}

async fn series(
    Shared(app): Shared<App>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<SeriesDoc>, Problem> {
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let window = length("window", asked.window.as_deref())?.unwrap_or(SeriesDoc::USUAL);
    let step = length("step", asked.step.as_deref())?.unwrap_or(Millis(window.0 / POINTS));
    view(&app, move |state, now| {
        SeriesDoc::of(state, window, step, now)
    })
    .await
}

async fn metrics(
    Shared(app): Shared<App>,
    asked: Result<Query<Window>, QueryRejection>,
) -> Result<Json<MetricsDoc>, Problem> {
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let window = length("window", asked.window.as_deref())?;
    view(&app, move |state, now| MetricsDoc::of(state, window, now)).await
}

/// What a Prometheus server reads; not below `/api`, since its own convention says where it looks.
async fn prometheus(Shared(app): Shared<App>) -> Result<impl IntoResponse, Problem> {
    let text = app.handle.query(prometheus::text).await.map_err(gone)?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT)], text))
}

async fn targets(Shared(app): Shared<App>) -> Result<Json<TargetsDoc>, Problem> {
    view(&app, TargetsDoc::of).await
}

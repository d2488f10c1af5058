//! The routes that measure: charts, metrics, targets (U-3, U-5).

use super::{
    App,
    edge::{Asked, bad_query},
    gone,
    openapi::op,
    read::view,
    routes::Routes,
};
use crate::{
    api::{MetricsDoc, Problem, SeriesDoc, TargetsDoc},
    prometheus,
};
use axum::{
    Json, Router, extract::State as Shared, http::header::CONTENT_TYPE, response::IntoResponse,
    routing::get,
};
use serde::Deserialize;
use skep_core::time::Millis;

/// So many points make a chart where nobody says how fine it should be.
const POINTS: u64 = 180;

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get(
            "/series",
            series,
            op::<SeriesDoc>("getSeries", "What happened when, in columns for charts")
                .asks::<Option<String>>("window", "How far back, such as `3h`")
                .asks::<Option<String>>("step", "The distance of two points, such as `5m`"),
        )
        .get(
            "/metrics",
            metrics,
            op::<MetricsDoc>("getMetrics", "What was counted and timed, summed up")
                .asks::<Option<String>>("window", "How far back, such as `1d`; all without"),
        )
        .get(
            "/targets",
            targets,
            op::<TargetsDoc>("getTargets", "How the swarm does, beside what it should do"),
        )
}

/// The one that is not of the API.
pub(super) fn root() -> Router<App> {
    Router::new().route("/metrics", get(prometheus))
}

/// What charts and metrics can be asked: lengths as people write them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chart {
    window: Option<String>,
    step: Option<String>,
}

/// What metrics can be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    window: Option<String>,
}

/// A length between a second and the longest that is remembered.
pub(super) fn length(name: &str, text: Option<&str>) -> Result<Option<Millis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let length: Millis = text
        .parse()
        .map_err(|fault| bad_query(format!("{name}: {fault}")))?;
    if !(Millis::secs(1)..=SeriesDoc::LONGEST).contains(&length) {
        return Err(bad_query(format!(
            "{name}: {length} is not from 1s to {}",
            SeriesDoc::LONGEST
        )));
    }
    Ok(Some(length))
}

async fn series(
    Shared(app): Shared<App>,
    Asked(asked): Asked<Chart>,
) -> Result<Json<SeriesDoc>, Problem> {
    let window = length("window", asked.window.as_deref())?.unwrap_or(SeriesDoc::USUAL);
    let step = length("step", asked.step.as_deref())?.unwrap_or(Millis(window.0 / POINTS));
    view(&app, move |state, now| {
        SeriesDoc::of(state, window, step, now)
    })
    .await
}

pub(super) async fn metrics(
    Shared(app): Shared<App>,
    Asked(asked): Asked<Window>,
) -> Result<Json<MetricsDoc>, Problem> {
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

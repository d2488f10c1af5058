//! The addresses that people of earlier systems know, below `/swarm`: the same views and commands by other names.

use super::{App, config, measure, openapi::op, read, routes::Routes, write};
use crate::{
    api::{AnswerDoc, CommandDoc, ConfigDoc, MetricsDoc, Problem, Status, WorkerList},
    config::Changes,
};
use axum::{Json, extract::State as Shared, http::HeaderMap};

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get(
            "/status",
            read::status,
            op::<Status>("swarmStatus", "As /api/v1/status"),
        )
        .get(
            "/workers",
            read::workers,
            op::<WorkerList>("swarmWorkers", "As /api/v1/workers"),
        )
        .get(
            "/metrics",
            measure::metrics,
            op::<MetricsDoc>("swarmMetrics", "As /api/v1/metrics")
                .asks::<Option<String>>("window", "How far back, such as `1d`; all without"),
        )
        .post(
            "/start",
            start,
            op::<AnswerDoc>(
                "swarmStart",
                "Claim again, as the command `resume`; fine if it does",
            )
            .once_a_key(),
        )
        .post(
            "/stop",
            stop,
            op::<AnswerDoc>(
                "swarmStop",
                "Claim nothing more, as the command `pause`; fine if it does not",
            )
            .once_a_key(),
        )
        .get(
            "/config",
            config::show,
            op::<ConfigDoc>("swarmConfig", "As /api/v1/config"),
        )
        .patch(
            "/config",
            config::change,
            op::<AnswerDoc>("changeSwarmConfig", "As /api/v1/config")
                .takes::<Changes>()
                .once_a_key(),
        )
        .post(
            "/config/reset",
            config::reset,
            op::<AnswerDoc>("resetSwarmConfig", "As /api/v1/config/reset").once_a_key(),
        )
        .limit(super::COMMAND_BYTES)
}

async fn start(Shared(app): Shared<App>, headers: HeaderMap) -> Result<Json<AnswerDoc>, Problem> {
    settle(&app, &headers, &CommandDoc::Resume).await
}

/// What is at work goes on to its end: stopping that, too, ends the keeper (`skep down --now`), and then nobody could
/// be asked to start again.
async fn stop(Shared(app): Shared<App>, headers: HeaderMap) -> Result<Json<AnswerDoc>, Problem> {
    settle(&app, &headers, &CommandDoc::Pause).await
}

/// Sends a command; where nothing is to be done, all is as it was asked for.
async fn settle(
    app: &App,
    headers: &HeaderMap,
    doc: &CommandDoc,
) -> Result<Json<AnswerDoc>, Problem> {
    let (key, client) = (write::key(headers)?, write::client(headers));
    write::settled(app, key, client, doc).await.map(Json)
}

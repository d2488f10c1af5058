//! The HTTP API of one keeper: the router, and the Unix socket that it is served on.
//!
//! The router knows nothing of how a request came. A TCP listener with a token, TLS and checks of Host and
//! Origin is a second front of the same router, beside [`socket`].

mod apart;
mod asking;
mod attempt;
mod config;
mod events;
mod measure;
mod read;
pub mod socket;
mod write;

pub use config::configure;
pub use write::{act, digest, options};

use crate::api::Problem;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    routing::{get, patch, post},
};
use skep_host::{
    git::Repo,
    keeper::{Gone, Handle},
};

/// The largest command. A task's texts are bounded by the core to far less.
const COMMAND_BYTES: usize = 1024 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct App {
    /// The keeper.
    pub handle: Handle,
    /// Its repository.
    pub repo: Repo,
}

/// The API's routes.
pub fn router(app: App) -> Router {
    let reads = Router::new()
        .route("/status", get(read::status))
        .route("/tasks", get(read::tasks))
        .route("/tasks/{id}", get(read::task))
        .route("/workers", get(read::workers))
        .route("/why/{name}", get(read::why))
        .route("/conflicts", get(read::conflicts))
        .route("/costs", get(read::costs))
        .route("/prices", get(read::prices))
        .route("/memos", get(read::memos))
        .route("/reputation", get(read::reputation))
        .route("/asks", get(read::asks))
        .route("/config", get(config::show))
        .route("/events", get(events::events));
    let commands = Router::new()
        .route("/commands", post(write::command))
        .route("/config", patch(config::change))
        .layer(DefaultBodyLimit::max(COMMAND_BYTES));
    let plan = Router::new()
        .route("/plan", post(write::plan))
        .layer(DefaultBodyLimit::max(crate::plan::MAX_BYTES));
    Router::new()
        .nest(
            "/api/v1",
            reads
                .merge(commands)
                .merge(plan)
                .merge(measure::routes())
                .merge(attempt::routes(app.clone())),
        )
        .merge(measure::root())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

async fn no_such_route() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_such_route",
        "there is no such address",
    )
    .hint("every address begins with /api/v1/")
}

async fn no_such_method() -> Problem {
    let detail = "this address does not take this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", detail)
}

/// The keeper's loop has ended while its socket still answers, or waits for room on its disk.
fn gone(error: Gone) -> Problem {
    if let Gone::Held(_) = error {
        return Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "disk_full",
            error.to_string(),
        )
        .hint(
            "free some space: the keeper then goes on by itself, with what it was asked meanwhile",
        );
    }
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "keeper_gone",
        "the keeper has just ended",
    )
    .hint("start it again with `skep run` or `skep up`")
}

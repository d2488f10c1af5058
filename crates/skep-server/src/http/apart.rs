//! Work that blocks, on a thread of its own. Not one of the runtime's: where the machine has no thread left, asking
//! the runtime for one is a panic, and here it is a problem that passes.

use crate::api::Problem;
use axum::http::StatusCode;
use std::thread;
use tokio::sync::oneshot;

/// Runs `job` and waits for what it gives.
pub(super) async fn apart<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let (sender, answer) = oneshot::channel();
    let job = move || {
        // Whoever asked may have left.
        let _ = sender.send(job());
    };
    let started = thread::Builder::new().name("blocking".into()).spawn(job);
    started.map_err(|error| {
        let detail = format!("the keeper has no thread for this now: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_thread", detail)
            .hint("end some processes, and ask again")
    })?;
    answer.await.map_err(|_| {
        let detail = "what was asked ended without an answer";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", detail)
    })
}

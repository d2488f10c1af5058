//! The page that a browser is shown. Nobody has to be signed in for it: it holds nothing of the swarm.

use axum::{Router, response::Html, routing::get};

/// A page that says how to get the dashboard, for builds without it.
const NONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Skep</title>\
<h1>Skep</h1><p>A keeper answers here, and this build of it has no dashboard.</p>\
<p>Its API is described at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";

pub(super) fn routes() -> Router {
    Router::new().route("/", get(async || Html(NONE)))
}

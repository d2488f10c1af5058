//! What stands before the routes where requests come over the network.

use super::{Problem, door::Door, edge::Asked, no_such_method, page, write};
use axum::{
    Router,
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State as Shared},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// What every answer says to browsers. `no-store` and the policy yield to what a route says itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
];
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
form-action 'self'; frame-ancestors 'none'";

#[derive(Clone)]
struct Guard {
    door: Arc<Door>,
    /// How long a body may take to come.
    body: Duration,
}

/// The API behind a door, with the page before it.
pub(super) fn guarded(api: Router, door: Arc<Door>, body: Duration) -> Router {
    let guard = Guard { door, body };
    let api = api.layer(from_fn_with_state(guard.clone(), inside));
    let pages = page::routes()
        .route("/sign-in", get(sign_in).with_state(guard.clone()))
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(guard.clone(), before_pages));
    pages
        .fallback_service(api)
        .layer(from_fn_with_state(guard, outside))
        .layer(from_fn(harden))
}

async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    let policy = headers.entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static(POLICY));
    response
}

async fn outside(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match guard.door.is_meant(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(problem) => problem.into_response(),
    }
}

async fn before_pages(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response {
    match guard.door.page(Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn inside(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let let_in = guard.door.lets_in(&head, Instant::now(), SystemTime::now());
    if let Err(problem) = let_in {
        let mut response = problem.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Bearer realm=\"skep\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        return response;
    }
    match read(body, guard.body).await {
        Ok(body) => next.run(Request::from_parts(head, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// Reads a body here and whole, as every route would, because here there is a limit on how long that takes.
async fn read(body: Body, most: Duration) -> Result<Body, Problem> {
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > crate::plan::MAX_BYTES {
        return Err(write::too_large());
    }
    let whole = body.size_hint().exact().is_some();
    match tokio::time::timeout(most, to_bytes(body, crate::plan::MAX_BYTES)).await {
        Ok(Ok(body)) => Ok(Body::from(body)),
        Ok(Err(_)) if whole => {
            let detail = "the body broke off";
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad_body", detail))
        }
        Ok(Err(_)) => Err(write::too_large()),
        Err(_) => {
            let detail = "the body did not come in time";
            let slow = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(slow, "too_slow", detail))
        }
    }
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    code: String,
}

/// Signs in, and goes on to the page by a page of its own: a redirect would still count as the doing of whoever
/// showed the link, and then a strict cookie does not go along.
async fn sign_in(Shared(guard): Shared<Guard>, Asked(SignIn { code }): Asked<SignIn>) -> Response {
    let cookie = guard.door.sign_in(&code, Instant::now(), SystemTime::now());
    match cookie {
        Ok(cookie) => {
            let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Skep</title>\
                <meta http-equiv=\"refresh\" content=\"0; url=/\"><p>Signed in. <a href=\"/\">Go on</a></p></html>\n";
            ([(header::SET_COOKIE, cookie)], Html(page)).into_response()
        }
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNAUTHORIZED);
            // Both texts are constants of ours.
            let hint = problem.hint.unwrap_or_default();
            let page = format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Skep</title>\
                 <p>Not signed in: {}. {hint}.</p></html>\n",
                problem.detail
            );
            (status, Html(page)).into_response()
        }
    }
}

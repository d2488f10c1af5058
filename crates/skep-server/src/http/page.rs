//! The page that a browser is shown. Nobody has to be signed in for it: it holds nothing of the swarm.
//!
//! Its parts have names that change with their bytes, so a browser keeps them for ever; the page itself is asked for
//! each time, and is a few hundred bytes or "not modified".

use super::no_such_route;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use skep_web::File;

/// For ever, as far as HTTP knows it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(file))
        .route("/assets/{*name}", get(file))
        // Browsers ask for it where a page names none, as that of a sign-in does.
        .route("/favicon.ico", get(icon))
}

async fn icon(headers: HeaderMap) -> Response {
    let icon = skep_web::FILES.iter().find(|f| f.kind == "image/svg+xml");
    match icon {
        // Its name never changes, so neither may it be kept for ever.
        Some(icon) => {
            let icon = File {
                immutable: false,
                ..*icon
            };
            answer(&icon, &headers)
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    match skep_web::file(uri.path()) {
        Some(file) => answer(file, &headers),
        None => no_such_route().await.into_response(),
    }
}

fn answer(file: &File, asked: &HeaderMap) -> Response {
    let (bytes, coding) = coded(file, asked);
    // Each coding is a text of its own for whoever keeps it.
    let tag = format!("\"{}{}\"", file.tag, coding.unwrap_or_default());
    let known = asked.get_all(header::IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*");
    let mut response = match known {
        true => (StatusCode::NOT_MODIFIED, Body::empty()).into_response(),
        false => Body::from(bytes).into_response(),
    };
    let keep = if file.immutable { FOR_EVER } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The smallest form that the browser takes.
fn coded(file: &File, asked: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    let takes = |coding: &str| {
        let said = asked.get_all(header::ACCEPT_ENCODING).iter();
        said.filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|one| {
                let (name, weight) = one.split_once(';').unwrap_or((one, ""));
                let weight = weight.trim().trim_start_matches("q=");
                name.trim() == coding && weight.parse() != Ok(0.0)
            })
    };
    if !file.brotli.is_empty() && takes("br") {
        (file.brotli, Some("br"))
    } else if !file.gzip.is_empty() && takes("gzip") {
        (file.gzip, Some("gzip"))
    } else {
        (file.plain, None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(headers: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pairs = headers.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    fn file_of(immutable: bool) -> File {
        File {
            path: "/",
            kind: "text/html; charset=utf-8",
            tag: "abc",
            immutable,
            plain: b"plain",
            brotli: b"br",
            gzip: b"gz",
        }
    }

    // proves: U-3
    #[test]
    fn a_browser_gets_the_smallest_form_that_it_takes() {
        let file = file_of(false);
        for (said, expected) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip;q=1.0, br;q=0", Some("gzip")),
            ("identity", None),
            ("", None),
        ] {
            let headers = asked(&[(header::ACCEPT_ENCODING, said)]);
            assert_eq!(coded(&file, &headers).1, expected, "{said}");
        }
    }

    // proves: U-3
    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let first = answer(&file_of(false), &HeaderMap::new());
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        assert_eq!(tag, "\"abc\"");
        let again = asked(&[(header::IF_NONE_MATCH, "W/\"abc\", \"x\"")]);
        let again = answer(&file_of(false), &again);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        // Another form of it is not what the browser has.
        let other = asked(&[
            (header::IF_NONE_MATCH, "\"abc\""),
            (header::ACCEPT_ENCODING, "br"),
        ]);
        assert_eq!(answer(&file_of(false), &other).status(), StatusCode::OK);
        let part = answer(&file_of(true), &HeaderMap::new());
        assert_eq!(part.headers()[header::CACHE_CONTROL], FOR_EVER);
    }
}

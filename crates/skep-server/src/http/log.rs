//! The route that shows what an attempt printed, in lines and a page at a time.

use super::{
    App,
    edge::{Asked, Named, bad_query},
    openapi::op,
    routes::Routes,
};
use crate::api::{LogPage, Problem};
use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Deserialize;
use skep_core::id::Attempt;
use skep_host::run::{narrated, tail_output};

/// A page is of about so many bytes of output, unless it is asked for less.
const PAGE: usize = 64 * 1024;
/// The most of the end that can be asked for.
const TAIL: usize = 1024 * 1024;

pub(super) fn routes() -> Routes<App> {
    Routes::new().get(
        "/attempts/{attempt}/log",
        log,
        op::<LogPage>("getLog", "What an attempt printed, in readable lines")
            .part::<u64>("attempt", "The attempt's number")
            .asks::<Option<u64>>("from", "From this place on: where a page said `next`")
            .asks::<Option<u64>>("tail", "Or: about so many bytes of its end")
            .asks::<Option<u64>>("bytes", "About so many bytes of output in one page")
            .refuses(&[StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR]),
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// From this place in the whole output on: where a page said `next`.
    from: Option<u64>,
    /// Or: about so many bytes of its end.
    tail: Option<usize>,
    /// About so many bytes of output in one page, 64 KiB at most.
    bytes: Option<usize>,
}

async fn log(
    Shared(app): Shared<App>,
    Named(attempt): Named,
    Asked(asked): Asked<Wanted>,
) -> Result<Json<LogPage>, Problem> {
    if asked.from.is_some() && asked.tail.is_some() {
        return Err(bad_query("from and tail exclude each other"));
    }
    // Digits alone: the name of a folder is made of it.
    let number = Some(&attempt)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .map(Attempt)
        .ok_or_else(|| bad_query("an attempt is named by its number, such as 7"))?;
    let folder = app.handle.site().runs().join(format!("a{number}"));
    if !folder.is_dir() {
        let detail = format!("there is no output of attempt {number}");
        return Err(
            Problem::new(StatusCode::NOT_FOUND, "no_such_log", detail).hint(
                "`GET /api/v1/tasks/ID` lists a task's attempts; `skep clean` removes their output",
            ),
        );
    }
    let most = asked.bytes.unwrap_or(PAGE).clamp(1, PAGE);
    let read = tokio::task::spawn_blocking(move || {
        let from = match (asked.from, asked.tail) {
            (_, Some(tail)) => line_after(&folder, tail.min(TAIL))?,
            (from, None) => from.unwrap_or(0),
        };
        narrated(&folder, from, most, app.handle.secrets())
    });
    let failed = |why: String| {
        let detail = format!("the output cannot be read: {why}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
    };
    let page = read.await.map_err(|error| failed(error.to_string()))?;
    let page = page.map_err(|error| failed(error.to_string()))?;
    Ok(Json(LogPage::of(number, page)))
}

/// Where the first whole line among the last bytes begins.
fn line_after(folder: &std::path::Path, bytes: usize) -> std::io::Result<u64> {
    let tail = tail_output(folder, bytes)?;
    if tail.at == 0 {
        return Ok(0);
    }
    let end = tail.bytes.iter().position(|b| *b == b'\n');
    Ok(tail.at + end.map_or(0, |end| end as u64 + 1))
}

//! The routes of reports (U-7).

use super::{
    App,
    edge::{Asked, Named, bad_query},
    gone,
    measure::length,
    openapi::op,
    routes::Routes,
};
use crate::{
    api::{Problem, ReportDoc, ReportKind, ReportList, StoredDoc},
    report,
};
use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Deserialize;

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get(
            "/reports",
            list,
            op::<ReportList>("listReports", "The reports that were written by themselves"),
        )
        .get(
            "/reports/{id}",
            show,
            op::<ReportDoc>("getReport", "What was done, what failed and what it cost")
                .part::<String>("id", "One that was written; or, up to now, `run`, `hourly`, `daily`, `weekly` or `window`")
                .asks::<Option<String>>("window", "With the id `window`: how far back, such as `3h`"),
        )
}

async fn list(Shared(app): Shared<App>) -> Json<ReportList> {
    Json(ReportList::of(app.handle.site()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportAsked {
    window: Option<String>,
}

async fn show(
    Shared(app): Shared<App>,
    Named(id): Named,
    Asked(asked): Asked<ReportAsked>,
) -> Result<Json<ReportDoc>, Problem> {
    let window = length("window", asked.window.as_deref())?;
    let kinds = [&ReportKind::KEPT[..], &[ReportKind::Window]].concat();
    let Some(kind) = kinds.into_iter().find(|kind| kind.word() == id) else {
        return stored(&app, &id).map(Json);
    };
    if window.is_some() && kind != ReportKind::Window {
        return Err(bad_query(
            "window: only a report with the id `window` has one",
        ));
    }
    let made = app.handle.query(move |state, now| {
        let span = match window {
            Some(length) => report::since(length, now),
            None => report::named(state, kind, now),
        };
        let doc = ReportDoc::of(state, kind, &id, span, now);
        (doc, report::shelf(state))
    });
    let (doc, shelf) = made.await.map_err(gone)?;
    let repo = app.repo.clone();
    let plain = doc.clone();
    let whole = tokio::task::spawn_blocking(move || report::salvage(&repo, shelf, doc));
    Ok(Json(whole.await.unwrap_or(plain)))
}

fn stored(app: &App, id: &str) -> Result<ReportDoc, Problem> {
    match report::read(app.handle.site(), id) {
        Ok(Some(doc)) => Ok(doc),
        Ok(None) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_such_report",
            "there is no report of that name",
        )
        .hint("GET /api/v1/reports lists them")),
        Err(error) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unreadable_report",
            format!("that report cannot be read: {error}"),
        )
        .hint("its page in .skep/reports may still be whole; delete its .json to have it written anew")),
    }
}

impl ReportList {
    /// The reports of a site.
    #[must_use]
    pub fn of(site: &skep_host::site::Site) -> ReportList {
        let stored = report::stored(site).into_iter();
        ReportList {
            schema: crate::api::SCHEMA,
            reports: stored
                .map(|stored| StoredDoc {
                    page: format!(".skep/reports/{}.html", stored.id),
                    markdown: format!(".skep/reports/{}.md", stored.id),
                    kind: stored.kind,
                    id: stored.id,
                })
                .collect(),
        }
    }
}

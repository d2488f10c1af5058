//! The routes that change nothing: each is a view of the committed state.

use super::{
    App,
    edge::{Asked, Named, bad_query},
    gone,
};
use crate::{
    api::{
        AskList, AttemptDetail, AttemptList, By, ConcernList, ConflictList, CostsDoc, GraphDoc,
        MemoList, PricesDoc, Problem, QueueDoc, ReputationDoc, StateDoc, Status, TaskDetail,
        TaskList, WhyDoc, WorkerDoc, WorkerList, measured,
    },
    near,
};
use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Deserialize;
use skep_core::{id::Attempt, state::State, time::Time};
use skep_host::keeper::Handle;
use std::str::FromStr;

/// Where the keeper runs attempts, which is not the plan's alone to say.
fn placed(handle: &Handle, state: &State, workers: &mut [WorkerDoc]) {
    let Some(swarm) = state.swarm() else { return };
    let host = handle.host(swarm.spec.host);
    let panes = handle.panes();
    for (worker, doc) in state.workers().zip(workers) {
        doc.host = host.word().into();
        doc.pane = panes.get(&worker.id).cloned();
    }
}

pub(super) async fn view<T: Send + 'static>(
    app: &App,
    view: impl FnOnce(&State, Time) -> T + Send + 'static,
) -> Result<Json<T>, Problem> {
    app.handle.query(view).await.map(Json).map_err(gone)
}

pub(super) async fn status(Shared(app): Shared<App>) -> Result<Json<Status>, Problem> {
    let handle = app.handle.clone();
    let Json(mut status) = view(&app, move |state, now| {
        let mut status = Status::of(state, now, &measured(state, now));
        placed(&handle, state, &mut status.workers);
        status
    })
    .await?;
    status.held = app.handle.held().map(|held| held.why);
    Ok(Json(status))
}

pub(super) async fn standing(Shared(app): Shared<App>) -> Result<Json<StateDoc>, Problem> {
    view(&app, |state, now| StateDoc::of(state, now, true)).await
}

pub(super) async fn tasks(Shared(app): Shared<App>) -> Result<Json<TaskList>, Problem> {
    view(&app, TaskList::of).await
}

pub(super) async fn workers(Shared(app): Shared<App>) -> Result<Json<WorkerList>, Problem> {
    let handle = app.handle.clone();
    view(&app, move |state, now| {
        let mut list = WorkerList::of(state, now, &measured(state, now));
        placed(&handle, state, &mut list.workers);
        list
    })
    .await
}

pub(super) async fn memos(Shared(app): Shared<App>) -> Result<Json<MemoList>, Problem> {
    view(&app, |state, _| MemoList::of(state)).await
}

pub(super) async fn conflicts(Shared(app): Shared<App>) -> Result<Json<ConflictList>, Problem> {
    view(&app, |state, _| ConflictList::of(state)).await
}

pub(super) async fn concerns(Shared(app): Shared<App>) -> Result<Json<ConcernList>, Problem> {
    let held = app.handle.held().map(|held| held.why);
    view(&app, move |state, now| {
        ConcernList::of(state, now, held.as_deref())
    })
    .await
}

/// What `GET /costs` can be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CostsAsked {
    by: Option<String>,
}

pub(super) async fn costs(
    Shared(app): Shared<App>,
    Asked(asked): Asked<CostsAsked>,
) -> Result<Json<CostsDoc>, Problem> {
    let by = asked.by.as_deref().map(By::from_str).transpose();
    let by = by.map_err(|error| bad_query(format!("by: {error}")))?;
    view(&app, move |state, now| {
        CostsDoc::of(state, now, by.unwrap_or_default())
    })
    .await
}

pub(super) async fn prices(Shared(app): Shared<App>) -> Result<Json<PricesDoc>, Problem> {
    view(&app, |state, _| PricesDoc::of(state)).await
}

pub(super) async fn reputation(Shared(app): Shared<App>) -> Result<Json<ReputationDoc>, Problem> {
    view(&app, ReputationDoc::of).await
}

pub(super) async fn asks(Shared(app): Shared<App>) -> Result<Json<AskList>, Problem> {
    view(&app, |state, _| AskList::of(state)).await
}

/// The most that is given at one time, as the OpenAPI document says.
const MOST: usize = 5_000;

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(200),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(limit) => Err(bad_query(format!("limit: {limit} is not from 1 to {MOST}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueAsked {
    #[serde(default)]
    skip: u32,
    limit: Option<usize>,
}

pub(super) async fn queue(
    Shared(app): Shared<App>,
    Asked(asked): Asked<QueueAsked>,
) -> Result<Json<QueueDoc>, Problem> {
    let limit = limit(asked.limit)?;
    let skip = usize::try_from(asked.skip).unwrap_or(usize::MAX);
    view(&app, move |state, now| {
        QueueDoc::of(state, now, skip, limit)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttemptsAsked {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub(super) async fn attempts(
    Shared(app): Shared<App>,
    Asked(asked): Asked<AttemptsAsked>,
) -> Result<Json<AttemptList>, Problem> {
    let limit = limit(asked.limit)?;
    view(&app, move |state, _| {
        AttemptList::of(state, asked.after, limit)
    })
    .await
}

pub(super) async fn attempt(
    Shared(app): Shared<App>,
    Named(number): Named,
) -> Result<Json<AttemptDetail>, Problem> {
    let none = |number: &str| {
        let detail = format!("there is no attempt {} in this plan", shown(number));
        Problem::new(StatusCode::NOT_FOUND, "no_such_attempt", detail)
            .hint("GET /api/v1/attempts lists them")
    };
    let attempt = number.parse().map_err(|_| none(&number))?;
    let Json(found) = view(&app, move |state, _| {
        AttemptDetail::of(state, Attempt(attempt))
    })
    .await?;
    found.map(Json).ok_or_else(|| none(&number))
}

pub(super) async fn graph(Shared(app): Shared<App>) -> Result<Json<GraphDoc>, Problem> {
    view(&app, |state, _| GraphDoc::of(state)).await
}

pub(super) async fn task(
    Shared(app): Shared<App>,
    Named(id): Named,
) -> Result<Json<TaskDetail>, Problem> {
    let Json(found) = view(&app, move |state, now| {
        let task = near::is_task(state, &id).and_then(|id| state.task(&id));
        task.map(|task| TaskDetail::of(state, task, now))
            .ok_or_else(|| {
                let detail = format!("there is no task {}", shown(&id));
                Problem::new(StatusCode::NOT_FOUND, "no_such_task", detail)
                    .hint(near::task_hint(state, &id))
            })
    })
    .await?;
    found.map(Json)
}

pub(super) async fn why(
    Shared(app): Shared<App>,
    Named(name): Named,
) -> Result<Json<WhyDoc>, Problem> {
    let Json(found) = view(&app, move |state, now| {
        WhyDoc::of(state, &name, now).ok_or_else(|| {
            let detail = format!("there is no task or worker {}", shown(&name));
            Problem::new(StatusCode::NOT_FOUND, "no_such_name", detail)
                .hint(near::task_hint(state, &name))
        })
    })
    .await?;
    found.map(Json)
}

/// A name that is not one, for a message: escaped and cut.
fn shown(name: &str) -> String {
    name.chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect()
}

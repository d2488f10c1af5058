//! The routes that change something: a command, and a plan.

use super::{App, apart::apart, edge::Asked, gone};
use crate::{
    api::{AnswerDoc, CommandDoc, Problem, cannot_open, refusal},
    models, plan, unique_id,
};
use axum::{
    Json,
    body::Bytes,
    extract::{State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use skep_core::{
    event::By,
    id::nearest_name,
    request::{Command, Refusal, Request, What},
    spec::{Host, Plan, Workers},
};
use skep_host::agents::check_plan;
use skep_host::keeper::{
    RequestError,
    opening::{Last, Opening, opening},
};

/// The longest idempotency key; a UUID has 36 characters.
const KEY_MAX: usize = 128;

pub(super) async fn command(
    Shared(app): Shared<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AnswerDoc>, Problem> {
    let body = body.map_err(unread)?;
    let unprocessable =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_command", detail);
    let doc = CommandDoc::parse(&body).map_err(unprocessable)?;
    let command = doc.read().map_err(unprocessable)?;
    send(&app, &headers, command).await
}

/// A command from the process that the keeper is in, answered as one over a socket would be.
///
/// # Errors
/// The problem that a client would be shown.
pub async fn act(
    app: &App,
    client: &str,
    key: &str,
    doc: &CommandDoc,
) -> Result<AnswerDoc, Problem> {
    let unprocessable =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_command", detail);
    let command = doc.read().map_err(unprocessable)?;
    ask(app, Some(key.into()), client.into(), command).await
}

/// A command whose wish may have come true already.
pub(super) async fn settled(
    app: &App,
    key: Option<String>,
    client: String,
    doc: &CommandDoc,
) -> Result<AnswerDoc, Problem> {
    let unprocessable =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_command", detail);
    let command = doc.read().map_err(unprocessable)?;
    match try_ask(app, key, client, command).await {
        Ok(answer) => Ok(answer),
        Err(RequestError::Refused(Refusal::NothingToDo(_))) => {
            let seq = app.handle.query(|state, _| state.seq()).await;
            Ok(AnswerDoc::nothing(seq.map_err(gone)?))
        }
        Err(RequestError::Refused(no)) => Err(explain(app, no).await),
        Err(RequestError::Gone(error)) => Err(gone(error)),
    }
}

/// What may be asked of a plan.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanQuery {
    /// Run it once more if it was run to its end already.
    #[serde(default)]
    again: bool,
}

pub(super) async fn plan(
    Shared(app): Shared<App>,
    Asked(asked): Asked<PlanQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AnswerDoc>, Problem> {
    let body = body.map_err(unread)?;
    let options = options(app.repo.root());
    let format = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let name = match format.map(|f| f.split(';').next().unwrap_or(f).trim()) {
        Some("application/json") => "plan.json",
        Some("application/yaml") => "plan.yaml",
        Some("application/toml") => "plan.toml",
        Some("text/markdown") => "plan.md",
        _ => "plan",
    };
    let plan = plan::read_bytes(name, &body, None, &options).map_err(|faults| Problem {
        diagnostics: Some(Box::new(faults.to_json())),
        ..Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_plan",
            faults.to_string(),
        )
    })?;
    let plan = can_be_hosted(&app, plan).await?;
    let Opening { target, base, kept } = begin(&app, &plan).await?;
    let digest = digest(&plan);
    send(
        &app,
        &headers,
        Command::LoadPlan {
            plan: Box::new(plan),
            digest,
            target,
            base,
            kept,
            again: asked.again,
        },
    )
    .await
}

/// What plans leave to their surroundings, for the repository at `root`.
#[must_use]
pub fn options(root: &std::path::Path) -> plan::Options {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    let name = nearest_name(&folder).unwrap_or_else(|| "swarm".into());
    plan::Options {
        // `nearest_name` gives only names, and so is "swarm".
        default_name: name
            .parse()
            .unwrap_or_else(|_| unreachable!("{name:?} is a name")),
        default_agent: "shell".into(),
    }
}

/// Tells two plans apart. How many workers do it, and where, does not make it another plan.
#[must_use]
pub fn digest(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.swarm.workers = Workers::Auto;
    // Nor do the agents that this version of Skep knows.
    plan.swarm.built_in.clear();
    // Nor on which line of which file a value stands.
    plan.swarm.origins.clear();
    plan.swarm.host = Host::default();
    // What Skep knows itself is not the plan's, and changes with Skep.
    let known = models::catalog();
    plan.swarm
        .catalog
        .retain(|name, spec| known.get(name) != Some(spec));
    let text = serde_json::to_vec(&plan).unwrap_or_default();
    // FNV-1a with 128 bits: plans come from people who have no reason to make two collide.
    let hash = text.iter().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{hash:032x}")
}

pub(super) async fn send(
    app: &App,
    headers: &HeaderMap,
    what: Command,
) -> Result<Json<AnswerDoc>, Problem> {
    ask(app, key(headers)?, client(headers), what)
        .await
        .map(Json)
}

async fn ask(
    app: &App,
    key: Option<String>,
    client: String,
    what: Command,
) -> Result<AnswerDoc, Problem> {
    match try_ask(app, key, client, what).await {
        Ok(answer) => Ok(answer),
        Err(RequestError::Refused(no)) => Err(explain(app, no).await),
        Err(RequestError::Gone(error)) => Err(gone(error)),
    }
}

pub(super) async fn try_ask(
    app: &App,
    key: Option<String>,
    client: String,
    what: Command,
) -> Result<AnswerDoc, RequestError> {
    let request = Request {
        key,
        trace: unique_id(),
        by: By::Person(client),
        what: What::Command(what),
    };
    app.handle.request(request).await.map(Into::into)
}

pub(super) async fn explain(app: &App, no: Refusal) -> Problem {
    let shown = no.clone();
    match app
        .handle
        .query(move |state, _| refusal(state, &shown))
        .await
    {
        Ok(problem) => problem,
        Err(error) => gone(error),
    }
}

pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    let plain = key.bytes().all(|b| b.is_ascii_graphic());
    if key.is_empty() || key.len() > KEY_MAX || !plain {
        let detail = format!(
            "Idempotency-Key must be 1 to {KEY_MAX} printable ASCII characters without spaces"
        );
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_key", detail));
    }
    Ok(Some(key.into()))
}

/// What the client calls itself; it goes into the log, so it must be a name.
pub(super) fn client(headers: &HeaderMap) -> String {
    let named = headers.get("skep-client").and_then(|v| v.to_str().ok());
    named.and_then(nearest_name).unwrap_or_else(|| "api".into())
}

pub(super) fn unread(rejection: BytesRejection) -> Problem {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Problem::new(status, "bad_body", "the body could not be read")
}

pub(super) fn too_large() -> Problem {
    let detail = "the body is larger than this address takes";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// Refuses a plan whose attempts cannot run where they are to run, before anything of it is begun.
async fn can_be_hosted(app: &App, plan: Plan) -> Result<Plan, Problem> {
    let handle = app.handle.clone();
    // tmux is asked, which blocks.
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Err(unable) = check_plan(&plan, &path) {
        let problem = Problem::new(StatusCode::CONFLICT, "no_agent", unable.to_string());
        return Err(problem.hint(unable.hint()));
    }
    let checked = tokio::task::spawn_blocking(move || match handle.check_host(&plan) {
        Ok(()) => Ok(plan),
        Err(error) => Err(Problem {
            hint: Some(error.hint().into()),
            ..Problem::new(StatusCode::CONFLICT, "cannot_host", error.to_string())
        }),
    });
    checked
        .await
        .map_err(|_| bug("asking tmux failed"))
        .and_then(|plan| plan)
}

fn bug(what: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", what)
}

/// Where the plan begins. While one is under way that is known, and no branch may be moved: it goes on from
/// where it stands, or is refused.
async fn begin(app: &App, plan: &Plan) -> Result<Opening, Problem> {
    let stands = app
        .handle
        .query(|state, _| (Opening::under_way(state), Last::of(state)));
    let last = match stands.await.map_err(gone)? {
        (Some(opening), _) => return Ok(opening),
        (None, last) => last,
    };
    // git is asked for the branches, which blocks.
    let (repo, plan) = (app.repo.clone(), plan.clone());
    let opened = apart(move || opening(&repo, &plan, last.as_ref())).await?;
    opened.map_err(|error| cannot_open(&error))
}

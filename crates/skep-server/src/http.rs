//! The HTTP API of one keeper: the router, and the two fronts that it is served on.
//!
//! The router knows nothing of how a request came. On the Unix [`socket`] the kernel says who asks; over [`tcp`] a
//! [`Door`] looks at what a request brings.

mod alerts;
mod apart;
mod asking;
mod attempt;
mod bucket;
mod config;
mod door;
mod edge;
mod events;
mod feed;
mod guard;
mod log;
mod measure;
mod openapi;
mod page;
mod read;
mod reports;
mod routes;
mod sign_in;
pub mod socket;
mod swarm;
pub mod tcp;
mod write;

pub use config::configure;
pub use door::Door;
pub use write::{act, digest, options};

use crate::api::{
    AlertList, AnswerDoc, AskList, AttemptDetail, AttemptList, By, CommandDoc, ConcernList,
    ConfigDoc, ConflictList, CostsDoc, GraphDoc, MemoList, PricesDoc, Problem, QueueDoc,
    ReputationDoc, StateDoc, Status, TaskDetail, TaskList, TestInput, WhyDoc, WorkerList,
};
use crate::config::Changes;
use axum::{
    Router,
    http::{StatusCode, header},
    routing::get,
};
use openapi::{Limit, Name, op};
use routes::Routes;
use skep_host::{
    git::Repo,
    keeper::{Gone, Handle},
};
use std::sync::{Arc, LazyLock};

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

/// The API's routes, without a way to sign in.
pub fn router(app: App) -> Router {
    router_with(app, None)
}

/// The API's routes, with the door that browsers are signed in at.
pub fn router_with(app: App, door: Option<Arc<Door>>) -> Router {
    let agents = attempt::Agents::new(app.clone());
    let counted = measure::root().with_state(app.clone());
    let feed = feed::Feed::new(app.handle.clone());
    let known_names = swarm::routes().below("/swarm").with_state(app.clone());
    let api = owner()
        .with_state(app)
        .merge(attempt::routes().with_state(agents))
        .merge(events::routes().with_state(feed))
        .merge(sign_in::routes().with_state(door))
        .below("/api/v1")
        .merge(known_names);
    let (router, mut operations) = api.split();
    let about = op::<serde_json::Value>("openapi", "This document");
    operations.push(about.at(axum::http::Method::GET, "/api/v1/openapi.json"));
    // Made when somebody asks, and then kept: a keeper should start at once.
    let document = LazyLock::new(move || openapi::document(&operations).to_string());
    let document = Arc::new(document);
    let document = get(async move || {
        let text = String::clone(&document);
        ([(header::CONTENT_TYPE, "application/json")], text)
    });
    router
        .route("/api/v1/openapi.json", document)
        .merge(counted)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
}

/// What its owner can see and do. A route and what the OpenAPI document says of it are one entry.
fn owner() -> Routes<App> {
    let reads = Routes::new()
        .get(
            "/status",
            read::status,
            op::<Status>("getStatus", "The swarm at a glance"),
        )
        .get(
            "/state",
            read::standing,
            op::<StateDoc>(
                "getState",
                "How the swarm stands, as .skep/state.json has it",
            ),
        )
        .get(
            "/tasks",
            read::tasks,
            op::<TaskList>("listTasks", "All tasks"),
        )
        .get(
            "/tasks/{id}",
            read::task,
            op::<TaskDetail>("getTask", "Everything known of a task")
                .part::<Name>("id", "The task's id"),
        )
        .get(
            "/workers",
            read::workers,
            op::<WorkerList>("listWorkers", "All workers"),
        )
        .get(
            "/why/{name}",
            read::why,
            op::<WhyDoc>(
                "getWhy",
                "Why a task or worker is where it is, or the swarm as large as it is",
            )
            .part::<Name>("name", "A task, a worker, or `swarm`"),
        )
        .get(
            "/conflicts",
            read::conflicts,
            op::<ConflictList>("listConflicts", "Conflicts met so far in this plan"),
        )
        .get(
            "/concerns",
            read::concerns,
            op::<ConcernList>("listConcerns", "What needs a person, or is about to"),
        )
        .get(
            "/costs",
            read::costs,
            op::<CostsDoc>("getCosts", "What was spent, and where the caps stand")
                .asks::<By>("by", "What to add up by"),
        )
        .get(
            "/prices",
            read::prices,
            op::<PricesDoc>("getPrices", "The prices in force"),
        )
        .get(
            "/memos",
            read::memos,
            op::<MemoList>("listMemos", "What agents have found out in this plan"),
        )
        .get(
            "/reputation",
            read::reputation,
            op::<ReputationDoc>(
                "getReputation",
                "How workers, agents, models and providers do",
            ),
        )
        .get(
            "/asks",
            read::asks,
            op::<AskList>("listAsks", "What agents ask people"),
        )
        .merge(log::routes())
        .merge(measure::routes())
        .merge(reports::routes())
        .get(
            "/alerts",
            alerts::list,
            op::<AlertList>(
                "listAlerts",
                "What people were told of, and what became of it",
            ),
        )
        .get(
            "/config",
            config::show,
            op::<ConfigDoc>("getConfig", "Every number that steers the swarm"),
        )
        .get(
            "/queue",
            read::queue,
            op::<QueueDoc>("getQueue", "What will be done in which order, and when")
                .asks::<u32>("skip", "Leave out so many of the first")
                .asks::<Limit>("limit", "At most so many; 200 if not said"),
        )
        .get(
            "/attempts",
            read::attempts,
            op::<AttemptList>("listAttempts", "Attempts of this plan's tasks, by number")
                .asks::<u64>("after", "Only those with a greater number")
                .asks::<Limit>("limit", "At most so many; 200 if not said"),
        )
        .get(
            "/attempts/{attempt}",
            read::attempt,
            op::<AttemptDetail>("getAttempt", "An attempt with the evidence of how it ended")
                .part::<u64>("attempt", "Its number"),
        )
        .get(
            "/graph",
            read::graph,
            op::<GraphDoc>("getGraph", "Tasks, what ties them together, and waves"),
        );
    let commands = Routes::new()
        .post(
            "/commands",
            write::command,
            op::<AnswerDoc>("sendCommand", "Do something")
                .takes::<CommandDoc>()
                .once_a_key(),
        )
        .post(
            "/alerts/test",
            alerts::test,
            op::<AnswerDoc>("testAlerts", "Send a test by a route of alerts, or by each")
                .takes::<TestInput>()
                .once_a_key(),
        )
        .patch(
            "/config",
            config::change,
            op::<AnswerDoc>(
                "changeConfig",
                "Change numbers by key, all or none; null brings a default back",
            )
            .takes::<Changes>()
            .once_a_key(),
        )
        .post(
            "/config/reset",
            config::reset,
            op::<AnswerDoc>("resetConfig", "Bring every number's default back").once_a_key(),
        )
        .limit(COMMAND_BYTES);
    let plan = Routes::new()
        .post(
            "/plan",
            write::plan,
            op::<AnswerDoc>("loadPlan", "Begin a plan, or go on with it")
                .takes_as::<serde_json::Map<String, serde_json::Value>>("application/json")
                .takes_as::<String>("application/toml")
                .takes_as::<String>("application/yaml")
                .takes_as::<String>("text/markdown")
                .asks::<bool>("again", "Run it once more if it was run to its end already")
                .once_a_key(),
        )
        .limit(crate::plan::MAX_BYTES);
    reads.merge(commands).merge(plan)
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

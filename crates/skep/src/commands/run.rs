//! `skep run`: a plan to its end, in the foreground.

mod foresee;

use super::{look, report};
use crate::{
    args::{self, Context, quoted},
    failure::{Exit, Failure},
    follow::{End, Follow},
    layers,
    place::{self, Hosted, Place, now},
    show::{progress::Progress, summary},
    signals::Signals,
    term,
};
use miette::{GraphicalReportHandler, GraphicalTheme};
use skep_core::{
    spec::{Command, Host, Landing, Plan, Workers},
    state::State,
    waiting,
};
use skep_host::keeper::Presence;
use skep_server::{
    api::CommandDoc,
    client::ClientError,
    http,
    plan::{self, Diagnostics},
    unique_id,
};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    time::Duration,
};

/// Runs a plan to its end; without PLAN, goes on with the one under way.
///
/// Ctrl-C once: nothing more is claimed and live attempts end. Twice: they are stopped and their work is saved.
/// `skep run` again goes on. When a keeper runs already (`skep up`), the plan is handed to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan: TOML, YAML, JSON or a Markdown checklist; - is standard input
    plan: Option<PathBuf>,
    /// auto, a number, bounds such as 1..8, or roles such as backend:2,frontend:1
    #[arg(long, short, value_name = "WORKERS", requires = "plan")]
    workers: Option<String>,
    /// Where results end: branch, or main (the target itself)
    #[arg(long, value_name = "WHERE", requires = "plan")]
    landing: Option<String>,
    /// The integration check; may be given several times
    #[arg(long, value_name = "COMMAND", requires = "plan")]
    check: Vec<String>,
    /// The agent of tasks that name none
    #[arg(long, value_name = "AGENT", requires = "plan")]
    agent: Option<String>,
    /// Where agents run: headless, or tmux (each worker's in a pane of the session skep-SWARM)
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A key of the configuration with its value, such as concurrency=2; may be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "plan")]
    set: Vec<String>,
    /// Show waves, critical path and workers; start nothing
    #[arg(long, requires = "plan")]
    dry_run: bool,
    /// Run a plan that was done already once more
    #[arg(long, requires = "plan")]
    again: bool,
}

impl Args {
    /// A plan and nothing else.
    pub(crate) fn of(plan: PathBuf) -> Args {
        Args {
            plan: Some(plan),
            workers: None,
            landing: None,
            check: Vec::new(),
            agent: None,
            host: None,
            set: Vec::new(),
            dry_run: false,
            again: false,
        }
    }
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let plan = match &args.plan {
        Some(path) => Some(overridden(read(ctx, &place, path, &args.set)?, &args)?),
        None => None,
    };
    if let Some(plan) = plan.as_ref().filter(|_| args.dry_run) {
        return foresee::dry_run(ctx, &place, plan, args.again);
    }
    let told = args.host.as_deref().map(args::host).transpose()?;
    place::check_host(told)?;
    let signals = Signals::listen()?;
    let there = place.client.is_there().await?;
    if plan.is_none() && !there && !place.has_log() {
        return Err(nothing_to_go_on_with());
    }
    // A plan that this keeper would refuse shall not leave a keeper's files behind. A log that cannot be read is
    // for the keeper to explain: another one may be making it at this moment.
    if let Some(plan) = plan.as_ref().filter(|_| !there)
        && let Ok(state) = place.fold()
    {
        foresee::taken(&place, state, plan, args.again)?;
    }
    let hosted = if there {
        None
    } else {
        host(&place, told).await?
    };
    if hosted.is_none() {
        term::say("a keeper runs already; the plan is handed to it\n");
        if told.is_some() {
            term::say("where agents run is that keeper's to say; `--host` changes nothing now\n");
        }
    }
    let result = follow(ctx, &place, hosted.as_ref(), plan, args.again, signals).await;
    if let Some(hosted) = hosted {
        hosted.stop().await;
    }
    result
}

/// Starts a keeper; `None` when another process was quicker, and its keeper answers.
async fn host(place: &Place, told: Option<Host>) -> Result<Option<Hosted>, Failure> {
    let failure = match place.start_keeper(Presence::default(), told, None) {
        Ok(hosted) => return Ok(Some(hosted)),
        Err(failure) => failure,
    };
    for _ in 0..40 {
        if place.client.is_there().await.unwrap_or(false) {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(failure)
}

fn nothing_to_go_on_with() -> Failure {
    Failure::usage("there is no plan to go on with")
        .hint("`skep run PLAN` begins one; `skep init` writes an example")
}

async fn follow(
    ctx: &Context,
    place: &Place,
    hosted: Option<&Hosted>,
    plan: Option<Plan>,
    again: bool,
    signals: Signals,
) -> Result<Exit, Failure> {
    let state = place.state().await?;
    let answered = match plan {
        Some(plan) => {
            let same = state
                .swarm()
                .is_some_and(|s| s.digest == http::digest(&plan));
            let over = state.tasks().iter().all(|t| t.state.is_over());
            if same && over && state.finished().is_some() && !again {
                term::say("this plan was run already; `--again` runs it once more\n");
                let exit = exit(End::Finished, &state);
                finish(ctx, place, End::Finished, exit, &state).await?;
                return Ok(exit);
            }
            load(place, &plan, again).await?
        }
        None if state.swarm().is_none() => return Err(nothing_to_go_on_with()),
        None => resume(place, &state).await?,
    };
    let until = answered.unwrap_or(0).max(state.seq());
    let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
    let live = !ctx.json && !dumb && io::stderr().is_terminal();
    let color = term::color(&io::stderr(), Some(ctx.color));
    let progress = Progress::new(now(), color, live);
    let follow = Follow::begin(place, hosted, state, until, progress, signals).await?;
    let (end, state) = follow.until_end().await?;
    let exit = exit(end, &state);
    finish(ctx, place, end, exit, &state).await?;
    Ok(exit)
}

/// Loads the plan; the same plan, under way, goes on. Gives the log's number then, if anything changed.
async fn load(place: &Place, plan: &Plan, again: bool) -> Result<Option<u64>, Failure> {
    let text = plan::to_json(plan).into_bytes();
    match place
        .client
        .plan("application/json", text, again, &unique_id())
        .await
    {
        Ok(answer) => Ok(Some(answer.seq)),
        Err(ClientError::Refused(no)) if &*no.code == "nothing_to_do" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn resume(place: &Place, state: &State) -> Result<Option<u64>, Failure> {
    let shut = state.paused() || state.draining() || state.halted().is_some();
    if !shut {
        return Ok(None);
    }
    Ok(place
        .command(&CommandDoc::Resume)
        .await?
        .map(|answer| answer.seq))
}

fn exit(end: End, state: &State) -> Exit {
    match end {
        End::Finished if summary::complete(state) => Exit::Done,
        End::Finished | End::Drained => Exit::Unfinished,
        End::Halted | End::Stuck => Exit::Refused,
        End::Left(exit) => exit,
        End::Gone => Exit::NoKeeper,
    }
}

/// Prints what became of it all.
async fn finish(
    ctx: &Context,
    place: &Place,
    end: End,
    exit: Exit,
    state: &State,
) -> Result<(), Failure> {
    let report = report::of_run(place, state).await;
    if let Some(summary) = summary::Summary::of(state, exit, report, now()) {
        let printed = if ctx.json {
            term::print_json(&summary)
        } else if !matches!(end, End::Left(_)) || state.finished().is_some() {
            term::print(&summary.render(look(ctx)))
        } else {
            Ok(())
        };
        match printed {
            // Nobody reads it, and still the exit code says how the run went.
            Err(closed) if closed.exit == Exit::Done => {}
            printed => printed.map_err(|e| {
                e.hint(
                    "the run itself has ended as it should; `skep tasks` shows what became of it",
                )
            })?,
        }
    }
    let said = match end {
        End::Finished => return Ok(()),
        End::Halted => {
            let why = state.halted().map_or("", |h| h.reason.as_str());
            format!("halted: {why}\n`skep resume` or `skep run` goes on once it is mended\n")
        }
        End::Stuck => {
            let why = waiting::stuck(state, now()).unwrap_or_default();
            format!("stuck: {why}\n`skep run` goes on once that is changed\n")
        }
        End::Drained => "the swarm was drained; `skep run` goes on\n".into(),
        // What leaving means was said when the person left.
        End::Left(_) => return Ok(()),
        End::Gone => {
            "the keeper has ended; running attempts live on, and `skep run` goes on\n".into()
        }
    };
    term::say(&term::escape_lines(&said));
    Ok(())
}

/// Reads a plan file; everything wrong with it is shown.
fn read(ctx: &Context, place: &Place, path: &Path, set: &[String]) -> Result<Plan, Failure> {
    let cannot = |e: io::Error| {
        let name = path.display().to_string();
        Failure::usage(format!("cannot read the plan {}", quoted(&name))).because(&e)
    };
    let (name, bytes) = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let most = plan::MAX_BYTES as u64 + 1;
        io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        ("stdin".into(), bytes)
    } else {
        let bytes = std::fs::read(ctx.dir.join(path)).map_err(cannot)?;
        (path.display().to_string(), bytes)
    };
    layers::read_plan(ctx, place, (&name, &bytes), set)
}

/// What is wrong with a plan: for a person, for a log, or for a program.
pub(crate) fn show_faults(ctx: &Context, faults: &Diagnostics) -> Failure {
    if ctx.json {
        let document = serde_json::json!({ "schema": 1, "diagnostics": faults.to_json() });
        return match term::print_json(&document) {
            Ok(()) => Failure::whole(Exit::Usage, format!("error: {faults}\n")),
            Err(failure) => failure,
        };
    }
    let stderr = io::stderr();
    let mut text = String::new();
    if let Some((width, _)) = term::size(&stderr) {
        let color = term::color(&stderr, Some(ctx.color));
        let theme = if color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width.clamp(20, 120));
        if handler.render_report(&mut text, faults).is_ok() {
            return Failure::whole(Exit::Usage, text);
        }
    }
    Failure::whole(Exit::Usage, faults.render_plain())
}

/// The plan with what the command line says instead.
fn overridden(mut plan: Plan, args: &Args) -> Result<Plan, Failure> {
    if let Some(workers) = &args.workers {
        plan.swarm.workers = parse_workers(workers)?;
    }
    match args.landing.as_deref() {
        None => {}
        Some("branch") => plan.swarm.landing = Landing::Branch,
        Some("main") => plan.swarm.landing = Landing::Main,
        Some(other) => {
            return Err(
                Failure::usage(format!("--landing {} is not known", quoted(other)))
                    .hint("it is branch or main"),
            );
        }
    }
    if !args.check.is_empty() {
        plan.swarm.check = args.check.iter().cloned().map(Command::Line).collect();
    }
    if let Some(host) = &args.host {
        plan.swarm.host = args::host(host)?;
    }
    if let Some(agent) = &args.agent {
        plan.swarm.agent.clone_from(agent);
    }
    let faults = skep_core::spec::check(&plan);
    match faults.first() {
        None => Ok(plan),
        Some(fault) => Err(Failure::usage(format!(
            "with these options the plan cannot run: {}",
            fault.kind
        ))
        .hint("change the options, or the plan")),
    }
}

/// `auto`, `3`, `1..8`, or `backend:2,frontend:1` (W-1, S-1).
pub(super) fn parse_workers(text: &str) -> Result<Workers, Failure> {
    let bad = || {
        Failure::usage(format!("--workers {} is not understood", quoted(text)))
            .hint(
                "write auto, a number such as 3, bounds such as 1..8, or roles such as backend:2,frontend:1",
            )
    };
    if text == "auto" {
        return Ok(Workers::Auto);
    }
    if let Ok(count) = text.parse() {
        return Ok(Workers::Count(count));
    }
    if let Some((min, max)) = text.split_once("..") {
        let number = |text: &str| text.trim().parse().map_err(|_| bad());
        return Ok(Workers::Between {
            min: number(min)?,
            max: number(max)?,
        });
    }
    let mut roles = BTreeMap::new();
    for part in text.split(',') {
        let (role, count) = part.split_once(':').ok_or_else(bad)?;
        let (role, count) = (role.trim(), count.trim().parse().map_err(|_| bad())?);
        if role.is_empty() || roles.insert(role.to_string(), count).is_some() {
            return Err(bad());
        }
    }
    Ok(Workers::PerRole(roles))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: W-1
    #[test]
    fn workers_are_auto_a_number_or_roles() {
        assert_eq!(parse_workers("auto").unwrap(), Workers::Auto);
        assert_eq!(parse_workers("3").unwrap(), Workers::Count(3));
        assert_eq!(
            parse_workers("1..8").unwrap(),
            Workers::Between { min: 1, max: 8 }
        );
        let roles = BTreeMap::from([("backend".into(), 2), ("frontend".into(), 1)]);
        assert_eq!(
            parse_workers("backend:2,frontend:1").unwrap(),
            Workers::PerRole(roles)
        );
        for bad in [
            "",
            "-1",
            "a",
            "a:",
            ":2",
            "a:b",
            "a:1,a:2",
            "1,2",
            "1..",
            "..8",
            "99999999999",
        ] {
            assert!(parse_workers(bad).is_err(), "{bad}");
        }
    }
}

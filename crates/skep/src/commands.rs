//! The commands, one file each. A command finds its place, acts, and prints.

pub(crate) mod alerts;
pub(crate) mod ask;
pub(crate) mod asks;
pub(crate) mod attach;
pub(crate) mod clean;
pub(crate) mod completions;
pub(crate) mod concerns;
pub(crate) mod config;
pub(crate) mod costs;
pub(crate) mod dash;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod mcp;
pub(crate) mod metrics;
pub(crate) mod pause;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod salvage;
pub(crate) mod say;
pub(crate) mod scale;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod tasks;
pub(crate) mod top;
pub(crate) mod trust;
pub(crate) mod up;
pub(crate) mod watchdog;
pub(crate) mod why;
pub(crate) mod workers;

use crate::{
    args::{Context, Verb},
    failure::{Exit, Failure},
    place::now,
    show::status::Look,
    term,
};
use std::io;

/// Runs a command.
pub(crate) fn run((ctx, verb): (Context, Verb)) -> Result<Exit, Failure> {
    if let Verb::Watchdog(args) = &verb {
        return watchdog::run(&ctx, args);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Refused, "cannot start threads").because(&e))?;
    let exit = runtime.block_on(act(&ctx, verb));
    // What still blocks on a disk must not keep a person waiting.
    runtime.shutdown_background();
    exit
}

async fn act(ctx: &Context, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(args) => init::run(ctx, &args),
        Verb::Run(args) => run::run(ctx, args).await,
        Verb::Up(args) => up::run(ctx, &args).await,
        Verb::Down(args) => down::run(ctx, &args).await,
        // Has a runtime of its own.
        Verb::Watchdog(_) => Ok(Exit::Done),
        Verb::Status(args) => status::run(ctx, &args).await,
        Verb::Top(args) => top::run(ctx, &args).await,
        Verb::State(args) => state::run(ctx, &args).await,
        Verb::Tasks(args) => tasks::run(ctx, args).await,
        Verb::Workers(args) => workers::run(ctx, args).await,
        Verb::Attach(args) => attach::run(ctx, &args).await,
        Verb::Scale(args) => scale::run(ctx, &args).await,
        Verb::Logs(args) => logs::run(ctx, &args).await,
        Verb::Concerns(args) => concerns::run(ctx, &args).await,
        Verb::Alerts(args) => alerts::run(ctx, &args).await,
        Verb::Asks(args) => asks::list(ctx, &args).await,
        Verb::Answer(args) => asks::answer(ctx, &args).await,
        Verb::Why(args) => why::run(ctx, &args).await,
        Verb::Retry(args) => retry::run(ctx, &args).await,
        Verb::Cancel(args) => retry::cancel(ctx, &args).await,
        Verb::Pause(args) => pause::pause(ctx, &args).await,
        Verb::Resume(args) => pause::resume(ctx, &args).await,
        Verb::Salvage(args) => salvage::run(ctx, args).await,
        Verb::Clean(args) => clean::run(ctx, &args).await,
        Verb::Events(args) => events::run(ctx, &args).await,
        Verb::Doctor(args) => doctor::run(ctx, &args).await,
        Verb::Demo(args) => demo::run(ctx, &args).await,
        Verb::Import(args) => import::run(ctx, &args),
        Verb::Dash(args) => dash::run(ctx, &args).await,
        Verb::Costs(args) => costs::run(ctx, &args).await,
        Verb::Report(args) => report::run(ctx, &args).await,
        Verb::Metrics(args) => metrics::run(ctx, &args).await,
        Verb::Checkpoint(args) => say::checkpoint(ctx, args).await,
        Verb::Heartbeat(_) => say::heartbeat(ctx).await,
        Verb::Block(args) => say::block(ctx, args).await,
        Verb::Ask(args) => ask::run(ctx, args).await,
        Verb::Memo(args) => say::memo(ctx, args).await,
        Verb::Mcp(_) => mcp::run(ctx).await,
        Verb::Config(args) => config::run(ctx, args).await,
        Verb::Trust(args) => trust::run(ctx, &args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Schema(args) => schema::run(&args),
    }
}

/// How data looks on standard output.
fn look(ctx: &Context) -> Look {
    let out = io::stdout();
    let color = term::color(&out, Some(ctx.color));
    // A pipe gets whole lines; only a person's terminal needs them cut.
    let width = term::size(&out).map(|s| s.0);
    Look {
        color,
        width,
        now: now(),
    }
}

/// Whether a person answers "yes"; without a terminal there is nobody to ask.
fn confirm(ctx: &Context, question: &str) -> Result<(), Failure> {
    use io::IsTerminal;
    if ctx.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("{question} Nobody can be asked here."))
                .hint("`--yes` answers for you"),
        );
    }
    term::say(&format!("{} [y/N] ", term::escape(question)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|e| Failure::new(Exit::Refused, "cannot read the answer").because(&e))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Refused, "nothing was done"))
    }
}

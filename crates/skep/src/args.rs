//! What a person can type.

use crate::{
    commands::{
        alerts, ask, asks, attach, clean, completions, concerns, config, costs, dash, demo, doctor,
        down, events, import, init, logs, mcp, metrics, pause, report, retry, run, salvage, say,
        scale, schema, state, status, tasks, top, trust, up, watchdog, why, workers,
    },
    failure::{Exit, Failure},
    term::{self, ColorChoice},
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use skep_core::{
    id::{NameFault, TaskId, WorkerId},
    spec::Host,
};
use std::{ffi::OsString, path::PathBuf};

/// Skep keeps swarms of coding agents: it runs a plan of tasks with many agents at once, merges what they
/// make, and loses nothing.
#[derive(Debug, Parser)]
#[command(
    name = "skep",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 everything merged, 1 finished with tasks flagged, dead or cancelled, \
2 wrong usage or a bad plan, 3 halted, out of budget or refused, 4 no keeper, 70 a bug, 130 or 143 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Act as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// Use colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: ColorChoice,
    /// Do not ask
    #[arg(short, long, global = true)]
    yes: bool,
}

/// What holds for every command.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) dir: PathBuf,
    pub(crate) json: bool,
    pub(crate) color: ColorChoice,
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a commented plan to begin from
    Init(init::Args),
    /// Run a plan to its end, or go on with the one under way
    Run(run::Args),
    /// Keep the swarm until `skep down`
    Up(up::Args),
    /// End the keeper once its attempts have ended
    Down(down::Args),
    /// Start the keeper again when it has died or hangs
    Watchdog(watchdog::Args),
    /// Show the swarm at a glance
    Status(status::Args),
    /// Watch and steer the swarm live, on a whole terminal
    Top(top::Args),
    /// Print how the swarm stands as JSON
    State(state::Args),
    /// List and change tasks
    Tasks(tasks::Args),
    /// List and change workers
    Workers(workers::Args),
    /// Open the dashboard: sign a browser in
    Dash(dash::Args),
    /// Watch workers in their tmux session
    Attach(attach::Args),
    /// Set how many workers there are: auto, a number, or bounds
    Scale(scale::Args),
    /// Show what an attempt printed
    Logs(logs::Args),
    /// Say why a task or worker is not moving, or why the swarm is as large as it is
    Why(why::Args),
    /// List what needs you, each with what mends it
    Concerns(concerns::Args),
    /// List what people were told of; test the ways to them; silence a rule
    Alerts(alerts::Args),
    /// List what agents ask
    Asks(asks::Args),
    /// Answer what an agent asks
    Answer(asks::AnswerArgs),
    /// Begin tasks anew
    Retry(retry::Args),
    /// Give tasks up
    Cancel(retry::CancelArgs),
    /// Claim nothing more, or let one worker take no more tasks
    Pause(pause::Args),
    /// Claim again, or let one worker take tasks again
    Resume(pause::Args),
    /// Show what was spent, where the caps stand, and what models cost
    Costs(costs::Args),
    /// Show how the swarm stands to its targets, and how long everything takes
    Metrics(metrics::Args),
    /// Report what was done, what failed, what it cost, and what to look at next
    Report(report::Args),
    /// Show and change the numbers that steer the swarm
    Config(config::Args),
    /// Let the repository's skep.toml run commands
    Trust(trust::Args),
    /// List and restore saved work
    Salvage(salvage::Args),
    /// Remove what finished work left behind
    Clean(clean::Args),
    /// Print what happened
    Events(events::Args),
    /// Find and mend what is wrong on this machine
    Doctor(doctor::Args),
    /// Show everything at work, without any account or key
    Demo(demo::Args),
    /// Make a plan of a Markdown checklist
    Import(import::Args),
    /// For agents: report progress
    Checkpoint(say::CheckpointArgs),
    /// For agents: still at work
    Heartbeat(say::HeartbeatArgs),
    /// For agents: this attempt cannot go on
    Block(say::BlockArgs),
    /// For agents: ask a person, and wait for the answer
    Ask(ask::Args),
    /// List what agents have found out; for agents: record a finding
    Memo(say::MemoArgs),
    /// Serve MCP: for agents in an attempt, and for your own
    Mcp(mcp::Args),
    /// Print the completions for a shell
    Completions(completions::Args),
    /// Print the JSON Schema of plans
    #[command(hide = true)]
    Schema(schema::Args),
}

/// Reads the arguments. Help and version are printed here and end the program.
pub(crate) fn parse(args: Vec<OsString>) -> Result<(Context, Verb), Failure> {
    let parsed = Cli::command()
        .try_get_matches_from(args)
        .and_then(|m| Cli::from_arg_matches(&m));
    match parsed {
        Ok(Cli { global, verb }) => {
            let Global {
                dir,
                json,
                color,
                yes,
            } = global;
            // Absolute, so that messages say where that is.
            let dir = dir.unwrap_or_else(|| ".".into());
            let dir = std::path::absolute(&dir).unwrap_or(dir);
            Ok((
                Context {
                    dir,
                    json,
                    color,
                    yes,
                },
                verb,
            ))
        }
        Err(error) if error.use_stderr() => {
            // Rendered without style: what clap quotes of the arguments may hold anything.
            let text = term::escape_lines(&error.render().to_string());
            Err(Failure::whole(Exit::Usage, text))
        }
        Err(help) => {
            let color = term::color(&std::io::stdout(), None);
            let text = help.render();
            term::print(&if color {
                text.ansi().to_string()
            } else {
                text.to_string()
            })?;
            Err(Failure::whole(Exit::Done, ""))
        }
    }
}

/// A task's id. Checked here and not by clap, which would print what it was given unescaped.
pub(crate) fn task(text: &str) -> Result<TaskId, Failure> {
    text.parse()
        .map_err(|fault| not_a_name("task id", text, &fault))
}

/// A worker's id.
pub(crate) fn worker(text: &str) -> Result<WorkerId, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!("{} is not a worker", quoted(text)))
            .hint("workers are written w1, w2, …; `skep workers` lists them")
    })
}

/// Where attempts run.
pub(crate) fn host(text: &str) -> Result<Host, Failure> {
    let hosts = [Host::Headless, Host::Tmux];
    hosts.into_iter().find(|h| h.word() == text).ok_or_else(|| {
        Failure::usage(format!("--host {} is not known", quoted(text)))
            .hint("it is headless or tmux")
    })
}

fn not_a_name(what: &str, text: &str, fault: &NameFault) -> Failure {
    Failure::usage(format!("{} is not a {what}: it {fault}", quoted(text)))
        .hint("ids are letters, digits, '.', '_' and '-', at most 64; `skep tasks` lists them")
}

/// A bad argument for a message: escaped, and no longer than it helps.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", term::fit(text, 60))
}

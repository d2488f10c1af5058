//! `skep metrics`: whether the swarm comes to what it should, and what that was measured from (U-5).

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use serde::Serialize;
use skep_server::api::{MetricsDoc, TargetsDoc};

/// Shows how the swarm stands to its targets, and how long everything takes.
///
/// What nobody knows is shown as unknown, and is never counted as nothing. Targets are set in the plan
/// (`[policy.targets]`) and while the swarm runs (`skep config set targets.duration 20m`).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print everything that is counted, as a Prometheus server reads it
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Both {
    targets: TargetsDoc,
    metrics: MetricsDoc,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let source = Place::find(ctx)?.source().await?;
    if args.prometheus {
        term::print(&source.prometheus().await?)?;
        return Ok(Exit::Done);
    }
    let (targets, metrics) = (source.targets().await?, source.metrics().await?);
    if ctx.json {
        term::print_json(&Both { targets, metrics })?;
    } else {
        term::print(&show::metrics::metrics(&targets, &metrics, look(ctx)))?;
    }
    Ok(Exit::Done)
}

//! `skep costs`: what was spent, where the caps stand, and what models cost (S-7).

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use skep_server::api::By;

/// Shows what the swarm has spent, what of it came to nothing, and where its caps stand.
///
/// What nobody knows is shown as unknown, and is never counted as nothing. Caps are set in the plan (`[policy.budget]`)
/// and while the swarm runs (`skep config set budget.per_day_usd 20`).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Add up by task, model, worker, role or day (of all plans)
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "task",
        conflicts_with = "prices"
    )]
    by: String,
    /// List what models cost instead, with where that is known from
    #[arg(long)]
    prices: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let by: By = args.by.parse().map_err(|fault| {
        Failure::usage(format!("--by {fault}")).hint("`skep costs --by model` adds up by model")
    })?;
    let source = Place::find(ctx)?.source().await?;
    if args.prices {
        let prices = source.prices().await?;
        if ctx.json {
            term::print_json(&prices)?;
        } else {
            term::print(&show::costs::prices(&prices, look(ctx)))?;
        }
        return Ok(Exit::Done);
    }
    let costs = source.costs(by).await?;
    if ctx.json {
        term::print_json(&costs)?;
    } else {
        term::print(&show::costs::costs(&costs, look(ctx)))?;
    }
    Ok(Exit::Done)
}

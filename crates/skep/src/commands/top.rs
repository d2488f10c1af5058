//! `skep top`: the swarm live, on a whole terminal (U-4).

use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term, top,
};
use std::io::{IsTerminal, stdin, stdout};

/// Shows workers, tasks, asks, problems, costs, logs and waves as they change, and takes keys; `?` lists them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ctx: &Context, _: &Args) -> Result<Exit, Failure> {
    if ctx.json {
        return Err(
            Failure::usage("skep top draws on a terminal and prints no JSON")
                .hint("`skep status --json` and `skep events --json --follow` are for programs"),
        );
    }
    let place = Place::find(ctx)?;
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if !stdin().is_terminal() || !stdout().is_terminal() || dumb {
        let what = if dumb && stdout().is_terminal() {
            "skep top needs a terminal that can move its cursor (TERM)"
        } else {
            "skep top needs a terminal for its input and output"
        };
        return Err(Failure::usage(what)
            .hint("`skep status` and `skep status --watch` print the same anywhere"));
    }
    top::run(place, term::color(&stdout(), Some(ctx.color))).await
}

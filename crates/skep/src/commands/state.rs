//! `skep state`: how the swarm stands, as one document.

use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term,
};

/// Prints how the swarm stands as JSON; a keeper keeps the same in .skep/state.json.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ctx: &Context, _: &Args) -> Result<Exit, Failure> {
    let state = Place::find(ctx)?.source().await?.standing().await?;
    term::print_json(&state)?;
    Ok(Exit::Done)
}

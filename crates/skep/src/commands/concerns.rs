//! `skep concerns`: what needs a person, and what mends it.

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show, term,
};

/// Lists what needs a person or is about to, the gravest first, each with the commands that mend it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ctx: &Context, _: &Args) -> Result<Exit, Failure> {
    let concerns = Place::find(ctx)?.source().await?.concerns().await?;
    if ctx.json {
        term::print_json(&concerns)?;
    } else {
        term::print(&show::concerns::all(&concerns, look(ctx)))?;
    }
    Ok(Exit::Done)
}

//! `skep why`: why a task or worker is not moving, or the swarm as large as it is, in one line.

use super::look;
use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::Place,
    term,
};

/// Says in one line why a task or worker is where it is, or why the swarm has as many workers as it has.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task's or worker's name, or `swarm`
    name: String,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let name = args::task(&args.name)?;
    let place = Place::find(ctx)?;
    let why = place.source().await?.why(&name).await?;
    if ctx.json {
        term::print_json(&why)?;
    } else {
        let line = format!("{} {}\n", why.name, term::escape(&why.reason));
        term::print(&term::wrap(&line, look(ctx).width, 2))?;
    }
    Ok(Exit::Done)
}

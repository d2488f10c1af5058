//! `skep schema`: the JSON Schema of plans, for editors.

use crate::{
    failure::{Exit, Failure},
    term,
};

/// Prints the JSON Schema of plans.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<Exit, Failure> {
    term::print(&format!("{}\n", skep_server::plan::schema().trim_end()))?;
    Ok(Exit::Done)
}

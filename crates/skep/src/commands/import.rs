//! `skep import`: a plan from a Markdown checklist.

use super::run::show_faults;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term,
};
use skep_server::{http, plan};
use std::path::PathBuf;

/// Prints a Markdown checklist as a plan; redirect it to a file and edit that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The Markdown file
    file: PathBuf,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(ctx.dir.join(&args.file))
        .map_err(|e| Failure::usage(format!("cannot read {name}")).because(&e))?;
    // The folder's name will do where there is no repository yet.
    let root = Place::find(ctx).map_or_else(|_| ctx.dir.clone(), |p| p.repo.root().into());
    let plan = plan::import_markdown(&name, &text, &http::options(&root))
        .map_err(|faults| show_faults(ctx, &faults))?;
    if ctx.json {
        term::print(&format!("{}\n", plan::to_json(&plan).trim_end()))?;
    } else {
        term::print(&plan::to_toml(&plan))?;
    }
    Ok(Exit::Done)
}

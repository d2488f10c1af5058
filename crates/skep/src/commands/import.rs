//! `skep import`: a plan from a Markdown checklist.

use super::run::show_faults;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show::count,
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
    term::say(&to_fill_in(&plan::Unfinished::of(&plan)));
    Ok(Exit::Done)
}

/// More names than this help nobody.
const NAMED: usize = 5;

/// What a person must add before the plan can run; nothing when it can.
fn to_fill_in(lacks: &plan::Unfinished) -> String {
    let mut text = String::new();
    if let [first, ..] = lacks.commands.as_slice() {
        let mut named: Vec<&str> = lacks.commands.iter().map(|t| t.as_str()).collect();
        let more = named.len().saturating_sub(NAMED);
        named.truncate(NAMED);
        let more = match more {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        text += &format!(
            "to fill in before it can run: {} of the shell agent without a command: {}{more}\n\
             \x20 give each a `command` (the first is {first}), or set `agent` in [swarm] to one that you \
             describe in [agents.NAME]\n",
            count(lacks.commands.len(), "task"),
            named.join(", "),
        );
    }
    for agent in &lacks.agents {
        let agent = term::escape(agent);
        text += &format!(
            "to fill in before it can run: there is no agent {agent} yet; describe it in [agents.{agent}]\n"
        );
    }
    text
}

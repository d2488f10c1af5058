//! `skep init`: a commented plan to begin from, and a commented configuration.

use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term,
};
use skep_server::plan::layers::{PROJECT, sample};
use std::{fs, io, io::Write, path::Path};

/// The plan that is written; the other agents are for a person to uncomment.
const PLAN: &str = include_str!("init/plan.toml");
const NAME: &str = "plan.toml";

/// Writes `plan.toml`, and `skep.toml` with every key of the configuration, in the repository's root. What exists is
/// never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the configuration
    #[arg(long)]
    config: bool,
    /// Print it instead of writing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    if args.dry_run {
        if args.config {
            term::print(&sample())?;
        } else {
            term::print(PLAN)?;
        }
        return Ok(Exit::Done);
    }
    let place = Place::find(ctx)?;
    let config = place.repo.root().join(PROJECT);
    if args.config {
        return if write(&config, &sample())? {
            said(&config);
            Ok(Exit::Done)
        } else {
            Err(
                Failure::usage(format!("{} is there already", config.display()))
                    .hint("`skep init --config --dry-run` prints every key"),
            )
        };
    }
    let path = place.repo.root().join(NAME);
    if !write(&path, PLAN)? {
        return Err(
            Failure::usage(format!("{} is there already", path.display())).hint(format!(
                "`skep run --dry-run {NAME}` shows what it would do"
            )),
        );
    }
    said(&path);
    if write(&config, &sample())? {
        said(&config);
    }
    term::say(&format!(
        "next:\n  edit them: every key is explained there\n  skep run --dry-run {NAME}   shows \
         waves and workers, and starts nothing\n  skep run {NAME}             runs it\n"
    ));
    Ok(Exit::Done)
}

fn said(path: &Path) {
    term::say(&format!(
        "wrote {}\n",
        term::escape(&path.display().to_string())
    ));
}

/// Writes a new file; false if there is one.
fn write(path: &Path, text: &str) -> Result<bool, Failure> {
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match made.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            let message = format!("cannot write {}", path.display());
            Err(Failure::new(Exit::Refused, message).because(&error))
        }
    }
}

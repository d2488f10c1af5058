//! `skep init`: a commented plan to begin from, and a commented configuration.

use crate::{
    args::Context,
    deeds::Deeds,
    failure::{Exit, Failure},
    term,
};
use skep_server::plan::layers::{PROJECT, sample};
use std::{fs, io, io::Write};

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
    if args.dry_run && !ctx.json {
        if args.config {
            term::print(&sample())?;
        } else {
            term::print(PLAN)?;
        }
        return Ok(Exit::Done);
    }
    let mut deeds = Deeds::begin(ctx, args.dry_run)?;
    let result = write_all(&mut deeds, args.config);
    deeds.end(result)
}

fn write_all(deeds: &mut Deeds, only_config: bool) -> Result<(), Failure> {
    if only_config {
        return if write(deeds, PROJECT, &sample())? {
            Ok(())
        } else {
            Err(there_already(
                deeds,
                PROJECT,
                "`skep init --config --dry-run` prints every key",
            ))
        };
    }
    if !write(deeds, NAME, PLAN)? {
        let hint = format!("`skep run --dry-run {NAME}` shows what it would do");
        return Err(there_already(deeds, NAME, &hint));
    }
    // A configuration of the repository's own goes with any plan.
    write(deeds, PROJECT, &sample())?;
    if !deeds.dry_run {
        term::say(&format!(
            "next:\n  edit them: every key is explained there\n  skep run --dry-run {NAME}   shows \
             waves and workers, and starts nothing\n  skep run {NAME}             runs it\n"
        ));
    }
    Ok(())
}

fn there_already(deeds: &Deeds, name: &str, hint: &str) -> Failure {
    let path = deeds.place.repo.root().join(name);
    Failure::usage(format!("{} is there already", path.display())).hint(hint)
}

/// Writes a new file, or only says so; false if there is one.
fn write(deeds: &mut Deeds, name: &str, text: &str) -> Result<bool, Failure> {
    let path = deeds.place.repo.root().join(name);
    if deeds.dry_run {
        let free = !path.exists();
        if free {
            deeds.only_say(name, &format!("would write {}", path.display()));
        }
        return Ok(free);
    }
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path);
    match made.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            deeds.did(name, &format!("wrote {}", path.display()));
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            let message = format!("cannot write {}", path.display());
            Err(Failure::new(Exit::Refused, message).because(&error))
        }
    }
}

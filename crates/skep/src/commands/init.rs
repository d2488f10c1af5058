//! `skep init`: a commented plan to begin from.

use crate::{
    args::Context,
    deeds::Deeds,
    failure::{Exit, Failure},
    term,
};
use std::{fs, io::Write};

/// The plan that is written; the other agents are for a person to uncomment.
const PLAN: &str = include_str!("init/plan.toml");
const NAME: &str = "plan.toml";

/// Writes `plan.toml` in the repository's root. An existing one is never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print it instead of writing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    if args.dry_run && !ctx.json {
        term::print(PLAN)?;
        return Ok(Exit::Done);
    }
    let mut deeds = Deeds::begin(ctx, args.dry_run)?;
    let result = write(&mut deeds);
    deeds.end(result)
}

fn write(deeds: &mut Deeds) -> Result<(), Failure> {
    let path = deeds.place.repo.root().join(NAME);
    if deeds.dry_run && !path.exists() {
        deeds.only_say(NAME, &format!("would write {}", path.display()));
        return Ok(());
    }
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path);
    match made.and_then(|mut file| file.write_all(PLAN.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(
                Failure::usage(format!("{} is there already", path.display())).hint(format!(
                    "`skep run --dry-run {NAME}` shows what it would do"
                )),
            );
        }
        Err(error) => {
            let message = format!("cannot write {}", path.display());
            return Err(Failure::new(Exit::Refused, message).because(&error));
        }
    }
    deeds.did(NAME, &format!("wrote {}", path.display()));
    term::say(&format!(
        "next:\n  edit it: every key is explained there\n  skep run --dry-run {NAME}   shows \
         waves and workers, and starts nothing\n  skep run {NAME}             runs it\n"
    ));
    Ok(())
}

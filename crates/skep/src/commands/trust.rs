//! `skep trust`: let the repository's own configuration run commands (U-11).

use super::confirm;
use crate::{
    args::Context,
    commands::run::show_faults,
    deeds::Deeds,
    failure::{Exit, Failure},
    layers, term,
};
use skep_server::{
    http,
    plan::layers::{Content, Layer, Layers, PROJECT, Rank},
};
use std::fs;

/// Trusts the repository's `skep.toml` as it is now: it may run commands, set what agents may do, and raise caps.
///
/// Untrusted it may only set numbers and names. Trust ends with the next change of the file. `skep.local.toml` and
/// your own configuration need none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Trust it no more
    #[arg(long)]
    revoke: bool,
    /// Only show the file
    #[arg(long, conflicts_with = "revoke")]
    dry_run: bool,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut deeds = Deeds::begin(ctx, args.dry_run)?;
    let result = decide(ctx, args, &mut deeds);
    deeds.end(result)
}

fn decide(ctx: &Context, args: &Args, deeds: &mut Deeds) -> Result<(), Failure> {
    let path = deeds.place.repo.root().join(PROJECT);
    let Some(trust) = layers::places().trust() else {
        return Err(Failure::usage("there is no folder to note it in")
            .hint("set HOME, or XDG_STATE_HOME, to an absolute path"));
    };
    let list = trust.list().display().to_string();
    let cannot = |error: std::io::Error| {
        Failure::new(Exit::Refused, format!("cannot write {list}")).because(&error)
    };
    if args.revoke {
        if trust.revoke(&path).map_err(cannot)? {
            let said = format!("{} is not trusted any more", path.display());
            deeds.did(PROJECT, &said);
        } else {
            deeds.only_say(PROJECT, &format!("{} was not trusted", path.display()));
        }
        return Ok(());
    }
    let text = fs::read_to_string(&path).map_err(|error| {
        Failure::usage(format!("cannot read {}", path.display()))
            .because(&error)
            .hint("only the repository's own skep.toml needs trust")
    })?;
    // What makes no sense is not to be trusted: it would have to be mended, and trusted anew.
    let layer = Layer {
        rank: Rank::Project,
        content: Content::File(PROJECT.into(), text.clone()),
        trusted: true,
    };
    let options = http::options(deeds.place.repo.root());
    let checked = Layers(vec![layer]).check(&options);
    checked.map_err(|faults| show_faults(ctx, &faults))?;
    term::say(&term::escape_lines(&text));
    if args.dry_run {
        deeds.only_say(PROJECT, "this is what would be trusted");
        return Ok(());
    }
    let question = format!("Trust {} as it is now?", path.display());
    confirm(ctx, &question)?;
    // What was shown is what is trusted, whatever the file holds by now.
    trust.grant(&path, text.as_bytes()).map_err(cannot)?;
    deeds.did(
        PROJECT,
        "trusted, until it changes; `skep trust --revoke` takes it back",
    );
    Ok(())
}

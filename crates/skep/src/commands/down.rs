//! `skep down`: the keeper ends.

use super::watchdog;
use crate::{
    args::Context,
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show::count,
    signals::Signals,
    term,
};
use skep_server::{api::CommandDoc, client::ClientError};
use std::time::Duration;

/// Claims nothing more, waits for live attempts to end, and ends the keeper.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do not wait: stop every attempt and save its work
    #[arg(long)]
    now: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut deeds = Deeds::begin(ctx, args.dry_run)?;
    match end(&Place::find(ctx)?, &mut deeds, args).await {
        Ok(Exit::Done) => deeds.end(Ok(())),
        ended => ended,
    }
}

async fn end(place: &Place, deeds: &mut Deeds, args: &Args) -> Result<Exit, Failure> {
    // Between two keepers the watchdog is all there is to end; then it must go first, or it would start the next.
    if !args.dry_run && !place.client.is_there().await? && watchdog::end(place).await? {
        let there = place.client.is_there().await?;
        deeds.did("watchdog", "the watchdog has ended");
        if !there {
            return Ok(Exit::Done);
        }
    }
    let status = place.client.status().await?;
    let running = status
        .workers
        .iter()
        .filter(|w| w.attempt.is_some())
        .count();
    let live = count(running, "attempt");
    if args.dry_run {
        let how = if args.now {
            "would be stopped and saved"
        } else {
            "would be waited for"
        };
        deeds.only_say(
            "keeper",
            &format!("{live} {how}, then the keeper would end"),
        );
        return Ok(Exit::Done);
    }
    let command = if args.now {
        CommandDoc::StopAll
    } else {
        CommandDoc::Drain
    };
    place.command(&command).await?;
    if !args.now && running > 0 {
        term::say(&format!(
            "{live} to end; `skep down --now` stops and saves them\n"
        ));
    }
    let mut signals = Signals::listen()?;
    loop {
        match place.client.is_there().await {
            Ok(false) => break,
            Ok(true) | Err(ClientError::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            _ = signals.next() => {
                term::say("left; the keeper ends once its attempts have\n");
                return Ok(Exit::Interrupted);
            }
        }
    }
    // It sees that its keeper was ended, and does not outlive it. While attempts were ending it still had its
    // use: a keeper that fails in the middle of that is replaced, and its successor goes on ending.
    if !watchdog::gone(place).await {
        watchdog::end(place).await?;
    }
    deeds.did("keeper", "the keeper has ended");
    Ok(Exit::Done)
}

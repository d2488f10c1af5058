//! `skep status`: the swarm at a glance.

use super::look;
use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::{Place, Source},
    show, term,
};
use skep_server::api::Status;
use std::{io::IsTerminal, time::Duration};

/// Shows workers, and how many tasks are in each state.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show it again every second until Ctrl-C
    #[arg(long, short)]
    watch: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let source = place.source().await?;
    if !args.watch {
        let status = source.status().await?;
        if ctx.json {
            term::print_json(&status)?;
        } else {
            let concerns = source.concerns().await?;
            term::print(&show::status::status(&status, &concerns, look(ctx)))?;
            term::print(&size(&source, &status, ctx).await)?;
            term::print(&show::status::conflicts(
                &source.conflicts().await?,
                look(ctx),
            ))?;
        }
        return Ok(Exit::Done);
    }
    let mut signals = crate::signals::Signals::listen()?;
    let clear = if std::io::stdout().is_terminal() {
        "\x1b[H\x1b[J"
    } else {
        ""
    };
    loop {
        let source = place.source().await?;
        let status = source.status().await?;
        if ctx.json {
            let line = serde_json::to_string(&status).unwrap_or_default();
            term::print(&format!("{line}\n"))?;
        } else {
            let concerns = source.concerns().await?;
            term::print(&format!(
                "{clear}{}{}",
                show::status::status(&status, &concerns, look(ctx)),
                size(&source, &status, ctx).await
            ))?;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = signals.next() => return Ok(Exit::Interrupted),
        }
    }
}

/// Why the swarm is as large as it is. What a keeper of another version does not say is left out.
async fn size(source: &Source, status: &Status, ctx: &Context) -> String {
    if status.swarm.is_none() {
        return String::new();
    }
    let Ok(name) = args::task("swarm") else {
        return String::new();
    };
    match source.why(&name).await {
        Ok(why) if why.kind == "swarm" => show::status::size(&why, look(ctx)),
        _ => String::new(),
    }
}

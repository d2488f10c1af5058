//! `skep retry` and `skep cancel`.

use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::Place,
    term,
};
use skep_core::id::TaskId;
use skep_server::api::CommandDoc;

/// Begins tasks anew that were flagged, given up or moved to the dead-letter list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tasks
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Gives tasks up; their attempts are stopped, and their work is saved.
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// The tasks
    #[arg(required_unless_present = "all", value_name = "TASK")]
    tasks: Vec<String>,
    /// Every task that is not over
    #[arg(long, conflicts_with = "tasks")]
    all: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let ids = ids(&args.tasks)?;
    let place = Place::find(ctx)?;
    each(&place, &ids, "begins anew", args.dry_run, |task| {
        CommandDoc::RetryTask { task }
    })
    .await
}

pub(crate) async fn cancel(ctx: &Context, args: &CancelArgs) -> Result<Exit, Failure> {
    let mut ids = ids(&args.tasks)?;
    let place = Place::find(ctx)?;
    if args.all {
        ids = open(&place).await?;
        super::confirm(ctx, &format!("Give up {} tasks?", ids.len()))?;
    }
    let command = |task| CommandDoc::CancelTask { task };
    each(&place, &ids, "is given up", args.dry_run, command).await
}

async fn open(place: &Place) -> Result<Vec<TaskId>, Failure> {
    let over = ["merged", "flagged", "dead", "cancelled"];
    let tasks = place.steered().await?.tasks().await?.tasks;
    let open = tasks.iter().filter(|t| !over.contains(&t.state.as_str()));
    Ok(open.filter_map(|t| t.id.parse().ok()).collect())
}

pub(super) fn ids(texts: &[String]) -> Result<Vec<TaskId>, Failure> {
    texts.iter().map(|text| args::task(text)).collect()
}

/// Sends one command a task. All ids are known to be well formed; the first that is refused ends it.
pub(super) async fn each(
    place: &Place,
    ids: &[TaskId],
    done: &str,
    dry_run: bool,
    command: impl Fn(String) -> CommandDoc,
) -> Result<Exit, Failure> {
    for id in ids {
        if dry_run {
            // Asked all the same: a task that does not exist should be found now.
            place.steered().await?.task(id).await?;
            term::say(&format!("would do: {id} {done}\n"));
        } else if place.command(&command(id.to_string())).await?.is_some() {
            term::say(&format!("{id} {done}\n"));
        }
    }
    Ok(Exit::Done)
}

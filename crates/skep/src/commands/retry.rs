//! `skep retry` and `skep cancel`.

use crate::{
    args::{self, Context},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show::count,
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
    let deeds = Deeds::begin(ctx, args.dry_run)?;
    each(deeds, &ids, "begins anew", |task| CommandDoc::RetryTask {
        task,
    })
    .await
}

pub(crate) async fn cancel(ctx: &Context, args: &CancelArgs) -> Result<Exit, Failure> {
    let mut ids = ids(&args.tasks)?;
    let deeds = Deeds::begin(ctx, args.dry_run)?;
    if args.all {
        ids = open(&deeds.place).await?;
        if !args.dry_run {
            super::confirm(ctx, &format!("Give up {}?", count(ids.len(), "task")))?;
        }
    }
    let command = |task| CommandDoc::CancelTask { task };
    each(deeds, &ids, "is given up", command).await
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
    mut deeds: Deeds,
    ids: &[TaskId],
    done: &str,
    command: impl Fn(String) -> CommandDoc,
) -> Result<Exit, Failure> {
    let result = try_each(&mut deeds, ids, done, command).await;
    deeds.end(result)
}

async fn try_each(
    deeds: &mut Deeds,
    ids: &[TaskId],
    done: &str,
    command: impl Fn(String) -> CommandDoc,
) -> Result<(), Failure> {
    for id in ids {
        if deeds.dry_run {
            // Asked all the same: a task that does not exist should be found now.
            deeds.place.steered().await?.task(id).await?;
            deeds.only_say(id.as_str(), &format!("would do: {id} {done}"));
        } else {
            let said = format!("{id} {done}");
            deeds
                .act(id.as_str(), &said, &command(id.to_string()))
                .await?;
        }
    }
    Ok(())
}

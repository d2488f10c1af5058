//! `skep workers`: list and change workers while the swarm runs (W-1).

use super::look;
use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::Place,
    show, term,
};
use clap::Subcommand;
use skep_server::api::{CommandDoc, WorkerDoc};

/// Without a verb: all workers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All workers
    List,
    /// Add workers
    Add {
        /// How many
        #[arg(default_value_t = 1)]
        count: u32,
        /// The only role whose tasks they take
        #[arg(long)]
        role: Option<String>,
    },
    /// Remove workers once their attempts have ended
    Remove {
        /// Which
        #[arg(required = true, value_name = "WORKER")]
        workers: Vec<String>,
        /// Do not wait: stop their attempts and save the work
        #[arg(long)]
        now: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Let workers take no more tasks
    Pause(Several),
    /// Let paused or crashed workers take tasks again
    Resume(Several),
    /// Stop workers' attempts and give them a fresh start
    Restart(Several),
    /// Change the model of a worker, from its next attempt on
    Model {
        /// Which
        worker: String,
        /// The model; "any" for the task's or the swarm's
        model: String,
    },
    /// Add or remove workers until there are so many
    Set {
        /// How many
        count: u32,
        /// Of this role; without it, of those that take any task
        #[arg(long)]
        role: Option<String>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Several {
    /// Which
    #[arg(required = true, value_name = "WORKER")]
    workers: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => list(ctx).await,
        Verb::Add { count, role } => add(&Place::find(ctx)?, count, role).await,
        Verb::Remove {
            workers,
            now,
            dry_run,
        } => {
            let workers = names(&workers)?;
            remove(&Place::find(ctx)?, &workers, now, dry_run).await
        }
        Verb::Pause(s) => {
            let command = |worker| CommandDoc::PauseWorker { worker };
            each(ctx, &s, "takes no more tasks", command).await
        }
        Verb::Resume(s) => {
            let command = |worker| CommandDoc::ResumeWorker { worker };
            each(ctx, &s, "takes tasks again", command).await
        }
        Verb::Restart(s) => {
            let command = |worker| CommandDoc::RestartWorker { worker };
            each(ctx, &s, "begins afresh", command).await
        }
        Verb::Model { worker, model } => {
            let worker = args::worker(&worker)?.to_string();
            let done = format!(
                "its model is {} from its next attempt on",
                term::escape(&model)
            );
            let model = Some(model).filter(|m| m != "any");
            let command = CommandDoc::SetWorkerModel {
                worker: worker.clone(),
                model,
            };
            if Place::find(ctx)?.command(&command).await?.is_some() {
                term::say(&format!("{worker}: {done}\n"));
            }
            Ok(Exit::Done)
        }
        Verb::Set {
            count,
            role,
            dry_run,
        } => set(&Place::find(ctx)?, count, role, dry_run).await,
    }
}

fn names(texts: &[String]) -> Result<Vec<String>, Failure> {
    texts
        .iter()
        .map(|text| args::worker(text).map(|w| w.to_string()))
        .collect()
}

async fn list(ctx: &Context) -> Result<Exit, Failure> {
    let list = Place::find(ctx)?.source().await?.workers().await?;
    if ctx.json {
        term::print_json(&list)?;
    } else {
        term::print(&show::status::workers(&list, look(ctx)))?;
    }
    Ok(Exit::Done)
}

async fn add(place: &Place, count: u32, role: Option<String>) -> Result<Exit, Failure> {
    if let Some(answer) = place
        .command(&CommandDoc::AddWorkers { count, role })
        .await?
    {
        term::say(&format!("added {}\n", answer.workers.join(", ")));
    }
    Ok(Exit::Done)
}

async fn remove(
    place: &Place,
    workers: &[String],
    now: bool,
    dry_run: bool,
) -> Result<Exit, Failure> {
    for worker in workers {
        let command = CommandDoc::RemoveWorker {
            worker: worker.clone(),
            now,
        };
        if dry_run {
            term::say(&format!("would remove {worker}\n"));
        } else if place.command(&command).await?.is_some() {
            term::say(&format!("{worker} leaves\n"));
        }
    }
    Ok(Exit::Done)
}

async fn each(
    ctx: &Context,
    several: &Several,
    done: &str,
    command: impl Fn(String) -> CommandDoc,
) -> Result<Exit, Failure> {
    let workers = names(&several.workers)?;
    let place = Place::find(ctx)?;
    for worker in workers {
        if place.command(&command(worker.clone())).await?.is_some() {
            term::say(&format!("{worker} {done}\n"));
        }
    }
    Ok(Exit::Done)
}

async fn set(
    place: &Place,
    count: u32,
    role: Option<String>,
    dry_run: bool,
) -> Result<Exit, Failure> {
    let list = place.steered().await?.workers().await?;
    let counts = |w: &&WorkerDoc| w.role == role && w.status != "stopped";
    let mut have: Vec<&WorkerDoc> = list.workers.iter().filter(counts).collect();
    let wanted = count as usize;
    if wanted > have.len() {
        let more = count - have.len() as u32;
        if dry_run {
            term::say(&format!("would add {more}\n"));
            return Ok(Exit::Done);
        }
        return add(place, more, role).await;
    }
    // Those without an attempt go first, the youngest of them before the others.
    have.sort_by_key(|w| w.attempt.is_none());
    let surplus: Vec<String> = have[wanted..].iter().rev().map(|w| w.id.clone()).collect();
    if surplus.is_empty() {
        term::say("nothing to do: there are so many already\n");
    }
    remove(place, &surplus, false, dry_run).await
}

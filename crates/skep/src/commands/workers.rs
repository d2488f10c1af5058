//! `skep workers`: list and change workers while the swarm runs (W-1).

use super::look;
use crate::{
    args::{self, Context},
    deeds::Deeds,
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
        Verb::Add { count, role } => {
            let mut deeds = Deeds::begin(ctx, false)?;
            let result = add(&mut deeds, count, role).await;
            deeds.end(result)
        }
        Verb::Remove {
            workers,
            now,
            dry_run,
        } => {
            let workers = names(&workers)?;
            let mut deeds = Deeds::begin(ctx, dry_run)?;
            let result = remove(&mut deeds, &workers, now).await;
            deeds.end(result)
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
            let said = format!("{worker}: its model is {model} from its next attempt on");
            let model = Some(model).filter(|m| m != "any");
            let command = CommandDoc::SetWorkerModel {
                worker: worker.clone(),
                model,
            };
            let mut deeds = Deeds::begin(ctx, false)?;
            let result = deeds.act(&worker, &said, &command).await;
            deeds.end(result)
        }
        Verb::Set {
            count,
            role,
            dry_run,
        } => {
            let mut deeds = Deeds::begin(ctx, dry_run)?;
            let result = set(&mut deeds, count, role).await;
            deeds.end(result)
        }
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

async fn add(deeds: &mut Deeds, count: u32, role: Option<String>) -> Result<(), Failure> {
    let command = CommandDoc::AddWorkers { count, role };
    if let Some(answer) = deeds.place.command(&command).await? {
        let said = format!("added {}", answer.workers.join(", "));
        deeds.note("swarm", &said, Some(&answer));
    }
    Ok(())
}

async fn remove(deeds: &mut Deeds, workers: &[String], now: bool) -> Result<(), Failure> {
    for worker in workers {
        let command = CommandDoc::RemoveWorker {
            worker: worker.clone(),
            now,
        };
        if deeds.dry_run {
            deeds.only_say(worker, &format!("would remove {worker}"));
        } else {
            let said = format!("{worker} leaves");
            deeds.act(worker, &said, &command).await?;
        }
    }
    Ok(())
}

async fn each(
    ctx: &Context,
    several: &Several,
    done: &str,
    command: impl Fn(String) -> CommandDoc,
) -> Result<Exit, Failure> {
    let workers = names(&several.workers)?;
    let mut deeds = Deeds::begin(ctx, false)?;
    let mut result = Ok(());
    for worker in workers {
        let said = format!("{worker} {done}");
        result = deeds.act(&worker, &said, &command(worker.clone())).await;
        if result.is_err() {
            break;
        }
    }
    deeds.end(result)
}

async fn set(deeds: &mut Deeds, count: u32, role: Option<String>) -> Result<(), Failure> {
    let list = deeds.place.steered().await?.workers().await?;
    let counts = |w: &&WorkerDoc| w.role == role && w.status != "stopped";
    let mut have: Vec<&WorkerDoc> = list.workers.iter().filter(counts).collect();
    let wanted = count as usize;
    if wanted > have.len() {
        let more = count - have.len() as u32;
        if deeds.dry_run {
            deeds.only_say("swarm", &format!("would add {more}"));
            return Ok(());
        }
        return add(deeds, more, role).await;
    }
    // Those without an attempt go first, the youngest of them before the others.
    have.sort_by_key(|w| w.attempt.is_none());
    let surplus: Vec<String> = have[wanted..].iter().rev().map(|w| w.id.clone()).collect();
    if surplus.is_empty() {
        deeds.only_say("swarm", "nothing to do: there are so many already");
    }
    remove(deeds, &surplus, false).await
}

//! `skep pause` and `skep resume`, of the swarm or of one worker.

use crate::{
    args::{self, Context},
    deeds::Deeds,
    failure::{Exit, Failure},
};
use skep_server::api::CommandDoc;

/// Without a worker: the whole swarm. What runs already runs on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this worker
    worker: Option<String>,
}

pub(crate) async fn pause(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let (command, done) = match worker(args)? {
        Some(worker) => {
            let done = format!("{worker} takes no more tasks");
            (CommandDoc::PauseWorker { worker }, done)
        }
        None => (CommandDoc::Pause, "paused: nothing more is claimed".into()),
    };
    send(ctx, args, &command, &done).await
}

pub(crate) async fn resume(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let (command, done) = match worker(args)? {
        Some(worker) => {
            let done = format!("{worker} takes tasks again");
            (CommandDoc::ResumeWorker { worker }, done)
        }
        None => (CommandDoc::Resume, "resumed".into()),
    };
    send(ctx, args, &command, &done).await
}

fn worker(args: &Args) -> Result<Option<String>, Failure> {
    let worker = args.worker.as_deref().map(args::worker).transpose()?;
    Ok(worker.map(|w| w.to_string()))
}

async fn send(
    ctx: &Context,
    args: &Args,
    command: &CommandDoc,
    done: &str,
) -> Result<Exit, Failure> {
    let mut deeds = Deeds::begin(ctx, false)?;
    let about = args.worker.as_deref().unwrap_or("swarm");
    let result = deeds.act(about, done, command).await;
    deeds.end(result)
}

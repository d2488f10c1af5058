//! `skep up`: the keeper that stays.

use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::{self, Hosted, Place},
    signals::{Signals, Wish},
    term,
};
use skep_core::spec::Host;
use skep_server::api::CommandDoc;
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::RecvError;

/// A detached keeper must answer within this time; folding a long log takes some of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the swarm until `skep down` or SIGTERM; attempts outlive it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go to the background, and say when it answers
    #[arg(long, short)]
    detach: bool,
    /// Where agents run, whatever plans say: headless, or tmux
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// This process is the one in the background
    #[arg(long, hide = true, conflicts_with = "detach")]
    detached: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    if place.keeper_answers().await? {
        term::say("a keeper runs already\n");
        return Ok(Exit::Done);
    }
    let told = args.host.as_deref().map(args::host).transpose()?;
    place::check_host(told)?;
    if args.detach {
        return detach(ctx, &place, told).await;
    }
    if args.detached {
        // Away from the terminal, whose end would otherwise be this keeper's too.
        rustix::process::setsid()
            .map_err(|e| Failure::new(Exit::Refused, "cannot leave the terminal").because(&e))?;
    }
    let mut signals = Signals::listen()?;
    let hosted = place.start_keeper(told)?;
    go_on(&place, &hosted).await?;
    if !args.detached {
        term::say("the keeper runs; `skep down` or Ctrl-C ends it\n");
    }
    let exit = keep(&hosted, &mut signals).await;
    hosted.stop().await;
    exit
}

/// A drain was the way the last keeper left; this one goes on. A pause stays, since a person wanted it.
async fn go_on(place: &Place, hosted: &Hosted) -> Result<(), Failure> {
    let handle = hosted.keeper.handle();
    let asked = handle
        .query(|s, _| s.draining() && !s.paused() && s.halted().is_none())
        .await;
    if asked.unwrap_or(false) {
        place.command(&CommandDoc::Resume).await?;
    }
    Ok(())
}

async fn keep(hosted: &Hosted, signals: &mut Signals) -> Result<Exit, Failure> {
    let handle = hosted.keeper.handle();
    let mut records = handle.watch();
    loop {
        tokio::select! {
            wish = signals.next() => {
                // Crash-only: attempts live on under their shims, and the next keeper adopts them.
                return Ok(match wish {
                    Wish::Interrupt => Exit::Interrupted,
                    Wish::Terminate => Exit::Terminated,
                });
            }
            ended = hosted.keeper.closed() => return match ended {
                Ok(()) => Ok(Exit::Done),
                Err(error) => Err(Failure::new(Exit::Refused, "the keeper has ended").because(&error)),
            },
            said = records.recv() => if let Err(RecvError::Closed) = said {
                return Ok(Exit::Done);
            },
        }
        let drained = handle.query(|state, _| {
            state.draining() && state.live().len() == 0 && state.merge().is_none()
        });
        if drained.await.unwrap_or(true) {
            return Ok(Exit::Done);
        }
    }
}

async fn detach(ctx: &Context, place: &Place, told: Option<Host>) -> Result<Exit, Failure> {
    let io = |what: &'static str| move |e| Failure::new(Exit::Refused, what).because(&e);
    place
        .site
        .create()
        .map_err(io("cannot make the folder .skep"))?;
    let path = place.site.dir().join("keeper.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path);
    let log = log.map_err(io("cannot write .skep/keeper.log"))?;
    let begin = log.metadata().map_or(0, |m| m.len());
    let program = std::env::current_exe().map_err(io("cannot find the skep program"))?;
    let dir = ctx
        .dir
        .canonicalize()
        .map_err(io("cannot find the folder"))?;
    let mut command = skep_host::command::command(program, &dir);
    let second = log
        .try_clone()
        .map_err(io("cannot write .skep/keeper.log"))?;
    let command = command
        .args(["up", "--detached"])
        .args(told.iter().flat_map(|host| ["--host", host.word()]))
        .stdout(Stdio::from(log))
        .stderr(second);
    let mut child = command.spawn().map_err(io("cannot start the keeper"))?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if place.client.is_there().await? {
            term::say("the keeper runs in the background; `skep down` ends it\n");
            return Ok(Exit::Done);
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = std::fs::read(&path).unwrap_or_default();
            let said = said
                .get(usize::try_from(begin).unwrap_or(0)..)
                .unwrap_or_default();
            let said = term::escape_lines(&String::from_utf8_lossy(said));
            term::say(&said);
            let exit = match status.code() {
                Some(2) => Exit::Usage,
                Some(4) => Exit::NoKeeper,
                _ => Exit::Refused,
            };
            return Err(Failure::new(exit, "the keeper did not start"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Failure::new(Exit::NoKeeper, "the keeper does not answer")
        .hint("its own words are in .skep/keeper.log"))
}

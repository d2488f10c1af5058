//! `skep up`: the keeper that stays.

pub(crate) mod listen;
mod unit;

use super::watchdog::{self, HungAfter};
use crate::{
    args::{self, Context},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::{self, Hosted, Place},
    signals::{Signals, Wish},
    term,
};
use listen::ListenArgs;
use skep_core::spec::Host;
use skep_host::{
    keeper::Presence,
    notify::Notify,
    presence::{KeeperFile, WatchdogLock},
    watchdog::open_log,
};
use skep_server::{alerts, api::CommandDoc};
use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::RecvError;

/// A detached keeper must answer within this time; folding a long log takes some of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the swarm until `skep down` or SIGTERM; attempts outlive it.
///
/// Under systemd (`skep up --systemd-unit` prints a unit) it says when it is ready and that it lives.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go to the background with a watchdog, and say when it answers
    #[arg(long, short)]
    detach: bool,
    /// Start no watchdog: a keeper that dies stays dead
    #[arg(long, requires = "detach")]
    no_watchdog: bool,
    #[command(flatten)]
    hung: HungAfter,
    /// Print a systemd unit that keeps this repository's swarm, and do nothing else
    #[arg(long, conflicts_with = "detach")]
    systemd_unit: bool,
    /// Where agents run, whatever plans say: headless, or tmux
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    listen: ListenArgs,
    /// This process is the one in the background
    #[arg(long, hide = true, conflicts_with = "detach")]
    detached: bool,
    /// A watchdog is wanted for it
    #[arg(long, hide = true, requires = "detached")]
    watched: bool,
    /// It takes the place of one that failed
    #[arg(long, hide = true, requires = "detached")]
    again: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let hung_after = args.hung.parse()?;
    let listen = args.listen.read()?;
    if args.systemd_unit {
        term::print(&unit::text(&place, hung_after, &args.listen.words())?)?;
        return Ok(Exit::Done);
    }
    if place.client.is_there().await? {
        let mut deeds = Deeds::begin(ctx, false)?;
        // Without this, who changed their mind after `skep down` would believe that it stays.
        let ending = place
            .client
            .status()
            .await
            .is_ok_and(|s| s.status == "draining");
        let said = match ending {
            true => {
                "a keeper runs already, but ends once its attempts have; `skep resume` lets it go on"
            }
            false => "a keeper runs already",
        };
        deeds.only_say("keeper", said);
        if args.detach && !args.no_watchdog {
            watch_again(&place).await?;
        }
        return deeds.end(Ok(()));
    }
    let told = args.host.as_deref().map(args::host).transpose()?;
    place::check_host(told)?;
    let notify = Notify::from_env(|name| std::env::var_os(name)).map(Arc::new);
    // A service manager cannot say whether it starts a keeper or replaces one; what the last one left does.
    let replaces = notify.is_some() && KeeperFile::read(&place.site).is_some();
    if !args.again && !replaces {
        listen::check(listen.as_ref())?;
    }
    if args.detach {
        let mut deeds = Deeds::begin(ctx, false)?;
        detach(
            &place,
            hung_after,
            !args.no_watchdog,
            told,
            args.listen.words(),
        )
        .await?;
        let said = match listen {
            Some(_) => {
                "the keeper runs in the background; `skep dash` shows it in a browser, `skep down` ends it"
            }
            None => "the keeper runs in the background; `skep down` ends it",
        };
        deeds.did("keeper", said);
        return deeds.end(Ok(()));
    }
    if args.detached {
        // Away from the terminal, whose end would otherwise be this keeper's too.
        rustix::process::setsid()
            .map_err(|e| Failure::new(Exit::Refused, "cannot leave the terminal").because(&e))?;
    }
    let mut signals = Signals::listen()?;
    // A link works at the keeper that made it, and here that one is no more.
    let forget_link = || drop(std::fs::remove_file(place.site.sign_in_page()));
    let hosted = place.start_keeper(
        Presence {
            stays: true,
            watched: args.watched,
            hung_after,
            notify: notify.clone(),
            listen: args.listen.words(),
        },
        told,
        listen,
    )?;
    forget_link();
    if args.again || replaces {
        alerts::took_over(&hosted.keeper.handle()).await;
    } else {
        go_on(&place, &hosted).await?;
    }
    let tell = |text: &str| {
        if let Some(notify) = &notify {
            notify.say(text);
        }
    };
    let root = place.repo.root().display();
    tell(&format!("READY=1\nSTATUS=Keeps the swarm of {root}"));
    if !args.detached {
        term::say("the keeper runs; `skep down` or Ctrl-C ends it\n");
    }
    let exit = keep(&hosted, &mut signals).await;
    tell("STOPPING=1\nSTATUS=Ending; attempts live on under their shims");
    hosted.stop().await;
    forget_link();
    exit
}

/// A drain was the way the last keeper left; this one goes on. A pause stays, since a person wanted it; and so
/// does a drain whose keeper failed before it was over.
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

/// Starts the watchdog of a keeper that runs and should have one.
async fn watch_again(place: &Place) -> Result<(), Failure> {
    let stays = KeeperFile::read(&place.site).filter(|keeper| keeper.stays);
    match stays {
        Some(keeper) if !WatchdogLock::is_held(&place.site) => {
            watchdog::spawn(place, keeper.hung_after(), keeper.host, &keeper.listen).await?;
            let gone = if keeper.watched {
                "its watchdog was gone and"
            } else {
                "a watchdog"
            };
            term::say(&format!("{gone} has been started\n"));
            Ok(())
        }
        _ => Ok(()),
    }
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
            () = handle.hurried(), if !handle.is_hurried() => {}
            said = records.recv() => if let Err(RecvError::Closed) = said {
                return Ok(Exit::Done);
            },
        }
        // In a hurry no check runs any more, so a merge under way waits for the next keeper.
        let hurried = handle.is_hurried();
        let drained = handle.query(move |state, _| {
            let merging = state.merge().is_some() && !hurried;
            state.draining() && state.live().len() == 0 && !merging
        });
        if drained.await.unwrap_or(true) {
            return Ok(Exit::Done);
        }
    }
}

async fn detach(
    place: &Place,
    hung_after: Duration,
    watched: bool,
    told: Option<Host>,
    listen: Vec<String>,
) -> Result<(), Failure> {
    let io = |what: &'static str| move |e| Failure::new(Exit::Refused, what).because(&e);
    place
        .site
        .create()
        .map_err(io("cannot make the folder .skep"))?;
    // One that is left from a keeper that failed would see this one fail or end, and that is not its business.
    if watchdog::end(place).await? {
        term::say("a watchdog that waited to start the keeper has ended\n");
    }
    let log = open_log(&place.site).map_err(io("cannot write .skep/keeper.log"))?;
    let begin = log.metadata().map_or(0, |m| m.len());
    let program = std::env::current_exe().map_err(io("cannot find the skep program"))?;
    let mut command = skep_host::command::command(program, place.repo.root());
    let second = log
        .try_clone()
        .map_err(io("cannot write .skep/keeper.log"))?;
    let command = command
        .args(["up", "--detached"])
        .args(watched.then_some("--watched"))
        .args(HungAfter::as_args(hung_after))
        .args(told.iter().flat_map(|host| ["--host", host.word()]))
        .args(&listen)
        .stdout(Stdio::from(log))
        .stderr(second);
    let mut child = command.spawn().map_err(io("cannot start the keeper"))?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if place.client.is_there().await? {
            if watched {
                watchdog::spawn(place, hung_after, told, &listen).await?;
            }
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = std::fs::read(place.site.keeper_log()).unwrap_or_default();
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

//! `skep watchdog`: starts the keeper again when it has died or hangs.

use super::up::listen::ListenArgs;
use crate::{
    args::{self, Context},
    failure::{Exit, Failure},
    place::{Place, now},
    term,
};
use rustix::process::{Signal, pidfd_send_signal};
use skep_core::{restarts::Limits, spec::Host, time::Millis};
use skep_host::{
    command::command,
    presence::WatchdogLock,
    watchdog::{self, End, News, Options, WatchError},
};
use skep_server::api::Stamp;
use std::{
    ffi::OsString,
    process::Stdio,
    time::{Duration, Instant},
};

/// A watchdog is there, or is gone, within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const AGAIN: Duration = Duration::from_millis(10);
/// The shortest limit that a busy machine's keeper can keep.
const SHORTEST: Millis = Millis::secs(1);

/// Watches the keeper, and starts another when it dies or hangs. Starts one if none runs.
///
/// `skep up --detach` starts this, and `skep down` ends it. A keeper that fails again and again is given up; then
/// the exit code is 3, and `skep doctor` says why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    hung: HungAfter,
    /// Where agents run, whatever plans say: headless, or tmux
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    listen: ListenArgs,
    /// This process is the one in the background
    #[arg(long, hide = true)]
    detached: bool,
}

/// How patient a watchdog is; its keeper shows that it lives six times as often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HungAfter {
    /// A keeper that has not shown for so long that it lives is replaced
    #[arg(long = "hung-after", value_name = "DURATION", default_value = "2m")]
    text: String,
}

impl HungAfter {
    pub(crate) fn parse(&self) -> Result<Duration, Failure> {
        let bad = |why: String| {
            let message = format!("--hung-after {}: {why}", args::quoted(&self.text));
            Failure::usage(message).hint("write it as 2m or 90s")
        };
        let limit: Millis = self
            .text
            .parse()
            .map_err(|_| bad("is not a length of time".into()))?;
        if limit < SHORTEST {
            return Err(bad(format!("expected at least {SHORTEST}")));
        }
        Ok(limit.std())
    }

    /// The same, for another process.
    pub(crate) fn as_args(limit: Duration) -> [OsString; 2] {
        let limit = Millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        ["--hung-after".into(), limit.to_string().into()]
    }
}

/// The whole life of a watchdog: one thread, no runtime.
pub(crate) fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let hung_after = args.hung.parse()?;
    if args.detached {
        rustix::process::setsid()
            .map_err(|e| Failure::new(Exit::Refused, "cannot leave the terminal").because(&e))?;
    }
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(Exit::Refused, "cannot find the skep program").because(&e))?;
    let mut keeper: Vec<OsString> = vec!["up".into(), "--detached".into()];
    keeper.extend(["--watched".into(), "--again".into()]);
    keeper.extend(HungAfter::as_args(hung_after));
    if let Some(host) = &args.host {
        keeper.extend(["--host".into(), args::host(host)?.word().into()]);
    }
    args.listen.read()?;
    keeper.extend(args.listen.words().into_iter().map(OsString::from));
    let options = Options {
        program,
        args: keeper,
        dir: place.repo.root().into(),
        hung_after,
        limits: Limits::default(),
    };
    let end = watchdog::watch(&place.site, &options, &mut |news| say(&describe(news)));
    match end {
        Ok(End::KeeperEnded) => Ok(Exit::Done),
        Ok(End::Asked(signal)) if signal == Signal::INT.as_raw() => Ok(Exit::Interrupted),
        Ok(End::Asked(_)) => Ok(Exit::Terminated),
        Ok(End::SiteGone) => {
            say("the folder .skep was removed; nothing is left to watch");
            Ok(Exit::Done)
        }
        Ok(End::GaveUp(why)) => Err(Failure::new(
            Exit::Refused,
            format!("gave up on the keeper, which failed too often; last: {why}"),
        )
        .hint("its words are in .skep/keeper.log; `skep doctor` says what is wrong, `skep up --detach` begins anew")),
        Err(WatchError::Taken) => {
            say("a watchdog runs already");
            Ok(Exit::Done)
        }
        Err(error) => Err(Failure::new(Exit::Refused, "cannot watch").because(&error)),
    }
}

fn describe(news: News<'_>) -> String {
    match news {
        News::Watching(pid) => format!("watching the keeper, process {pid}"),
        News::Failed(why, pause) if pause.is_zero() => {
            format!("the keeper failed ({why}); starting another")
        }
        News::Failed(why, pause) => {
            let pause = pause.as_secs();
            format!("the keeper failed ({why}); starting another in {pause}s")
        }
    }
}

/// A line of the log that it shares with its keepers.
fn say(text: &str) {
    let at = Stamp(now());
    term::say(&format!("{at} watchdog: {}\n", term::escape(text)));
}

/// Starts a watchdog in the background, and waits until it watches.
pub(crate) async fn spawn(
    place: &Place,
    hung_after: Duration,
    told: Option<Host>,
    listen: &[String],
) -> Result<(), Failure> {
    let io = |what: &'static str| move |e| Failure::new(Exit::Refused, what).because(&e);
    let log = watchdog::open_log(&place.site).map_err(io("cannot write .skep/keeper.log"))?;
    let second = log
        .try_clone()
        .map_err(io("cannot write .skep/keeper.log"))?;
    let program = std::env::current_exe().map_err(io("cannot find the skep program"))?;
    let mut command = command(program, place.repo.root());
    let command = command.args(["watchdog", "--detached"]);
    let command = command.args(HungAfter::as_args(hung_after));
    let command = command.args(told.iter().flat_map(|host| ["--host", host.word()]));
    let command = command.args(listen);
    let child = command.stdout(Stdio::from(log)).stderr(second).spawn();
    child.map_err(io("cannot start the watchdog"))?;
    if wait(|| watchdog::find(&place.site).is_some()).await {
        Ok(())
    } else {
        Err(Failure::new(Exit::Refused, "the watchdog does not start")
            .hint("its own words are in .skep/keeper.log"))
    }
}

/// Ends the watchdog, if there is one, and says whether there was.
pub(crate) async fn end(place: &Place) -> Result<bool, Failure> {
    let Some((said, pidfd)) = watchdog::find(&place.site) else {
        return Ok(false);
    };
    // It was there a moment ago; if it has ended since, all the better.
    let _ = pidfd_send_signal(&pidfd, Signal::TERM);
    if wait(|| said.who.hold().is_none()).await {
        return Ok(true);
    }
    let pid = said.who.process.pid;
    Err(Failure::new(
        Exit::Refused,
        format!("the watchdog, process {pid}, does not end"),
    )
    .hint("it would start the keeper again; end that process, then try again"))
}

/// Waits until the watchdog is gone, which it soon is once its keeper was ended.
pub(crate) async fn gone(place: &Place) -> bool {
    wait(|| !WatchdogLock::is_held(&place.site)).await
}

async fn wait(holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(AGAIN).await;
    }
    true
}

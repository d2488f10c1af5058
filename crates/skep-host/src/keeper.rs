//! The keeper: the loop that owns a swarm's state and decides.
//!
//! One thread owns the [`Engine`] and the log. Everything else (clients, performers, watchers of processes)
//! sends it messages and gets answers. Nothing is answered or performed before it is in the log. There is
//! one way to stop, which is to stop: attempts run on under their shims, and the next keeper finds them.

pub mod clock;
mod codec;
mod fold;
mod guard;
mod inbox;
mod memory;
pub mod opening;
mod panes;
mod perform;
mod pulse;
mod report;
mod turn;

pub use codec::{CodecError, decode, encode};
pub use inbox::{Gone, Handle, Held, RequestError};
pub use pulse::Presence;

use crate::{git::Repo, site::Site};
use clock::Clock;
use inbox::Message;
use perform::Performer;
use pulse::Pulse;
use skep_core::{engine::Engine, event::Record, spec::Host, state::State};
use skep_store::{LoadError, OpenError, OpenMode, SqliteLog};
use std::{
    io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, watch};

/// How many appends a slow watcher may lag behind before it must read the log instead.
const WATCH_BACKLOG: usize = 4_096;

/// What a keeper needs to know of the process it runs in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `skep` program, which is also every attempt's shim.
    pub program: PathBuf,
    /// The environment of agents, checks and set-up commands, before Skep's own variables.
    pub env: Vec<(String, String)>,
    /// What it says of itself, and how it shows that it lives.
    pub presence: Presence,
    /// Where attempts run, whatever plans say of it.
    pub host: Option<Host>,
}

/// Why a keeper cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The folder cannot be made.
    #[error("cannot make {}", .0.display())]
    Site(PathBuf, #[source] io::Error),
    /// The log cannot be opened; most often because another keeper holds it.
    #[error("cannot open the log")]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error("cannot read the log")]
    Load(#[from] LoadError),
    /// An entry of the log is not understood.
    #[error("cannot understand the log")]
    Codec(#[from] CodecError),
    /// The system refuses a socket or a thread.
    #[error("cannot start the keeper")]
    System(#[source] io::Error),
}

/// Why a keeper ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Ended(pub String);

/// A running keeper. Dropping it stops the loop, not the attempts.
#[derive(Debug)]
pub struct Keeper {
    handle: Handle,
    ended: watch::Receiver<Option<Result<(), Ended>>>,
}

impl Keeper {
    /// Opens the log, folds it, looks for attempts that outlived the last keeper, and starts the loop.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub fn start(
        repo: Repo,
        site: Site,
        options: Options,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Keeper, StartError> {
        let begun = |site, options, handle| {
            Performer::new(repo, site, options, handle, runtime.clone()).map(Some)
        };
        let pulse = |site: &Site, options: &Options| {
            Pulse::begin(site, &options.presence, options.host).map(Some)
        };
        Keeper::begin(site, options, pulse, Engine::new, begun)
    }

    /// A keeper at rest: it answers questions and decides commands, and no more. Nothing is claimed or performed,
    /// so attempts that run are left alone; the next real keeper acts on what was decided.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub fn at_rest(site: Site) -> Result<Keeper, StartError> {
        let options = Options {
            program: PathBuf::new(),
            env: Vec::new(),
            presence: Presence::default(),
            host: None,
        };
        let (pulse, performer) = (|_: &_, _: &_| Ok(None), |_, _, _| Ok(None));
        Keeper::begin(site, options, pulse, Engine::at_rest, performer)
    }

    fn begin(
        site: Site,
        options: Options,
        pulse: impl FnOnce(&Site, &Options) -> io::Result<Option<Pulse>>,
        engine: impl FnOnce(State) -> Engine,
        performer: impl FnOnce(Site, Options, Handle) -> io::Result<Option<Performer>>,
    ) -> Result<Keeper, StartError> {
        skep_store::check_path(&site.log())?;
        site.create()
            .map_err(|error| StartError::Site(site.dir().into(), error))?;
        let log = open_log(&site, OpenMode::Create)?;
        let pulse =
            pulse(&site, &options).map_err(|error| StartError::Site(site.keeper_file(), error))?;
        // One that never was a keeper must not look like one that died.
        let file = pulse.is_some().then(|| site.keeper_file());
        Keeper::spawn(site, options, log, pulse, engine, performer).inspect_err(|_| {
            if let Some(file) = file {
                let _ = std::fs::remove_file(file);
            }
        })
    }

    fn spawn(
        site: Site,
        options: Options,
        mut log: SqliteLog,
        pulse: Option<Pulse>,
        engine: impl FnOnce(State) -> Engine,
        performer: impl FnOnce(Site, Options, Handle) -> io::Result<Option<Performer>>,
    ) -> Result<Keeper, StartError> {
        let fold::Folded { state, last, from } = fold::fold(&mut log)?;
        let clock = Clock::starting_after(last);
        let (sender, receiver) = mpsc::channel();
        let (records, _) = broadcast::channel(WATCH_BACKLOG);
        let (end, ended) = watch::channel(None);
        let handle = Handle::new(sender, records, site.clone(), &options);
        let performer = performer(site, options, handle.clone()).map_err(StartError::System)?;
        let mut turns = turn::Turns {
            saved: from,
            engine: engine(state),
            log: Box::new(log),
            clock,
            last,
            performer,
            handle: handle.clone(),
            waiting: Vec::new(),
            pulse,
        };
        thread::Builder::new()
            .name("keeper".into())
            .spawn(move || {
                let result = turns.run(&receiver);
                if let Some(performer) = &mut turns.performer {
                    performer.leave(turns.engine.state());
                }
                if let (Ok(()), Some(pulse)) = (&result, &turns.pulse) {
                    pulse.end();
                }
                let _ = end.send(Some(result));
            })
            .map_err(StartError::System)?;
        Ok(Keeper { handle, ended })
    }

    /// For sending it requests.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops the loop once what it has begun to decide is in the log. Attempts live on.
    pub fn stop(&self) {
        self.handle.send(Message::Stop);
    }

    /// Waits until the loop has ended.
    ///
    /// # Errors
    /// Why it ended, if nobody asked it to.
    pub async fn closed(&self) -> Result<(), Ended> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Err(Ended("the keeper's thread panicked".into())),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A keeper that was killed while it started a process leaves its lock to that process for an instant.
const LOCK_LINGERS: Duration = Duration::from_secs(2);

/// The log's lock, without a keeper: as long as this lives none can start. For whoever tidies up what a keeper uses.
#[derive(Debug)]
pub struct Rest {
    _log: SqliteLog,
}

/// Sees to it that no keeper runs or starts. There must be a log.
///
/// # Errors
/// When a keeper runs, or the log cannot be opened.
pub fn rest(site: &Site) -> Result<Rest, StartError> {
    let _log = open_log(site, OpenMode::Existing)?;
    Ok(Rest { _log })
}

fn open_log(site: &Site, mode: OpenMode) -> Result<SqliteLog, OpenError> {
    let deadline = Instant::now() + LOCK_LINGERS;
    loop {
        match SqliteLog::open(&site.log(), mode) {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

/// The state as the log says, read without a keeper, and the moment of the last event.
///
/// # Errors
/// When there is no log, or it cannot be read.
pub fn fold(site: &Site) -> Result<(State, skep_core::time::Time), StartError> {
    let folded = fold::fold(&mut SqliteLog::open(&site.log(), OpenMode::ReadOnly)?)?;
    Ok((folded.state, folded.last))
}

/// The records after `after`, read from the log without disturbing a keeper.
///
/// # Errors
/// As [`fold`].
pub fn records(
    site: &Site,
    after: u64,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), StartError> {
    fold::for_each(
        &mut SqliteLog::open(&site.log(), OpenMode::ReadOnly)?,
        after,
        each,
    )
}

/// Committed records on their way to watchers.
pub(crate) type Batch = Arc<Vec<Record>>;

//! The keeper: the loop that owns a swarm's state and decides.
//!
//! One thread owns the [`Engine`] and the log. Everything else (clients, performers, watchers of processes)
//! sends it messages and gets answers. Nothing is answered or performed before it is in the log. There is
//! one way to stop, which is to stop: attempts run on under their shims, and the next keeper finds them.

pub mod clock;
mod codec;
mod inbox;
pub mod opening;
mod panes;
mod perform;
mod report;
mod turn;

pub use codec::{CodecError, decode, encode};
pub use inbox::{Gone, Handle, RequestError};

use crate::{git::Repo, site::Site};
use clock::Clock;
use inbox::Message;
use perform::Performer;
use skep_core::{engine::Engine, event::Record, spec::Host, state::State};
use skep_store::{LoadError, Log, OpenError, OpenMode, SqliteLog};
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
        site.create()
            .map_err(|error| StartError::Site(site.dir().into(), error))?;
        let mut log = open_log(&site)?;
        let (state, last) = fold_log(&mut log)?;
        let clock = Clock::starting_after(last);
        let (sender, receiver) = mpsc::channel();
        let (records, _) = broadcast::channel(WATCH_BACKLOG);
        let (end, ended) = watch::channel(None);
        let handle = Handle::new(sender, records, site.clone(), &options);
        let performer = Performer::new(repo, site, options, handle.clone(), runtime.clone())
            .map_err(StartError::System)?;
        let mut turns = turn::Turns {
            engine: Engine::new(state),
            log: Box::new(log),
            clock,
            last,
            performer,
            handle: handle.clone(),
            waiting: Vec::new(),
        };
        thread::Builder::new()
            .name("keeper".into())
            .spawn(move || {
                let result = turns.run(&receiver);
                turns.performer.leave(turns.engine.state());
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

fn open_log(site: &Site) -> Result<SqliteLog, OpenError> {
    let deadline = Instant::now() + LOCK_LINGERS;
    loop {
        match SqliteLog::open(&site.log(), OpenMode::Create) {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

fn fold_log(log: &mut dyn Log) -> Result<(State, skep_core::time::Time), StartError> {
    let mut state = State::default();
    let mut last = skep_core::time::Time::default();
    for_each(log, 0, &mut |record| {
        state.apply(&record);
        last = last.max(record.at);
        ControlFlow::Continue(())
    })?;
    Ok((state, last))
}

fn for_each(
    log: &mut dyn Log,
    after: u64,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), StartError> {
    let mut fault = None;
    log.load(after, &mut |entry| match decode(&entry) {
        Ok(record) => each(record),
        Err(error) => {
            fault = Some(error);
            ControlFlow::Break(())
        }
    })?;
    fault.map_or(Ok(()), |error| Err(error.into()))
}

/// The state as the log says, read without a keeper, and the moment of the last event.
///
/// # Errors
/// When there is no log, or it cannot be read.
pub fn fold(site: &Site) -> Result<(State, skep_core::time::Time), StartError> {
    fold_log(&mut SqliteLog::open(&site.log(), OpenMode::ReadOnly)?)
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
    for_each(
        &mut SqliteLog::open(&site.log(), OpenMode::ReadOnly)?,
        after,
        each,
    )
}

/// Committed records on their way to watchers.
pub(crate) type Batch = Arc<Vec<Record>>;

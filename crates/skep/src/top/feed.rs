//! Reads what is shown: when the keeper's events say that something has changed, or while attempts are measured;
//! without a keeper, when its log or what still runs has changed.

use super::data::{Detail, Link, Log, Needs, News};
use crate::{
    commands::logs::without_colours,
    failure::{Exit, Failure},
    place::{Place, Source},
    term,
};
use skep_core::id::TaskId;
use skep_host::run::tail_output;
use skep_server::{
    api::Unattended,
    client::{ClientError, Events},
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// However fast events come, documents are not read more often.
const GAP: Duration = Duration::from_millis(100);
/// And never for more than a part of the time: of a large swarm, they are large.
const SHARE: u32 = 4;
/// While attempts are at work, what is measured of them is read so often: it is no event.
const MEASURED: Duration = Duration::from_secs(2);
/// How often a log that is shown is looked at.
const LOG: Duration = Duration::from_millis(250);
/// How much of its end is shown.
const TAIL: usize = 64 * 1024;
/// How often it is looked whether there is a keeper again.
const AGAIN: Duration = Duration::from_secs(1);

/// Nobody wants to know any more.
struct Left;

/// Why a keeper is not listened to any more.
enum End {
    Left,
    Failed(Failure),
}

impl From<Left> for End {
    fn from(_: Left) -> End {
        End::Left
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failed(failure)
    }
}

pub(super) struct Feed {
    pub(super) place: Place,
    pub(super) needs: watch::Receiver<Needs>,
    pub(super) news: mpsc::Sender<News>,
}

impl Feed {
    /// Reads until nobody wants to know any more.
    pub(super) async fn run(mut self) {
        while let Ok(()) = self.once().await {}
    }

    /// With a keeper until it is gone, and then without one until there is one.
    async fn once(&mut self) -> Result<(), Left> {
        let began = Instant::now();
        // From now on: what was before is in the documents.
        let kept = match self.place.client.events(u64::MAX, true).await {
            Ok(events) => self.kept(events).await,
            Err(error) => Err(End::Failed(error.into())),
        };
        match kept {
            Err(End::Left) => return Err(Left),
            // The keeper ended the stream: it has ended, or is about to.
            Ok(()) => {}
            Err(End::Failed(failure))
                if failure.exit == Exit::NoKeeper && !self.is_there().await => {}
            Err(End::Failed(failure)) => {
                self.tell(News::Link(Link::Trouble(failure.line()))).await?;
                sleep_until(began + AGAIN).await;
                return Ok(());
            }
        }
        self.unkept().await
    }

    async fn is_there(&self) -> bool {
        // What cannot be told is for the next call to say.
        self.place.client.is_there().await.unwrap_or(true)
    }

    async fn tell(&self, news: News) -> Result<(), Left> {
        self.news.send(news).await.map_err(|_| Left)
    }

    /// Reads while the keeper is there.
    async fn kept(&mut self, mut events: Events) -> Result<(), End> {
        let source = Source::Keeper(self.place.client.clone());
        let mut log = Shown::default();
        let (mut changed, mut due, mut moves) = (true, Instant::now(), false);
        loop {
            let needs = self.needs.borrow_and_update().clone();
            if changed && Instant::now() >= due {
                let began = Instant::now();
                moves = self.read(&source, &needs).await?;
                self.tell(News::Link(Link::Kept)).await?;
                due = Instant::now() + (began.elapsed() * SHARE).max(GAP);
                changed = false;
            }
            self.tail(&mut log, needs.log).await?;
            tokio::select! {
                event = events.next() => match event {
                    // One of a kind that is not known here is a change, too.
                    Ok(Some(_)) | Err(ClientError::NotUnderstood(_)) => changed = true,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(End::Failed(error.into())),
                },
                asked = self.needs.changed() => {
                    asked.map_err(|_| Left)?;
                    (changed, due) = (true, Instant::now());
                }
                () = sleep_until(due), if changed => {}
                () = sleep(MEASURED), if moves && !changed => changed = true,
                () = sleep(LOG), if needs.log.is_some() && !log.ended => {}
            }
        }
    }

    /// Reads what the log says until there is a keeper.
    async fn unkept(&mut self) -> Result<(), Left> {
        let mut last = None;
        let mut source = None;
        let mut log = Shown::default();
        loop {
            let mark = self.mark();
            let runs = match &source {
                Some(Source::Log(log)) => self.place.running(&log.state),
                _ => BTreeSet::new(),
            };
            let mut read = self.needs.has_changed().map_err(|_| Left)?;
            let needs = self.needs.borrow_and_update().clone();
            if last.as_ref() != Some(&(mark.clone(), runs.clone())) {
                match self.fold().await {
                    Ok(log) => {
                        last = Some((mark, log.running.clone()));
                        source = Some(Source::Log(Box::new(log)));
                        read = true;
                        self.tell(News::Link(Link::Unkept)).await?;
                    }
                    Err(failure) => {
                        self.tell(News::Link(Link::Trouble(failure.line()))).await?;
                    }
                }
            }
            if let Some(source) = source.as_ref().filter(|_| read) {
                match self.read(source, &needs).await {
                    Ok(_) | Err(End::Failed(_)) => {}
                    Err(End::Left) => return Err(Left),
                }
            }
            self.tail(&mut log, needs.log).await?;
            tokio::select! {
                () = sleep(AGAIN) => {}
                asked = self.needs.changed() => {
                    asked.map_err(|_| Left)?;
                    // For the look above, which is where it is acted on.
                    self.needs.mark_changed();
                }
            }
            if self.is_there().await {
                return Ok(());
            }
        }
    }

    /// What tells that the log was written to.
    fn mark(&self) -> Vec<Option<(SystemTime, u64)>> {
        let log = self.place.site.log();
        let mut beside = log.clone().into_os_string();
        beside.push("-wal");
        let stat = |path: &Path| {
            let meta = path.metadata().ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        vec![stat(&log), stat(Path::new(&beside))]
    }

    async fn fold(&self) -> Result<Unattended, Failure> {
        let place = self.place.clone();
        let folded = tokio::task::spawn_blocking(move || place.unattended()).await;
        folded.map_err(|e| Failure::new(Exit::Bug, "the log was not read").because(&e))?
    }

    /// Reads what is needed, and says whether anything is at work.
    async fn read(&self, source: &Source, needs: &Needs) -> Result<bool, End> {
        let status = source.status().await?;
        let moves = status.workers.iter().any(|w| w.attempt.is_some());
        self.tell(News::Status(Box::new(status))).await?;
        self.tell(News::Concerns(source.concerns().await?)).await?;
        if needs.tasks {
            self.tell(News::Tasks(source.tasks().await?)).await?;
        }
        if needs.asks {
            self.tell(News::Asks(source.asks().await?)).await?;
        }
        if let Some(by) = needs.costs {
            let costs = Box::new(source.costs(by).await?);
            self.tell(News::Costs(costs)).await?;
        }
        if let Some(name) = &needs.detail {
            let detail = Box::new(detail(source, name).await?);
            self.tell(News::Detail(detail)).await?;
        }
        Ok(moves)
    }

    /// Reads the end of the log that is shown, if there is more of it.
    async fn tail(&self, shown: &mut Shown, attempt: Option<u64>) -> Result<(), Left> {
        let Some(attempt) = attempt else {
            *shown = Shown::default();
            return Ok(());
        };
        let folder = self.place.site.runs().join(format!("a{attempt}"));
        // Asked before reading: what is written before the end is then read in this round.
        let ended = folder.join("exit.json").exists();
        let Ok(tail) = tail_output(&folder, TAIL) else {
            return Ok(());
        };
        let now = Shown {
            attempt,
            end: tail.at + tail.bytes.len() as u64,
            ended,
        };
        if *shown == now {
            return Ok(());
        }
        *shown = now;
        let text = String::from_utf8_lossy(&tail.bytes).replace("\r\n", "\n");
        let text = without_colours(&text);
        let mut lines = text.trim_end_matches('\n').split('\n');
        if tail.at > 0 {
            // Most likely a line's end only.
            lines.next();
        }
        let lines = lines.map(|line| term::escape(line).into_owned()).collect();
        self.tell(News::Log(Log {
            attempt,
            lines,
            ended,
        }))
        .await
    }
}

/// What is shown of a log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    attempt: u64,
    end: u64,
    ended: bool,
}

async fn detail(source: &Source, name: &str) -> Result<Detail, Failure> {
    let mut detail = Detail {
        name: name.into(),
        why: None,
        task: None,
    };
    // Workers' names are tasks' names, too, as far as their form goes.
    let Ok(id) = name.parse::<TaskId>() else {
        return Ok(detail);
    };
    match source.why(&id).await {
        Ok(why) => {
            if why.kind == "task" {
                detail.task = Some(source.task(&id).await?);
            }
            detail.why = Some(why);
        }
        // There is none of that name any more.
        Err(failure) if failure.exit == Exit::Usage => {}
        Err(failure) => return Err(failure),
    }
    Ok(detail)
}

//! `.skep/reports`: what is written by itself, and what is there.
//!
//! The folder is all that is remembered. Of the three files of a report the document is the last, so that a report
//! whose writing was cut short, by a kill or by a full disk, is not there yet and is written once more. Only a bounded
//! number of each kind is kept.

use super::{html, markdown, period};
use crate::{
    api::{ReportDoc, ReportKind, SalvageDoc},
    http::App,
};
use skep_core::{
    event::Event,
    id::{Oid, SwarmName},
    state::State,
};
use skep_host::{git::Repo, keeper::Gone, site::Site};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::JoinHandle,
};

/// A report that could not be written, on a full disk say, is tried again after so long.
const AGAIN: Duration = Duration::from_secs(60);
/// It is looked so often all the same: a machine that slept has an hour behind it that no timer counted.
const LONGEST: Duration = Duration::from_secs(900);
/// A keeper that ends waits so long for a report.
const FAREWELL: Duration = Duration::from_secs(5);
/// The largest document that is read: far more than one can be.
const BYTES: u64 = 8 * 1024 * 1024;
/// A report's files, the one that makes it whole last.
const ENDINGS: [&str; 3] = ["html", "md", "json"];
/// A file on its way to its place; there is one writer.
const UNFINISHED: &str = "next.json.tmp";

/// How many of a kind are kept.
const fn kept(kind: ReportKind) -> usize {
    match kind {
        ReportKind::Hourly => 48,
        ReportKind::Daily => 62,
        ReportKind::Weekly => 54,
        ReportKind::Run | ReportKind::Window => 100,
    }
}

/// A report that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Of what it is.
    pub kind: ReportKind,
    /// Its name: its files are called so.
    pub id: String,
}

/// The kind of a report by its name; `None` for what is no such name.
fn kind(id: &str) -> Option<ReportKind> {
    let (word, rest) = id.split_once('-')?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let fits = !rest.is_empty() && rest.len() <= 40 && rest.bytes().all(fits);
    let mut kinds = ReportKind::KEPT.into_iter().filter(|_| fits);
    kinds.find(|kind| kind.word() == word)
}

/// The names of files with an ending, in order. A folder that is not there has none.
fn names(dir: &Path, ending: &str) -> BTreeSet<Stored> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let id = name.strip_suffix(ending)?.strip_suffix('.')?;
        let kind = kind(id)?;
        let id = id.to_string();
        Some(Stored { kind, id })
    });
    found.collect()
}

/// The reports that are there, by kind, oldest first.
#[must_use]
pub fn stored(site: &Site) -> Vec<Stored> {
    names(&site.reports(), "json").into_iter().collect()
}

/// The document of a stored report; `None` if there is none of that name.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(site: &Site, id: &str) -> io::Result<Option<ReportDoc>> {
    // A name from outside is a name or nothing, never a path.
    if kind(id).is_none() {
        return Ok(None);
    }
    let file = match fs::File::open(site.reports().join(format!("{id}.json"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(BYTES).read_to_end(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Writes a report, and takes away the oldest of its kind that are too many.
fn write(site: &Site, doc: &ReportDoc) -> io::Result<()> {
    let dir = site.reports();
    if !dir.is_dir() {
        DirBuilder::new().mode(0o700).create(&dir)?;
    }
    for ending in ENDINGS {
        let text = match ending {
            "html" => html(doc),
            "md" => markdown(doc),
            _ => serde_json::to_string_pretty(doc)? + "\n",
        };
        place(&dir, &format!("{}.{ending}", doc.id), &text)?;
    }
    tidy(&dir, doc.kind);
    Ok(())
}

fn place(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let next = dir.join(UNFINISHED);
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    let written = file.open(&next).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // Else a machine that stops could leave the name with nothing in it.
        file.sync_data()
    });
    let placed = written.and_then(|()| fs::rename(&next, dir.join(name)));
    if placed.is_err() {
        // A full disk has use for its bytes.
        let _ = fs::remove_file(&next);
    }
    placed
}

fn tidy(dir: &Path, kind: ReportKind) {
    for ending in ENDINGS.into_iter().rev() {
        let mut all = names(dir, ending);
        all.retain(|stored| stored.kind == kind);
        let many = all.len().saturating_sub(kept(kind));
        for old in all.into_iter().take(many) {
            // One that stays is taken away with the next.
            let _ = fs::remove_file(dir.join(format!("{}.{ending}", old.id)));
        }
    }
}

/// What git says of saved work, if it says anything.
#[must_use]
pub fn salvage(repo: &Repo, of: Option<(SwarmName, Oid)>, doc: ReportDoc) -> ReportDoc {
    match of.map(|(swarm, tip)| repo.salvage(&swarm, &tip)) {
        Some(Ok(saved)) => doc.with_salvage(saved.iter().map(SalvageDoc::of)),
        Some(Err(_)) | None => doc,
    }
}

/// Of whom saved work is, and with what it is compared.
#[must_use]
pub fn shelf(state: &State) -> Option<(SwarmName, Oid)> {
    let swarm = state.swarm()?;
    Some((swarm.spec.name.clone(), swarm.tip.clone()))
}

/// The writing of one keeper's reports.
#[derive(Debug)]
pub struct Service {
    task: JoinHandle<()>,
    leave: watch::Sender<()>,
}

impl Service {
    /// Begins to write what is due, in the runtime that this is called in.
    #[must_use]
    pub fn start(app: App) -> Service {
        let (leave, left) = watch::channel(());
        let task = tokio::spawn(keep(app, left));
        Service { task, leave }
    }

    /// Writes what is due now, and no more. What is left is the next keeper's.
    pub async fn leave(mut self) {
        let _ = self.leave.send(());
        if tokio::time::timeout(FAREWELL, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
            let _ = self.task.await;
        }
    }
}

async fn keep(app: App, mut leave: watch::Receiver<()>) {
    let mut records = app.handle.watch();
    loop {
        let sleep = match turn(&app).await {
            Ok(sleep) => sleep,
            Err(Gone::Held(_)) => AGAIN,
            Err(Gone::Ended) => return,
        };
        let sleep = tokio::time::sleep(sleep);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => break,
                said = records.recv() => match said {
                    // A change of the policy may bring an earlier moment.
                    Ok(batch) if batch.iter().any(|r| matters(&r.event)) => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                },
                _ = leave.changed() => {
                    let _ = turn(&app).await;
                    return;
                }
            }
        }
    }
}

fn matters(event: &Event) -> bool {
    matches!(
        event,
        Event::Finished { .. } | Event::PolicyChanged { .. } | Event::PlanLoaded { .. }
    )
}

/// Writes what is due, and says for how long nothing will be.
async fn turn(app: &App) -> Result<Duration, Gone> {
    let site = app.handle.site().clone();
    let there: BTreeSet<String> = stored(&site).into_iter().map(|s| s.id).collect();
    let asked = app.handle.query(move |state, now| {
        let due = period::due(state, now, |id| there.contains(id));
        let docs = due
            .into_iter()
            .map(|due| ReportDoc::of(state, due.kind, &due.id, due.span, now));
        let wake = period::wake_at(state, now).map(|at| at.since(now).std());
        (docs.collect::<Vec<_>>(), shelf(state), wake)
    });
    let (docs, shelf, wake) = asked.await?;
    let repo = app.repo.clone();
    let wrote = tokio::task::spawn_blocking(move || {
        docs.into_iter().try_for_each(|doc| {
            let doc = salvage(&repo, shelf.clone(), doc);
            write(&site, &doc)
        })
    });
    Ok(match wrote.await {
        Ok(Ok(())) => wake
            .unwrap_or(LONGEST)
            .clamp(Duration::from_secs(1), LONGEST),
        Ok(Err(_)) | Err(_) => AGAIN,
    })
}

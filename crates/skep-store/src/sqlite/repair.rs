//! Repairing: keeping what is sound of a damaged log, in a new file, with the damaged one saved aside.
//!
//! This forgets acknowledged entries, so it happens only when a person asks for it. It can be cut off at
//! any moment and run again: until the last step, the log still opens as damaged.

use super::{
    OpenMode, SqliteLog, attach,
    mark::{self, Mark, Tip},
    place::{Place, beside},
    rows, schema,
};
use crate::{AppendError, Fault, LoadError, Log, NewEntry, OpenError, chain};
use rusqlite::Connection;
use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// How many entries are written at a time.
const BATCH: usize = 1000;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The last entry that was kept.
    pub kept: u64,
    /// The last entry known to have been written. Those after `kept` are lost to the log.
    pub had: u64,
    /// The damaged database, which can still be looked into; `None` if there was nothing to repair.
    pub aside: Option<PathBuf>,
}

/// Accepts that the log at `path` is shorter than it was: keeps all entries up to the first that is
/// damaged or missing, and moves the damaged files aside: of a log that cannot be read at all, or is gone, nothing
/// is kept. Does nothing to a log that is sound.
///
/// # Errors
/// When the log is in use, is another program's or another version's, or the disk will not do.
pub fn accept_shorter(path: &Path) -> Result<Repair, OpenError> {
    attach::check_library()?;
    let place = Place::of(path, false)?;
    let lock = place.lock()?;
    let had = match mark::read(&place) {
        mark::Found::Tip(tip) => tip.seq,
        mark::Found::None | mark::Found::Unreadable => 0,
    };
    match fs::metadata(&place.db) {
        Ok(_) => {}
        // Nothing is left to keep, and a person said to go on without it.
        Err(_) if had > 0 => place.create()?,
        Err(_) => return Err(OpenError::NotFound { path: place.db }),
    }
    if attach::attach(&place, OpenMode::Existing).is_ok_and(|(at, _)| is_whole(&at, &place)) {
        return Ok(Repair {
            kept: had,
            had,
            aside: None,
        });
    }
    let salvage = beside(&place.db, ".salvage");
    remove_log(&place, &salvage)?;
    let kept = copy_sound(&place, &salvage)?;
    let aside = attach::aside(&place);
    swap(&place, &salvage, &aside).map_err(|e| place.fault("replace", &place.db, e))?;
    // The last step: from here on the shorter log is the log.
    Mark::start(&place, kept).map_err(|e| place.fault("write", &place.mark, e))?;
    remove_log(&place, &salvage)?;
    drop(lock);
    Ok(Repair {
        kept: kept.seq,
        had: had.max(kept.seq),
        aside: Some(aside),
    })
}

fn is_whole(at: &attach::Attached, place: &Place) -> bool {
    let mut chain = chain::Chain::default();
    let each = &mut |_: &rows::Raw<'_>| ControlFlow::Continue(());
    rows::walk(&at.conn, place, &mut chain, 0, at.tip, each).is_ok()
}

/// Copies the entries that verify into a new log at `salvage` and returns its end.
fn copy_sound(place: &Place, salvage: &Path) -> Result<Tip, OpenError> {
    let from = readable(place)?;
    let mut to = SqliteLog::open(salvage, OpenMode::Create)?;
    let Some(from) = from else {
        let tip = to.at.tip;
        to.close()?;
        return Ok(tip);
    };
    let mut batch = Vec::new();
    let mut failed = Ok(());
    // The end is not to be relied on: read until nothing more is sound.
    let endless = Tip {
        seq: u64::MAX,
        hash: chain::GENESIS,
    };
    let mut chain = chain::Chain::default();
    let walked = rows::walk(&from, place, &mut chain, 0, endless, &mut |raw| {
        let entry = raw.to_entry();
        batch.push(NewEntry {
            at: entry.at,
            kind: entry.kind,
            trace: entry.trace,
            body: entry.body,
        });
        if batch.len() == BATCH {
            failed = flush(&mut to, &mut batch);
        }
        match failed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    failed?;
    match walked {
        Ok(()) | Err(LoadError::Fault(Fault::Damaged(_))) => {}
        // Not damage but trouble, such as a full disk: nothing may be given up for that.
        Err(LoadError::Fault(fault)) => return Err(fault.into()),
        Err(LoadError::Unsettled(error)) => return Err(*error),
        Err(LoadError::Beyond { .. }) => {}
    }
    flush(&mut to, &mut batch)?;
    let tip = to.at.tip;
    to.close()?;
    Ok(tip)
}

/// The damaged database, if entries can be read from it at all; `None` if it is blank, as is one of which all that
/// was written was in a write-ahead log that is gone, or if not even its first pages are sound.
fn readable(place: &Place) -> Result<Option<Connection>, OpenError> {
    let read = |e| super::fault::fault(place, "read", e);
    let opened = attach::connect(place, true)
        .and_then(|conn| Ok((schema::Head::read(&conn).map_err(read)?, conn)));
    let (head, conn) = match opened {
        Ok(opened) => opened,
        Err(Fault::Damaged(_)) => return Ok(None),
        Err(trouble) => return Err(trouble.into()),
    };
    if head.is_blank() {
        return Ok(None);
    }
    match head.format(place)? {
        format if format < schema::FORMAT => Err(OpenError::Older {
            path: place.db.clone(),
            found: format,
            known: schema::FORMAT,
        }),
        _ => Ok(Some(conn)),
    }
}

fn flush(to: &mut SqliteLog, batch: &mut Vec<NewEntry>) -> Result<(), Fault> {
    let appended = to.append(to.head(), batch);
    batch.clear();
    match appended {
        Ok(_) => Ok(()),
        Err(AppendError::Full { path, free }) => Err(Fault::Full { path, free }),
        Err(AppendError::Damaged(damage)) => Err(damage.into()),
        Err(other) => Err(Fault::Io {
            doing: "write",
            path: to.place.db.clone(),
            source: other.into(),
        }),
    }
}

/// Puts the new database in place of the damaged one, which keeps a name of its own.
fn swap(place: &Place, salvage: &Path, aside: &Path) -> io::Result<()> {
    fs::hard_link(&place.db, aside)?;
    match fs::hard_link(&place.wal, beside(aside, "-wal")) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    place.sync_dir()?;
    // A WAL is found by its name, so the old one must go before the new database comes.
    remove(&place.wal)?;
    remove(&place.shm)?;
    fs::rename(salvage, &place.db)?;
    place.sync_dir()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn remove_log(place: &Place, db: &Path) -> Result<(), Fault> {
    let suffixes = ["", "-wal", "-shm", ".lock", ".head", ".head.new"];
    suffixes
        .iter()
        .try_for_each(|suffix| remove(&beside(db, suffix)))
        .map_err(|e| place.fault("remove", db, e))
}

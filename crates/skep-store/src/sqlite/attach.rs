//! Opening: everything that must be true before a log is read or written.
//!
//! Also used after a failed write, where the question is the same: what does the log say, for good?

use super::{
    OpenMode,
    fault::fault,
    mark::{self, Mark, Tip},
    place::{Place, Stamps, beside},
    rows, schema,
};
use crate::{Damage, Fault, LoadError, OpenError, chain};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{fs, ops::ControlFlow, os::unix::ffi::OsStrExt, time::Duration};

/// How long to wait for another connection: only recovery and checkpoints ever hold us up.
const BUSY: Duration = Duration::from_secs(5);
/// Pages in the WAL after which a commit folds it into the database: 4 MB.
const CHECKPOINT: u32 = 1000;
/// What the WAL is cut to after a checkpoint, should a long reader have made it grow: 16 MB.
const WAL_MAX: u32 = 16 * 1024 * 1024;
/// The first SQLite without the WAL-reset bug.
const LIBRARY: i32 = 3_051_003;

/// A database, opened and found to be sound.
pub(crate) struct Attached {
    pub(crate) conn: Connection,
    pub(crate) tip: Tip,
    /// The files as they are.
    pub(crate) stamps: Stamps,
}

/// Refuses a SQLite that loses commits.
pub(crate) fn check_library() -> Result<(), OpenError> {
    if rusqlite::version_number() < LIBRARY {
        let found = rusqlite::version();
        return Err(OpenError::OldLibrary { found });
    }
    Ok(())
}

/// Opens the database at `place` and finds out where the log ends, for good.
pub(crate) fn attach(place: &Place, mode: OpenMode) -> Result<(Attached, Option<Mark>), OpenError> {
    let writer = mode != OpenMode::ReadOnly;
    // Before the log: the mark follows it, so the log read afterwards is at least as long.
    let marked = match mark::read(place) {
        mark::Found::Tip(tip) => Some(tip),
        mark::Found::None | mark::Found::Unreadable => None,
    };
    let had = marked.map_or(0, |tip| tip.seq);
    let len = fs::metadata(&place.db).map(|m| m.len()).ok();
    match len {
        None if had > 0 => return Err(missing(place).into()),
        None if mode == OpenMode::Create => place.create()?,
        None => {
            return Err(OpenError::NotFound {
                path: place.db.clone(),
            });
        }
        Some(0) if had > 0 => return Err(Damage::Shorter { has: 0, had }.into()),
        Some(_) => {}
    }
    if writer {
        // Before SQLite makes its own files, with the mode of this one.
        place.tighten();
    }
    let conn = connect(place, writer)?;
    let read = |e| fault(place, "read", e);
    let head = schema::Head::read(&conn).map_err(read)?;
    let format = match head.is_blank() {
        true if had > 0 => return Err(Damage::Shorter { has: 0, had }.into()),
        true if mode == OpenMode::Create => 0,
        _ => head.format(place)?,
    };
    if !writer && format < schema::FORMAT {
        return Err(OpenError::Older {
            path: place.db.clone(),
            found: format,
            known: schema::FORMAT,
        });
    }
    if writer {
        prepare(&conn, place)?;
        schema::migrate(&conn, place, format)?;
    }
    let view = conn.unchecked_transaction().map_err(read)?;
    let tip = rows::last(&view).map_err(read)?;
    if let Some(marked) = marked {
        compare(&view, place, marked, tip)?;
    }
    if writer {
        verify_tail(&view, place, tip)?;
    }
    view.finish().map_err(read)?;
    if !writer {
        let stamps = Stamps::take(place, writer)?;
        return Ok((Attached { conn, tip, stamps }, None));
    }
    settle(&conn, place)?;
    let mark =
        Mark::start(place, tip)
            .map(Some)
            .or_else(|e| match place.fault("write", &place.mark, e) {
                // The old mark is not ahead of the log. Without any, the next open makes one.
                Fault::Full { .. } => Ok(Mark::resume(place).ok()),
                other => Err(other),
            });
    let stamps = Stamps::take(place, writer)?;
    Ok((Attached { conn, tip, stamps }, mark?))
}

fn missing(place: &Place) -> Damage {
    Damage::Missing {
        path: place.db.clone(),
    }
}

/// Opens a connection and sets what is the same for every reader and writer.
pub(crate) fn connect(place: &Place, writer: bool) -> Result<Connection, Fault> {
    let io = |e| fault(place, "open", e);
    let access = match writer {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // On a read-only disk SQLite cannot make its shared memory file. With no WAL there is nothing it
    // would have to share, and nobody who could write meanwhile.
    let still = fs::metadata(&place.wal).map_or(true, |m| m.len() == 0);
    let conn = if !writer && still && !place.is_writable() {
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(immutable(place), flags).map_err(io)?
    } else {
        Connection::open_with_flags(&place.db, flags).map_err(io)?
    };
    conn.busy_timeout(BUSY).map_err(io)?;
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        // Until a close that is known to be in order; see `Drop`.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        conn.set_db_config(option, on).map_err(io)?;
    }
    conn.execute_batch("PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;")
        .map_err(io)?;
    Ok(conn)
}

fn immutable(place: &Place) -> String {
    let mut uri = String::from("file:");
    for &byte in place.db.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => uri.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Sets what only a writer sets.
fn prepare(conn: &Connection, place: &Place) -> Result<(), Fault> {
    let io = |e| fault(place, "prepare", e);
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(io)?;
    if mode != "wal" {
        return Err(Fault::Io {
            doing: "use a write-ahead log for",
            path: place.db.clone(),
            source: format!("SQLite keeps to {mode:?}").into(),
        });
    }
    conn.execute_batch(&format!(
        "PRAGMA wal_autocheckpoint = {CHECKPOINT}; PRAGMA journal_size_limit = {WAL_MAX};"
    ))
    .map_err(io)
}

/// Compares the log with its mark.
fn compare(conn: &Connection, place: &Place, marked: Tip, tip: Tip) -> Result<(), OpenError> {
    let (has, had) = (tip.seq, marked.seq);
    if had > has {
        return Err(Damage::Shorter { has, had }.into());
    }
    let hash = rows::hash_at(conn, had).map_err(|e| fault(place, "read", e))?;
    match hash == Some(marked.hash) {
        true => Ok(()),
        false => Err(Damage::Rewritten { seq: had }.into()),
    }
}

/// Verifies what a reader would fold: the entries since the latest snapshot that is sound.
fn verify_tail(conn: &Connection, place: &Place, tip: Tip) -> Result<(), OpenError> {
    let snapshots = rows::snapshots(conn).map_err(|e| fault(place, "read", e))?;
    let sound = snapshots.into_iter().find_map(|found| found.sound);
    let mut after = sound.map_or(0, |snapshot| snapshot.seq);
    if after == tip.seq {
        // New entries are chained to the last one, so that one at least must be what it was.
        after = after.saturating_sub(1);
    }
    let mut chain = chain::Chain::default();
    rows::walk(conn, place, &mut chain, after, tip, &mut |_| {
        ControlFlow::Continue(())
    })
    .map_err(|e| match e {
        LoadError::Fault(fault) => fault.into(),
        LoadError::Unsettled(e) => *e,
        LoadError::Beyond { after, head } => {
            let (has, had) = (head, after);
            Damage::Shorter { has, had }.into()
        }
    })
}

/// Makes what was just read durable. A writer that was killed between writing and syncing leaves entries
/// that a power cut would still take away; nobody may act on those.
fn settle(conn: &Connection, place: &Place) -> Result<(), Fault> {
    match overwrite(conn, place) {
        // A full disk must not keep a log from being opened, and syncing needs no room.
        Err(Fault::Full { .. }) => match fs::File::open(&place.wal).and_then(|f| f.sync_all()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(place.fault("sync", &place.wal, e))
            }
            _ => Ok(()),
        },
        other => other,
    }
}

/// Commits a change that changes nothing: it syncs the whole WAL, and takes the place in it where a
/// commit that failed may have left its frames.
pub(crate) fn overwrite(conn: &Connection, place: &Place) -> Result<(), Fault> {
    conn.execute_batch(&format!("PRAGMA user_version = {}", schema::FORMAT))
        .map_err(|e| fault(place, "write to", e))
}

/// Where a log that cannot be kept as it is goes: the first free name of `<db>.damaged-N`.
pub(crate) fn aside(place: &Place) -> std::path::PathBuf {
    let name = |n: u32| beside(&place.db, &format!(".damaged-{n}"));
    let taken = |n: &u32| fs::symlink_metadata(name(*n)).is_ok();
    name((1..).find(|n| !taken(n)).unwrap_or(u32::MAX))
}

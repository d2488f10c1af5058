//! The log in SQLite: WAL, synchronous=FULL, one writer, one transaction per append.
//!
//! Read `attach` for what an open makes sure of, and `write` for what an append does. Everything about
//! files is in `place`, about the end of the log in `mark`, about the format in `schema`.

mod attach;
mod check;
mod fault;
mod mark;
mod place;
mod repair;
mod rows;
mod schema;

pub use check::{Finding, Severity, doctor};
pub use repair::{Repair, accept_shorter};

use crate::{
    AppendError, Damage, Entry, Fault, LoadError, Log, NewEntry, OpenError, Snapshot, chain,
    check_sizes,
};
use attach::Attached;
use fault::fault;
use mark::Mark;
use place::Place;
use rows::Raw;
use rusqlite::{Connection, config::DbConfig, params};
use std::{ops::ControlFlow, path::Path};

/// How many snapshots are kept: one to read, and one should it turn out damaged.
const SNAPSHOTS: u32 = 2;

/// The version of SQLite in use.
#[must_use]
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Writing; the log is created if there is none.
    Create,
    /// Writing to a log that must be there.
    Existing,
    /// Reading, also while another process writes.
    ReadOnly,
}

/// Where a log stands after what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// All is known.
    Sound,
    /// A write failed and had no effect; the caller has not loaded since.
    Stale,
    /// A write failed and may have had its effect, or the files are not what they were.
    Doubt,
}

/// A log in a SQLite database.
pub struct SqliteLog {
    place: Place,
    mode: OpenMode,
    standing: Standing,
    at: Attached,
    mark: Option<Mark>,
    chain: chain::Chain,
    // Last, so that the lock is the last thing to go.
    _lock: Option<place::Lock>,
}

impl std::fmt::Debug for SqliteLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteLog")
            .field("path", &self.place.db)
            .field("mode", &self.mode)
            .field("head", &self.at.tip.seq)
            .finish_non_exhaustive()
    }
}

/// The longest path of a log: SQLite keeps 512 bytes for one, of which its journal's suffix takes 8.
pub const PATH_MAX: usize = 504;

/// Whether a log can be at `path` at all; asked before anything is made for it.
///
/// # Errors
/// [`OpenError::PathTooLong`].
pub fn check_path(path: &Path) -> Result<(), OpenError> {
    if path.as_os_str().len() > PATH_MAX {
        return Err(OpenError::PathTooLong { path: path.into() });
    }
    Ok(())
}

impl SqliteLog {
    /// Opens the log at `path`.
    ///
    /// A writer holds the lock file beside it until dropped, verifies the hashes of all entries since the
    /// latest snapshot, and compares the log's end with the high-water mark kept beside it.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the place, the file, or its content.
    pub fn open(path: &Path, mode: OpenMode) -> Result<Self, OpenError> {
        attach::check_library()?;
        let place = Place::of(path, mode == OpenMode::Create)?;
        check_path(&place.db)?;
        if let place::FileSystem::Network(kind) = place.file_system() {
            let path = place.db;
            return Err(OpenError::Network { path, kind });
        }
        if mode == OpenMode::Existing
            && !place.db.exists()
            && mark::read(&place) == mark::Found::None
        {
            // Before the lock, so that a mistyped path is left without litter.
            return Err(OpenError::NotFound { path: place.db });
        }
        let lock = match mode {
            OpenMode::ReadOnly => None,
            OpenMode::Create | OpenMode::Existing => Some(place.lock()?),
        };
        let (at, mark) = attach::attach(&place, mode)?;
        Ok(Self {
            place,
            mode,
            standing: Standing::Sound,
            at,
            mark,
            chain: chain::Chain::default(),
            _lock: lock,
        })
    }

    /// Whether there is a log at `path`, or was one: then its high-water mark is still there, and opening it says
    /// what is missing.
    #[must_use]
    pub fn is_known(path: &Path) -> bool {
        path.exists()
            || Place::of(path, false).is_ok_and(|place| mark::read(&place) != mark::Found::None)
    }

    /// The database's path, symlinks resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.db
    }

    /// Writes a whole and durable copy of the log, as it is now, to `to`, replacing what is there.
    /// Writing may go on meanwhile, by other connections.
    ///
    /// # Errors
    /// When the log cannot be read or the copy not be written.
    pub fn backup(&mut self, to: &Path) -> Result<(), Fault> {
        schema::copy_to(&self.at.conn, &self.place, to)
    }

    /// Closes the log in good order: everything in one file, the mark durable. Dropping does the same
    /// and cannot say what failed; neither is needed for safety.
    ///
    /// # Errors
    /// When the mark cannot be made durable.
    pub fn close(mut self) -> Result<(), Fault> {
        match &mut self.mark {
            Some(mark) => mark
                .sync()
                .map_err(|e| self.place.fault("write", &self.place.mark, e)),
            None => Ok(()),
        }
    }

    /// Refuses a write that cannot be: out of turn, read-only, or to files that are not ours any more.
    fn may_write(&mut self) -> Result<(), AppendError> {
        if self.mode == OpenMode::ReadOnly {
            let path = self.place.db.clone();
            return Err(AppendError::ReadOnly { path });
        }
        if self.standing != Standing::Sound {
            return Err(AppendError::Stale);
        }
        self.at.stamps.check(&self.place).map_err(|damage| {
            self.standing = Standing::Doubt;
            AppendError::Damaged(damage)
        })
    }

    /// Runs `body` as one durable transaction, and notes what a failure leaves behind.
    fn write<T>(
        &mut self,
        body: impl FnOnce(&Connection, &Place, &mut chain::Chain) -> Result<T, Fault>,
    ) -> Result<T, AppendError> {
        let (conn, place) = (&self.at.conn, &self.place);
        let run = |sql| conn.prepare_cached(sql).and_then(|mut s| s.execute([]));
        let written = run("BEGIN IMMEDIATE")
            .map_err(|e| fault(place, "begin writing to", e))
            .and_then(|_| {
                // Only this process may write. Should another have done so, ours would not fit.
                match rows::last(conn) {
                    Ok(tip) if tip == self.at.tip => body(conn, place, &mut self.chain),
                    Ok(_) => Err(Damage::Foreign {
                        head: self.at.tip.seq,
                    }
                    .into()),
                    Err(e) => Err(fault(place, "read", e)),
                }
            });
        let (error, standing) = match written {
            Ok(value) => match run("COMMIT") {
                Ok(_) => {
                    // Files only grow but by our own commits, so this is what the next write compares to.
                    match place::Stamps::take(place, true) {
                        Ok(stamps) => self.at.stamps = stamps,
                        // Moved away during the commit: said to be durable, it would be a lie.
                        Err(damage) => {
                            self.standing = Standing::Doubt;
                            return Err(AppendError::Damaged(damage));
                        }
                    }
                    return Ok(value);
                }
                // SQLite says "full" when a write of the WAL fails, thus before the frame that commits.
                // Any other failure may come after that frame: a crash would bring the entries back.
                Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                    (fault(place, "write to", e), Standing::Stale)
                }
                Err(e) => (fault(place, "commit to", e), Standing::Doubt),
            },
            Err(error @ Fault::Damaged(_)) => (error, Standing::Doubt),
            Err(error) => (error, Standing::Stale),
        };
        // Fails when SQLite has rolled back already, which is as well.
        run("ROLLBACK").ok();
        self.standing = standing;
        Err(error.into())
    }

    /// Finds out where the log stands after a failed write, for good.
    fn settle(&mut self) -> Result<(), LoadError> {
        if self.standing == Standing::Doubt {
            let attached = attach::attach(&self.place, OpenMode::Existing);
            let (at, mark) = attached.map_err(|e| match e {
                OpenError::Fault(Fault::Damaged(damage)) => damage.into(),
                e => LoadError::Unsettled(Box::new(e)),
            })?;
            // Opening makes do with a full disk, since it has nothing in doubt. Here, only a commit over
            // the same place in the WAL makes sure that the one in doubt does not come back.
            attach::overwrite(&at.conn, &self.place)
                .map_err(|e| LoadError::Unsettled(Box::new(e.into())))?;
            self.at = at;
            self.mark = mark;
        }
        self.standing = Standing::Sound;
        Ok(())
    }

    /// Reads entries after `after` in one consistent view, verifying each, until `each` breaks.
    fn walk(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(&Raw<'_>) -> ControlFlow<()>,
    ) -> Result<(), LoadError> {
        let conn = &self.at.conn;
        let io = |e| LoadError::Fault(fault(&self.place, "read", e));
        let view = conn.unchecked_transaction().map_err(io)?;
        let tip = rows::last(conn).map_err(io)?;
        if self.mode == OpenMode::ReadOnly {
            // Else a follower would wait for ever on a file that nobody writes to any more.
            self.at.stamps.check(&self.place)?;
            if tip.seq < self.at.tip.seq {
                let (has, had) = (tip.seq, self.at.tip.seq);
                return Err(Damage::Shorter { has, had }.into());
            }
            self.at.tip = tip;
        } else if tip != self.at.tip {
            let head = self.at.tip.seq;
            return Err(Damage::Foreign { head }.into());
        }
        if after > tip.seq {
            let head = tip.seq;
            return Err(LoadError::Beyond { after, head });
        }
        rows::walk(&view, &self.place, &mut self.chain, after, tip, each)?;
        view.finish().map_err(io)
    }
}

impl Log for SqliteLog {
    fn head(&self) -> u64 {
        self.at.tip.seq
    }

    fn append(&mut self, expected: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        self.may_write()?;
        check_sizes(entries)?;
        let head = self.at.tip.seq;
        if expected != head {
            return Err(AppendError::Conflict { expected, head });
        }
        if entries.is_empty() {
            return Ok(head);
        }
        let tip = self.at.tip;
        self.at.tip = self.write(|conn, place, chain| {
            rows::insert(conn, chain, tip, entries).map_err(|e| fault(place, "write to", e))
        })?;
        if let Some(mark) = &mut self.mark {
            // The entries are durable: a mark that lags behind is no reason to say otherwise.
            mark.set(self.at.tip).ok();
        }
        Ok(self.at.tip.seq)
    }

    fn in_place(&self) -> Result<(), Damage> {
        self.at.stamps.check(&self.place)
    }

    fn load(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), LoadError> {
        self.settle()?;
        self.walk(after, &mut |raw| each(raw.to_entry()))
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), AppendError> {
        self.may_write()?;
        let head = self.at.tip.seq;
        if snapshot.seq > head {
            let expected = snapshot.seq;
            return Err(AppendError::Conflict { expected, head });
        }
        self.write(|conn, place, _| {
            let io = |e| fault(place, "write to", e);
            let tip = rows::hash_at(conn, snapshot.seq).map_err(io)?;
            let tip = tip.ok_or(Damage::Entry { seq: snapshot.seq })?;
            let hash = chain::snapshot(&tip, snapshot.seq, snapshot.format, &snapshot.body);
            conn.prepare_cached("REPLACE INTO snapshot (seq, format, body, hash) VALUES (?,?,?,?)")
                .and_then(|mut s| {
                    let seq = snapshot.seq.cast_signed();
                    s.execute(params![seq, snapshot.format, snapshot.body, hash])
                })
                .map_err(io)?;
            conn.prepare_cached(
                "DELETE FROM snapshot WHERE seq NOT IN
                 (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?)",
            )
            .and_then(|mut s| s.execute([SNAPSHOTS]))
            .map_err(io)?;
            Ok(())
        })
    }

    fn latest_snapshot(&mut self) -> Result<Option<Snapshot>, LoadError> {
        let io = |e| LoadError::Fault(fault(&self.place, "read", e));
        let view = self.at.conn.unchecked_transaction().map_err(io)?;
        for found in rows::snapshots(&view).map_err(io)? {
            if let Some(snapshot) = found.sound {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        let writer = self.mode != OpenMode::ReadOnly;
        let sound = self.standing == Standing::Sound && self.at.stamps.check(&self.place).is_ok();
        if writer && sound {
            if let Some(mark) = &mut self.mark {
                mark.sync().ok();
            }
            // Only now may SQLite fold the WAL into the database and remove it by its name: with files
            // swapped beneath us, that name could be another log's.
            let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.at.conn.set_db_config(option, false).ok();
        }
    }
}

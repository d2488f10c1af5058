//! The database's shape, as numbered steps from nothing to now. A step is never changed once released.

use super::{fault::fault, place::Place};
use crate::{Fault, OpenError};
use rusqlite::{
    Connection,
    types::{ToSqlOutput, ValueRef},
};
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::PathBuf,
};

/// Marks the file as ours: "Skep".
pub(crate) const APPLICATION: i64 = 0x536b_6570;

/// Step n (from 1) leads from format n-1 to format n.
const STEPS: [&str; 2] = [
    // The chain of format 1 hashed an empty trace, so that format 2 could be read without rehashing.
    "CREATE TABLE entry (
        seq  INTEGER PRIMARY KEY,
        at   INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE snapshot (
        seq    INTEGER PRIMARY KEY,
        format INTEGER NOT NULL,
        body   BLOB NOT NULL,
        hash   BLOB NOT NULL
    ) STRICT;",
    "ALTER TABLE entry ADD COLUMN trace TEXT NOT NULL DEFAULT '';",
];

/// The format this version writes.
pub(crate) const FORMAT: i64 = STEPS.len() as i64;

/// What a database file says of itself.
pub(crate) struct Head {
    application: i64,
    format: i64,
    tables: i64,
}

impl Head {
    pub(crate) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let number = |sql| conn.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            application: number("PRAGMA application_id")?,
            format: number("PRAGMA user_version")?,
            tables: number("SELECT count(*) FROM sqlite_schema")?,
        })
    }

    /// Whether nothing was ever put into the file, as when its creation was cut off.
    pub(crate) fn is_blank(&self) -> bool {
        self.application == 0 && self.format == 0 && self.tables == 0
    }

    /// The log's format, if it is a log that this version reads.
    pub(crate) fn format(&self, place: &Place) -> Result<i64, OpenError> {
        let path = place.db.clone();
        if self.application != APPLICATION {
            return Err(OpenError::NotALog { path });
        }
        if self.format > FORMAT {
            return Err(OpenError::Newer {
                path,
                found: self.format,
                known: FORMAT,
            });
        }
        if self.format < 1 {
            return Err(OpenError::NotALog { path });
        }
        Ok(self.format)
    }
}

/// Brings the database from format `from` (0 for a blank file) to [`FORMAT`]: all steps or none, and
/// with a copy beside it first, if there is anything to lose.
pub(crate) fn migrate(conn: &Connection, place: &Place, from: i64) -> Result<(), Fault> {
    if from == FORMAT {
        return Ok(());
    }
    if from > 0 {
        copy_to(
            conn,
            place,
            &super::place::beside(&place.db, &format!(".format-{from}")),
        )?;
    }
    let first = usize::try_from(from).unwrap_or_default();
    let mut sql = String::from("BEGIN IMMEDIATE;");
    for step in &STEPS[first..] {
        sql.push_str(step);
    }
    sql.push_str(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ));
    conn.execute_batch(&sql).map_err(|e| {
        conn.execute_batch("ROLLBACK").ok();
        fault(place, "bring up to date", e)
    })
}

/// Writes a whole and durable copy of the database to `to`, replacing what is there.
pub(crate) fn copy_to(conn: &Connection, place: &Place, to: &std::path::Path) -> Result<(), Fault> {
    let new: PathBuf = super::place::beside(to, ".new");
    let io = |e| place.fault("write", to, e);
    match fs::remove_file(&new) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    // Made by us first, because SQLite would make it readable for everyone.
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(io)?;
    // Not every path is UTF-8, and SQLite does not mind.
    let target = ToSqlOutput::Borrowed(ValueRef::Text(new.as_os_str().as_bytes()));
    let copied = conn
        .execute("VACUUM INTO ?1", [target])
        .map_err(|e| fault(place, "copy", e))
        .and_then(|_| file.sync_all().map_err(io))
        .and_then(|()| fs::rename(&new, to).map_err(io));
    if copied.is_err() {
        fs::remove_file(&new).ok();
    }
    copied
}

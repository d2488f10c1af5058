//! Looking a log over, for `skep doctor`: everything that is wrong with it, not only the first thing.

use super::{
    OpenMode, SqliteLog, mark,
    place::{FileSystem, Place},
    rows,
};
use crate::Damage;
use std::{
    fs,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the log is sound.
    Note,
    /// The log is not what was written, or cannot be read.
    Damage,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

const REPAIR: &str =
    "`skep doctor --fix` keeps every sound entry and saves the damaged files aside";

/// Looks over the log at `path`, also while a keeper writes to it. Nothing is changed.
#[must_use]
pub fn doctor(path: &Path) -> Vec<Finding> {
    match SqliteLog::open(path, OpenMode::ReadOnly) {
        Ok(mut log) => log.check(),
        Err(error) => vec![Finding {
            severity: Severity::Damage,
            what: error.to_string(),
            hint: error.hint(),
        }],
    }
}

impl SqliteLog {
    /// Verifies every entry, every snapshot, the mark and the database's own structure. No finding
    /// means that all is well.
    pub fn check(&mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        self.check_place(&mut found);
        self.check_mark(&mut found);
        if let Err(error) = self.walk(0, &mut |_| ControlFlow::Continue(())) {
            found.push(damage(error.to_string()));
        }
        match integrity(self) {
            Ok(lines) => found.extend(lines.into_iter().map(damage)),
            Err(error) => found.push(damage(error.to_string())),
        }
        match rows::snapshots(&self.at.conn) {
            Ok(all) => {
                let bad = all.into_iter().filter(|s| s.sound.is_none());
                found.extend(bad.map(|s| Finding {
                    severity: Severity::Note,
                    what: format!("the snapshot at entry {} is damaged", s.seq),
                    hint: "nothing is lost: it is passed over, and the next one replaces it",
                }));
            }
            Err(error) => found.push(damage(error.to_string())),
        }
        found
    }

    fn check_place(&self, found: &mut Vec<Finding>) {
        let Place { dir, db, wal, .. } = &self.place;
        if self.place.file_system() == FileSystem::Fuse {
            found.push(Finding {
                severity: Severity::Note,
                what: format!("{} lies on a FUSE file system", db.display()),
                hint: "make sure that it keeps locks and honours fsync, or move to a local disk",
            });
        }
        let open_to_others =
            |path: &&PathBuf| fs::metadata(path).is_ok_and(|m| m.mode() & 0o077 != 0);
        found.extend(
            [dir, db, wal]
                .into_iter()
                .filter(open_to_others)
                .map(|path| Finding {
                    severity: Severity::Note,
                    what: format!("{} can be reached by other users", path.display()),
                    hint: "run `chmod go= ` on it",
                }),
        );
    }

    fn check_mark(&self, found: &mut Vec<Finding>) {
        let note = |what: &str| Finding {
            severity: Severity::Note,
            what: format!("{} {what}", self.place.mark.display()),
            hint: "a log cut short would go unnoticed; the next keeper to start makes it anew",
        };
        match mark::read(&self.place) {
            mark::Found::None => found.push(note("is missing")),
            mark::Found::Unreadable => found.push(note("is damaged")),
            mark::Found::Tip(tip) => {
                let (has, had) = (self.at.tip.seq, tip.seq);
                // A keeper may have gone on since a reader opened the log: only what it saw is compared.
                if had <= has && rows::hash_at(&self.at.conn, had).ok() != Some(Some(tip.hash)) {
                    found.push(damage(Damage::Rewritten { seq: had }.to_string()));
                }
            }
        }
    }
}

fn integrity(log: &SqliteLog) -> rusqlite::Result<Vec<String>> {
    let mut statement = log.at.conn.prepare("PRAGMA integrity_check(20)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    lines
        .filter(|line| !matches!(line, Ok(text) if text == "ok"))
        .collect()
}

fn damage(what: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Damage,
        what: what.into(),
        hint: REPAIR,
    }
}

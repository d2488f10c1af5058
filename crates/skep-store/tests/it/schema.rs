//! Older and newer formats, and files that are something else.

use crate::support::{Dir, all, append, beside};
use rusqlite::Connection;
use skep_store::{Log, OpenError, OpenMode, conformance::entry};
use std::fs;

/// A log of format 1, as that version wrote it: no trace, hashes over an empty one.
const FORMAT_1: &str = include_str!("../fixtures/format-1.sql");

fn old(dir: &Dir) {
    Connection::open(dir.db())
        .unwrap()
        .execute_batch(FORMAT_1)
        .unwrap();
}

fn format_of(path: &std::path::Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn an_old_log_is_brought_up_to_date_with_a_copy_kept() {
    let dir = Dir::new();
    old(&dir);
    let error = dir.open(OpenMode::ReadOnly).unwrap_err();
    assert!(
        matches!(error, OpenError::Older { found: 1, .. }),
        "{error:?}"
    );
    let mut log = dir.open(OpenMode::Existing).unwrap();
    append(&mut log, &[entry(4)]);
    let entries = all(&mut log);
    let seen: Vec<_> = entries
        .iter()
        .map(|e| (e.seq, e.at.0, &*e.kind, &*e.trace))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 1000, "a", ""),
            (2, 2000, "b", ""),
            (3, 3000, "c", ""),
            (4, 4, "test", "t4")
        ]
    );
    assert_eq!(entries[1].body, "{\"n\":2}");
    assert_eq!(log.check(), []);
    let copy = beside(&dir.db(), ".format-1");
    assert_eq!(format_of(&copy), 1);
    drop(log);
    assert_eq!(format_of(&dir.db()), 2);
    assert_eq!(dir.open(OpenMode::ReadOnly).unwrap().head(), 4);
}

#[test]
fn an_old_log_that_was_damaged_is_not_passed_off_as_sound() {
    let dir = Dir::new();
    old(&dir);
    let conn = Connection::open(dir.db()).unwrap();
    conn.execute("UPDATE entry SET at = 2001 WHERE seq = 2", [])
        .unwrap();
    drop(conn);
    let error = dir.open(OpenMode::Existing).unwrap_err().to_string();
    assert!(error.contains("entry 2 does not match its hash"), "{error}");
}

#[test]
fn a_newer_log_is_refused_and_left_as_it_is() {
    let dir = Dir::new();
    drop(dir.open(OpenMode::Create).unwrap());
    Connection::open(dir.db())
        .unwrap()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let before = fs::read(dir.db()).unwrap();
    for mode in [OpenMode::Create, OpenMode::Existing, OpenMode::ReadOnly] {
        let error = dir.open(mode).unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::Newer {
                    found: 99,
                    known: 2,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("has format 99; this version of Skep knows formats up to 2")
        );
    }
    assert_eq!(fs::read(dir.db()).unwrap(), before);
}

#[test]
fn another_programs_database_is_left_alone() {
    let dir = Dir::new();
    let conn = Connection::open(dir.db()).unwrap();
    conn.execute_batch(
        "CREATE TABLE entry (seq INTEGER PRIMARY KEY); INSERT INTO entry VALUES (7);",
    )
    .unwrap();
    drop(conn);
    let before = fs::read(dir.db()).unwrap();
    for mode in [OpenMode::Create, OpenMode::Existing, OpenMode::ReadOnly] {
        let error = dir.open(mode).unwrap_err();
        assert!(matches!(error, OpenError::NotALog { .. }), "{error:?}");
    }
    assert_eq!(fs::read(dir.db()).unwrap(), before);
    for other in [&b"just some text, and quite a lot of it"[..], &[0xff; 8192]] {
        fs::write(dir.db(), other).unwrap();
        for mode in [OpenMode::Create, OpenMode::Existing, OpenMode::ReadOnly] {
            dir.open(mode).unwrap_err();
        }
        assert_eq!(fs::read(dir.db()).unwrap(), other);
    }
}

#[test]
fn a_creation_that_was_cut_off_is_finished() {
    let dir = Dir::new();
    fs::write(dir.db(), "").unwrap();
    let error = dir.open(OpenMode::Existing).unwrap_err();
    assert!(matches!(error, OpenError::NotALog { .. }), "{error:?}");
    let mut log = dir.open(OpenMode::Create).unwrap();
    assert_eq!(append(&mut log, &[entry(1)]), 1);
}

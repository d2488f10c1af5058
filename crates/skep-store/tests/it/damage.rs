//! Damaged files: said, or harmless, and never another content.

use crate::support::{Dir, Rng, all, append, beside, copy_files, entries};
use skep_store::{
    AppendError, Damage, Entry, Fault, LoadError, Log, OpenError, OpenMode, Severity, Snapshot,
    SqliteLog, accept_shorter,
    conformance::{collect, entry},
    doctor,
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

/// A log with entries both in the database and in the WAL, as a kill would leave it.
fn killed(to: &Path) -> Vec<Entry> {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    for n in 0..60 {
        append(&mut log, &entries(n * 5 + 1, n * 5 + 5));
    }
    log.close().unwrap();
    let mut log = dir.open(OpenMode::Existing).unwrap();
    for n in 60..90 {
        append(&mut log, &entries(n * 5 + 1, n * 5 + 5));
    }
    copy_files(&dir.db(), to);
    all(&mut log)
}

enum Outcome {
    Said,
    Harmless,
}

/// Reads a damaged log by both ways in.
#[track_caller]
fn look(dir: &Dir, good: &[Entry], what: &str) -> Outcome {
    let mut said = false;
    for mode in [OpenMode::ReadOnly, OpenMode::Existing] {
        let got = dir
            .open(mode)
            .map_err(|e| e.to_string())
            .and_then(|mut log| {
                let got = collect(&mut log, 0).map_err(|e| e.to_string());
                if mode == OpenMode::Existing && got.is_err() {
                    panic!("{what}: a writer opened a log that it cannot read: {got:?}");
                }
                got
            });
        match got {
            Ok(got) => assert!(got == good, "{what}: other content, silently, as {mode:?}"),
            Err(error) => {
                assert!(!error.is_empty());
                said = true;
            }
        }
    }
    if said {
        Outcome::Said
    } else {
        Outcome::Harmless
    }
}

fn flip(path: &Path, rng: &mut Rng) -> u64 {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let bit = rng.below(file.metadata().unwrap().len() * 8);
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
    bit
}

fn flips(suffix: &str, count: usize, at_least_said: usize) {
    let source = Dir::new();
    let good = killed(&source.db());
    let mut rng = Rng(0x5eed_0002);
    let mut said = 0;
    for _ in 0..count {
        let dir = Dir::new();
        copy_files(&source.db(), &dir.db());
        let bit = flip(&beside(&dir.db(), suffix), &mut rng);
        if let Outcome::Said = look(&dir, &good, &format!("bit {bit} of {suffix:?}")) {
            said += 1;
        }
    }
    println!("flips in {suffix:?}: {said} of {count} said, the others harmless");
    assert!(said >= at_least_said, "{said}");
}

// proves: T-1
#[test]
fn a_flipped_bit_in_the_database_is_said_or_harmless() {
    flips("", 300, 100);
}

// proves: T-1
#[test]
fn a_flipped_bit_in_the_wal_is_said_or_harmless() {
    flips("-wal", 300, 200);
}

#[test]
fn a_flipped_bit_in_the_mark_is_harmless() {
    let source = Dir::new();
    let good = killed(&source.db());
    let mut rng = Rng(0x5eed_0003);
    for _ in 0..40 {
        let dir = Dir::new();
        copy_files(&source.db(), &dir.db());
        flip(&beside(&dir.db(), ".head"), &mut rng);
        assert!(matches!(look(&dir, &good, "the mark"), Outcome::Harmless));
    }
}

// proves: T-1
#[test]
fn a_cut_file_is_said_or_harmless() {
    let source = Dir::new();
    let good = killed(&source.db());
    let mut rng = Rng(0x5eed_0004);
    for suffix in ["", "-wal"] {
        let len = fs::metadata(beside(&source.db(), suffix)).unwrap().len();
        for n in 0..75 {
            let dir = Dir::new();
            copy_files(&source.db(), &dir.db());
            let to = if n == 0 { 0 } else { rng.below(len) };
            let file = File::options()
                .write(true)
                .open(beside(&dir.db(), suffix))
                .unwrap();
            file.set_len(to).unwrap();
            look(&dir, &good, &format!("{suffix:?} cut to {to}"));
        }
        let dir = Dir::new();
        copy_files(&source.db(), &dir.db());
        fs::remove_file(beside(&dir.db(), suffix)).unwrap();
        let removed = look(&dir, &good, &format!("{suffix:?} removed"));
        assert!(matches!(removed, Outcome::Said));
    }
}

// proves: T-1
#[test]
fn a_shortened_log_is_said_and_can_be_accepted() {
    let dir = Dir::new();
    let good = killed(&dir.db());
    fs::remove_file(beside(&dir.db(), "-wal")).unwrap();
    for mode in [OpenMode::Create, OpenMode::Existing, OpenMode::ReadOnly] {
        match dir.open(mode) {
            Err(OpenError::Fault(Fault::Damaged(Damage::Shorter { has, had }))) => {
                assert_eq!((has, had), (300, 450));
            }
            other => panic!("{other:?}"),
        }
    }
    let findings = doctor(&dir.db());
    assert_eq!(findings[0].severity, Severity::Damage);
    assert!(
        findings[0]
            .what
            .contains("ends at entry 300, but entry 450 had been written")
    );

    let repair = accept_shorter(&dir.db()).unwrap();
    assert_eq!((repair.kept, repair.had), (300, 450));
    let mut log = dir.open(OpenMode::Existing).unwrap();
    assert_eq!(all(&mut log), good[..300]);
    append(&mut log, &[entry(301)]);
    assert_eq!(log.check(), []);
    drop(log);
    let again = accept_shorter(&dir.db()).unwrap();
    assert_eq!(
        (again.kept, again.aside),
        (301, None),
        "a sound log is left alone"
    );
    assert!(repair.aside.unwrap().exists());
}

// proves: T-1
#[test]
fn an_altered_entry_ends_what_is_given() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 100));
    let snapshot = Snapshot {
        seq: 90,
        format: 1,
        body: Vec::new(),
    };
    log.save_snapshot(&snapshot).unwrap();
    drop(log);
    let sql = |sql| {
        rusqlite::Connection::open(dir.db())
            .unwrap()
            .execute(sql, [])
            .unwrap()
    };
    sql("UPDATE entry SET body = replace(body, '40', '41') WHERE seq = 40");
    // Before the snapshot: opening does not read that far back, but whoever does is told.
    let mut log = dir.open(OpenMode::Existing).unwrap();
    let mut given = 0;
    let error = log.load(0, &mut |entry| {
        given = entry.seq;
        std::ops::ControlFlow::Continue(())
    });
    match error {
        Err(LoadError::Fault(Fault::Damaged(Damage::Entry { seq: 40 }))) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(given, 39);
    assert_eq!(collect(&mut log, 90).unwrap().len(), 10);
    assert!(log.check()[0].what.contains("entry 40"));
    drop(log);
    sql("DELETE FROM entry WHERE seq = 95");
    match dir.open(OpenMode::Existing) {
        Err(OpenError::Fault(Fault::Damaged(Damage::Gap {
            expected: 95,
            found: 96,
        }))) => {}
        other => panic!("{other:?}"),
    }
    let repair = accept_shorter(&dir.db()).unwrap();
    assert_eq!((repair.kept, repair.had), (39, 100));
    assert_eq!(all(&mut dir.open(OpenMode::Existing).unwrap()).len(), 39);
}

#[test]
fn an_old_copy_put_back_is_said() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 10));
    let copy = dir.path().join("copy");
    log.backup(&copy).unwrap();
    append(&mut log, &entries(11, 12));
    drop(log);
    fs::copy(&copy, dir.db()).unwrap();
    let error = dir.open(OpenMode::Existing).unwrap_err().to_string();
    assert!(error.contains("ends at entry 10, but entry 12"), "{error}");
    // With another history, as long as the one that was there.
    fs::remove_file(beside(&dir.db(), ".head")).unwrap();
    drop(dir.open(OpenMode::Existing).unwrap());
    let mut log = SqliteLog::open(&copy, OpenMode::Existing).unwrap();
    append(&mut log, &entries(21, 22));
    append(&mut log, &entries(23, 24));
    drop(log);
    let mut log = dir.open(OpenMode::Existing).unwrap();
    append(&mut log, &entries(11, 12));
    drop(log);
    fs::copy(&copy, dir.db()).unwrap();
    match dir.open(OpenMode::Existing) {
        Err(OpenError::Fault(Fault::Damaged(Damage::Rewritten { seq: 12 }))) => {}
        other => panic!("{other:?}"),
    }
}

// proves: T-1
#[test]
fn files_that_are_moved_replaced_or_cut_while_in_use_are_noticed() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed, bool); 6] = [
        ("removed", |db| fs::remove_file(db).unwrap(), false),
        (
            "moved",
            |db| fs::rename(db, beside(db, ".moved")).unwrap(),
            false,
        ),
        ("emptied", |db| drop(File::create(db).unwrap()), false),
        (
            "replaced",
            |db| {
                fs::copy(db, beside(db, ".2")).unwrap();
                fs::rename(beside(db, ".2"), db).unwrap();
            },
            true,
        ),
        (
            "wal removed",
            |db| fs::remove_file(beside(db, "-wal")).unwrap(),
            false,
        ),
        (
            "wal emptied",
            |db| drop(File::create(beside(db, "-wal")).unwrap()),
            false,
        ),
    ];
    for (what, deed, recovers) in deeds {
        let dir = Dir::new();
        let mut log = dir.open(OpenMode::Create).unwrap();
        append(&mut log, &entries(1, 9));
        deed(&dir.db());
        let error = log.append(9, &[entry(10)]).unwrap_err();
        assert!(
            matches!(error, AppendError::Damaged(_)),
            "{what}: {error:?}"
        );
        assert!(error.hint().contains("skep doctor"));
        assert!(
            matches!(log.append(9, &[entry(10)]), Err(AppendError::Stale)),
            "{what}"
        );
        match (collect(&mut log, 0), recovers) {
            // An equal file at the path, with the WAL beside it, is the log.
            (Ok(entries), true) => {
                assert_eq!(entries.len(), 9, "{what}");
                append(&mut log, &[entry(10)]);
            }
            (Err(LoadError::Fault(Fault::Damaged(_))), _) => {
                assert!(matches!(
                    log.append(9, &[entry(10)]),
                    Err(AppendError::Stale)
                ));
            }
            (other, _) => panic!("{what}: {other:?}"),
        }
        drop(log);
        // Whatever became of it, nobody is told less than was acknowledged.
        match dir.open(OpenMode::Existing) {
            Ok(mut log) => assert!(recovers && all(&mut log).len() == 10, "{what}"),
            Err(error) => assert!(!recovers, "{what}: {error}"),
        }
    }
}

#[test]
fn a_reader_notices_that_its_log_was_replaced() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 9));
    let mut reader = dir.open(OpenMode::ReadOnly).unwrap();
    log.backup(&dir.db()).unwrap();
    match collect(&mut reader, 0) {
        Err(LoadError::Fault(Fault::Damaged(Damage::Replaced { .. }))) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 9));
    let snapshot = |seq| Snapshot {
        seq,
        format: 1,
        body: vec![1; 99],
    };
    log.save_snapshot(&snapshot(4)).unwrap();
    log.save_snapshot(&snapshot(8)).unwrap();
    drop(log);
    let conn = rusqlite::Connection::open(dir.db()).unwrap();
    conn.execute("UPDATE snapshot SET format = 2 WHERE seq = 8", [])
        .unwrap();
    drop(conn);
    let mut log = dir.open(OpenMode::Existing).unwrap();
    assert_eq!(log.latest_snapshot().unwrap(), Some(snapshot(4)));
    let findings = log.check();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Note);
}

#[test]
fn a_missing_mark_is_noted_and_made_anew() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 9));
    drop(log);
    fs::remove_file(beside(&dir.db(), ".head")).unwrap();
    let findings = doctor(&dir.db());
    assert!(
        findings.len() == 1 && findings[0].what.contains("is missing"),
        "{findings:?}"
    );
    drop(dir.open(OpenMode::Existing).unwrap());
    assert_eq!(doctor(&dir.db()), []);
}

//! Locks, links, modes, readers beside a writer, copies.

use crate::support::{Dir, all, append, beside, entries};
use skep_store::{
    AppendError, Damage, Log, OpenError, OpenMode, PATH_MAX, Snapshot, SqliteLog,
    conformance::{collect, entry},
};
use std::{
    fs,
    ops::ControlFlow,
    os::unix::fs::{MetadataExt, symlink},
};

// proves: Q-6
#[test]
fn a_second_writer_is_refused_and_told_who_holds_the_log() {
    let dir = Dir::new();
    let first = dir.open(OpenMode::Create).unwrap();
    let link = dir.path().join("link.db");
    symlink(dir.db(), &link).unwrap();
    for path in [dir.db(), link] {
        for mode in [OpenMode::Create, OpenMode::Existing] {
            match SqliteLog::open(&path, mode) {
                Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
                other => panic!("{other:?}"),
            }
        }
    }
    drop(first);
    dir.open(OpenMode::Existing).unwrap();
}

// proves: Q-6
#[test]
fn a_writer_without_the_lock_is_noticed() {
    let dir = Dir::new();
    let mut old = dir.open(OpenMode::Create).unwrap();
    append(&mut old, &[entry(1)]);
    // Someone removes the lock file, and so two writers come to be.
    fs::remove_file(beside(&dir.db(), ".lock")).unwrap();
    let mut new = dir.open(OpenMode::Existing).unwrap();
    append(&mut new, &[entry(2)]);
    let late = old.append(1, &[entry(3)]);
    assert!(
        matches!(late, Err(AppendError::Damaged(Damage::Foreign { head: 1 }))),
        "{late:?}"
    );
    // Having looked, it knows the truth like everyone.
    assert_eq!(all(&mut old), all(&mut new));
}

#[test]
fn a_reader_follows_while_a_writer_writes() {
    let dir = Dir::new();
    let mut writer = dir.open(OpenMode::Create).unwrap();
    let mut reader = dir.open(OpenMode::ReadOnly).unwrap();
    let mut seen = 0;
    for round in 1..=50 {
        append(&mut writer, &entries(1, 40));
        let mut first = true;
        reader
            .load(seen, &mut |entry| {
                assert_eq!(entry.seq, seen + 1);
                seen = entry.seq;
                if std::mem::take(&mut first) {
                    // The reader's view is of one moment: this comes with the next load.
                    append(&mut writer, &[entry_of(seen)]);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, writer.head() - 1, "round {round}");
        assert_eq!(reader.head(), seen);
    }
    assert!(matches!(
        reader.append(seen, &[entry(1)]),
        Err(AppendError::ReadOnly { .. })
    ));
    writer.close().unwrap();
    assert_eq!(
        collect(&mut reader, seen).unwrap().len(),
        1,
        "after the writer has gone"
    );
}

fn entry_of(n: u64) -> skep_store::NewEntry {
    entry(n)
}

#[test]
fn files_are_for_their_owner_only() {
    let dir = Dir::new();
    let db = dir.path().join("a/b/swarm.db");
    let mut log = SqliteLog::open(&db, OpenMode::Create).unwrap();
    append(&mut log, &[entry(1)]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    for folder in ["a", "a/b"] {
        assert_eq!(mode(&dir.path().join(folder)), 0o700, "{folder}");
    }
    for suffix in ["", "-wal", "-shm", ".lock", ".head"] {
        assert_eq!(mode(&beside(&db, suffix)), 0o600, "{suffix}");
    }
    let copy = dir.path().join("copy.db");
    log.backup(&copy).unwrap();
    assert_eq!(mode(&copy), 0o600);
    assert_eq!(log.check(), []);
}

#[test]
fn paths_are_taken_as_they_are() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    for name in [
        &b"with space %41?#.db"[..],
        b"\xff\xfe.db",
        "蜂.db".as_bytes(),
        b"-x.db",
    ] {
        let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
        let mut log = SqliteLog::open(&path, OpenMode::Create).unwrap();
        append(&mut log, &entries(1, 3));
        log.backup(&beside(&path, "2")).unwrap();
        drop(log);
        assert!(path.exists());
        let mut copy = SqliteLog::open(&beside(&path, "2"), OpenMode::Existing).unwrap();
        assert_eq!(all(&mut copy).len(), 3);
    }
}

#[test]
fn a_log_behind_a_symlink_is_the_same_log() {
    let dir = Dir::new();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, dir.path().join("link")).unwrap();
    let link = dir.path().join("link/swarm.db");
    let mut log = SqliteLog::open(&link, OpenMode::Create).unwrap();
    append(&mut log, &[entry(1)]);
    drop(log);
    let mut log = SqliteLog::open(&real.join("swarm.db"), OpenMode::Existing).unwrap();
    append(&mut log, &[entry(2)]);
    assert_eq!(all(&mut log).len(), 2);
    symlink(
        dir.path().join("nowhere.db"),
        dir.path().join("dangling.db"),
    )
    .unwrap();
    let error = SqliteLog::open(&dir.path().join("dangling.db"), OpenMode::Create).unwrap_err();
    assert!(matches!(error, OpenError::NotFound { .. }), "{error:?}");
}

#[test]
fn what_is_not_there_is_said_and_left_without_litter() {
    let dir = Dir::new();
    for mode in [OpenMode::Existing, OpenMode::ReadOnly] {
        for path in [dir.db(), dir.path().join("no/such/folder.db")] {
            let error = SqliteLog::open(&path, mode).unwrap_err();
            assert!(matches!(error, OpenError::NotFound { .. }), "{error:?}");
        }
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_backup_of_a_log_in_use_is_whole() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 500));
    let snapshot = Snapshot {
        seq: 400,
        format: 3,
        body: vec![1, 2, 3],
    };
    log.save_snapshot(&snapshot).unwrap();
    let copy = dir.path().join("copy.db");
    log.backup(&copy).unwrap();
    append(&mut log, &entries(501, 510));
    dir.open(OpenMode::ReadOnly)
        .unwrap()
        .backup(&beside(&copy, "2"))
        .unwrap();
    let mut copied = SqliteLog::open(&copy, OpenMode::Existing).unwrap();
    assert_eq!(all(&mut copied), all(&mut log)[..500]);
    assert_eq!(copied.latest_snapshot().unwrap(), Some(snapshot));
    let mut later = SqliteLog::open(&beside(&copy, "2"), OpenMode::Existing).unwrap();
    assert_eq!(all(&mut later), all(&mut log));
}

#[test]
fn a_closed_log_is_one_file_and_its_mark() {
    let dir = Dir::new();
    let mut log = dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 10));
    log.close().unwrap();
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["swarm.db", "swarm.db.head", "swarm.db.lock"]);
}

#[test]
fn the_longest_path_is_as_long_as_it_is_said_to_be() {
    let dir = Dir::new();
    let mut folder = dir.path().canonicalize().unwrap();
    while PATH_MAX - folder.as_os_str().len() > 240 {
        folder.push("d".repeat(120));
    }
    fs::create_dir_all(&folder).unwrap();
    let room = PATH_MAX - folder.as_os_str().len() - "/".len();
    let longest = folder.join("l".repeat(room));
    append(
        &mut SqliteLog::open(&longest, OpenMode::Create).unwrap(),
        &[entry(1)],
    );
    let made = || fs::read_dir(&folder).unwrap().count();
    let before = made();
    let longer = folder.join("l".repeat(room + 1));
    let refused = SqliteLog::open(&longer, OpenMode::Create);
    assert!(
        matches!(refused, Err(OpenError::PathTooLong { .. })),
        "{refused:?}"
    );
    assert_eq!(made(), before, "nothing was made for it");
}

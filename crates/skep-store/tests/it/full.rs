//! A disk that fills up or is read-only.

use crate::support::{Dir, Disk, all, append, beside, entries};
use skep_store::{AppendError, Fault, Log, OpenError, OpenMode, SqliteLog, conformance::entry};
use std::fs;

// proves: T-1
#[test]
fn a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new("size=1m") else {
        return;
    };
    let ballast = disk.dir.path().join("ballast");
    fs::write(&ballast, vec![0; 300_000]).unwrap();
    let mut log = disk.dir.open(OpenMode::Create).unwrap();
    let mut acked = 0;
    for round in 0..4 {
        let error = loop {
            let mut big = entries(acked + 1, acked + 2);
            big[1].body = "x".repeat(7_000);
            match log.append(acked, &big) {
                Ok(head) => acked = head,
                Err(error) => break error,
            }
        };
        let AppendError::Full { free, .. } = &error else {
            panic!("round {round}: {error:?}");
        };
        assert!(*free < 300_000, "{free}");
        assert!(error.hint().contains("free some space"));
        // Reading goes on, and shows what was acknowledged and no more.
        assert_eq!(all(&mut log).len() as u64, acked);
        assert!(matches!(
            log.append(acked, &entries(1, 400)),
            Err(AppendError::Full { .. })
        ));
        let mut reader = disk.dir.open(OpenMode::ReadOnly).unwrap();
        assert_eq!(all(&mut reader).len() as u64, acked);
        drop(reader);
        if round == 1 {
            // A keeper that is restarted on a full disk.
            drop(log);
            log = disk.dir.open(OpenMode::Existing).unwrap();
            assert_eq!(log.head(), acked);
        }
        assert_eq!(all(&mut log).len() as u64, acked);
        let keep = 200_000 - 60_000 * round;
        fs::write(&ballast, vec![0; keep]).unwrap();
        acked = append(&mut log, &[entry(acked + 1)]);
    }
    log.close().unwrap();
    let mut log = disk.dir.open(OpenMode::Existing).unwrap();
    assert_eq!(log.head(), acked);
    assert_eq!(
        log.check()
            .iter()
            .filter(|f| f.severity > skep_store::Severity::Note)
            .count(),
        0
    );
}

// proves: T-1
#[test]
fn no_room_for_a_new_log_is_said() {
    let Some(disk) = Disk::new("size=64k") else {
        return;
    };
    fs::write(disk.dir.path().join("ballast"), vec![0; 60_000]).unwrap();
    let error = disk.dir.open(OpenMode::Create).unwrap_err();
    assert!(
        matches!(error, OpenError::Fault(Fault::Full { .. })),
        "{error:?}"
    );
    fs::remove_file(disk.dir.path().join("ballast")).unwrap();
    disk.remount("size=1m");
    let mut log = disk.dir.open(OpenMode::Create).unwrap();
    append(&mut log, &[entry(1)]);
}

#[test]
fn a_log_on_a_read_only_disk_can_be_read() {
    let Some(disk) = Disk::new("size=4m") else {
        return;
    };
    let mut log = disk.dir.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 9));
    log.close().unwrap();
    disk.remount("ro");
    let error = disk.dir.open(OpenMode::Existing).unwrap_err();
    assert!(
        matches!(error, OpenError::Fault(Fault::ReadOnly { .. })),
        "{error:?}"
    );
    let error = SqliteLog::open(&disk.dir.path().join("new.db"), OpenMode::Create).unwrap_err();
    assert!(
        matches!(error, OpenError::Fault(Fault::ReadOnly { .. })),
        "{error:?}"
    );
    let mut log = disk.dir.open(OpenMode::ReadOnly).unwrap();
    assert_eq!(all(&mut log).len(), 9);
    let refused = log.append(9, &[entry(10)]);
    assert!(
        matches!(refused, Err(AppendError::ReadOnly { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_log_in_use_on_a_disk_made_read_only_is_read_or_refused_by_name() {
    let Some(disk) = Disk::new("size=4m") else {
        return;
    };
    let live = Dir::new();
    let mut log = live.open(OpenMode::Create).unwrap();
    append(&mut log, &entries(1, 9));
    // As a kill would leave it: the entries are in the WAL only, and there is no shared memory file.
    crate::support::copy_files(&live.db(), &disk.dir.db());
    assert!(fs::metadata(beside(&disk.dir.db(), "-wal")).unwrap().len() > 0);
    disk.remount("ro");
    match disk.dir.open(OpenMode::ReadOnly) {
        Ok(mut log) => assert_eq!(all(&mut log).len(), 9),
        Err(error) => assert!(
            matches!(error, OpenError::Fault(Fault::ReadOnly { .. })),
            "{error:?}"
        ),
    }
}

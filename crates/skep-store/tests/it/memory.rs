//! The log in memory, and both logs against the one suite.

use crate::support::{Dir, all, append, entries};
use skep_store::{
    AppendError, Failure, LoadError, Log, MemoryLog, OpenMode,
    conformance::{self, entry},
};

#[test]
fn memory_conforms() {
    conformance::exercise(|| Box::new(MemoryLog::new()));
}

// proves: L-10
#[test]
fn sqlite_conforms() {
    let mut dirs = Vec::new();
    conformance::exercise(|| {
        let dir = Dir::new();
        let log = dir.open(OpenMode::Create).unwrap();
        dirs.push(dir);
        Box::new(log)
    });
}

#[test]
fn a_failed_append_is_settled_by_loading() {
    for (failure, there) in [
        (Failure::Full, 1),
        (Failure::Before, 1),
        (Failure::After, 3),
    ] {
        let mut log = MemoryLog::new();
        append(&mut log, &[entry(1)]);
        log.fail_next(failure);
        assert!(log.append(1, &entries(2, 3)).is_err(), "{failure:?}");
        let stale = log.append(1, &entries(2, 3));
        assert!(matches!(stale, Err(AppendError::Stale)), "{stale:?}");
        assert_eq!(all(&mut log).len(), there, "{failure:?}");
        assert_eq!(log.head(), there as u64);
        append(&mut log, &[entry(4)]);
    }
}

#[test]
fn what_cannot_be_settled_stays_stale() {
    let mut log = MemoryLog::new();
    log.fail_next(Failure::After);
    assert!(log.append(0, &[entry(1)]).is_err());
    log.fail_loads(2);
    for _ in 0..2 {
        assert!(matches!(
            conformance::collect(&mut log, 0),
            Err(LoadError::Fault(_))
        ));
        assert!(matches!(
            log.append(0, &[entry(1)]),
            Err(AppendError::Stale)
        ));
    }
    assert_eq!(all(&mut log).len(), 1);
}

// proves: Q-6
#[test]
fn of_two_keepers_only_one_wins() {
    let mut old = MemoryLog::new();
    append(&mut old, &[entry(1)]);
    let mut new = old.handle();
    append(&mut new, &[entry(2)]);
    let late = old.append(1, &[entry(3)]);
    let Err(AppendError::Conflict {
        expected: 1,
        head: 2,
    }) = late
    else {
        panic!("{late:?}");
    };
    drop(old);
    assert_eq!(all(&mut new.handle()).len(), 2);
}

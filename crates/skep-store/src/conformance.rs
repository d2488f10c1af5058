//! What every log must do, as one suite: memory, SQLite, and later JetStream.
//!
//! It knows a log only by its trait. What a log promises beyond that (files, damage, kills) is tested
//! where that log is.

use crate::{AppendError, BODY_MAX, Entry, LoadError, Log, NewEntry, Snapshot};
use skep_core::time::Time;
use std::ops::ControlFlow;

/// Runs the suite; each call of `make` gives a new, empty log.
///
/// # Panics
/// When a log does not do what it must.
pub fn exercise(mut make: impl FnMut() -> Box<dyn Log>) {
    for case in [
        starts_empty,
        numbers_without_gaps,
        appends_only_at_the_head,
        appends_nothing_as_nothing,
        refuses_what_is_too_large,
        gives_back_what_it_got,
        loads_from_anywhere_and_stops_when_told,
        says_when_a_reader_is_beyond_the_end,
        appends_many_at_once,
        keeps_the_newest_snapshot,
        refuses_a_snapshot_of_what_is_not_there,
    ] {
        case(&mut *make());
    }
}

/// An entry of a kind, with a body that says `n`.
#[must_use]
pub fn entry(n: u64) -> NewEntry {
    NewEntry {
        at: Time(n),
        kind: "test".into(),
        trace: format!("t{n}"),
        body: format!("{{\"n\":{n}}}"),
    }
}

/// All entries after `after`.
///
/// # Errors
/// As [`Log::load`].
pub fn collect(log: &mut dyn Log, after: u64) -> Result<Vec<Entry>, LoadError> {
    let mut entries = Vec::new();
    log.load(after, &mut |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

fn all(log: &mut dyn Log) -> Vec<Entry> {
    collect(log, 0).expect("the log loads")
}

fn append(log: &mut dyn Log, entries: &[NewEntry]) -> u64 {
    log.append(log.head(), entries)
        .expect("the log appends at its head")
}

#[track_caller]
fn assert_same(got: &[Entry], given: &[NewEntry]) {
    assert_eq!(got.len(), given.len(), "as many entries as were given");
    for (i, (got, given)) in got.iter().zip(given).enumerate() {
        assert_eq!(got.seq, i as u64 + 1, "numbered from 1 without gaps");
        assert_eq!(
            (got.at, &got.kind, &got.trace, &got.body),
            (given.at, &given.kind, &given.trace, &given.body),
        );
    }
}

fn starts_empty(log: &mut dyn Log) {
    assert_eq!(log.head(), 0);
    assert_eq!(all(log), []);
    assert_eq!(log.latest_snapshot().expect("can be asked"), None);
}

fn numbers_without_gaps(log: &mut dyn Log) {
    assert_eq!(append(log, &[entry(1)]), 1);
    assert_eq!(append(log, &[entry(2), entry(3)]), 3);
    assert_eq!(log.head(), 3);
    assert_same(&all(log), &[entry(1), entry(2), entry(3)]);
}

fn appends_only_at_the_head(log: &mut dyn Log) {
    append(log, &[entry(1), entry(2)]);
    for wrong in [0, 1, 3, u64::MAX] {
        match log.append(wrong, &[entry(9)]) {
            Err(AppendError::Conflict { expected, head }) => {
                assert_eq!((expected, head), (wrong, 2));
            }
            other => panic!("append at {wrong} of 2 gave {other:?}"),
        }
    }
    // A conflict is no failure: the log goes on without being loaded from.
    assert_eq!(append(log, &[entry(3)]), 3);
    assert_same(&all(log), &[entry(1), entry(2), entry(3)]);
}

fn appends_nothing_as_nothing(log: &mut dyn Log) {
    assert_eq!(append(log, &[]), 0);
    append(log, &[entry(1)]);
    assert_eq!(append(log, &[]), 1);
    let conflict = log.append(0, &[]);
    assert!(
        matches!(conflict, Err(AppendError::Conflict { .. })),
        "{conflict:?}"
    );
    assert_eq!(all(log).len(), 1);
}

fn refuses_what_is_too_large(log: &mut dyn Log) {
    let mut large = entry(2);
    large.body = "x".repeat(BODY_MAX + 1);
    let refused = log.append(0, &[entry(1), large.clone()]);
    assert!(
        matches!(refused, Err(AppendError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(all(log), [], "nothing of a refused append is there");
    large.body.pop();
    append(log, &[large.clone()]);
    assert_same(&all(log), &[large]);
}

fn gives_back_what_it_got(log: &mut dyn Log) {
    let texts = [
        "",
        "{}",
        "a\0b\0",
        "\u{0}",
        "naïve — 蜂の巣 🐝 \u{202e}\u{feff}\u{10ffff}",
        "line\r\nline\u{2028}",
        "'; DROP TABLE entry; --",
        "\"\\u0000\\ud800\"",
    ];
    let times = [0, 1, i64::MAX as u64, 1 << 63, u64::MAX, u64::MAX - 1];
    let mut given: Vec<_> = texts
        .iter()
        .zip(times.iter().cycle())
        .map(|(text, at)| NewEntry {
            at: Time(*at),
            kind: (*text).into(),
            trace: (*text).into(),
            body: (*text).into(),
        })
        .collect();
    given.push(NewEntry {
        body: "é".repeat(512 * 1024),
        ..entry(9)
    });
    append(log, &given);
    // Time may stand still or run back: the order is that of the numbers.
    append(log, &[entry(5)]);
    append(log, &[entry(0)]);
    given.extend([entry(5), entry(0)]);
    assert_same(&all(log), &given);
}

fn loads_from_anywhere_and_stops_when_told(log: &mut dyn Log) {
    let given: Vec<_> = (1..=20).map(entry).collect();
    append(log, &given);
    let whole = all(log);
    for after in 0..=20 {
        let tail = collect(log, after).expect("the log loads");
        assert_eq!(tail, whole[usize::try_from(after).expect("small")..]);
    }
    let mut seen = 0;
    log.load(3, &mut |entry| {
        seen = entry.seq;
        match seen {
            7 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })
    .expect("to stop is no error");
    assert_eq!(seen, 7);
    assert_eq!(
        append(log, &[entry(21)]),
        21,
        "a load that stopped leaves the log usable"
    );
    assert_eq!(collect(log, 20).expect("the log loads").len(), 1);
}

fn says_when_a_reader_is_beyond_the_end(log: &mut dyn Log) {
    append(log, &[entry(1)]);
    for after in [2, u64::MAX] {
        match collect(log, after) {
            Err(LoadError::Beyond { after: a, head }) => assert_eq!((a, head), (after, 1)),
            other => panic!("load after {after} of 1 gave {other:?}"),
        }
    }
    append(log, &[entry(2)]);
}

fn appends_many_at_once(log: &mut dyn Log) {
    let given: Vec<_> = (1..=5_000).map(entry).collect();
    for group in given.chunks(1_000) {
        append(log, group);
    }
    assert_same(&all(log), &given);
}

fn keeps_the_newest_snapshot(log: &mut dyn Log) {
    append(log, &(1..=9).map(entry).collect::<Vec<_>>());
    let snapshot = |seq, byte: u8| Snapshot {
        seq,
        format: u32::MAX,
        body: vec![byte; 100_000],
    };
    for (given, newest) in [
        (snapshot(0, 0), snapshot(0, 0)),
        (snapshot(5, 1), snapshot(5, 1)),
        (snapshot(9, 2), snapshot(9, 2)),
        (snapshot(7, 3), snapshot(9, 2)),
        (snapshot(9, 4), snapshot(9, 4)),
    ] {
        log.save_snapshot(&given).expect("a snapshot is kept");
        let latest = log.latest_snapshot().expect("can be asked");
        assert_eq!(latest.as_ref(), Some(&newest));
    }
    assert_eq!(append(log, &[entry(10)]), 10);
    assert_eq!(all(log).len(), 10, "snapshots take nothing away");
}

fn refuses_a_snapshot_of_what_is_not_there(log: &mut dyn Log) {
    append(log, &[entry(1)]);
    let early = Snapshot {
        seq: 2,
        format: 1,
        body: Vec::new(),
    };
    let refused = log.save_snapshot(&early);
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(log.latest_snapshot().expect("can be asked"), None);
}

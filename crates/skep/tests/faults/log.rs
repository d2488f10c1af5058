//! The log's files damaged between two keepers: the start says exactly what is damaged and what to do, never goes
//! on with a silently shorter log, and what is on refs is left as it is.

use crate::{
    programs::{Ran, until},
    world::{GATE, Shape, World},
};
use skep_store::{Log, OpenMode, Snapshot, SqliteLog};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A run whose keeper was killed in the middle of its second wave: three tasks are merged, three are at work.
fn killed() -> World {
    let world = World::new(Shape {
        tasks: 6,
        wide: 3,
        meanwhile: "case $SKEP_TASK in t3|t4|t5) until test -e $GATE; do sleep 0.02; done;; esac",
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(6);
    until("all have started, says the log", || {
        let events = world.skep(&["events", "--json"]);
        events.out.matches("attempt_started").count() >= 6
    });
    keeper.kill();
    world
}

fn log(world: &World) -> PathBuf {
    world.site().join("log.db")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn cut(path: &Path, to: impl Fn(u64) -> u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(to(file.metadata().unwrap().len())).unwrap();
}

/// Flips one bit in the middle of the last `text` in the file; false if it is not there.
fn flip(path: &Path, text: &[u8]) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let found = bytes.windows(text.len()).rposition(|w| w == text);
    if let Some(at) = found {
        bytes[at + text.len() / 2] ^= 4;
        fs::write(path, bytes).unwrap();
    }
    found.is_some()
}

/// Folds the write-ahead log into the database, as a keeper that ends in good order does.
fn fold(world: &World) {
    drop(SqliteLog::open(&log(world), OpenMode::Existing).unwrap());
    assert!(!beside(&log(world), "-wal").exists());
}

/// The start is refused: it names the file or the entry, and what to do; `doctor` says the same and changes nothing.
#[track_caller]
fn refused(world: &World, words: &[&str]) {
    let refs = world.git(&["for-each-ref"]);
    let files = |world: &World| -> Vec<Vec<u8>> {
        [
            log(world),
            beside(&log(world), "-wal"),
            beside(&log(world), ".head"),
        ]
        .iter()
        .map(|f| fs::read(f).unwrap_or_default())
        .collect()
    };
    let before = files(world);
    let ran: Ran = world.expect(3, &["run", world.plan().to_str().unwrap()]);
    for word in words.iter().chain(&["skep doctor"]) {
        assert!(ran.err.contains(word), "{word:?} is not in:\n{}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    let doctor = world.expect(1, &["doctor"]);
    for word in words {
        assert!(
            doctor.out.contains(word),
            "{word:?} is not in:\n{}",
            doctor.out
        );
    }
    assert_eq!(world.git(&["for-each-ref"]), refs);
    // Looking changes nothing that says something.
    assert_eq!(files(world)[0], before[0]);
    assert_eq!(files(world)[2], before[2]);
}

/// Accepts what is left of the log, and runs the plan to its end.
#[track_caller]
fn accepted(world: &World) {
    let fixed = world.expect(0, &["doctor", "--fix"]);
    assert!(fixed.out.contains("kept"), "{}", fixed.out);
    goes_on(world);
}

/// Runs the plan to its end: nothing that was merged is lost, and every task ends with the right content.
#[track_caller]
fn goes_on(world: &World) {
    let before = world.git(&["rev-parse", "skep/field"]);
    let saved = world.git(&["for-each-ref", "refs/skep/salvage"]);
    world.open_gate();
    let mut keeper = world.run();
    world.ends_well(&mut keeper);
    world.git(&["merge-base", "--is-ancestor", before.trim(), "skep/field"]);
    for n in 0..6 {
        let file = world.git(&["show", &format!("skep/field:f{n}")]);
        assert_eq!(file, format!("{n}\n"), "{}", world.said());
    }
    let now = world.git(&["for-each-ref", "refs/skep/salvage"]);
    for line in saved.lines() {
        assert!(now.contains(line), "saved work is gone: {line}\n{now}");
    }
    world.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
    world.expect(0, &["doctor"]);
    world.nothing_runs();
}

// proves: T-1
#[test]
fn a_database_cut_short_or_empty_or_gone_is_said_and_what_is_left_can_be_accepted() {
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 3] = [
        (
            |path| cut(path, |len| len / 2 / 4096 * 4096),
            "log.db cannot be read as a log",
        ),
        (
            |path| cut(path, |_| 0),
            "the log ends at entry 0, but entry",
        ),
        (|path| fs::remove_file(path).unwrap(), "log.db is gone"),
    ];
    for (harm, words) in harms {
        let world = killed();
        fold(&world);
        harm(&log(&world));
        refused(&world, &[words]);
        let fixed = world.expect(0, &["doctor", "--fix"]);
        assert!(fixed.out.contains("kept 0 entries"), "{}", fixed.out);
        begins_anew(&world);
    }
}

/// Nothing is left of the log, and git knows what was merged: it is kept, and the plan begun anew.
#[track_caller]
fn begins_anew(world: &World) {
    let refused = world.expect(2, &["run", world.plan().to_str().unwrap()]);
    assert!(refused.err.contains("log is gone"), "{}", refused.err);
    assert!(
        refused.err.contains("not have: t0, t1, t2\n"),
        "{}",
        refused.err
    );
    world.git(&["merge", "-q", "--ff-only", "skep/field"]);
    world.forget_notes();
    world.open_gate();
    // The first three are done already, and doing them again changes nothing: that is for a person to see.
    assert_eq!(world.run().wait().code(), Some(1), "{}", world.said());
    world.git(&["show", "skep/field:f0", "skep/field:f1", "skep/field:f2"]);
    world.sound();
}

// proves: T-1
#[test]
fn a_flipped_bit_is_said_with_its_entry_and_the_sound_part_can_be_accepted() {
    let world = killed();
    fold(&world);
    assert!(flip(&log(&world), b"attempt_started"));
    refused(&world, &["entry ", "does not match its hash"]);
    accepted(&world);
}

// proves: T-1
#[test]
fn a_write_ahead_log_that_was_removed_or_cut_is_said_and_the_rest_can_be_accepted() {
    for cutting in [false, true] {
        let world = killed();
        let wal = beside(&log(&world), "-wal");
        assert!(fs::metadata(&wal).unwrap().len() > 0);
        if cutting {
            cut(&wal, |len| len / 10 * 9);
        } else {
            fs::remove_file(&wal).unwrap();
        }
        let _ = fs::remove_file(beside(&log(&world), "-shm"));
        refused(&world, &["the log ends at entry", "its end is missing"]);
        if cutting {
            accepted(&world);
        } else {
            // So young a log was in there altogether.
            world.expect(0, &["doctor", "--fix"]);
            begins_anew(&world);
        }
    }
}

// proves: T-1
#[test]
fn a_high_water_mark_that_was_removed_is_made_anew_and_one_that_is_ahead_is_believed() {
    let world = killed();
    fs::remove_file(beside(&log(&world), ".head")).unwrap();
    goes_on(&world);
    world.check();
}

// proves: T-1, Q-6
#[test]
fn an_old_copy_of_the_log_put_back_is_said_and_going_on_with_it_mixes_no_attempts() {
    let world = World::new(Shape {
        tasks: 6,
        wide: 6,
        workers: 1,
        meanwhile: GATE,
        ..Shape::default()
    });
    let mut keeper = world.run();
    world.wait_for_agents(1);
    keeper.kill();
    fold(&world);
    let old = fs::read(log(&world)).unwrap();
    world.open_gate();
    let mut keeper = world.run();
    world.ends_well(&mut keeper);
    world.check();
    fs::write(log(&world), old).unwrap();
    let _ = fs::remove_file(beside(&log(&world), "-wal"));
    let _ = fs::remove_file(beside(&log(&world), "-shm"));
    refused(&world, &["its end is missing"]);
    world.expect(0, &["doctor", "--fix"]);
    // Attempt 2 was t1's, says its folder; the log that is left knows nothing of it, and will give the number to t5.
    world.expect(0, &["tasks", "boost", "t5"]);
    world.forget_notes();
    goes_on(&world);
    let task = world.expect(0, &["tasks", "show", "t5", "--json"]).out;
    assert!(task.contains("\"attempt\": 2"), "{task}");
    // It was run, and did not take over what t1 had left under that number.
    assert_eq!(world.noted("end").len(), 5, "{:?}", world.noted("end"));
}

// proves: T-1, L-10
#[test]
fn a_damaged_snapshot_is_passed_over() {
    let world = killed();
    let mut log_file = SqliteLog::open(&log(&world), OpenMode::Existing).unwrap();
    let body = b"a snapshot that some other core made".to_vec();
    let snapshot = Snapshot {
        seq: log_file.head(),
        format: 1,
        body: body.clone(),
    };
    log_file.save_snapshot(&snapshot).unwrap();
    drop(log_file);
    assert!(flip(&log(&world), &body));
    goes_on(&world);
    world.check();
}

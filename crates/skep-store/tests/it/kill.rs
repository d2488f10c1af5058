//! kill -9 of a writer: what it acknowledged is there, and nothing is there in part.

use crate::support::{Dir, Rng, all, append, entries};
use skep_store::{Log, OpenMode, SqliteLog};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Entries go in by threes, so that a part of an append would show.
const GROUP: u64 = 3;

/// Not a test but the victim: appends and says on stderr what was acknowledged, until killed.
#[test]
fn victim() {
    let Some(path) = std::env::var_os("SKEP_STORE_VICTIM") else {
        return;
    };
    let mut log = SqliteLog::open(Path::new(&path), OpenMode::Create).unwrap();
    let mut acks = std::io::stderr();
    loop {
        let at = log.head();
        let head = append(&mut log, &entries(at + 1, at + GROUP));
        if head.is_multiple_of(GROUP * 50) {
            let snapshot = skep_store::Snapshot {
                seq: head,
                format: 1,
                body: vec![1; 50_000],
            };
            log.save_snapshot(&snapshot).unwrap();
        }
        // One write, so that a line is there whole or not at all.
        acks.write_all(format!("{head}\n").as_bytes()).unwrap();
    }
}

pub(crate) fn start_victim(db: &Path, stderr: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::victim", "--nocapture", "--test-threads=1"])
        .env("SKEP_STORE_VICTIM", db)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

// proves: T-1
#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let dir = Dir::new();
    let mut rng = Rng(0x5eed_0001);
    let mut acked = 0;
    for round in 0..60 {
        let mut child = start_victim(&dir.db(), Stdio::piped());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut note = |line: Option<std::io::Result<String>>| {
            let line = line.map(Result::unwrap);
            match line.as_deref().map(str::parse) {
                Some(Ok(head)) => acked = head,
                Some(Err(_)) => said.extend(line.clone()),
                None => return false,
            }
            true
        };
        // In some rounds before the first answer: creation and recovery are killed, too.
        for _ in 0..rng.below(40) {
            if !note(lines.next()) {
                break;
            }
        }
        let until = Instant::now() + Duration::from_micros(rng.below(6_000));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while note(lines.next()) {}
        assert_eq!(said, [""; 0], "the victim has nothing to complain about");

        if round % 3 == 0 || !dir.db().exists() {
            // Otherwise the next victim is the one to recover.
            continue;
        }
        let mut log = dir.open(OpenMode::Create).unwrap();
        let head = log.head();
        assert!(
            head >= acked,
            "round {round}: {acked} acknowledged, {head} there"
        );
        assert!(
            head <= acked + GROUP,
            "round {round}: more than one append unanswered"
        );
        assert_eq!(head % GROUP, 0, "round {round}: an append in part");
        assert_eq!(all(&mut log).len() as u64, head);
        acked = head;
    }
    let mut log = dir.open(OpenMode::Existing).unwrap();
    assert!(log.head() >= acked && acked > 100, "{acked}");
    assert_eq!(log.check(), []);
}

// proves: T-1
#[test]
fn a_commit_that_fails_is_settled_for_good() {
    // The n-th fsync fails: of the WAL in a commit, of the database in a checkpoint.
    let dir = Dir::new();
    let strace = Command::new("strace").arg("-V").output();
    if !strace.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: this test injects failures with strace, which is not here");
        return;
    }
    let mut settled = [0; 2];
    for nth in 1..=30 {
        let db = dir.path().join(format!("{nth}.db"));
        let done = Command::new("strace")
            .args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync,fdatasync",
            ])
            .args([
                "-e",
                &format!("inject=fsync,fdatasync:error=EIO:when={nth}"),
            ])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::unlucky",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("SKEP_STORE_UNLUCKY", &db)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.code() == Some(99) {
            // The log could not even be opened, and said so.
            continue;
        }
        assert!(done.status.success(), "failure {nth}: {said}");
        let mut words = said.lines().last().unwrap_or_default().split(' ');
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (failed, head) = (number(), number());
        settled[usize::from(failed > 0)] += 1;
        // The child was ended without closing anything: what it was told must still be true.
        let mut log = SqliteLog::open(&db, OpenMode::Existing).unwrap();
        assert_eq!(log.head(), head, "failure {nth}: {said}");
        assert_eq!(all(&mut log).len() as u64, head);
    }
    assert!(settled[1] > 5, "failures hit appends: {settled:?}");
}

/// Not a test but a writer whose disk fails once. Says how often an append failed and the head that a
/// load gave last, and ends as if killed.
#[test]
fn unlucky() {
    let Some(path) = std::env::var_os("SKEP_STORE_UNLUCKY") else {
        return;
    };
    let Ok(mut log) = SqliteLog::open(Path::new(&path), OpenMode::Create) else {
        std::process::exit(99);
    };
    let mut failed = 0;
    for _ in 0..25 {
        if log.append(log.head(), &entries(1, GROUP)).is_err() {
            failed += 1;
            let seen = all(&mut log).len() as u64;
            assert_eq!(seen, log.head());
            // Nothing follows that could hide what the failed commit left behind.
            break;
        }
    }
    eprintln!("{failed} {}", log.head());
    // Without running destructors.
    std::process::exit(0);
}

//! What the log costs beside SQLite alone, with the same settings and columns, on the disk of `TMPDIR`.
//! Ours and raw take turns, so that a noisy neighbour disturbs both alike.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use rusqlite::{Connection, params};
use skep_core::time::Time;
use skep_store::{Entry, Log, NewEntry, OpenMode, SqliteLog};
use std::{
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

fn entries(count: usize) -> Vec<NewEntry> {
    let body = format!("{{\"task\":\"t1\",\"note\":\"{}\"}}", "x".repeat(230));
    let one = NewEntry {
        at: Time(1_700_000_000_000),
        kind: "task_claimed".into(),
        trace: "0123456789abcdef".into(),
        body,
    };
    vec![one; count]
}

struct Raw(Connection);

impl Raw {
    fn open(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE entry (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,
             trace TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;",
        )
        .unwrap();
        Self(conn)
    }
    fn append(&mut self, new: &[NewEntry]) {
        let run = |sql| self.0.prepare_cached(sql).unwrap().execute([]).unwrap();
        run("BEGIN IMMEDIATE");
        {
            let sql = "INSERT INTO entry (at, kind, trace, body, hash) VALUES (?,?,?,?,?)";
            let mut insert = self.0.prepare_cached(sql).unwrap();
            for e in new {
                let at = e.at.0.cast_signed();
                insert
                    .execute(params![at, e.kind, e.trace, e.body, [7u8; 16]])
                    .unwrap();
            }
        }
        run("COMMIT");
    }
    fn load(&self) -> usize {
        let sql = "SELECT seq, at, kind, trace, body FROM entry WHERE seq > 0 ORDER BY seq";
        let mut select = self.0.prepare_cached(sql).unwrap();
        let rows = select.query_map([], |row| {
            Ok(Entry {
                seq: row.get::<_, i64>(0)?.cast_unsigned(),
                at: Time(row.get::<_, i64>(1)?.cast_unsigned()),
                kind: row.get(2)?,
                trace: row.get(3)?,
                body: row.get(4)?,
            })
        });
        rows.unwrap().map(|row| drop(row.unwrap())).count()
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The duration that a share of all stays below.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * share) as usize;
    times[at.min(times.len() - 1)].as_secs_f64()
}

fn appends(dir: &Path) {
    println!(
        "append            | log p50 ms | p99 ms | entries/s | raw p50 ms | p99 ms | entries/s | log/raw p50"
    );
    for (group, rounds) in [(1, 4000), (8, 2000), (64, 1000), (1000, 200)] {
        let mut log = SqliteLog::open(&dir.join(format!("log{group}")), OpenMode::Create).unwrap();
        let mut raw = Raw::open(&dir.join(format!("raw{group}")));
        let new = entries(group);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(timed(|| {
                log.append(log.head(), &new).unwrap();
            }));
            theirs.push(timed(|| raw.append(&new)));
        }
        let row = |times: &mut Vec<Duration>| {
            let total: Duration = times.iter().sum();
            let rate = (group * rounds) as f64 / total.as_secs_f64();
            (
                quantile(times, 0.5) * 1e3,
                quantile(times, 0.99) * 1e3,
                rate,
            )
        };
        let (a, b) = (row(&mut ours), row(&mut theirs));
        println!(
            "groups of {group:7} | {:10.3} | {:6.2} | {:9.0} | {:10.3} | {:6.2} | {:9.0} | {:.2}",
            a.0,
            a.1,
            a.2,
            b.0,
            b.1,
            b.2,
            a.0 / b.0
        );
    }
}

fn loads(dir: &Path) {
    println!("load              | log rows/s | open for writing ms | raw rows/s | log/raw time");
    for count in [100_000, 1_000_000] {
        let path = dir.join(format!("load{count}"));
        let mut log = SqliteLog::open(&path, OpenMode::Create).unwrap();
        let mut raw = Raw::open(&dir.join(format!("raw-load{count}")));
        let new = entries(10_000);
        for _ in 0..count / new.len() {
            log.append(log.head(), &new).unwrap();
            raw.append(&new);
        }
        log.close().unwrap();
        let mut log = None;
        let open = timed(|| log = Some(SqliteLog::open(&path, OpenMode::Existing).unwrap()));
        let mut log = log.unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let mut seen = 0;
            ours.push(timed(|| {
                log.load(0, &mut |entry| {
                    seen += usize::from(entry.seq > 0);
                    ControlFlow::Continue(())
                })
                .unwrap();
            }));
            assert_eq!(seen, count);
            theirs.push(timed(|| assert_eq!(raw.load(), count)));
        }
        let (a, b) = (quantile(&mut ours, 0.5), quantile(&mut theirs, 0.5));
        println!(
            "{count:9} entries | {:10.0} | {:19.1} | {:10.0} | {:.2}",
            count as f64 / a,
            open.as_secs_f64() * 1e3,
            count as f64 / b,
            a / b
        );
    }
}

fn small(dir: &Path) {
    let path = dir.join("small");
    let mut log = SqliteLog::open(&path, OpenMode::Create).unwrap();
    log.append(0, &entries(10_000)).unwrap();
    let read = || drop(SqliteLog::open(&path, OpenMode::ReadOnly).unwrap());
    let mut times: Vec<_> = (0..50).map(|_| timed(read)).collect();
    let p50 = quantile(&mut times, 0.5) * 1e3;
    println!("open for reading beside a writer: p50 {p50:.2} ms");
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    println!("SQLite {}", skep_store::sqlite_version());
    appends(dir.path());
    loads(dir.path());
    small(dir.path());
}

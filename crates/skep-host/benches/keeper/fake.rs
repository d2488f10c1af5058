//! The engine and the log with performers that have always just finished: what deciding and keeping cost.

use crate::{
    table::{Row, Table, short},
    world::{EPOCH, load, noop, plan, request},
};
use serde_json::{Value, json};
use skep_core::{
    attempt::{End, Report, Saved, Step, Usage},
    engine::Engine,
    event::By,
    plan::Action,
    request::{Observation, Request, What},
    time::{Millis, Time},
};
use skep_host::keeper::encode;
use skep_store::{Log, OpenMode, SqliteLog};
use std::{collections::BTreeSet, path::Path, time::Instant};

/// A keeper whose world answers at once, a group of answers an append.
pub(crate) struct Fake {
    engine: Engine,
    log: SqliteLog,
    begun: BTreeSet<Action>,
    now: Time,
    pub(crate) appends: usize,
}

impl Fake {
    pub(crate) fn new(log: &Path) -> Fake {
        Fake {
            engine: Engine::default(),
            log: SqliteLog::open(log, OpenMode::Create).unwrap(),
            begun: BTreeSet::new(),
            now: EPOCH,
            appends: 0,
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.engine.state().seq()
    }

    /// Loads a plan of so many no-op tasks.
    pub(crate) fn load(&mut self, workers: usize, tasks: usize) {
        let tasks = (0..tasks).map(|n| noop(&format!("t{n}"), json!(["true"])));
        let plan = plan(workers, Value::Array(tasks.collect()));
        self.decide(request(load(plan, "main".into(), base())));
        self.commit();
    }

    /// Goes on until everything is done.
    pub(crate) fn run(&mut self) {
        while self.engine.state().finished().is_none() {
            let steps = self.engine.plan(self.now);
            let new: Vec<_> = steps
                .actions
                .into_iter()
                .filter(|a| !self.begun.contains(a))
                .collect();
            assert!(
                !new.is_empty(),
                "nothing is left to do, and yet it is not done"
            );
            self.now = self.now + Millis(1);
            for action in new {
                self.perform(&action);
                if let Action::Build { .. } = action {
                    self.begun.clear();
                } else {
                    self.begun.insert(action);
                }
            }
            self.decide(asked(By::Policy, What::Tick));
            self.commit();
        }
    }

    fn perform(&mut self, action: &Action) {
        match action {
            Action::Prepare { worker, base, turn } => {
                self.see(Observation::WorkerReady {
                    worker: *worker,
                    base: base.clone(),
                    turn: *turn,
                });
            }
            Action::Start { attempt } => {
                let attempt = *attempt;
                self.see(Observation::Started { attempt });
                let report = Box::new(report());
                self.see(Observation::Ended {
                    attempt,
                    report,
                    untouched: true,
                });
            }
            Action::Build { wave, round } => {
                let (wave, round, chain, clashes) = (*wave, *round, Vec::new(), Vec::new());
                self.see(Observation::Built {
                    wave,
                    round,
                    chain,
                    clashes,
                });
            }
            other => panic!("a plan of no-ops needs no {other:?}"),
        }
    }

    fn see(&mut self, seen: Observation) {
        self.decide(asked(By::Host, What::Observation(seen)));
    }

    fn decide(&mut self, request: Request) {
        self.engine.decide(self.now, &request).unwrap();
    }

    fn commit(&mut self) {
        let (expected, staged) = self.engine.staged();
        let entries: Vec<_> = staged.iter().map(encode).collect();
        self.log.append(expected, &entries).unwrap();
        self.engine.committed();
        self.appends += 1;
    }
}

fn asked(by: By, what: What) -> Request {
    let trace = "bench".into();
    Request {
        key: None,
        trace,
        by,
        what,
    }
}

fn base() -> skep_core::id::Oid {
    "1".repeat(40).parse().unwrap()
}

fn report() -> Report {
    Report {
        agent: Some(Step {
            name: "shell".into(),
            end: End::Exited(0),
            took: Millis(1),
            tail: String::new(),
        }),
        setup_failed: None,
        checks: Vec::new(),
        saved: Saved::Nothing,
        exists: Vec::new(),
        changed_by_checks: Vec::new(),
        outside: Vec::new(),
        ignored: Vec::new(),
        survivors: 0,
        cut: None,
        no_op: None,
        rate_limited: false,
        said: None,
        usage: Usage::default(),
        took: Millis(1),
    }
}

/// Tasks a second, beside rows a second of a database without a decider before it.
pub(crate) fn engine(table: &mut Table) {
    for (workers, tasks) in [(8, 10_000), (64, 20_000)] {
        let dir = tempfile::tempdir().unwrap();
        let mut fake = Fake::new(&dir.path().join("log.db"));
        fake.load(workers, tasks);
        let (seq, appends) = (fake.seq(), fake.appends);
        let began = Instant::now();
        fake.run();
        let rate = tasks as f64 / began.elapsed().as_secs_f64();
        let rows = (fake.seq() - seq) as usize / tasks;
        let group = (fake.seq() - seq) as usize / (fake.appends - appends);
        let raw = raw(dir.path(), tasks * rows, group) / rows as f64;
        table.row(&Row {
            what: &format!("no-op tasks, engine and log, {workers} workers"),
            skep: format!("{}/s", short(rate)),
            beside: format!("as many raw rows, {group} a FULL commit: {}/s", short(raw)),
            ratio: rate / raw,
            aim: "≥ 20000/s",
            met: rate >= 20_000.0,
        });
    }
}

/// Rows a second.
fn raw(dir: &Path, rows: usize, group: usize) -> f64 {
    let conn = rusqlite::Connection::open(dir.join("raw.db")).unwrap();
    let sql = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE e (body TEXT);";
    conn.execute_batch(sql).unwrap();
    let body = "x".repeat(250);
    let began = Instant::now();
    for _ in 0..rows / group {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = conn.prepare_cached("INSERT INTO e VALUES (?)").unwrap();
        for _ in 0..group {
            insert.execute([&body]).unwrap();
        }
        drop(insert);
        conn.execute_batch("COMMIT").unwrap();
    }
    rows as f64 / began.elapsed().as_secs_f64()
}

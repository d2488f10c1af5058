//! How long whole plans take.

use crate::{
    table::{Row, Table, Times, short},
    world::{Swarm, World, add, noop, plan, request},
};
use serde_json::{Value, json};
use skep_core::event::Event;
use skep_host::command::command;
use std::{path::Path, thread, time::Instant};

const RUNS: usize = 5;

/// Ten tasks of a second each, five after the other five, in worktrees of their own, merged.
pub(crate) fn levels(table: &mut Table) {
    let mut times = Times::default();
    for _ in 0..RUNS {
        let world = World::new();
        let mut swarm = Swarm::start(&world.root());
        let first: Vec<String> = (0..5).map(|n| format!("a{n}")).collect();
        let line = |id: &str| format!("sleep 1; echo {id} > {id}.txt");
        let mut tasks = Vec::new();
        for n in 0..5 {
            let (a, b) = (format!("a{n}"), format!("b{n}"));
            tasks.push(json!({ "id": a, "mission": "Do it.", "command": line(&a) }));
            tasks.push(
                json!({ "id": b, "mission": "Do it.", "command": line(&b), "depends_on": first }),
            );
        }
        let began = Instant::now();
        let load = swarm.load(plan(5, Value::Array(tasks)));
        swarm.ask(load);
        times.add(swarm.finished() - began);
        swarm.stop();
    }
    table.row(&Row {
        what: "10 tasks × 1 s in 2 levels, merged",
        skep: format!("{} s", short(times.p50() / 1e3)),
        beside: "ideal 2 s".into(),
        ratio: times.p50() / 2e3,
        aim: "≤ 2.5 s",
        met: times.p50() <= 2_500.0,
    });
}

const NOOPS: usize = 1_000;
const WORKERS: usize = 8;

/// As many processes that do nothing, from as many threads as there are workers.
fn raw_processes() -> f64 {
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for _ in 0..NOOPS / WORKERS {
                    command("true", Path::new("/")).status().unwrap();
                }
            });
        }
    });
    began.elapsed().as_secs_f64()
}

/// A thousand tasks that do nothing, with all the processes that it takes.
pub(crate) fn processes(table: &mut Table) {
    let world = World::new();
    let mut swarm = Swarm::start(&world.root());
    let raw = raw_processes();
    let tasks = (0..NOOPS).map(|n| noop(&format!("t{n}"), json!(["true"])));
    let load = swarm.load(plan(WORKERS, Value::Array(tasks.collect())));
    let began = Instant::now();
    swarm.ask(load);
    let took = (swarm.finished() - began).as_secs_f64();
    table.row(&Row {
        what: "1,000 no-op tasks, real processes, 8 workers",
        skep: format!("{} s, {}/s", short(took), short(NOOPS as f64 / took)),
        beside: format!("1,000 × `true`, 8 threads: {} s", short(raw)),
        ratio: took / raw,
        aim: "–",
        met: true,
    });
    swarm.stop();
}

/// A thousand tasks at once on workers that are idle: as a plan, and as a thousand commands.
pub(crate) fn burst(table: &mut Table) {
    let world = World::new();
    let mut swarm = Swarm::start(&world.root());
    let (mut loaded, mut added) = (Times::default(), Times::default());
    swarm.warm(6);
    for _ in 0..RUNS {
        let tasks = (0..NOOPS).map(|n| noop(&format!("t{n}"), json!(["sleep", "600"])));
        let load = swarm.load(plan(6, Value::Array(tasks.collect())));
        let began = Instant::now();
        swarm.ask(load);
        let (at, _) = swarm.wait_for(|e| matches!(e, Event::Claimed { .. }));
        loaded.add(at - began);
        clear(&mut swarm);
    }
    for run in 0..RUNS {
        let tasks: Vec<_> = (0..NOOPS)
            .map(|n| request(add(noop(&format!("r{run}t{n}"), json!(["sleep", "600"])))))
            .collect();
        let began = Instant::now();
        // All are sent before any answer is waited for.
        let handle = swarm.handle.clone();
        swarm.runtime.block_on(async {
            let asked: Vec<_> = tasks
                .into_iter()
                .map(|task| {
                    let handle = handle.clone();
                    tokio::spawn(async move { handle.request(task).await.unwrap() })
                })
                .collect();
            for answer in asked {
                answer.await.unwrap();
            }
        });
        added.add(began.elapsed());
        clear(&mut swarm);
    }
    for (what, times) in [
        ("burst: a plan of 1,000 → claims durable", loaded),
        ("burst: 1,000 commands → all durable", added),
    ] {
        table.row(&Row {
            what,
            skep: format!("{} ms", short(times.p50())),
            beside: "best of the peers 239 ms (BullMQ, 1 s window)".into(),
            ratio: times.p50() / 239.0,
            aim: "≤ 100 ms",
            met: times.p50() <= 100.0,
        });
    }
    swarm.stop();
}

/// Cancels every task, so that the workers are idle again.
fn clear(swarm: &mut Swarm) {
    use skep_core::{request::Command, task::TaskState};
    let open = swarm.handle.query(|state, _| {
        let open = state.tasks().iter().filter(|t| !t.state.is_over());
        // Those that run last, or others would take their place.
        let mut open: Vec<_> = open
            .map(|t| (t.state == TaskState::Running, t.id().clone()))
            .collect();
        open.sort();
        open
    });
    let open = swarm.runtime.block_on(open).unwrap();
    for (_, task) in open {
        swarm.ask(Command::CancelTask { task });
    }
    swarm.finished();
    // Their worktrees are looked at again before the next claim; a short plan waits for that.
    swarm.warm(6);
}

//! What a keeper costs that has nothing to do, and how fast it answers.

use crate::{
    table::{Row, Table, Times, short},
    world::{Swarm, World, noop, plan},
};
use serde_json::{Value, json};
use skep_core::{event::Event, request::Command, waiting};
use skep_host::command::command;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// A question like that of `skep status`: every task with its state and why it is there.
pub(crate) fn status(table: &mut Table) {
    let world = World::new();
    let mut swarm = Swarm::start(&world.root());
    let tasks = (0..1_000).map(|n| noop(&format!("t{n}"), json!(["sleep", "600"])));
    let load = swarm.load(plan(4, Value::Array(tasks.collect())));
    swarm.ask(load);
    for _ in 0..4 {
        swarm.wait_for(|e| matches!(e, Event::AttemptStarted { .. }));
    }
    let (mut times, mut beside) = (Times::default(), Times::default());
    for _ in 0..200 {
        let began = Instant::now();
        let lines = swarm.handle.query(|state, now| {
            let why = |t| waiting::task(state, t, now).to_string();
            let lines = state
                .tasks()
                .iter()
                .map(|t| (t.id().clone(), t.state, why(t)));
            lines.collect::<Vec<_>>()
        });
        assert_eq!(swarm.runtime.block_on(lines).unwrap().len(), 1_000);
        times.add(began.elapsed());
        let began = Instant::now();
        let nothing = swarm.handle.query(|_, _| ());
        swarm.runtime.block_on(nothing).unwrap();
        beside.add(began.elapsed());
    }
    table.row(&Row {
        what: "status of 1,000 tasks, p50 / p99",
        skep: times.shown(),
        beside: format!("an empty question {}", beside.shown()),
        ratio: times.p50() / beside.p50(),
        aim: "< 50 ms",
        met: times.p99() < 50.0,
    });
    swarm.ask(Command::Pause);
    swarm.ask(Command::StopAll);
    for _ in 0..4 {
        swarm.wait_for(|e| matches!(e, Event::AttemptEnded { .. }));
    }
    swarm.stop();
}

/// How long idleness is watched.
const WATCHED: Duration = Duration::from_secs(10);

pub(crate) fn idle(table: &mut Table) {
    for how in ["finished", "running"] {
        let world = World::new();
        let me = std::env::current_exe().unwrap();
        let mut child = command(&me, Path::new("/"))
            .args(["live-idly", world.root().to_str().unwrap(), how])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "idle");
        // Let what was just begun come to rest.
        thread::sleep(Duration::from_secs(1));
        let keeper = child.id();
        let all = descendants(keeper);
        let sum = |what: fn(u32) -> u64| all.iter().map(|p| what(*p)).sum::<u64>();
        let before = (ticks(keeper), sum(ticks));
        thread::sleep(WATCHED);
        let used = (ticks(keeper) - before.0, sum(ticks) - before.1);
        let rss = resident(keeper);
        let held = sum(resident);
        // A tick is 10 ms, so over 10 s it is 0.1 % of a core.
        let percent = used.0 as f64 / WATCHED.as_secs_f64();
        let what = match how {
            "finished" => "idle after a plan",
            _ => "idle with 6 attempts asleep",
        };
        table.row(&Row {
            what,
            skep: format!("{percent:.2} % CPU, {} MB", short(rss as f64 / 1024.0)),
            beside: format!(
                "its {} processes: {} ticks, {} MB",
                all.len(),
                used.1,
                short(held as f64 / 1024.0)
            ),
            ratio: rss as f64 / (rss + held) as f64,
            aim: "< 0.1 %, < 40 MB",
            met: percent < 0.1 && rss < 40 * 1024,
        });
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

/// The life of the process that [`idle`] watches: until its standard input ends.
pub(crate) fn live(root: &str, how: &str) {
    let mut swarm = Swarm::start(Path::new(root));
    if how == "finished" {
        swarm.warm(6);
    } else {
        let tasks = (0..6).map(|n| noop(&format!("t{n}"), json!(["sleep", "600"])));
        let load = swarm.load(plan(6, Value::Array(tasks.collect())));
        swarm.ask(load);
        for _ in 0..6 {
            swarm.wait_for(|e| matches!(e, Event::AttemptStarted { .. }));
        }
    }
    println!("idle");
    let _ = std::io::stdin().read_line(&mut String::new());
    if how != "finished" {
        swarm.ask(Command::Pause);
        swarm.ask(Command::StopAll);
        for _ in 0..6 {
            swarm.wait_for(|e| matches!(e, Event::AttemptEnded { .. }));
        }
    }
    swarm.stop();
}

/// CPU time used so far, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum()
}

/// Resident memory, in KiB; what processes of one program share is counted in each.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    of("VmRSS:").unwrap_or(0)
}

fn descendants(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task");
    let mut found = Vec::new();
    for thread in fs::read_dir(path).into_iter().flatten().flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|c| c.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

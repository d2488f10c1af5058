//! How long one thing takes: a claim, a start, the notice of a death.

use crate::{
    table::{Row, Table, Times},
    world::{PROGRAM, Swarm, World, add, noop, plan},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use skep_core::{event::Event, spec::Host, worker::WorkerState};
use skep_host::{command::command, tmux::SOCKET};
use std::{
    fs,
    io::Read,
    os::unix::net::UnixListener,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 200;
/// Deaths are measured fewer times: each needs a repository of its own.
const DEATHS: usize = 15;

/// From a command that makes a task ready until its claim is durable and published.
// proves: Q-10
pub(crate) fn claim(table: &mut Table) {
    let world = World::new();
    let mut raw = Raw::new(world.dir.path());
    let mut swarm = Swarm::start(&world.root());
    swarm.warm(2);
    let (mut times, mut beside) = (Times::default(), Times::default());
    for n in 0..ROUNDS {
        raw.commit(&mut beside);
        let command = add(noop(&format!("t{n}"), json!(["true"])));
        let began = Instant::now();
        swarm.ask(command);
        let (at, _) = swarm.wait_for(|e| matches!(e, Event::Claimed { .. }));
        times.add(at - began);
        swarm.finished();
    }
    table.row(&Row {
        what: "ready → claim durable, p50 / p99",
        skep: times.shown(),
        beside: format!("one raw SQLite FULL commit {}", beside.shown()),
        ratio: times.p50() / beside.p50(),
        aim: "≤ 0.6 / 2 ms",
        met: times.p50() <= 0.6 && times.p99() <= 2.0,
    });
    swarm.stop();
}

/// A database as the log's, without all that the log is beside it.
struct Raw(rusqlite::Connection);

impl Raw {
    fn new(dir: &Path) -> Raw {
        let raw = rusqlite::Connection::open(dir.join("raw.db")).unwrap();
        let sql =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE e (body TEXT);";
        raw.execute_batch(sql).unwrap();
        Raw(raw)
    }

    fn commit(&mut self, times: &mut Times) {
        let body = "x".repeat(600);
        let began = Instant::now();
        self.0.execute("INSERT INTO e VALUES (?)", [body]).unwrap();
        times.add(began.elapsed());
    }
}

/// From the command to the agent's first act, in a worktree that is there already.
// proves: Q-10
pub(crate) fn start(table: &mut Table) {
    let world = World::new();
    let agent = Agent::new(world.dir.path());
    let mut swarm = Swarm::start(&world.root());
    swarm.warm(2);
    let (mut times, mut whole, mut beside) = Default::default();
    for n in 0..ROUNDS {
        let mut raw = command(agent.argv[0], Path::new("/"));
        let began = Instant::now();
        let mut child = raw.args(&agent.argv[1..]).spawn().unwrap();
        agent.wait();
        Times::add(&mut beside, began.elapsed());
        child.wait().unwrap();
        agent.round(&mut swarm, n, &mut times, &mut whole);
        swarm.finished();
    }
    table.row(&Row {
        what: "ready → agent process runs, p50 / p99",
        skep: times.shown(),
        beside: format!("fork and exec {}", beside.shown()),
        ratio: times.p50() / beside.p50(),
        aim: "≤ 5 / 20 ms",
        met: times.p50() <= 5.0 && times.p99() <= 20.0,
    });
    table.row(&Row {
        what: "ready → accepted, a no-op, p50 / p99",
        skep: whole.shown(),
        beside: format!("fork and exec {}", beside.shown()),
        ratio: whole.p50() / beside.p50(),
        aim: "–",
        met: true,
    });
    swarm.stop();
}

/// The same in panes of tmux, whose client and server take their part of it.
pub(crate) fn start_in_tmux(table: &mut Table) {
    let world = World::new();
    let agent = Agent::new(world.dir.path());
    let socket = world.dir.path().join("tmux").display().to_string();
    let tmux = |args: &[&str]| {
        let mut tmux = command("tmux", Path::new("/"));
        let said = tmux
            .args(["-f", "/dev/null", "-S", &socket])
            .args(args)
            .output();
        assert!(said.unwrap().status.success(), "tmux {args:?}");
    };
    tmux(&["new-session", "-d", "-s", "mine", "cat", "-"]);
    let mut swarm = Swarm::start_with(&world.root(), |options| {
        options.host = Some(Host::Tmux);
        options.env.push((SOCKET.into(), socket.clone()));
    });
    swarm.warm(3);
    // With nothing left to do the session would go, and come again for the next.
    swarm.ask(add(noop("holds", json!(["sleep", "1000"]))));
    swarm.wait_for(|e| matches!(e, Event::AttemptStarted { .. }));
    let (mut times, mut whole, mut beside) = Default::default();
    for n in 0..ROUNDS {
        let began = Instant::now();
        tmux(&[&["new-window", "-d", "-t", "mine:"], &agent.argv[..]].concat());
        agent.wait();
        Times::add(&mut beside, began.elapsed());
        agent.round(&mut swarm, n, &mut times, &mut whole);
    }
    table.row(&Row {
        what: "ready → runs in a tmux pane, p50 / p99",
        skep: times.shown(),
        beside: format!("a new window {}", beside.shown()),
        ratio: times.p50() / beside.p50(),
        aim: "< 100 ms",
        met: times.p99() < 100.0,
    });
    swarm.ask(skep_core::request::Command::StopAll);
    swarm.wait_for(|e| matches!(e, Event::AttemptEnded { .. }));
    swarm.stop();
    tmux(&["kill-server"]);
}

/// An agent that does nothing but say that it runs.
struct Agent {
    listener: UnixListener,
    argv: [&'static str; 3],
}

impl Agent {
    fn new(dir: &Path) -> Agent {
        let place = dir.join("s");
        let listener = UnixListener::bind(&place).unwrap();
        let place = place.display().to_string().leak();
        Agent {
            listener,
            argv: [PROGRAM, "connect", place],
        }
    }

    fn wait(&self) {
        drop(self.listener.accept().unwrap().0.read(&mut [0]));
    }

    fn round(&self, swarm: &mut Swarm, n: usize, runs: &mut Times, over: &mut Times) {
        let command = add(noop(&format!("t{n}"), json!(self.argv)));
        let began = Instant::now();
        swarm.ask(command);
        self.wait();
        runs.add(began.elapsed());
        let (at, _) = swarm.wait_for(|e| matches!(e, Event::AttemptAccepted { .. }));
        over.add(at - began);
    }
}

/// From a kill -9 to the claim of the task by another worker.
pub(crate) fn death(table: &mut Table) {
    let (mut agent, mut shim) = (Times::default(), Times::default());
    for n in 0..DEATHS {
        let world = World::new();
        let mut swarm = Swarm::start(&world.root());
        let name = format!("{}.{n}", 3_000_000 + std::process::id());
        let load = swarm.load(plan(3, json!([noop("a", json!(["sleep", &name]))])));
        swarm.ask(load);
        let first = next_claim(&mut swarm);
        let pid = wait_until(|| find(&["sleep", &name]));
        wait_for_idle(&swarm);
        agent.add(until_claimed(&mut swarm, pid));
        // The same task runs again now, under another shim.
        wait_until(|| find(&["sleep", &name]));
        wait_for_idle(&swarm);
        let folder = swarm.handle.site().runs().join(format!("a{}", first + 1));
        let started = wait_until(|| fs::read(folder.join("started.json")).ok());
        let started: Value = serde_json::from_slice(&started).unwrap();
        let pid = i32::try_from(started["pid"].as_i64().unwrap()).unwrap();
        shim.add(until_claimed(&mut swarm, pid));
        swarm.ask(skep_core::request::Command::CancelTask {
            task: "a".parse().unwrap(),
        });
        swarm.wait_for(|e| matches!(e, Event::AttemptEnded { .. }));
        swarm.stop();
    }
    for (what, times) in [
        ("agent killed → task claimed elsewhere", agent),
        ("shim killed → task claimed elsewhere", shim),
    ] {
        table.row(&Row {
            what,
            skep: times.shown(),
            beside: "a poll every 30 s: 15000 ms on average".into(),
            ratio: times.p50() / 15_000.0,
            aim: "< 100 ms",
            met: times.p99() < 100.0,
        });
    }
}

fn next_claim(swarm: &mut Swarm) -> u64 {
    match swarm.wait_for(|e| matches!(e, Event::Claimed { .. })).1 {
        Event::Claimed { attempt, .. } => attempt.0,
        _ => 0,
    }
}

fn until_claimed(swarm: &mut Swarm, pid: i32) -> Duration {
    let began = Instant::now();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let (at, _) = swarm.wait_for(|e| matches!(e, Event::Claimed { .. }));
    at - began
}

fn wait_for_idle(swarm: &Swarm) {
    wait_until(|| {
        let idle = swarm.handle.query(|state, _| {
            let tip = state.swarm().map(|s| s.tip.clone());
            state
                .workers()
                .any(|w| w.state(tip.as_ref()) == WorkerState::Idle)
        });
        swarm.runtime.block_on(idle).unwrap().then_some(())
    });
}

/// The process with this command line.
fn find(argv: &[&str]) -> Option<i32> {
    let wanted = argv.iter().map(|a| format!("{a}\0")).collect::<String>();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .find(|pid| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes())
        })
}

fn wait_until<T>(look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it does not come"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

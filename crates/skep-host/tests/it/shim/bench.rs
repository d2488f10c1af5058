//! How long it takes from the keeper's call to the agent's first instruction.

use super::{World, step};
use skep_host::{command::command, run::files::StepKind};
use std::{fs, io::Read, os::unix::net::UnixListener, path::Path, process::Stdio, time::Instant};

const ROUNDS: usize = 200;

fn tell(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    eprintln!("{name}: p50 {p50:.2} ms, p99 {p99:.2} ms");
}

// Run with: cargo test --release -p skep-host --test it -- --ignored --nocapture start_to_first
#[test]
#[ignore = "a measurement"]
fn start_to_first_instruction() {
    // The agent is a statically started `skep-test-shim` under a name by which it only connects to
    // a socket: its first act, as near to its first instruction as can be seen from outside.
    let program = env!("CARGO_BIN_EXE_skep-test-shim");
    let wait = |listener: &UnixListener| {
        let _ = listener.accept().unwrap().0.read(&mut [0]);
    };
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("s");
    let listener = UnixListener::bind(&place).unwrap();
    let argv = [program, "connect", place.to_str().unwrap()];
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut child = command(argv[0], Path::new("/"))
            .args(&argv[1..])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait(&listener);
        times.push(began.elapsed().as_secs_f64() * 1e3);
        child.wait().unwrap();
    }
    tell("fork and exec", times);
    for (name, bare) in [("namespace", false), ("subreaper", true)] {
        let mut times = Vec::new();
        let mut ends = Vec::new();
        let mut world = World::new();
        world.bare = bare;
        let spec = world.spec(vec![step(StepKind::Agent, &argv)]);
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let running = world.start(&spec);
            wait(&listener);
            times.push(began.elapsed().as_secs_f64() * 1e3);
            super::ended(&running, &world.folder());
            ends.push(began.elapsed().as_secs_f64() * 1e3);
            fs::remove_dir_all(world.folder()).unwrap();
        }
        tell(&format!("start, {name}"), times);
        tell(&format!("start to end, {name}"), ends);
    }
}

//! How long it takes from the keeper's call to the agent's first instruction, beside a bare fork and exec.
//! `cargo bench -p skep-host --bench starting` prints a table.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use rustix::event::{PollFd, PollFlags, poll};
use skep_host::{
    command::command,
    run::{
        self, Look,
        files::{RunSpec, StepKind, StepSpec},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Stdio,
    time::Instant,
};

const ROUNDS: usize = 200;

/// The agent is a `skep-test-shim` that only connects to a socket: its first act, as near to its first
/// instruction as can be seen from outside.
const PROGRAM: &str = env!("CARGO_BIN_EXE_skep-test-shim");

fn main() {
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("s");
    let listener = UnixListener::bind(&place).unwrap();
    let argv = [PROGRAM, "connect", place.to_str().unwrap()];
    println!("| from the call | p50 ms | p99 ms |");
    println!("|---|---|---|");
    tell("fork and exec", forks(&listener, &argv));
    let bare = base.path().join("bare-shim");
    symlink(PROGRAM, &bare).unwrap();
    for (name, shim) in [("namespace", Path::new(PROGRAM)), ("subreaper", &bare)] {
        let (starts, ends) = runs(&listener, shim, base.path(), &argv);
        tell(&format!("start, {name}"), starts);
        tell(&format!("start to end, {name}"), ends);
    }
}

fn tell(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("| {name} | {p50:.2} | {p99:.2} |");
}

fn wait(listener: &UnixListener) {
    let _ = listener.accept().unwrap().0.read(&mut [0]);
}

fn forks(listener: &UnixListener, argv: &[&str]) -> Vec<f64> {
    let one = |_| {
        let began = Instant::now();
        let mut child = command(argv[0], Path::new("/"))
            .args(&argv[1..])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait(listener);
        let took = began.elapsed().as_secs_f64() * 1e3;
        child.wait().unwrap();
        took
    };
    (0..ROUNDS).map(one).collect()
}

/// To the agent's first act, and to the end of its run.
fn runs(listener: &UnixListener, shim: &Path, base: &Path, argv: &[&str]) -> (Vec<f64>, Vec<f64>) {
    let folder = base.join("runs/a1");
    let spec = RunSpec {
        version: 1,
        run: "a1".into(),
        worktree: base.into(),
        env: BTreeMap::new(),
        steps: vec![StepSpec {
            name: "connect".into(),
            kind: StepKind::Agent,
            argv: argv.iter().map(ToString::to_string).collect(),
            stdin: None,
            timeout_ms: 60_000,
            go_on: false,
            talk: None,
        }],
        snapshot: None,
        exists: Vec::new(),
        ceiling_ms: 120_000,
        grace_ms: 20_000,
        output_bytes: 1_000_000,
        heartbeat_ms: 60_000,
        notify: None,
        inherit: Vec::new(),
        passed: Default::default(),
    };
    let one = |_| {
        let began = Instant::now();
        let running = run::start(shim, &folder, &spec).unwrap();
        wait(listener);
        let start = began.elapsed().as_secs_f64() * 1e3;
        poll(&mut [PollFd::new(&running, PollFlags::IN)], None).unwrap();
        let end = began.elapsed().as_secs_f64() * 1e3;
        assert!(matches!(run::look(&folder), Look::Ended(_)));
        fs::remove_dir_all(&folder).unwrap();
        (start, end)
    };
    (0..ROUNDS).map(one).unzip()
}

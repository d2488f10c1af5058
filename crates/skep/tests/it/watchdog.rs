//! The watchdog: keepers that die or hang are replaced, those that were ended are not.

use crate::{Ran, Sandbox, ran, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::Child,
    time::{Duration, Instant},
};

/// One task that runs until the file `go` is there.
const SLOW: &str = r#"
[swarm]
name = "slow"
workers = 1
[[task]]
id = "a"
mission = "Make a."
command = "while test ! -e ../../../go; do sleep 0.05; done; echo a > a.txt"
"#;

fn said(sandbox: &Sandbox, name: &str) -> Option<Value> {
    let text = fs::read(sandbox.path().join(".skep").join(name)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn number(said: &Value) -> i32 {
    said["pid"].as_i64().unwrap().try_into().unwrap()
}

fn keeper(sandbox: &Sandbox) -> Option<i32> {
    said(sandbox, "keeper.json").map(|said| number(&said))
}

fn watchdog(sandbox: &Sandbox) -> Option<i32> {
    said(sandbox, "watchdog.json").map(|said| number(&said))
}

/// Signals a process of this sandbox: one that its files name and whose command line says `skep`.
fn signal(pid: i32, signal: Signal) {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    assert!(line.contains("skep"), "{pid} is {line:?}");
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn is_there(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits until another keeper than `old` answers, and says how long that took.
#[track_caller]
fn replaced(sandbox: &Sandbox, old: i32) -> Duration {
    let began = Instant::now();
    let socket = sandbox.path().join(".skep/keeper.sock");
    until("another keeper's answer", || {
        keeper(sandbox).is_some_and(|pid| pid != old)
            && std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    began.elapsed()
}

fn load(sandbox: &Sandbox) -> Child {
    sandbox.write("plan.toml", SLOW);
    let run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("a runs", || {
        sandbox.skep(&["why", "a"]).out.contains("at work")
    });
    run
}

#[track_caller]
fn all_gone(sandbox: &Sandbox, processes: &[i32]) {
    until("everything has ended", || {
        processes.iter().all(|pid| !is_there(*pid))
    });
    for name in ["keeper.json", "keeper.sock", "watchdog.json"] {
        assert!(!sandbox.path().join(".skep").join(name).exists(), "{name}");
    }
}

// proves: A-7, W-4
#[test]
fn a_keeper_that_was_killed_is_replaced_at_once_and_its_attempt_adopted() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach"]);
    let run = load(&sandbox);
    let first = keeper(&sandbox).unwrap();
    signal(first, Signal::KILL);
    let took = replaced(&sandbox, first);
    eprintln!("from kill -9 of the keeper to the next one's answer: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    sandbox.write("go", "");
    // It follows the next keeper.
    let end = ran(run.wait_with_output().unwrap());
    assert_eq!(end.code, 0, "{}\n{}", end.out, end.err);
    let detail = sandbox.json(&["tasks", "show", "a", "--json"]);
    assert_eq!(detail["attempts"], 1, "adopted, not repeated: {detail}");
    let watched = said(&sandbox, "watchdog.json").unwrap();
    assert_eq!(
        (&watched["restarts"], &watched["state"]),
        (&1.into(), &"watching".into())
    );
    let processes = [keeper(&sandbox).unwrap(), watchdog(&sandbox).unwrap()];
    sandbox.expect(0, &["down"]);
    all_gone(&sandbox, &processes);
}

// proves: A-7
#[test]
fn a_keeper_that_hangs_is_ended_and_replaced() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach", "--hung-after", "1s"]);
    let run = load(&sandbox);
    let first = keeper(&sandbox).unwrap();
    signal(first, Signal::STOP);
    replaced(&sandbox, first);
    assert!(!is_there(first), "it cannot come back");
    let why = said(&sandbox, "watchdog.json").unwrap()["failures"][0]["why"].clone();
    assert_eq!(why, "it hung: no heartbeat for 1s");
    sandbox.write("go", "");
    assert_eq!(ran(run.wait_with_output().unwrap()).code, 0);
    let detail = sandbox.json(&["tasks", "show", "a", "--json"]);
    assert_eq!(detail["attempts"], 1, "{detail}");
    sandbox.expect(0, &["down"]);
}

// proves: A-7
#[test]
fn a_drain_goes_on_when_its_keeper_is_killed_in_the_middle_of_it() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach"]);
    let run = load(&sandbox);
    let down = sandbox.command(&["down"]).spawn().unwrap();
    until("draining", || {
        sandbox.skep(&["status"]).out.contains("draining")
    });
    let first = keeper(&sandbox).unwrap();
    signal(first, Signal::KILL);
    replaced(&sandbox, first);
    let processes = [keeper(&sandbox).unwrap(), watchdog(&sandbox).unwrap()];
    sandbox.write("go", "");
    ran(down.wait_with_output().unwrap());
    ran(run.wait_with_output().unwrap());
    all_gone(&sandbox, &processes);
    // A person who starts it again wants it to go on.
    sandbox.expect(0, &["up", "--detach"]);
    until("it goes on", || {
        !sandbox.skep(&["status"]).out.contains("draining")
    });
    sandbox.expect(0, &["down"]);
}

// proves: A-7
#[test]
fn keepers_that_fail_again_and_again_are_given_up_and_it_is_said() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    sandbox.expect(0, &["down"]);
    let log = sandbox.path().join(".skep/log.db");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let began = Instant::now();
    let Ran { err, .. } = sandbox.expect(3, &["watchdog"]);
    assert!(err.contains("gave up on the keeper"), "{err}");
    assert!(err.contains("starting another in 4s"), "backed off: {err}");
    assert!(began.elapsed() > Duration::from_secs(7), "no storm");
    let watched = said(&sandbox, "watchdog.json").unwrap();
    assert_eq!(watched["state"], "gave_up");
    assert_eq!(watched["failures"].as_array().unwrap().len(), 5);
    let doctor = sandbox.skep(&["doctor"]);
    assert!(doctor.out.contains("gave up"), "{}", doctor.out);
}

// proves: A-7
#[test]
fn there_is_one_watchdog_and_one_that_was_killed_is_noticed_and_started_again() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach"]);
    assert!(
        sandbox
            .expect(0, &["watchdog"])
            .err
            .contains("runs already")
    );
    for (mend, said) in [
        (&["up", "--detach"][..], "its watchdog was gone"),
        (&["doctor", "--fix"], "its watchdog"),
    ] {
        let first = watchdog(&sandbox).unwrap();
        signal(first, Signal::KILL);
        until("gone", || !is_there(first));
        let doctor = sandbox.skep(&["doctor"]);
        assert!(
            doctor.out.contains("its watchdog is gone"),
            "{}",
            doctor.out
        );
        let mended = sandbox.expect(0, mend);
        assert!((mended.out + &mended.err).contains(said));
        assert_ne!(watchdog(&sandbox), Some(first));
        assert!(is_there(watchdog(&sandbox).unwrap()));
    }
    let processes = [keeper(&sandbox).unwrap(), watchdog(&sandbox).unwrap()];
    sandbox.expect(0, &["down"]);
    all_gone(&sandbox, &processes);
}

/// What a service manager would hear, until nothing has come for `quiet`.
fn heard(manager: &UnixDatagram, quiet: Duration) -> Vec<String> {
    manager.set_read_timeout(Some(quiet)).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.recv(&mut buffer) {
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    all
}

// proves: A-7
#[test]
fn a_service_manager_hears_when_the_keeper_is_ready_that_it_lives_and_when_it_ends() {
    let sandbox = Sandbox::new();
    let place = sandbox.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    let mut up = sandbox.command(&["up"]);
    let up = up.env("NOTIFY_SOCKET", &place);
    let mut child = up.env("WATCHDOG_USEC", "1500000").spawn().unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut buffer = [0; 4096];
    let mut next = || {
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    while !next().starts_with("READY=1\nSTATUS=") {}
    // Well within half of what it allows, so three beats in two seconds at the very least.
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let pid = i32::try_from(child.id()).unwrap();
    signal(pid, Signal::STOP);
    // What was on its way is taken in, and then there is silence for longer than the limit.
    heard(&manager, Duration::from_millis(400));
    assert_eq!(heard(&manager, Duration::from_millis(1_600)), [""; 0]);
    signal(pid, Signal::CONT);
    signal(pid, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let last = heard(&manager, Duration::from_millis(10));
    assert!(
        last.iter().any(|text| text.starts_with("STOPPING=1")),
        "{last:?}"
    );
    all_gone(&sandbox, &[pid]);
}

// proves: A-7, T-3
#[test]
fn the_systemd_unit_is_one_that_systemd_understands() {
    let sandbox = Sandbox::new();
    let unit = sandbox
        .expect(0, &["up", "--systemd-unit", "--hung-after", "90s"])
        .out;
    for line in [
        "Type=notify",
        "KillMode=process",
        "Restart=always",
        "WatchdogSec=90",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}: {unit}");
    }
    let path = sandbox.path().join("skep-test.service");
    fs::write(&path, &unit).unwrap();
    let verify = skep_host::command::command("systemd-analyze", sandbox.path())
        .args(["verify", "--user"])
        .env("XDG_RUNTIME_DIR", sandbox.path())
        .arg(&path)
        .output();
    // Only where there is a systemd to ask.
    if let Ok(output) = verify {
        let said = ran(output);
        assert!(!said.err.contains("skep-test.service"), "{}", said.err);
        assert_eq!(said.code, 0, "{}", said.err);
    }
}

//! What is shown while no keeper runs: what the log says, and what really lives.

use crate::{Sandbox, ran, until};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify::{self, CreateFlags, WatchFlags},
    process::{Pid, Signal, kill_process},
};
use std::fs;

const PLAN: &str = r#"
[swarm]
name = "quiet"
workers = 2
[[task]]
id = "a"
mission = "Make a."
command = "while test ! -e ../../../go; do sleep 0.05; done; echo a > a.txt"
[[task]]
id = "b"
mission = "Make b."
command = "echo b > b.txt"
depends_on = ["a"]
"#;

// proves: U-1, L-4a
#[test]
fn after_the_end_nothing_is_alive_and_the_last_wave_is_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    sandbox.write("go", "");
    sandbox.expect(0, &["run", "plan.toml"]);
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["status"], "sleeping", "{status}");
    assert_eq!(status["wave"], 2, "{status}");
    assert_eq!(status["waves"].as_array().unwrap().len(), 2, "{status}");
    for worker in status["workers"].as_array().unwrap() {
        assert_eq!(worker["alive"], false, "{worker}");
        assert_eq!(worker["status"], "stopped", "{worker}");
        assert_eq!(worker["reason"], "no keeper runs", "{worker}");
    }
    let text = sandbox.expect(0, &["status"]).out;
    assert!(text.contains("sleeping  wave 2 of 2"), "{text}");
}

// proves: W-4, L-4a
#[test]
fn an_attempt_whose_shim_lives_is_alive_until_it_ends() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("a runs", || {
        sandbox.skep(&["why", "a"]).out.contains("at work")
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    ran(child.wait_with_output().unwrap());
    let alive = || {
        let list = sandbox.json(&["workers", "--json"]);
        let workers = list["workers"].as_array().unwrap().clone();
        let alive = workers.iter().filter(|w| w["alive"] == true).count();
        (alive, workers)
    };
    let (count, workers) = alive();
    assert_eq!(count, 1, "{workers:?}");
    assert_eq!(sandbox.json(&["status", "--json"])["status"], "running");
    assert!(sandbox.skep(&["why", "a"]).out.contains("at work"));
    sandbox.write("go", "");
    until("the attempt has ended", || alive().0 == 0);
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["status"], "sleeping", "{status}");
    let why = sandbox.expect(0, &["why", "a"]).out;
    assert!(why.contains("has ended, and no keeper runs"), "{why}");
    let stopped = status["workers"].as_array().unwrap().iter();
    assert!(
        stopped.clone().all(|w| w["status"] == "stopped"),
        "{status}"
    );
    // What was stale is put right by the next keeper.
    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/quiet:b.txt"]), "b\n");
}

// proves: U-1
#[test]
fn a_drained_swarm_does_not_look_as_if_it_were_still_draining() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let child = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("a runs", || {
        sandbox.skep(&["why", "a"]).out.contains("at work")
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    until("draining", || {
        sandbox.skep(&["status"]).out.contains("draining")
    });
    sandbox.write("go", "");
    let first = ran(child.wait_with_output().unwrap());
    assert_eq!(first.code, 130, "{}\n{}", first.out, first.err);
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["status"], "sleeping", "{status}");
}

// proves: A-7, U-1
#[test]
fn a_command_reaches_the_keeper_that_takes_the_place_of_another() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", &PLAN.replace("workers = 2", "workers = 0"));
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("loaded", || sandbox.skep(&["tasks"]).out.contains("b"));
    run.kill().unwrap();
    run.wait().unwrap();

    // As in the moment in which the next keeper has the log and does not answer yet.
    let (socket, aside) = (
        sandbox.path().join(".skep/keeper.sock"),
        sandbox.path().join(".skep/aside"),
    );
    fs::rename(&socket, &aside).unwrap();
    let tried = inotify::init(CreateFlags::CLOEXEC).unwrap();
    let lock = sandbox.path().join(".skep/log.db.lock");
    inotify::add_watch(&tried, lock, WatchFlags::OPEN).unwrap();
    let set = ["config", "set", "timebox", "7m"];
    let child = sandbox.command(&set).spawn().unwrap();
    // Nobody answers, so it tries to read the log itself, which is in use.
    let patience = Timespec {
        tv_sec: 30,
        tv_nsec: 0,
    };
    let seen = poll(&mut [PollFd::new(&tried, PollFlags::IN)], Some(&patience));
    assert_eq!(seen, Ok(1), "it never tried the log");
    fs::rename(&aside, &socket).unwrap();
    let done = ran(child.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.err.contains("timebox is 7m from now on"),
        "{}",
        done.err
    );
    sandbox.expect(0, &["down"]);
}

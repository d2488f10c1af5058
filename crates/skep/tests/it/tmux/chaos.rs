//! tmux, and keepers, ended at random moments of a whole run: no attempt is lost, none is begun twice.

use super::{Server, end};
use crate::Sandbox;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    time::{Duration, Instant, SystemTime},
};

const TASKS: usize = 24;
const BLOWS: u64 = 40;

fn plan(sandbox: &Sandbox) -> String {
    let notes = sandbox.tmux.path().join("notes");
    let notes = notes.display();
    let mut plan = String::from("[swarm]\nname = \"two\"\nhost = \"tmux\"\nworkers = 4\n");
    for n in 0..TASKS {
        let after = if n < 8 {
            String::new()
        } else {
            format!("depends_on = [\"t{}\"]\n", n - 8)
        };
        let _ = write!(
            plan,
            "[[task]]\nid = \"t{n}\"\nmission = \"Write file {n}.\"\n{after}command = \"\"\"\
             echo begin $SKEP_ATTEMPT >> {notes}; echo {n} > f{n}; sleep 0.3; echo end $SKEP_ATTEMPT >> {notes}\"\"\"\n"
        );
    }
    plan
}

fn noted(sandbox: &Sandbox, what: &str) -> BTreeMap<String, usize> {
    let notes = fs::read_to_string(sandbox.tmux.path().join("notes")).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for attempt in notes.lines().filter_map(|line| line.strip_prefix(what)) {
        *counts.entry(attempt.to_string()).or_default() += 1;
    }
    counts
}

// proves: W-2, W-4, Q-6, T-1
#[test]
fn tmux_and_keepers_ended_at_random_cost_no_attempt() {
    let given = std::env::var("SKEP_SEED").ok().and_then(|s| s.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut seed: u64 = given.unwrap_or(now.unwrap().subsec_nanos().into());
    eprintln!("tmux chaos: SKEP_SEED={seed}");
    let mut dice = move |most: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", &plan(&sandbox));
    let deadline = Instant::now() + Duration::from_secs(200);
    let mut run = sandbox.begin(&["run", "plan.toml"]);
    let mut blows = 0;
    let last = loop {
        assert!(
            Instant::now() < deadline,
            "after {blows} blows it is not done"
        );
        let pause = Instant::now() + Duration::from_millis(20 + dice(200));
        while Instant::now() < pause && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if run.try_wait().unwrap().is_some() {
            break end(run);
        }
        if blows == BLOWS {
            continue;
        }
        blows += 1;
        let blow = |args: &[&str]| drop(server.command(args).output());
        match dice(6) {
            0 => blow(&["kill-server"]),
            1 => blow(&["kill-session", "-t", "=skep-two"]),
            2 => blow(&["detach-client", "-s", "=skep-two:"]),
            3 => {
                let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
                let _ = kill_process(pid, Signal::KILL);
                run.wait().unwrap();
                run = sandbox.begin(&["run", "plan.toml"]);
            }
            _ => {
                let worker = format!("w{}", 1 + dice(4));
                if let Some(pane) = server.pane(&worker, "#{pane_id}") {
                    blow(&["kill-pane", "-t", &pane]);
                }
            }
        }
    };
    assert_eq!(last.code, 0, "{}\n{}", last.out, last.err);
    assert!(
        blows > 10,
        "only {blows} blows: the run was over too soon to say anything"
    );
    for n in 0..TASKS {
        assert_eq!(
            sandbox.git(&["show", &format!("skep/two:f{n}")]),
            format!("{n}\n")
        );
    }
    let begun = noted(&sandbox, "begin");
    assert!(begun.values().all(|n| *n == 1), "begun twice: {begun:?}");
    assert_eq!(
        begun.len(),
        TASKS,
        "attempts were lost: {:?}",
        sandbox.signals()
    );
    assert_eq!(begun, noted(&sandbox, "end"));
    assert!(!server.has("skep-two"));
    // Told, but not for ever: what is lost again and again is made again more and more slowly.
    assert!(sandbox.signals().len() <= usize::try_from(2 * BLOWS).unwrap());
}

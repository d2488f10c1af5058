//! Whatever becomes of tmux, attempts go on, and what is lost of it is made again.

use super::{Server, WAITS, end, started};
use crate::{Sandbox, until};
use rustix::process::{Pid, Signal, kill_process};

// proves: W-2, L-10
#[test]
fn a_lost_pane_session_or_server_is_noticed_logged_and_made_again() {
    for (kill, what) in [
        (
            "kill-pane",
            "the pane of W is gone and is made again; attempts go on",
        ),
        (
            "kill-session",
            "the tmux session skep-two is gone and is made again; attempts go on",
        ),
        (
            "kill-server",
            "the tmux session skep-two is gone and is made again; attempts go on",
        ),
    ] {
        let sandbox = Sandbox::new();
        let server = Server::of(&sandbox);
        sandbox.write("plan.toml", WAITS);
        let run = sandbox.begin(&["run", "plan.toml"]);
        let worker = sandbox.worker_of("a");
        until("it is shown", || server.shows(&worker).contains("a begins"));
        let pane = server.pane(&worker, "#{pane_id}").unwrap();
        match kill {
            "kill-pane" => server.tmux(&[kill, "-t", &pane]),
            "kill-session" => server.tmux(&[kill, "-t", "=skep-two"]),
            _ => server.tmux(&[kill]),
        };
        let what = what.replace('W', &worker);
        until("it is logged", || sandbox.signals().contains(&what));
        let title = Some(format!("{worker}: a"));
        until("the panes are there again", || {
            server.pane(&worker, "#{pane_title}") == title
                && ["w1", "w2"]
                    .iter()
                    .all(|w| server.pane(w, "#{pane_id}").is_some())
        });
        // The same attempt, shown from its beginning, and as it goes on.
        sandbox.write("go", "");
        until("it is shown again", || {
            let shown = server.shows(&worker);
            shown.contains("a begins") && shown.contains("a goes on")
        });
        sandbox.write("end", "");
        let run = end(run);
        assert_eq!(run.code, 0, "{kill}: {}\n{}", run.out, run.err);
        assert_eq!(sandbox.attempts("a"), 1, "{kill} cost no attempt");
        assert_eq!(sandbox.signals(), [what], "{kill} is told once");
        assert!(!server.has("skep-two"), "{kill}");
    }
}

// proves: W-2, W-4
#[test]
fn kill_9_of_the_keeper_leaves_attempts_in_their_panes_to_the_next() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    until("it is shown", || server.shows(&worker).contains("a begins"));
    let facts = "#{pane_id} #{pane_pid}";
    let before = server.pane(&worker, facts);
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(end(run).code, -1);
    sandbox.write("go", "");
    until("it goes on", || server.shows(&worker).contains("a goes on"));
    let next = sandbox.begin(&["run"]);
    until("the next keeper knows the pane", || {
        sandbox.doing("a").is_some_and(|w| {
            w["pane"].as_str().map(String::from)
                == before
                    .as_ref()
                    .map(|f| f.split(' ').next().unwrap().to_string())
        })
    });
    assert_eq!(
        server.pane(&worker, facts),
        before,
        "it is the same pane, with the same shim"
    );
    sandbox.write("end", "");
    let next = end(next);
    assert_eq!(next.code, 0, "{}\n{}", next.out, next.err);
    assert_eq!(sandbox.attempts("a"), 1);
    assert!(!server.has("skep-two"));
}

// proves: W-2, L-3
#[test]
fn a_shim_killed_in_its_pane_is_a_crash_like_any_other_and_its_pane_is_used_again() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    let plan = WAITS.replace(
        "host = \"tmux\"",
        "host = \"tmux\"\n[policy]\nbackoff = \"100ms\"",
    );
    sandbox.write("plan.toml", &plan);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    let attempt = sandbox.doing("a").unwrap()["attempt"].as_u64().unwrap();
    let pid: i32 = started(&sandbox, attempt).parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    sandbox.write("go", "");
    sandbox.write("end", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert_eq!(sandbox.attempts("a"), 2);
    assert_eq!(
        sandbox.signals(),
        Vec::<String>::new(),
        "no pane was lost: {worker}"
    );
    assert!(!server.has("skep-two"));
}

// proves: W-2
#[test]
fn a_tmux_that_makes_no_session_is_told_of_and_does_without() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", WAITS);
    sandbox.write("go", "");
    sandbox.write("end", "");
    let nowhere = sandbox.tmux.path().join("no/such/folder/socket");
    let mut run = sandbox.command(&["run", "plan.toml"]);
    let run = crate::ran(run.env("SKEP_TMUX_SOCKET", nowhere).output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    let signals = sandbox.signals();
    assert!(
        signals
            .iter()
            .any(|s| s.contains("tmux") && s.contains("without")),
        "{signals:?}"
    );
}

// proves: W-2
#[test]
fn a_person_who_detaches_all_other_clients_blinds_nobody() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    let clients = || server.tmux(&["list-clients", "-t", "=skep-two:", "-F", "#{client_pid}"]);
    until("the keeper watches", || !clients().is_empty());
    let first = clients();
    // What `tmux attach -d` does to every client but its own.
    server.tmux(&["detach-client", "-s", "=skep-two:"]);
    until("the keeper watches again", || {
        !clients().is_empty() && clients() != first
    });
    let pane = server.pane(&worker, "#{pane_id}").unwrap();
    server.tmux(&["kill-pane", "-t", &pane]);
    until("the pane is there again", || {
        server
            .pane(&worker, "#{pane_id}")
            .is_some_and(|p| p != pane)
    });
    sandbox.write("go", "");
    sandbox.write("end", "");
    assert_eq!(end(run).code, 0);
}

// proves: W-2, W-15
#[test]
fn a_session_that_somebody_renames_is_still_the_swarms_and_goes_with_it() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    until("it is shown", || server.shows(&worker).contains("a begins"));
    server.tmux(&["rename-session", "-t", "skep-two", "renamed"]);
    sandbox.write("go", "");
    sandbox.write("end", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert_eq!(sandbox.attempts("a"), 1);
    let left = server.tmux(&["list-sessions", "-F", "#{session_name}"]);
    assert_eq!(left, "mine");
}

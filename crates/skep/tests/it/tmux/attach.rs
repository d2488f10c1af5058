//! `skep attach`, and what somebody who is attached keeps.

use super::{Server, WAITS, end};
use crate::{Sandbox, until};

/// A terminal for a person: a pane of another server, in which `skep` is run with these words.
fn person(sandbox: &Sandbox, outer: &Server, words: &[&str]) {
    let socket = format!(
        "SKEP_TMUX_SOCKET={}",
        sandbox.tmux.path().join("socket").display()
    );
    let dir = sandbox.path().to_str().unwrap();
    let open = [
        "new-window",
        "-t",
        "mine",
        "-c",
        dir,
        "env",
        &socket,
        env!("CARGO_BIN_EXE_skep"),
    ];
    outer.tmux(&[&open[..], words].concat());
}

fn front(server: &Server) -> String {
    server.tmux(&[
        "display-message",
        "-p",
        "-t",
        "=skep-two:",
        "#{@skep-worker}",
    ])
}

// proves: U-1, W-2, W-15
#[test]
fn attach_brings_a_worker_to_the_front_and_keeps_the_session_while_somebody_looks() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    let outer = Server::at(sandbox.tmux.path().join("outer"));
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    sandbox.worker_of("a");
    until("both panes are there", || {
        ["w1", "w2"]
            .iter()
            .all(|w| server.pane(w, "#{pane_id}").is_some())
    });
    // A program is told where they are, and nothing is attached.
    let told = sandbox.json(&["attach", "--json"]);
    assert_eq!(told["session"], "skep-two", "{told}");
    assert_eq!(told["socket"], server.socket.to_str().unwrap(), "{told}");
    let pane = told["panes"].as_array().unwrap().iter();
    let pane = pane.filter(|p| p["worker"] == "w2").map(|p| &p["pane"]);
    let pane: Vec<_> = pane.filter_map(|p| p.as_str()).map(String::from).collect();
    assert_eq!(pane, [server.pane("w2", "#{pane_id}").unwrap()], "{told}");
    for worker in ["w2", "w1"] {
        // The first attaches; so does the second, from a terminal of its own.
        person(&sandbox, &outer, &["attach", worker]);
        until("it is in front", || front(&server) == worker);
    }
    let viewers = || {
        let clients = [
            "list-clients",
            "-t",
            "=skep-two:",
            "-F",
            "#{client_control_mode}",
        ];
        server.tmux(&clients).lines().filter(|l| *l == "0").count()
    };
    until("two look", || viewers() == 2);

    let without = sandbox.expect(2, &["attach"]);
    assert!(
        without.err.contains("there is no terminal here"),
        "{}",
        without.err
    );
    assert!(
        without.err.contains("attach-session -t skep-two"),
        "{}",
        without.err
    );
    assert!(
        sandbox
            .expect(2, &["attach", "w9"])
            .err
            .contains("there is no worker w9")
    );
    assert!(sandbox.expect(2, &["attach", "-x"]).err.contains("-x"));

    sandbox.write("go", "");
    sandbox.write("end", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    let stays = "the tmux session skep-two stays until its last viewer detaches";
    assert!(run.err.contains(stays), "{}", run.err);
    let doctor = sandbox.expect(0, &["doctor", "--fix"]).out;
    assert!(doctor.contains("skep-two was left behind"), "{doctor}");
    assert!(server.has("skep-two"));
    drop(outer);
    until("it goes with the last of them", || !server.has("skep-two"));
    assert!(server.has("mine"));
}

// proves: U-1
#[test]
fn inside_tmux_attach_switches_the_client() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    let outer = Server::at(sandbox.tmux.path().join("outer"));
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    sandbox.worker_of("a");
    until("both panes are there", || {
        ["w1", "w2"]
            .iter()
            .all(|w| server.pane(w, "#{pane_id}").is_some())
    });
    // A person who sits in a session of the same server.
    let socket = server.socket.to_str().unwrap();
    outer.tmux(&[
        "new-window",
        "-t",
        "mine",
        "env",
        "-u",
        "TMUX",
        "tmux",
        "-S",
        socket,
        "attach-session",
        "-t",
        "mine",
    ]);
    let client = || {
        server.tmux(&[
            "list-clients",
            "-F",
            "#{client_control_mode}#{client_session}",
        ])
    };
    until("the person is there", || client().contains("0mine"));
    person(&sandbox, &server, &["attach", "w2"]);
    until("the client has switched", || client().contains("0skep-two"));
    assert_eq!(front(&server), "w2");
    sandbox.write("go", "");
    sandbox.write("end", "");
    assert_eq!(end(run).code, 0);
    assert!(server.has("skep-two"), "somebody looks");
    // Who cleans up wants it gone all the same.
    let cleaned = sandbox.expect(0, &["clean"]);
    assert!(cleaned.err.contains("removed"), "{}", cleaned.err);
    assert!(!server.has("skep-two") && server.has("mine"));
}

// proves: U-1
#[test]
fn without_panes_attach_says_so_and_what_to_do_instead() {
    let sandbox = Sandbox::new();
    assert!(
        sandbox
            .expect(2, &["attach"])
            .err
            .contains("nothing to attach to")
    );
    sandbox.write("go", "");
    sandbox.write("end", "");
    sandbox.write("plan.toml", &WAITS.replace("host = \"tmux\"", ""));
    sandbox.expect(0, &["run", "plan.toml"]);
    let ran = sandbox.expect(3, &["attach", "w2"]);
    assert!(ran.err.contains("workers run headless"), "{}", ran.err);
    assert!(ran.err.contains("skep logs w2 -f"), "{}", ran.err);
    assert!(
        !sandbox.tmux.path().join("socket").exists(),
        "no server was started for it"
    );
}

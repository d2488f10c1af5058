//! What panes are, and what they show.

use super::{Server, WAITS, end, started};
use crate::{Sandbox, until};

// proves: W-2, W-15
#[test]
fn each_worker_has_a_pane_that_runs_its_shim_and_all_of_it_goes_at_the_end() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", WAITS);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    let doing = sandbox.doing("a").unwrap();
    let title = format!("{worker}: a");
    until("the title is set", || {
        server.pane(&worker, "#{pane_title}") == Some(title.clone())
    });
    let attempt = doing["attempt"].as_u64().unwrap();
    assert_eq!(
        server.pane(&worker, "#{pane_pid}"),
        Some(started(&sandbox, attempt))
    );
    until("its output is shown", || {
        server.shows(&worker).contains("a begins")
    });
    let other = if worker == "w1" { "w2" } else { "w1" };
    until("the other is done, and its pane still there", || {
        server.shows(other).contains("is over")
            && server.pane(other, "#{pane_title}") == Some(format!("{other}: idle"))
    });
    // Each in its own worktree, for whoever opens a shell beside it.
    let dir = server.pane(&worker, "#{pane_start_path}").unwrap();
    assert!(dir.ends_with(&format!(".skep/worktrees/{worker}")), "{dir}");
    let counts = "1 running, 0 ready, 0 merged, 0 flagged";
    until("the counts are right", || {
        let shown = server.tmux(&[
            "display-message",
            "-p",
            "-t",
            "=skep-two:",
            "#{T:status-right}",
        ]);
        shown == counts
    });

    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["session"], "skep-two");
    let pane = server.pane(&worker, "#{pane_id}").unwrap();
    let doing = sandbox.doing("a").unwrap();
    assert_eq!(
        (&doing["host"], &doing["pane"]),
        (&"tmux".into(), &pane.as_str().into())
    );
    let shown = sandbox.expect(0, &["workers"]).out;
    assert!(shown.contains("PANE") && shown.contains(&pane), "{shown}");

    sandbox.write("go", "");
    sandbox.write("end", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert_eq!(sandbox.git(&["show", "skep/two:a.txt"]), "a\n");
    assert!(!server.has("skep-two") && server.has("mine"));
    assert_eq!(sandbox.signals(), Vec::<String>::new());
}

// proves: W-2, T-3
#[test]
fn no_name_and_no_output_makes_tmux_run_or_believe_anything() {
    // Names are letters and digits, those given by hand too; folders are anything.
    let sandbox = Sandbox::named("re #(touch $HOME-pwned;) #[fg=red]'%H").with_commit();
    let server = Server::of(&sandbox);
    let plan = r##"
[swarm]
name = "two"
host = "tmux"
[[task]]
id = "A.b_c-9"
role = "Back.end_1"
mission = "Print what drives terminals; $(touch pwned) #(touch pwned)."
command = ["sh", "-c", '''printf '\033]2;pwned\007 \033Ptmux;\033\033]2;pwned\007\033\\ \033[31mred \033[2Jgone\n'; while test ! -e ../../../go; do sleep 0.05; done; echo x > x''']
"##;
    sandbox.write("plan.toml", plan);
    let run = sandbox
        .command(&["run", "plan.toml"])
        .env("HOME", sandbox.tmux.path())
        .spawn()
        .unwrap();
    let worker = sandbox.worker_of("A.b_c-9");
    let title = Some("w1 Back.end_1: A.b_c-9".to_string());
    until("the title is plain", || {
        server.pane(&worker, "#{pane_title}") == title
    });
    until("the output is harmless", || {
        let shown = server.shows(&worker);
        shown.contains("^[]2;pwned^G") && shown.contains("red ^[[2Jgone")
    });
    assert_eq!(server.pane(&worker, "#{pane_title}"), title);
    let role = "c#(touch $HOME/pwned;)#[fg=red]%H;";
    let refused = sandbox.expect(2, &["workers", "add", "1", "--role", role]);
    assert!(refused.err.contains("contains '#'"), "{}", refused.err);
    let border = server.pane(&worker, "#{T:pane-border-format}").unwrap();
    assert_eq!(Some(border.trim().into()), title);
    sandbox.write("go", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    // The program's home, and that of the server, which this test started.
    let homes = [Some(sandbox.tmux.path().into()), std::env::var_os("HOME")];
    for home in homes.into_iter().flatten() {
        for end in ["/pwned", "-pwned"] {
            let place = format!("{}{end}", home.display());
            assert!(!std::path::Path::new(&place).exists(), "{place}");
        }
    }
    assert!(!sandbox.path().join("pwned").exists());
}

// proves: W-2
#[test]
fn a_pane_that_takes_nothing_holds_nothing_up() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    let rest = "while test ! -e ../../../end; do sleep 0.05; done";
    let floods = "yes | head -c 3000000";
    let plan = WAITS.replace(rest, floods);
    assert_ne!(plan, WAITS);
    sandbox.write("plan.toml", &plan);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let worker = sandbox.worker_of("a");
    until("it is shown", || server.shows(&worker).contains("a begins"));
    // As a person who presses Ctrl-S; nothing else is ever typed into a pane.
    let pane = server.pane(&worker, "#{pane_id}").unwrap();
    server.tmux(&["send-keys", "-t", &pane, "C-s"]);
    // And one who presses Ctrl-C interrupts nothing.
    server.tmux(&["send-keys", "-t", &pane, "C-c"]);
    sandbox.write("go", "");
    let run = end(run);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert_eq!(sandbox.attempts("a"), 1);
    assert!(sandbox.expect(0, &["logs", "a"]).out.len() > 3_000_000);
}

// proves: W-1, W-2, W-15
#[test]
fn panes_come_and_go_with_workers_and_the_session_with_its_keeper() {
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox);
    sandbox.write("plan.toml", &WAITS.replace("host = \"tmux\"", ""));
    // Whatever the plan says: this keeper was told.
    sandbox.expect(0, &["up", "--detach", "--host", "tmux"]);
    let run = sandbox.begin(&["run", "plan.toml"]);
    let first = sandbox.worker_of("a");
    sandbox.expect(0, &["workers", "add", "7", "--role", "more"]);
    let all: Vec<String> = (1..=9).map(|n| format!("w{n}")).collect();
    let title = |worker: &str| server.pane(worker, "#{pane_title}");
    until("each has its pane", || {
        all[2..]
            .iter()
            .all(|w| title(w) == Some(format!("{w} more: idle")))
    });
    // More than fit side by side take another window.
    let window = |worker: &String| server.pane(worker, "#{window_name}").unwrap();
    let windows: std::collections::BTreeSet<String> = all.iter().map(window).collect();
    assert_eq!(
        windows.into_iter().collect::<Vec<_>>(),
        ["workers", "workers-2"]
    );
    sandbox.expect(0, &["workers", "remove", "w4", "w9"]);
    until("their panes are gone", || {
        title("w4").is_none() && title("w9").is_none()
    });
    sandbox.expect(0, &["workers", "pause", "w5"]);
    until("it says so", || {
        title("w5") == Some("w5 more: paused".into())
    });
    assert_eq!(
        sandbox.signals(),
        Vec::<String>::new(),
        "what was taken away is not lost"
    );
    // The keeper is asked to leave: its attempts are stopped and saved, and nothing stays.
    sandbox.expect(0, &["down", "--now"]);
    assert!(!server.has("skep-two"), "{first}");
    assert_ne!(end(run).code, 0);
    sandbox.write("go", "");
    sandbox.write("end", "");
    sandbox.expect(0, &["run"]);
    assert_eq!(sandbox.git(&["show", "skep/two:a.txt"]), "a\n");
}

// proves: W-2
#[test]
fn without_a_fitting_tmux_or_with_a_taken_name_nothing_is_begun() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", WAITS);
    let bin = sandbox.tmux.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let git = which("git");
    std::os::unix::fs::symlink(git, bin.join("git")).unwrap();
    let refused = |what: &str| {
        for args in [&["run", "plan.toml"][..], &["up", "--host", "tmux"]] {
            let ran = crate::ran(sandbox.command(args).env("PATH", &bin).output().unwrap());
            assert_eq!(ran.code, 3, "{}\n{}", ran.out, ran.err);
            assert!(ran.err.contains(what), "{}", ran.err);
            assert!(
                ran.err.contains("hint: install tmux 3.0 or newer"),
                "{}",
                ran.err
            );
        }
        assert!(
            sandbox.json(&["tasks", "--json"])["tasks"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    };
    refused("tmux cannot be started");
    let doctor = crate::ran(
        sandbox
            .command(&["doctor"])
            .env("PATH", &bin)
            .output()
            .unwrap(),
    );
    assert!(
        doctor
            .out
            .contains("note   tmux          tmux cannot be started"),
        "{}",
        doctor.out
    );
    let old = bin.join("tmux");
    std::fs::write(&old, "#!/bin/sh\necho tmux 2.9a\n").unwrap();
    std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    refused("tmux is version 2.9a; 3.0 or newer is needed");

    let server = Server::of(&sandbox);
    server.tmux(&["new-session", "-d", "-s", "skep-two", "cat", "-"]);
    let ran = sandbox.expect(3, &["run", "plan.toml"]);
    assert!(
        ran.err
            .contains("the tmux session skep-two is not this swarm's"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("hint: give this swarm another `name`"),
        "{}",
        ran.err
    );
    assert!(server.has("skep-two"));
    // Another swarm's says whose it is.
    server.tmux(&["set-option", "-t", "=skep-two:", "@skep-key", "00"]);
    server.tmux(&[
        "set-option",
        "-t",
        "=skep-two:",
        "@skep-site",
        "/else/where/.skep",
    ]);
    let ran = sandbox.expect(3, &["run", "plan.toml"]);
    assert!(
        ran.err
            .contains("it belongs to the swarm in /else/where/.skep"),
        "{}",
        ran.err
    );
    assert!(
        sandbox
            .expect(2, &["run", "plan.toml", "--host", "screen"])
            .err
            .contains("headless or tmux")
    );
    // And headless needs none of it.
    sandbox.write("go", "");
    sandbox.write("end", "");
    sandbox.expect(0, &["run", "plan.toml", "--host", "headless"]);
    assert_eq!(
        server
            .tmux(&["list-panes", "-s", "-t", "=skep-two:"])
            .lines()
            .count(),
        1
    );
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut all = std::env::split_paths(&path).map(|dir| dir.join(program));
    all.find(|p| p.exists()).unwrap()
}

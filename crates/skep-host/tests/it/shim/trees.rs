//! Five shapes of process trees, five ways to end a run, two ways to hold it: nothing survives.

use super::{LONG, World, end_of, ended, is_root, marked, marker, readable};
use skep_host::command::command;
use skep_host::run::{
    self, Look, Stop,
    files::{Containment, Cut, StepEnd},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// What each tree leaves behind. `up` is where it says that it is there, `M` marks its processes.
const SHAPES: [(&str, &str); 5] = [
    ("plain", "(echo up >up; exec sleep M) &"),
    ("setsid", "setsid sh -c 'echo up >up; exec sleep M' &"),
    (
        "daemon",
        r#"setsid sh -c 'trap "" TERM HUP; (echo up >up; exec sleep M) & exit 0' &"#,
    ),
    (
        "daemon without environment",
        r#"setsid sh -c 'trap "" TERM HUP; (echo up >up; exec env -i sleep M) & exit 0' &"#,
    ),
    (
        "runner",
        "setsid sh -c 'r() { sleep 0.0003; r & }; echo up >up; r' M &",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    ByItself,
    Timeout,
    Gracefully,
    AtOnce,
    Killed,
}

fn nothing_survives(containment: Containment, ending: Ending) {
    let mut runs = Vec::new();
    for (name, shape) in SHAPES {
        let world = World::with(containment);
        let marker = marker();
        let last = if ending == Ending::ByItself {
            "exit 0"
        } else {
            "exec sleep M"
        };
        let script = format!("{shape}\n read x <up; echo ready >ready; {last}");
        let mut spec = world.script(&script.replace('M', &marker));
        spec.grace_ms = 100;
        if ending == Ending::Timeout {
            spec.steps[0].timeout_ms = 1_500;
        }
        let (_up, ready) = (world.pipe("up"), world.pipe("ready"));
        let running = world.start(&spec);
        runs.push((name, world, marker, ready, running));
    }
    for (name, world, marker, ready, running) in &mut runs {
        let what = format!("{name}, {containment:?}, {ending:?}");
        assert_eq!(ready.word(), "ready", "{what}");
        match ending {
            Ending::ByItself | Ending::Timeout => {}
            Ending::Gracefully => running.stop(Stop::Gracefully).unwrap(),
            Ending::AtOnce => running.stop(Stop::AtOnce).unwrap(),
            Ending::Killed => {
                assert!(
                    !marked(marker).is_empty(),
                    "{what}: there is something to find"
                );
                running.kill().unwrap();
                assert!(readable(running, LONG));
                let look = run::look(&world.folder());
                assert!(matches!(look, Look::Lost { .. }), "{what}: {look:?}");
                run::sweep(&world.folder()).unwrap();
                assert_eq!(marked(marker), [""; 0], "{what}");
                assert_eq!(run::sweep(&world.folder()).unwrap(), 0, "{what}: again");
                continue;
            }
        }
        let report = ended(running, &world.folder());
        assert_eq!(marked(marker), [""; 0], "{what}");
        let (end, cut) = match ending {
            Ending::ByItself => (StepEnd::Exited(0), None),
            Ending::Timeout => (StepEnd::TimedOut, None),
            _ => (StepEnd::Stopped, Some(Cut::Stopped)),
        };
        assert_eq!((end_of(&report), report.cut), (&end, cut), "{what}");
        assert_eq!(report.containment, containment, "{what}");
        if ending == Ending::ByItself && *name != "runner" {
            // One for certain; a daemon's parent may be seen on its way out.
            assert!(
                matches!(report.survivors, 1..=2),
                "{what}: {}",
                report.survivors
            );
        }
    }
}

// proves: W-5, L-1, T-1
#[test]
fn in_a_namespace_when_the_agent_ends() {
    nothing_survives(Containment::PidNamespace, Ending::ByItself);
}
#[test]
fn in_a_namespace_when_time_is_up() {
    nothing_survives(Containment::PidNamespace, Ending::Timeout);
}
#[test]
fn in_a_namespace_when_stopped() {
    nothing_survives(Containment::PidNamespace, Ending::Gracefully);
}
#[test]
fn in_a_namespace_when_stopped_at_once() {
    nothing_survives(Containment::PidNamespace, Ending::AtOnce);
}
#[test]
fn in_a_namespace_when_the_shim_is_killed() {
    nothing_survives(Containment::PidNamespace, Ending::Killed);
}
#[test]
fn without_namespace_when_the_agent_ends() {
    nothing_survives(Containment::Subreaper, Ending::ByItself);
}
#[test]
fn without_namespace_when_time_is_up() {
    nothing_survives(Containment::Subreaper, Ending::Timeout);
}
#[test]
fn without_namespace_when_stopped() {
    nothing_survives(Containment::Subreaper, Ending::Gracefully);
}
#[test]
fn without_namespace_when_stopped_at_once() {
    nothing_survives(Containment::Subreaper, Ending::AtOnce);
}
#[test]
fn without_namespace_when_the_shim_is_killed() {
    nothing_survives(Containment::Subreaper, Ending::Killed);
}

// proves: W-5: shim and holder killed in the same moment, which leaves only what the run wrote down.
#[test]
fn what_nobody_holds_is_found_by_cookie_and_session() {
    let world = World::with(Containment::Subreaper);
    let marker = marker();
    // One with the cookie in a session of its own, one without it in the agent's.
    let script = "setsid sleep M & env -i sh -c 'echo up >up; exec sleep M' & read x <up;
        echo ready >ready; wait";
    let (_up, mut ready) = (world.pipe("up"), world.pipe("ready"));
    let running = world.start(&world.script(&script.replace('M', &marker)));
    ready.word();
    let progress = run::step_progress(&world.folder())
        .unwrap()
        .unwrap()
        .progress;
    let holder = rustix::process::Pid::from_raw(progress.holder.unwrap().pid).unwrap();
    let holder = rustix::process::pidfd_open(holder, rustix::process::PidfdFlags::empty()).unwrap();
    let kill = rustix::process::Signal::KILL;
    // The shim may not see its holder die: it would end the rest.
    let shim = rustix::process::Pid::from_raw(running.pid().cast_signed()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::STOP).unwrap();
    rustix::process::pidfd_send_signal(&holder, kill).unwrap();
    running.kill().unwrap();
    assert!(readable(&running, LONG) && readable(&holder, LONG));
    assert!(
        marked(&marker).len() >= 2,
        "they survive so far: {:?}",
        marked(&marker)
    );
    assert!(run::sweep(&world.folder()).unwrap() >= 2);
    assert_eq!(marked(&marker), [""; 0]);
}

// proves: W-5: all of this for a user without privileges, too.
#[test]
fn as_a_user_without_privileges() {
    let program = std::env::current_exe().unwrap();
    if !is_root() || !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("SKIPPED: needs root and setpriv to become another user");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    rustix::fs::chown(home.path(), Some(rustix::fs::Uid::from_raw(65534)), None).unwrap();
    let tests = [
        "shim::trees::in_",
        "shim::trees::without_",
        "shim::trees::what_",
    ];
    let output = command("/usr/bin/setpriv", Path::new("/"))
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(tests)
        .args(["--test-threads=2"])
        .env("TMPDIR", home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let denied = String::from_utf8_lossy(&output.stderr).contains("Permission denied");
    if denied && !text.contains("running") {
        eprintln!("SKIPPED: another user may not run this test's program");
        return;
    }
    assert!(
        output.status.success() && text.contains("11 passed"),
        "{text}"
    );
}

// proves: W-5: where the kernel refuses namespaces, the run is held without.
#[test]
fn a_refused_namespace_is_done_without() {
    let world = World::new();
    // A user namespace of its own, so that the limits set in it are nobody else's.
    let script = "#!/bin/sh
        exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces &&
        echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"' - SHIM \"$@\"";
    let program = world.base.path().join("limited");
    let shim = env!("CARGO_BIN_EXE_skep-test-shim");
    fs::write(&program, script.replace("SHIM", shim)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let marker = marker();
    let spec = world.script(&format!("setsid sleep {marker} & exit 0"));
    let running = run::start(&program, &world.folder(), &spec).unwrap();
    assert!(readable(&running, LONG));
    let Look::Ended(report) = run::look(&world.folder()) else {
        // Lost would be a failure, not a lack.
        assert!(matches!(run::look(&world.folder()), Look::NotStarted));
        let code = running.reap();
        eprintln!("SKIPPED: needs user namespaces, to take namespaces away in one ({code:?})");
        return;
    };
    assert_eq!(
        (end_of(&report), report.survivors),
        (&StepEnd::Exited(0), 1)
    );
    assert_eq!(report.containment, Containment::Subreaper);
    assert_eq!(marked(&marker), [""; 0]);
}

// proves: W-5, W-15: nobody could ever find such a run again, so nobody else would end it.
#[test]
fn a_run_whose_folder_is_removed_ends_by_itself() {
    for bare in [false, true] {
        let mut world = World::new();
        world.bare = bare;
        let mut ready = world.pipe("ready");
        let marker = marker();
        let mut spec = world.script(&format!(
            "echo ready >ready; setsid sleep {marker} & sleep {marker}"
        ));
        spec.heartbeat_ms = 50;
        let running = world.start(&spec);
        ready.word();
        fs::remove_dir_all(world.folder()).unwrap();
        assert!(readable(&running, LONG), "it goes on without its folder");
        assert_eq!(marked(&marker), [""; 0]);
        assert!(!world.folder().exists(), "and does not come back");
    }
}

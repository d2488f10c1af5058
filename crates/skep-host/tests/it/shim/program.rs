//! What a step's program gets, and what is told of its end.

use super::{World, end_of, step};
use skep_host::run::files::{StepEnd, StepKind};
use std::{fs, os::unix::net::UnixDatagram, time::Duration};

fn agent(world: &World, argv: &[&str]) -> skep_host::run::files::RunReport {
    world.run(&world.spec(vec![step(StepKind::Agent, argv)]))
}

// proves: T-3, T-2
#[test]
fn the_environment_is_what_was_given_and_no_more() {
    let world = World::new();
    let mut spec = world.spec(vec![step(StepKind::Agent, &["env"])]);
    spec.env.insert("ODD".into(), "a b\"$(c)'\n;é".into());
    let tail = world.run(&spec).steps[0].tail.clone();
    let (given, own) = tail.split_once("SKEP_RUN=").unwrap();
    assert_eq!(
        given,
        "ODD=a b\"$(c)'\n;é\nPATH=/usr/local/bin:/usr/bin:/bin\n"
    );
    // Its run's mark, and what it speaks for its attempt with.
    let (cookie, token) = own.split_once('\n').unwrap();
    assert!(!cookie.is_empty());
    let token = token.strip_prefix("SKEP_TOKEN=").unwrap();
    assert_eq!(token.lines().count(), 1, "{token}");
    // A check speaks for nobody.
    let world = World::new();
    let spec = world.spec(vec![step(StepKind::Check, &["env"])]);
    let tail = world.run(&spec).steps[0].tail.clone();
    assert!(!tail.contains("SKEP_TOKEN"), "{tail}");
}

// proves: T-3
#[test]
fn arguments_arrive_as_they_are() {
    let world = World::new();
    let odd = ["", " ", "$(id)", "a\nb", "'", "*", "--", "é"];
    let argv: Vec<&str> = ["printf", "<%s>"].into_iter().chain(odd).collect();
    let expected: String = odd.iter().map(|arg| format!("<{arg}>")).collect();
    assert_eq!(agent(&world, &argv).steps[0].tail, expected);
}

#[test]
fn only_three_descriptors_are_open_and_no_signal_is_blocked_or_ignored() {
    let world = World::new();
    let report = agent(&world, &["ls", "/proc/self/fd"]);
    assert_eq!(
        report.steps[0].tail, "0\n1\n2\n3\n",
        "3 is how ls reads the list"
    );
    let world = World::new();
    let report = agent(&world, &["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]);
    let zero = "0000000000000000";
    assert_eq!(
        report.steps[0].tail,
        format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\n")
    );
    let world = World::new();
    let report = agent(&world, &["pwd"]);
    let tree = world.tree().canonicalize().unwrap();
    assert_eq!(report.steps[0].tail.trim(), tree.to_str().unwrap());
}

#[test]
fn standard_input_is_the_text_or_empty() {
    let world = World::new();
    let text = "line\n".repeat(100_000);
    let mut spec = world.spec(vec![step(StepKind::Agent, &["wc", "-c"])]);
    spec.steps[0].stdin = Some(text);
    assert_eq!(world.run(&spec).steps[0].tail, "500000\n");
    let world = World::new();
    assert_eq!(agent(&world, &["wc", "-c"]).steps[0].tail, "0\n");
}

// proves: X-1a
#[test]
fn every_kind_of_end_is_told() {
    let world = World::new();
    assert_eq!(
        end_of(&agent(&world, &["sh", "-c", "exit 7"])),
        &StepEnd::Exited(7)
    );
    let world = World::new();
    let report = agent(&world, &["sh", "-c", "kill -SEGV $$"]);
    assert_eq!(end_of(&report), &StepEnd::Signalled(11));
    let not_started = |argv: &[&str]| {
        let world = World::new();
        fs::write(world.tree().join("plain"), "text").unwrap();
        match end_of(&agent(&world, argv)) {
            StepEnd::NotStarted(why) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        not_started(&["no-such-agent"]),
        "cannot start \"no-such-agent\": not found in PATH (/usr/local/bin:/usr/bin:/bin)"
    );
    assert_eq!(
        not_started(&["./nope"]),
        "cannot start \"./nope\": there is no such file"
    );
    assert!(not_started(&["./plain"]).contains("Permission denied"));
    assert!(not_started(&["/"]).contains("Permission denied"));
    assert_eq!(
        not_started(&["true", "a\0b"]),
        "an argument holds a NUL byte"
    );
    assert!(not_started(&["true", &"x".repeat(300_000)]).contains("too long"));
    let world = World::new();
    let mut spec = world.script("true");
    spec.worktree = world.base.path().join("gone");
    let StepEnd::NotStarted(why) = end_of(&world.run(&spec)).clone() else {
        panic!("no tree")
    };
    assert!(
        why.starts_with("cannot enter") && why.contains("No such file"),
        "{why}"
    );
}

// proves: W-10, W-13
#[test]
fn a_failing_step_ends_the_run_unless_it_says_go_on() {
    let kinds = |go_on: bool, first: &str| {
        let world = World::new();
        let mut spec = world.spec(vec![
            step(StepKind::Setup, &[first]),
            step(StepKind::Agent, &["touch", "made"]),
            step(StepKind::Check, &["false"]),
            step(StepKind::Check, &["true"]),
        ]);
        spec.steps[0].go_on = go_on;
        spec.exists = vec!["made".into(), "not".into()];
        let report = world.run(&spec);
        (report.steps.len(), report.exists)
    };
    assert_eq!(kinds(false, "true"), (3, vec!["made".into()]));
    assert_eq!(kinds(false, "false"), (1, vec![]));
    assert_eq!(kinds(true, "false"), (3, vec!["made".into()]));
}

// proves: W-12: whatever comes of it, the attempt to save is made and told.
#[test]
fn an_agent_that_fails_is_saved_all_the_same() {
    let world = World::new();
    let mut spec = world.script("exit 1");
    spec.snapshot = Some(skep_host::git::snapshot::SnapshotSpec {
        base: "1".repeat(40).parse().unwrap(),
        merges: None,
        only: None,
        reference: "refs/skep/salvage/t/a1".into(),
        message: "work".into(),
        date: 1,
    });
    // There is no repository here, so the answer is git's complaint.
    assert!(matches!(world.run(&spec).snapshot, Some(Err(_))));
}

// proves: A-2: who listens is told, and nobody need.
#[test]
fn changes_are_told_to_who_listens() {
    let world = World::new();
    let place = world.base.path().join("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut spec = world.script("true");
    spec.notify = Some(place);
    world.run(&spec);
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"a1");
    let world = World::new();
    let mut spec = world.script("true");
    spec.notify = Some("/nowhere".into());
    assert_eq!(end_of(&world.run(&spec)), &StepEnd::Exited(0));
}

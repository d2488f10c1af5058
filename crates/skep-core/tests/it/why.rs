//! `skep why` (L-4a): one line for each reason that a task or a worker may have.

use crate::swarm::Swarm;
use crate::words::{check_line, id};
use skep_core::{
    claim::{Closed, Held, Unfit},
    id::WorkerId,
    request::{Command, Observation},
    spec::Workers,
    task::TaskState,
    time::{Millis, Time},
    waiting::{self, Waiting},
    worker::WorkerState,
};

fn said(each: &[(&dyn std::fmt::Display, &str)]) {
    for (reason, text) in each {
        assert_eq!(reason.to_string(), *text);
    }
}

// proves: L-4a
#[test]
fn every_reason_is_one_plain_line() {
    let w = WorkerId(2);
    said(&[
        (&Closed::NoPlan, "no plan has been loaded"),
        (
            &Closed::Paused,
            "the swarm is paused; `skep resume` goes on",
        ),
        (
            &Closed::Draining,
            "the keeper is about to leave and claims nothing more",
        ),
        (
            &Closed::Halted("no disk".into()),
            "the swarm is halted: no disk",
        ),
        (
            &Closed::Merging(2),
            "wave 2 is being merged; claims go on from its result",
        ),
        (
            &Closed::AtCap(6),
            "6 attempts run, which is the cap (policy.concurrency)",
        ),
        (&Held::Until(Time(1)), "its retry waits"),
        (
            &Held::OwnerKey("db".into(), id("a")),
            "a runs and owns \"db\"",
        ),
        (
            &Held::Files(id("a")),
            "a runs in the same worktree and may touch the same files",
        ),
        (&Unfit::Busy(WorkerState::Working), "is working"),
        (
            &Unfit::AssignedTo(w),
            "is not w2, to which the task is assigned",
        ),
        (&Unfit::Role("back".into()), "does not have the role back"),
        (&Unfit::Capability("rust".into()), "cannot do rust"),
        (
            &Unfit::ModelsFailed("m".into()),
            "would use m, which failed on the task too often, and no stronger model is left",
        ),
        (&Waiting::AboutToStart, "is about to be claimed"),
        (&Waiting::Merged, "is merged"),
        (&Waiting::Merging(3), "is being merged with wave 3"),
        (
            &Waiting::NoWorkers,
            "the swarm has no workers; `skep workers add` adds some",
        ),
        (
            &Waiting::Fix {
                task: id("a-fix1"),
                state: TaskState::Ready,
            },
            "waits for a-fix1 (ready) to bring its work in",
        ),
        (
            &Waiting::Person("tests fail".into()),
            "needs a person: tests fail; `skep retry` begins it anew",
        ),
    ]);
}

// proves: L-4a
#[test]
fn a_task_says_why_it_is_where_it_is() {
    let mut t = Swarm::load_with("a b c d<-a,b", |p| p.swarm.check = check_line());
    assert_eq!(t.why("a"), "w1 is starting it, for 0s");
    let attempt = t.attempt_of("a");
    t.see(Observation::Started { attempt }).unwrap();
    t.pass(Millis::secs(90));
    assert_eq!(t.why("a"), "w1 is at work on it, for 1m30s");
    t.see(Observation::AgentEnded { attempt }).unwrap();
    assert_eq!(t.why("a"), "w1 is checking the result, for 0s");
    t.ask(Command::RestartWorker {
        worker: WorkerId(1),
    })
    .unwrap();
    assert_eq!(
        t.why("a"),
        "w1 is checking the result, for 0s, and is being stopped"
    );
    assert_eq!(t.why("c"), "no worker is free for it: w1, w2 is working");
    assert_eq!(
        t.why("d"),
        "waits for a (verifying), b (running) to be merged"
    );
    t.succeed("a");
    assert_eq!(t.why("a"), "is done and waits for the rest of wave 1: b, c");
    t.ask(Command::Pause).unwrap();
    t.succeed("b");
    t.succeed("c");
    assert_eq!(t.why("a"), "is being merged with wave 1");
    t.build();
    t.check(false);
    t.check(false);
    assert!(
        t.why("a")
            .starts_with("the swarm is halted: the integration check fails on main")
    );
    assert!(
        waiting::stuck(t.state(), t.now)
            .unwrap()
            .contains("fails on main itself")
    );
    t.ask(Command::Resume).unwrap();
    t.finish();
    assert_eq!(t.why("d"), "is merged");
}

// proves: L-4a
#[test]
fn a_swarm_that_only_a_person_can_move_says_so() {
    let mut t = Swarm::load_with("a", |p| p.swarm.workers = Workers::Count(0));
    let stuck = waiting::stuck(t.state(), t.now).unwrap();
    assert_eq!(
        stuck,
        "a the swarm has no workers; `skep workers add` adds some"
    );
    t.ask(Command::AddWorkers {
        count: 1,
        role: None,
    })
    .unwrap();
    assert_eq!(waiting::stuck(t.state(), t.now), None);
    assert_eq!(t.why("a"), "no worker is free for it: w1 is spawning");
    t.prepare();
    t.finish();
}

// proves: L-4a
#[test]
fn a_worker_is_made_ready_only_when_that_is_so() {
    let mut t = Swarm::load_with("a b<-a", |p| {
        p.swarm.check = check_line();
        p.swarm.workers = Workers::Count(3);
    });
    let says = |t: &Swarm, n| waiting::worker(t.state(), t.worker(n), t.now);
    t.crash("a");
    t.pass(Millis::mins(1));
    t.prepare();
    t.succeed("a");
    assert!(t.state().merge().is_some());
    for n in 1..=3 {
        assert_eq!(
            says(&t, n),
            "wave 1 is being merged; claims go on from its result"
        );
    }
    t.finish();
}

// proves: L-4a
#[test]
fn a_worker_says_why_it_is_what_it_is() {
    let mut t = Swarm::load("a");
    let says = |t: &Swarm, n| waiting::worker(t.state(), t.worker(n), t.now);
    assert_eq!(says(&t, 1), "works on a, for 0s");
    assert_eq!(says(&t, 2), "no ready task fits it");
    t.ask(Command::PauseWorker {
        worker: WorkerId(2),
    })
    .unwrap();
    assert_eq!(says(&t, 2), "a person paused it 0s ago");
    t.crash("a");
    assert!(
        says(&t, 1).contains("the agent was killed by signal 9"),
        "{}",
        says(&t, 1)
    );
    assert!(says(&t, 1).starts_with("restarts in "), "{}", says(&t, 1));
    t.ask(Command::RemoveWorker {
        worker: WorkerId(2),
        now: false,
    })
    .unwrap();
    assert_eq!(says(&t, 2), "is being removed");
    t.pass(Millis::mins(1));
    assert_eq!(says(&t, 1), "its worktree is being made ready");
    t.ask(Command::Drain).unwrap();
    t.ask(Command::Resume).unwrap();
    t.prepare();
    t.finish();
}

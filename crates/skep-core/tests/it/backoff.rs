//! Back-off, halting and probes (L-5).

use crate::swarm::Swarm;
use skep_core::{
    claim,
    event::Event,
    request::{Command, Observation},
    spec::Workers,
    state::SwarmState,
    time::Millis,
    worker::WorkerState,
};

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| {
        p.swarm.workers = Workers::Count(1);
        p.swarm.policy.crash_retries = 100;
    })
}

fn worker_state(swarm: &Swarm) -> WorkerState {
    swarm.worker(1).state(swarm.state().swarm().map(|s| &s.tip))
}

// proves: L-5, L-3
#[test]
fn a_crashed_worker_waits_longer_each_time_and_keeps_its_place() {
    let mut t = alone("a");
    t.crash("a");
    assert_eq!(worker_state(&t), WorkerState::Crashed);
    let first = t.worker(1).not_before.unwrap().since(t.now);
    assert!(
        first <= Millis::secs(5) && first >= Millis(3_750),
        "{first}"
    );
    t.pass(Millis::secs(5));
    t.prepare();
    t.crash("a");
    let second = t.worker(1).not_before.unwrap().since(t.now);
    assert!(
        second <= Millis::secs(10) && second >= Millis(7_500),
        "{second}"
    );
}

// proves: L-5
#[test]
fn five_spawn_failures_halt_the_swarm_and_a_probe_resumes_it() {
    let mut t = Swarm::load_with("a b c", |p| p.swarm.policy.max_retries = 100);
    for _ in 0..100 {
        if t.state().swarm_state() == SwarmState::Halted {
            break;
        }
        if let Some(name) = t.first() {
            t.not_startable(&name);
        }
        if t.state().live().len() == 0 {
            t.pass(Millis::secs(30));
            t.prepare();
        }
    }
    assert_eq!(t.state().swarm_state(), SwarmState::Halted);
    assert_eq!(t.state().spawn_failures(), 5);
    while let Some(name) = t.first() {
        t.fail(&name);
    }
    let closed = claim::open(t.state(), t.now);
    assert!(
        matches!(closed, Err(claim::Closed::Halted(_))),
        "{closed:?}"
    );
    t.pass(Millis::mins(6));
    t.prepare();
    assert_eq!(
        t.state().live().len(),
        1,
        "one attempt is tried: {}",
        t.running()
    );
    let name = t.state().live().next().unwrap().task.to_string();
    t.succeed(&name);
    assert_eq!(t.state().swarm_state(), SwarmState::Running);
    t.finish();
    assert!(t.state().finished().is_some());
}

// proves: L-5
#[test]
fn a_person_can_resume_a_swarm_whose_every_worker_has_crashed() {
    let mut t = alone("a");
    for _ in 0..3 {
        t.crash("a");
        t.pass(Millis::mins(1));
        t.prepare();
    }
    assert_eq!(t.state().swarm_state(), SwarmState::Halted);
    t.ask(Command::Resume).unwrap();
    t.prepare();
    assert_eq!(t.state().swarm_state(), SwarmState::Running);
    assert_eq!(t.running(), "a:w1");
}

// proves: L-5
#[test]
fn a_halt_that_probes_does_not_keep_finished_work_from_merging() {
    let mut t = alone("a b<-a");
    t.succeed("a");
    // The merge of wave 1 is under way; meanwhile worktrees fail, and that halts the swarm.
    let mut t2 = Swarm::load_with("a b<-a", |p| p.swarm.workers = Workers::Count(6));
    let others: Vec<_> = t2
        .state()
        .workers()
        .map(|w| w.id)
        .filter(|w| w.0 > 1)
        .collect();
    t2.succeed("a");
    for worker in others {
        t2.see(Observation::WorkerFailed {
            worker,
            reason: "disk full".into(),
        })
        .unwrap();
    }
    assert_eq!(t2.state().swarm_state(), SwarmState::Halted);
    t2.merge();
    t2.pass(Millis::mins(20));
    t2.prepare();
    assert_eq!(t2.running().split(':').next(), Some("b"), "{}", t2.why("b"));
    t.finish();
}

// proves: L-5, Q-8
#[test]
fn a_worktree_that_cannot_be_made_ready_is_tried_again_later() {
    let mut t = Swarm::new();
    let mut plan = crate::swarm::a_plan("a");
    plan.swarm.workers = Workers::Count(1);
    t.ask(crate::swarm::load(plan, "d1")).unwrap();
    let worker = t.worker(1).id;
    t.see(Observation::WorkerFailed {
        worker,
        reason: "index.lock exists".into(),
    })
    .unwrap();
    assert!(t.actions().is_empty(), "{:?}", t.actions());
    t.pass(Millis::secs(5));
    assert!(t.has(|e| matches!(e, Event::WorkerRestored { .. })));
    t.prepare();
    assert_eq!(t.running(), "a:w1");
}

// proves: L-5, A-2
#[test]
fn what_fell_due_while_the_log_was_slow_wakes_the_keeper_at_once() {
    let mut t = alone("a");
    t.crash("a");
    let later = t.worker(1).not_before.unwrap() + Millis::secs(1);
    let steps = skep_core::plan::plan(t.state(), later);
    assert_eq!(steps.wake_at, Some(later));
}

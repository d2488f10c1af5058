//! Retries, the dead-letter list and requeueing.

use crate::swarm::Swarm;
use crate::words::served;
use proptest::prelude::*;
use skep_core::{
    attempt::Outcome,
    request::{Command, Observation},
    spec::Workers,
    task::TaskState,
    time::Millis,
};

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| p.swarm.workers = Workers::Count(1))
}

fn wait(t: &mut Swarm) {
    t.pass(Millis::mins(6));
    t.prepare();
}

// proves: Q-8
#[test]
fn a_failed_attempt_is_retried_once_and_then_a_person_must_look() {
    let mut t = alone("a b<-a c");
    t.fail("a");
    assert_eq!(t.running(), "a:w1");
    assert!(
        t.task("a")
            .last_failure
            .as_ref()
            .unwrap()
            .reason
            .contains("exited with 1")
    );
    t.fail("a");
    assert_eq!(t.is("a"), TaskState::Flagged);
    let why = t.why("a");
    assert_eq!(
        why,
        "needs a person: the agent exited with 1; `skep retry` begins it anew"
    );
    assert_eq!(t.running(), "c:w1", "nothing else waits for it");
    t.finish();
    assert!(t.state().finished().is_some());
    assert_eq!(t.why("b"), "waits for a (flagged) to be merged");
}

// proves: Q-8
#[test]
fn a_crashed_task_is_dead_after_three_retries_and_can_be_requeued_with_its_history() {
    let mut t = alone("a");
    for crash in 0..4 {
        assert_eq!(t.is("a"), TaskState::Running, "crash {crash}");
        t.crash("a");
        if crash == 2 {
            // The third crash of the only worker halts the swarm; a person lets it go on.
            t.ask(Command::Resume).unwrap();
        }
        wait(&mut t);
    }
    assert_eq!(t.is("a"), TaskState::Dead);
    assert_eq!(t.task("a").history.len(), 4);
    t.ask(Command::RetryTask {
        task: crate::words::id("a"),
    })
    .unwrap();
    wait(&mut t);
    assert_eq!((t.is("a"), t.task("a").crashes), (TaskState::Running, 0));
    t.finish();
    assert_eq!(t.task("a").history.len(), 5, "the history is kept");
}

// proves: Q-8, S-5
#[test]
fn a_rate_limited_attempt_waits_and_is_not_a_failure() {
    let mut t = Swarm::load_with("a", |p| {
        served(p);
        p.swarm.workers = Workers::Count(1);
    });
    t.rate_limited("a");
    assert_eq!((t.task("a").failures, t.task("a").crashes), (0, 0));
    assert_eq!((t.worker(1).crashes, t.worker(1).not_before), (0, None));
    assert_eq!(
        t.why("a"),
        "waits for provider fake: limited until 00:17 UTC (in 25s)"
    );
    t.pass(Millis::secs(30));
    assert_eq!(t.running(), "a:w1");
    assert_eq!(t.task("a").history[0].outcome, Outcome::RateLimited);
    t.finish();
}

// proves: Q-8, L-1
#[test]
fn an_attempt_that_nothing_ended_is_given_up_and_its_task_goes_on() {
    let mut t = alone("a");
    let lost = t.attempt_of("a");
    t.pass(Millis::mins(63));
    t.prepare();
    assert!(t.attempt_of("a") > lost);
    assert_eq!(t.task("a").history[0].outcome, Outcome::TimedOut);
    t.finish();
}

// proves: Q-8, W-4
#[test]
fn a_lost_shim_counts_as_a_crash() {
    let mut t = alone("a");
    let attempt = t.attempt_of("a");
    let saved = skep_core::attempt::Saved::Nothing;
    t.see(Observation::Lost {
        attempt,
        reason: "killed".into(),
        saved,
    })
    .unwrap();
    assert_eq!((t.is("a"), t.task("a").crashes), (TaskState::Ready, 1));
    wait(&mut t);
    t.finish();
}

proptest! {
    // proves: Q-8, T-4
    #[test]
    fn however_attempts_end_a_task_ends_within_its_retries(
        ends in prop::collection::vec(0usize..4, 30), retries in 0u32..4, crashes in 0u32..5,
    ) {
        let mut t = Swarm::load_with("a", |p| {
            served(p);
            p.swarm.workers = Workers::Count(1);
            (p.swarm.policy.max_retries, p.swarm.policy.crash_retries) = (retries, crashes);
        });
        let mut attempts = 0;
        for end in ends {
            if t.first().is_some() {
                // Of spawn failures in a row only the first is held against the task: the swarm halts for them.
                attempts += u32::from(end < 2 || end == 3 && t.state().spawn_failures() == 0);
                match end {
                    0 => t.fail("a"),
                    1 => t.crash("a"),
                    2 => t.rate_limited("a"),
                    _ => t.not_startable("a"),
                }
            }
            let _ = t.ask(Command::Resume);
            wait(&mut t);
        }
        let over = matches!(t.is("a"), TaskState::Flagged | TaskState::Dead);
        prop_assert!(over || attempts <= retries + crashes, "{}", t.why("a"));
        prop_assert!(attempts <= retries + crashes + 1, "{attempts}");
        let task = t.task("a");
        prop_assert!(task.failures <= retries + 1 && task.crashes <= crashes + 1);
    }
}

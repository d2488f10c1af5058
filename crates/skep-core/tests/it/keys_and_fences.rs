//! Idempotency keys and fencing tokens: whatever comes late or twice acts once.

use crate::swarm::{Swarm, report};
use crate::words::{a_plan, id, load, oid, one_task};
use skep_core::{
    attempt::{End, Report, Saved, SavedWork},
    engine::Engine,
    event::{By, Event},
    request::{Command, Observation, Refusal, Request, What},
    spec::Workers,
    task::TaskState,
    time::{Millis, Time},
};

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| p.swarm.workers = Workers::Count(1))
}

fn success(commit: u64) -> Box<Report> {
    let work = SavedWork {
        commit: oid(commit),
        file_count: 1,
        files: vec!["x".into()],
    };
    Box::new(Report {
        saved: Saved::Commit(work),
        ..report(End::Exited(0))
    })
}

// proves: Q-6
#[test]
fn a_command_sent_twice_under_its_key_acts_once() {
    let mut t = alone("a");
    let add = || Command::AddWorkers {
        count: 1,
        role: None,
    };
    let first = t.ask_with_key("k1", add()).unwrap();
    let second = t.ask_with_key("k1", add()).unwrap();
    assert!(!first.repeated && second.repeated);
    assert!(second.seq <= first.seq);
    assert_eq!(t.state().workers().len(), 2);
    let other = t.ask_with_key("k1", Command::Pause);
    assert_eq!(other, Err(Refusal::KeyReused("k1".into())));
    assert!(!t.state().paused());
    t.ask_with_key("k2", add()).unwrap();
    assert_eq!(t.state().workers().len(), 3);
    // A refusal is not remembered: what was refused may be possible later.
    let skip = || Command::SkipTask { task: id("later") };
    assert!(t.ask_with_key("k3", skip()).is_err());
    t.ask(Command::AddTask {
        spec: one_task("later").into(),
    })
    .unwrap();
    t.ask(Command::PauseWorker {
        worker: skep_core::id::WorkerId(2),
    })
    .unwrap();
    assert!(t.ask_with_key("k3", skip()).is_ok());
}

// proves: Q-6
#[test]
fn the_same_plan_again_changes_nothing_and_another_is_refused() {
    let mut t = alone("a b");
    let no = t.ask(load(a_plan("a b"), "d1"));
    assert!(matches!(no, Err(Refusal::NothingToDo(_))), "{no:?}");
    let no = t.ask(load(a_plan("z"), "d2"));
    assert_eq!(no, Err(Refusal::PlanUnderWay { open: 2 }));
    t.ask(Command::Pause).unwrap();
    t.ask(load(a_plan("a b"), "d1")).unwrap();
    assert!(!t.state().paused(), "the same plan again means: go on");
    t.finish();
    t.ask(load(a_plan("z"), "d2")).unwrap();
    assert_eq!(t.state().tasks().len(), 1);
}

// proves: Q-6, W-12
#[test]
fn a_late_result_of_a_revoked_attempt_changes_nothing_but_is_kept() {
    let mut t = alone("a");
    let late = t.attempt_of("a");
    t.pass(Millis::mins(63));
    t.prepare();
    let newer = t.attempt_of("a");
    t.see(Observation::Ended {
        attempt: late,
        report: success(50),
        untouched: false,
    })
    .unwrap();
    assert_eq!(t.attempt_of("a"), newer);
    let again = t.see(Observation::Ended {
        attempt: late,
        report: success(50),
        untouched: false,
    });
    assert_eq!(again, Err(Refusal::OutOfDate), "it is recorded once");
    let kept =
        t.has(|e| matches!(e, Event::AttemptFenced { salvage: Some(o), .. } if *o == oid(50)));
    assert!(kept);
    for seen in [
        Observation::Started { attempt: late },
        Observation::AgentEnded { attempt: late },
        Observation::Silent { attempt: late },
        Observation::StartFailed {
            attempt: late,
            reason: "x".into(),
        },
    ] {
        assert_eq!(t.see(seen), Err(Refusal::Fenced(late)));
    }
    t.succeed("a");
    t.merge();
    assert_eq!(t.task("a").accepted.as_ref().unwrap().attempt, newer);
}

// proves: Q-6, W-12
#[test]
fn a_late_result_of_a_cancelled_attempt_that_outlived_its_ceiling_is_fenced_too() {
    let mut t = alone("a b");
    let late = t.attempt_of("a");
    t.start("a");
    t.ask(Command::CancelTask { task: id("a") }).unwrap();
    t.pass(Millis::mins(63));
    assert_eq!(t.is("a"), TaskState::Cancelled);
    t.see(Observation::Ended {
        attempt: late,
        report: success(50),
        untouched: false,
    })
    .unwrap();
    assert!(t.has(|e| matches!(
        e,
        Event::AttemptFenced {
            salvage: Some(_),
            ..
        }
    )));
    assert_eq!(t.is("a"), TaskState::Cancelled);
}

// proves: Q-6
#[test]
fn the_report_of_an_attempt_that_ran_out_of_time_is_not_late_when_it_comes_twice() {
    let mut t = alone("a");
    let attempt = t.attempt_of("a");
    t.start("a");
    let mut report = success(50);
    report.agent.as_mut().unwrap().end = End::TimedOut;
    let ended = || Observation::Ended {
        attempt,
        report: report.clone(),
        untouched: false,
    };
    t.see(ended()).unwrap();
    assert_eq!(t.see(ended()), Err(Refusal::OutOfDate));
}

// proves: Q-6
#[test]
fn a_result_that_comes_twice_is_accepted_once() {
    let mut t = alone("a b");
    let attempt = t.attempt_of("a");
    let ended = || Observation::Ended {
        attempt,
        report: success(50),
        untouched: false,
    };
    t.see(ended()).unwrap();
    assert_eq!(t.see(ended()), Err(Refusal::OutOfDate));
    t.prepare();
    assert_eq!(
        t.see(Observation::Started { attempt }),
        Err(Refusal::Fenced(attempt))
    );
    assert_eq!(t.is("a"), TaskState::Accepted);
    t.finish();
    assert_eq!(t.see(ended()), Err(Refusal::OutOfDate));
    let of_the_future = skep_core::id::Attempt(999);
    let strange = Observation::Ended {
        attempt: of_the_future,
        report: success(51),
        untouched: false,
    };
    assert_eq!(t.see(strange), Err(Refusal::OutOfDate));
}

// proves: Q-6
#[test]
fn what_is_staged_is_lost_with_the_engine_and_decided_again_from_the_log() {
    let at = Time(5);
    let by = By::Person("ada".into());
    let request = |key: &str, command| Request {
        key: Some(key.into()),
        trace: "t".into(),
        by: by.clone(),
        what: What::Command(command),
    };
    let mut engine = Engine::default();
    engine
        .decide(at, &request("k1", load(a_plan("a"), "d1")))
        .unwrap();
    let log = engine.committed();
    engine.decide(at, &request("k2", Command::Pause)).unwrap();
    let (after, staged) = engine.staged();
    assert_eq!((after, staged.len()), (log.len() as u64, 1));
    // The append failed: fold anew.
    let mut state = skep_core::state::State::default();
    log.iter().for_each(|record| state.apply(record));
    let mut engine = Engine::new(state);
    assert!(!engine.state().paused());
    let again = engine.decide(at, &request("k2", Command::Pause)).unwrap();
    assert!(!again.repeated && engine.state().paused());
    assert!(
        engine
            .decide(at, &request("k1", load(a_plan("a"), "d1")))
            .unwrap()
            .repeated
    );
}

// proves: T-1, L-4
#[test]
fn a_lease_is_what_is_left_of_it_and_not_a_date() {
    let mut t = Swarm::load_with("a b", |p| p.swarm.workers = Workers::Count(2));
    let attempts = [t.attempt_of("a"), t.attempt_of("b")];
    let whole = t.state().attempt(attempts[0]).unwrap().give_up;
    let whole = whole.since(t.now);
    let age = Millis::mins(1);
    let seen = |t: &mut Swarm| {
        t.see(Observation::Adopted {
            ages: attempts.iter().map(|a| (*a, age)).collect(),
        })
    };
    // As it should be, there is nothing to say.
    t.now = t.now + age;
    assert_eq!(seen(&mut t), Err(Refusal::OutOfDate));
    // The wall clock jumped while no keeper lived: forward, and then (from where the log ends) not at all.
    t.now = t.now + Millis::mins(40 * 24 * 60);
    seen(&mut t).unwrap();
    for attempt in attempts {
        let left = t.state().attempt(attempt).unwrap().give_up.since(t.now);
        assert_eq!(left, Millis(whole.0 - age.0));
    }
    // Nor is anything else of theirs 40 days old: L-4's limit on a claim among it.
    t.pass(Millis::mins(1));
    assert!(t.state().live().all(|live| live.stopping.is_none()));
    t.pass(Millis(whole.0 - age.0 - age.0));
    assert_eq!(
        t.state()
            .live()
            .filter(|l| attempts.contains(&l.attempt))
            .count(),
        0
    );
}

// proves: S-8, T-1
#[test]
fn a_lease_that_was_given_is_not_cut_short_by_a_change_of_the_policy() {
    let mut t = Swarm::load_with("a", |p| p.swarm.workers = Workers::Count(1));
    let attempt = t.attempt_of("a");
    let until = t.state().attempt(attempt).unwrap().give_up;
    let mut policy = t.state().policy();
    policy.timebox = Millis::mins(1);
    t.ask(Command::SetPolicy {
        asked: "timebox 1m".into(),
        was: t.state().policy().into(),
        policy: policy.into(),
    })
    .unwrap();
    // Its shim was told of the longer one, and is well. Now another keeper adopts it.
    let age = Millis::mins(10);
    t.now = t.now + age;
    let ages = vec![(attempt, age)];
    assert_eq!(
        t.see(Observation::Adopted { ages }),
        Err(Refusal::OutOfDate)
    );
    assert_eq!(t.state().attempt(attempt).unwrap().give_up, until);
}

// proves: T-1
#[test]
fn lengths_beyond_all_measure_end_no_attempt() {
    let mut t = Swarm::load_with("a b", |p| p.swarm.workers = Workers::Count(1));
    // No plan may say so any more, but logs are older than that.
    let mut policy = t.state().policy();
    (policy.timebox, policy.grace) = (Millis(u64::MAX), Millis(u64::MAX));
    t.ask(Command::SetPolicy {
        asked: "for ever".into(),
        was: t.state().policy().into(),
        policy: policy.into(),
    })
    .unwrap();
    t.succeed("a");
    let attempt = t.attempt_of("b");
    t.pass(Millis::mins(40));
    let live = t.state().attempt(attempt).unwrap();
    assert!(live.stopping.is_none() && live.give_up > t.now, "{live:?}");
}

//! Merging a wave, conflicts and culprits (W-6, W-7, W-8).

use crate::swarm::{Swarm, check_line};
use skep_core::{
    claim::Closed,
    event::Event,
    plan::Action,
    request::{Command, Observation, Refusal},
    state::SwarmState,
    task::{FixWhy, TaskState},
};

fn checked(text: &str) -> Swarm {
    Swarm::load_with(text, |p| p.swarm.check = check_line())
}

/// A wave of three, all accepted, its merge about to be built.
fn three() -> Swarm {
    let mut t = checked("a b c d<-a e<-b");
    for name in ["a", "b", "c"] {
        t.succeed(name);
    }
    t
}

// proves: W-6
#[test]
fn a_wave_merges_in_plan_order_when_all_of_it_is_accepted() {
    let mut t = checked("a b c<-a");
    t.succeed("b");
    assert!(t.state().merge().is_none());
    t.succeed("a");
    let merge = t.state().merge().unwrap();
    let order: Vec<_> = merge.queue.iter().map(|q| q.task.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
    assert_eq!(t.state().swarm_state(), SwarmState::Merging);
    assert_eq!(
        skep_core::claim::open(t.state(), t.now),
        Err(Closed::Merging(1))
    );
    t.build();
    assert_eq!(t.check(true), 2, "only the whole chain is checked");
    assert_eq!(
        t.is("a"),
        TaskState::Accepted,
        "merged is what is on the branch"
    );
    t.land();
    assert_eq!(
        (t.is("a"), t.is("b")),
        (TaskState::Merged, TaskState::Merged)
    );
    assert_eq!(t.running(), "c:w1");
}

// proves: W-7
#[test]
fn a_conflict_is_named_and_fixed_while_the_rest_merges() {
    let mut t = three();
    t.build_but(&["b"]);
    t.check_all(&[]);
    t.land();
    assert_eq!(
        (t.is("a"), t.is("c")),
        (TaskState::Merged, TaskState::Merged)
    );
    assert_eq!(t.is("b"), TaskState::Blocked);
    let json = serde_json::to_value(&t.state().conflicts()[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "file": "src/a.rs", "workers": ["w1", "w1", "w2"], "tasks": ["a", "c", "b"],
            "severity": "critical", "description": "b: both changed it"
        })
    );
    let fix = t.task("b-fix1").fix().unwrap();
    assert_eq!(fix.why, FixWhy::Conflict(vec!["src/a.rs".into()]));
    assert_eq!(
        t.is("e"),
        TaskState::Waiting,
        "what depends on it waits for the fix"
    );
    assert!(t.task("e").wave > t.task("b-fix1").wave);
    assert_eq!(
        t.why("b"),
        "waits for b-fix1 (running) to bring its work in"
    );
    t.succeed("b-fix1");
    t.succeed("d");
    t.merge();
    assert_eq!(
        (t.is("b"), t.is("b-fix1")),
        (TaskState::Merged, TaskState::Merged)
    );
    t.finish();
    assert_eq!(t.is("e"), TaskState::Merged);
}

// proves: W-8
#[test]
fn the_culprit_is_found_by_bisection_and_left_out() {
    let mut t = three();
    t.check_all(&["b"]);
    assert!(
        matches!(t.merge_action(), Some(Action::Land { .. })),
        "{:?}",
        t.actions()
    );
    t.land();
    assert_eq!(
        (t.is("a"), t.is("c")),
        (TaskState::Merged, TaskState::Merged)
    );
    assert_eq!(t.is("b"), TaskState::Blocked);
    let fix = t.task("b-fix1");
    assert_eq!(
        fix.fix().unwrap().why,
        FixWhy::Check("1 test failed".into())
    );
    assert!(
        fix.spec.brief.contains("1 test failed"),
        "{}",
        fix.spec.brief
    );
    t.finish();
    assert_eq!(t.is("b"), TaskState::Merged);
}

// proves: W-8
#[test]
fn what_passed_in_an_earlier_round_lands_without_a_second_check() {
    let mut t = three();
    t.build();
    assert_eq!(t.check(false), 3);
    assert_eq!(t.check(true), 0);
    assert_eq!(t.check(true), 1);
    assert_eq!(t.check(true), 2);
    // Without c the chain is a, b again, which is known to pass.
    t.build();
    assert!(
        matches!(t.merge_action(), Some(Action::Land { .. })),
        "{:?}",
        t.actions()
    );
    t.land();
    assert_eq!(t.is("c"), TaskState::Blocked);
    t.finish();
}

// proves: W-8
#[test]
fn a_base_that_fails_by_itself_halts_and_is_checked_again_after_a_resume() {
    let mut t = three();
    t.build();
    t.check(false);
    t.check(false);
    let halt = t.state().halted().unwrap();
    assert!(
        halt.reason.contains("fails on main itself"),
        "{}",
        halt.reason
    );
    assert_eq!(
        t.merge_action(),
        None,
        "nothing is done about it until a person resumes"
    );
    t.ask(Command::Resume).unwrap();
    t.build();
    assert_eq!(t.check(true), 3);
    t.land();
    assert_eq!(t.is("a"), TaskState::Merged);
    t.finish();
}

// proves: W-7
#[test]
fn after_three_fixes_a_person_must_look() {
    let mut t = checked("a");
    t.succeed("a");
    for fix in ["a-fix1", "a-fix2", "a-fix3"] {
        t.build_but(&[t.state().merge().unwrap().queue[0].task.clone().as_str()]);
        t.prepare();
        t.succeed(fix);
    }
    t.build_but(&["a-fix3"]);
    assert_eq!(t.is("a-fix3"), TaskState::Flagged);
    assert!(
        t.why("a-fix3").contains("its work conflicts in src/a.rs"),
        "{}",
        t.why("a-fix3")
    );
    assert!(t.state().finished().is_some());
}

// proves: W-6, Q-3
#[test]
fn what_is_being_merged_cannot_be_given_up() {
    let mut t = checked("a b");
    t.succeed("a");
    t.succeed("b");
    t.build_but(&["b"]);
    t.check_all(&[]);
    t.land();
    t.succeed("b-fix1");
    assert!(t.state().merge().is_some());
    let refused = |r: Result<_, Refusal>| matches!(r, Err(Refusal::WrongState { .. }));
    let b = crate::swarm::id("b");
    assert!(refused(t.ask(Command::CancelTask {
        task: crate::swarm::id("b-fix1")
    })));
    assert!(refused(t.ask(Command::RetryTask { task: b.clone() })));
    assert!(refused(t.ask(Command::SkipTask { task: b.clone() })));
    assert!(refused(t.ask(Command::CancelTask { task: b })));
    t.merge();
    assert_eq!(t.is("b"), TaskState::Merged);
}

// proves: W-6
#[test]
fn a_branch_that_moved_on_is_built_upon_and_one_that_was_reset_halts() {
    let mut t = three();
    let moved = |to: u64, descends| Observation::BaseMoved {
        wave: 1,
        actual: Some(crate::swarm::oid(to)),
        descends,
    };
    t.build();
    t.see(moved(77, true)).unwrap();
    assert_eq!(t.state().merge().unwrap().base, crate::swarm::oid(77));
    t.see(moved(78, false)).unwrap();
    assert_eq!(t.state().swarm_state(), SwarmState::Halted);
    t.ask(Command::Resume).unwrap();
    t.merge();
    assert!(t.has(|e| matches!(e, Event::WaveLanded { checked: true, .. })));
    t.finish();
}

// proves: W-6, Q-6
#[test]
fn results_of_an_earlier_round_are_out_of_date() {
    let mut t = three();
    t.build();
    let late = |round| Observation::Checked {
        wave: 1,
        round,
        prefix: 3,
        passed: true,
        output: String::new(),
    };
    let actual = Some(crate::swarm::oid(77));
    t.see(Observation::BaseMoved {
        wave: 1,
        actual,
        descends: true,
    })
    .unwrap();
    t.build();
    assert_eq!(t.see(late(1)), Err(Refusal::OutOfDate));
    assert!(t.see(late(2)).is_ok());
    assert_eq!(t.see(late(2)), Err(Refusal::OutOfDate));
    t.land();
}

// proves: W-8, L-5
#[test]
fn a_merge_that_cannot_be_made_halts_even_while_the_swarm_probes() {
    let mut t = Swarm::load_with("a", |p| {
        p.swarm.workers = skep_core::spec::Workers::Count(6)
    });
    let others: Vec<_> = t
        .state()
        .workers()
        .map(|w| w.id)
        .filter(|w| w.0 > 1)
        .collect();
    t.succeed("a");
    for worker in others {
        t.see(Observation::WorkerFailed {
            worker,
            reason: "disk full".into(),
        })
        .unwrap();
    }
    assert!(t.state().halted().unwrap().probe_at.is_some());
    t.see(Observation::MergeFailed {
        wave: 1,
        reason: "disk full".into(),
    })
    .unwrap();
    assert_eq!(t.state().halted().unwrap().probe_at, None);
    assert_eq!(t.merge_action(), None);
}

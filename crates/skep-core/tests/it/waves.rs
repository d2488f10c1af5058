//! Waves and their recomputation, and when a wave is complete (W-6).

use crate::swarm::Swarm;
use crate::words::{id, one_task};
use skep_core::{request::Command, spec::Workers, state::SwarmState, task::TaskState};

fn waves(t: &Swarm) -> String {
    let each = t
        .state()
        .tasks()
        .iter()
        .map(|t| format!("{}:{}", t.id(), t.wave));
    each.collect::<Vec<_>>().join(" ")
}

// proves: Q-4
#[test]
fn waves_are_depths_and_follow_every_change() {
    let mut t = Swarm::load("a b<-a c<-a d<-b,c");
    assert_eq!(waves(&t), "a:1 b:2 c:2 d:3");
    t.ask(Command::AddTask {
        spec: one_task("e<-d").into(),
    })
    .unwrap();
    t.ask(Command::AddTask {
        spec: one_task("f").into(),
    })
    .unwrap();
    assert_eq!(waves(&t), "a:1 b:2 c:2 d:3 e:4 f:1");
    t.ask(Command::EditTask {
        spec: one_task("c<-b").into(),
    })
    .unwrap();
    assert_eq!(waves(&t), "a:1 b:2 c:3 d:4 e:5 f:1");
    t.succeed("a");
    t.succeed("f");
    t.merge();
    t.ask(Command::AddTask {
        spec: one_task("g").into(),
    })
    .unwrap();
    assert_eq!(
        t.task("g").wave,
        2,
        "it joins the open wave, not one that has landed"
    );
    t.finish();
    let landed: Vec<_> = t.state().waves().iter().map(|w| w.tasks.len()).collect();
    assert_eq!(landed, [2, 2, 1, 1, 1]);
}

// proves: W-6, Q-8
#[test]
fn a_wave_does_not_wait_for_what_only_a_person_can_move() {
    let mut t = Swarm::load("a b c<-a");
    t.fail("b");
    t.fail("b");
    t.succeed("a");
    assert_eq!(t.is("b"), TaskState::Flagged);
    t.merge();
    assert_eq!(t.is("a"), TaskState::Merged);
    // Retried, it joins the wave that is open now.
    t.ask(Command::RetryTask { task: id("b") }).unwrap();
    assert_eq!(t.task("b").wave, 2);
    t.finish();
    assert_eq!(t.state().count(TaskState::Merged), 3);
}

// proves: W-6
#[test]
fn a_task_added_to_the_open_wave_is_waited_for() {
    let mut t = Swarm::load_with("a b", |p| p.swarm.workers = Workers::Count(1));
    t.succeed("a");
    t.ask(Command::AddTask {
        spec: one_task("c").into(),
    })
    .unwrap();
    t.succeed("b");
    assert!(t.state().merge().is_none());
    assert_eq!(t.why("a"), "is done and waits for the rest of wave 1: c");
    t.succeed("c");
    assert_eq!(t.state().swarm_state(), SwarmState::Merging);
    t.merge();
    assert_eq!(t.state().swarm_state(), SwarmState::Sleeping);
}

// proves: W-6, L-7
#[test]
fn a_paused_swarm_claims_nothing_but_merges_what_is_done() {
    let mut t = Swarm::load("a b<-a");
    t.ask(Command::Pause).unwrap();
    t.succeed("a");
    t.merge();
    assert_eq!((t.is("a"), t.running().as_str()), (TaskState::Merged, ""));
    assert_eq!(t.state().swarm_state(), SwarmState::Paused);
    t.ask(Command::Resume).unwrap();
    assert_eq!(t.running(), "b:w1");
    t.finish();
}

//! Landing on the target branch (W-17).

use crate::swarm::{Swarm, check_line, oid};
use skep_core::{
    event::Event,
    plan::Action,
    request::{Command, Observation},
    spec::{Landing, Workers},
    waiting,
};

fn to_main(text: &str) -> Swarm {
    Swarm::load_with(text, |p| {
        p.swarm.landing = Landing::Main;
        p.swarm.check = check_line();
        p.swarm.workers = Workers::Count(1);
    })
}

fn target_action(t: &Swarm) -> Option<Action> {
    t.actions()
        .into_iter()
        .find(|a| matches!(a, Action::LandTarget { .. }))
}

// proves: W-17
#[test]
fn by_default_only_the_integration_branch_moves() {
    let mut t = Swarm::load("a");
    t.finish();
    assert_eq!(target_action(&t), None);
    assert!(t.state().finished().is_some());
}

// proves: W-17
#[test]
fn the_target_follows_the_integration_branch_and_only_then_all_is_done() {
    let mut t = to_main("a");
    t.finish();
    let tip = t.state().swarm().unwrap().tip.clone();
    assert_eq!(
        target_action(&t),
        Some(Action::LandTarget { to: tip.clone() })
    );
    assert_eq!(t.state().finished(), None);
    t.see(Observation::TargetLanded { tip }).unwrap();
    assert_eq!(target_action(&t), None);
    assert!(t.state().finished().is_some());
}

// proves: W-17, W-6
#[test]
fn a_target_with_commits_of_its_own_is_merged_and_checked_first() {
    let mut t = to_main("a");
    t.finish();
    let tip = t.state().swarm().unwrap().tip.clone();
    let reason = "main has commits of its own".to_string();
    t.see(Observation::TargetRefused {
        tip,
        reason,
        diverged: true,
    })
    .unwrap();
    let wave = t.state().merge().unwrap().wave;
    let order = skep_core::plan::build_order(t.state(), wave, 1).unwrap();
    assert_eq!(order.target.as_deref(), Some("main"));
    let link = skep_core::merge::Link {
        task: None,
        commit: oid(900),
        remembered: Vec::new(),
    };
    t.see(Observation::Built {
        wave,
        round: 1,
        chain: vec![link],
        clashes: Vec::new(),
    })
    .unwrap();
    t.check(true);
    t.land();
    assert_eq!(target_action(&t), Some(Action::LandTarget { to: oid(900) }));
    t.see(Observation::TargetLanded { tip: oid(900) }).unwrap();
    assert!(t.state().finished().is_some());
}

// proves: W-17
#[test]
fn a_target_that_cannot_be_moved_is_reported_and_left_alone() {
    let mut t = to_main("a");
    t.finish();
    let tip = t.state().swarm().unwrap().tip.clone();
    let reason = "main is checked out".to_string();
    t.see(Observation::TargetRefused {
        tip: tip.clone(),
        reason,
        diverged: false,
    })
    .unwrap();
    assert_eq!(target_action(&t), None);
    assert!(t.state().finished().is_some());
    let said = waiting::landing(t.state()).unwrap();
    assert_eq!(
        said,
        format!("main was not moved to {}: main is checked out", tip.short())
    );
}

// proves: W-8, W-17
#[test]
fn a_commit_that_somebody_put_on_the_branch_is_checked_before_the_target_gets_it() {
    let mut t = to_main("a");
    t.succeed("a");
    let actual = Some(oid(77));
    t.see(Observation::BaseMoved {
        wave: 1,
        actual,
        descends: true,
    })
    .unwrap();
    t.build_but(&["a"]);
    assert_eq!(target_action(&t), None);
    assert_eq!(
        t.check(true),
        0,
        "the base itself is checked, though nothing is merged onto it"
    );
    assert_eq!(target_action(&t), Some(Action::LandTarget { to: oid(77) }));
    assert!(t.has(|e| matches!(e, Event::WaveLanded { checked: true, .. })));
    t.ask(Command::Pause).unwrap();
}

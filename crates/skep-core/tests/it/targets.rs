//! Whether the swarm comes to what it should (U-5, G-9).

use crate::swarm::Swarm;
use crate::words::served;
use skep_core::{
    history::Count,
    spec::{Targets, Workers},
    targets::{Alarm, Target, Unit, Verdict, breaches, targets},
    time::Millis,
};

fn named(t: &Swarm, name: &str) -> Target {
    let all = targets(t.state(), t.now);
    all.into_iter().find(|target| target.name == name).unwrap()
}

fn alone(text: &str, change: impl FnOnce(&mut Targets)) -> Swarm {
    Swarm::load_with(text, |p| {
        served(p);
        p.swarm.workers = Workers::Count(1);
        p.swarm.model = Some("small".into());
        p.swarm.policy.max_retries = 0;
        p.swarm.policy.routing.fallback.clear();
        change(&mut p.swarm.policy.targets);
    })
}

// proves: U-5, G-9
#[test]
fn what_is_not_known_has_no_value_and_nothing_is_said_of_too_few() {
    let t = Swarm::new();
    for target in targets(t.state(), t.now) {
        assert_eq!(target.value, None, "{}", target.name);
        assert_eq!(target.verdict, Verdict::Unknown, "{}", target.name);
    }
    assert!(breaches(t.state(), t.now).is_empty());
    let mut t = alone("a b", |_| {});
    t.start("a");
    t.fail("a");
    let success = named(&t, "success");
    assert_eq!(
        (success.value, success.verdict),
        (Some(0), Verdict::Unknown)
    );
    assert_eq!(
        success.basis,
        "1 attempts in the last 1d; judged from 10 on"
    );
    assert_eq!(named(&t, "waste").value, None, "its cost is unknown");
    assert!(named(&t, "waste").basis.ends_with("what 1 cost is unknown"));
}

// proves: U-5
#[test]
fn the_targets_of_the_requirements_are_the_defaults() {
    let t = alone("a", |_| {});
    let edges = |name: &str| {
        let target = named(&t, name);
        (target.aim.least, target.aim.most, target.alarm)
    };
    let (minute, percent) = (60_000, 100);
    let over = |n| Some(Alarm::Over(n));
    let under = |n| Some(Alarm::Under(n));
    assert_eq!(
        edges("mean_duration"),
        (None, Some(30 * minute), over(45 * minute))
    );
    assert_eq!(
        edges("success"),
        (Some(80 * percent), None, under(50 * percent))
    );
    assert_eq!(edges("concurrent").1, Some(6));
    assert_eq!(edges("concurrent").2, over(8));
    assert_eq!(edges("stale"), (None, Some(0), over(10 * percent)));
    assert_eq!(
        edges("restarts"),
        (None, Some(20 * percent), over(50 * percent))
    );
    assert_eq!(edges("escalations"), (Some(100), Some(300), None));
    assert_eq!(edges("time_to_decision"), (None, Some(10_000), None));
    assert_eq!(edges("waste"), (None, Some(500), None));
}

// proves: U-5, G-9
#[test]
fn a_swarm_that_fails_and_spends_in_vain_breaches_and_one_that_does_well_meets() {
    let names: Vec<String> = (0..12).map(|n| format!("t{n:02}")).collect();
    let mut t = alone(&names.join(" "), |targets| targets.fewest = 4);
    for (n, _) in names.iter().enumerate().take(8) {
        let name = t.first().unwrap();
        t.start(&name);
        t.pass(Millis::mins(50));
        t.uses(&name, 1.0);
        if n < 3 {
            t.succeed(&name);
        } else {
            t.fail(&name);
        }
    }
    let success = named(&t, "success");
    assert_eq!(success.value, Some(3_750));
    let told: Vec<&str> = breaches(t.state(), t.now).iter().map(|b| b.name).collect();
    assert_eq!(told, ["mean_duration", "success"]);
    let waste = named(&t, "waste");
    assert_eq!((waste.value, waste.verdict), (Some(6_250), Verdict::Missed));
    assert_eq!(waste.unit, Unit::Share);
    let totals = &t.state().history().totals().counts;
    assert_eq!(totals.get(Count::TasksFlagged), 5);
    // A window later, all that is over.
    t.pass(Millis::mins(26 * 60));
    let success = named(&t, "success");
    assert_eq!((success.value, success.verdict), (None, Verdict::Unknown));
    assert_eq!(named(&t, "coverage_velocity").value, None);
}

// proves: U-5
#[test]
fn fewer_attempts_than_wanted_are_no_fault_where_there_is_no_more_to_do() {
    let t = alone("a", |_| {});
    let now = named(&t, "concurrent");
    assert_eq!((now.value, now.verdict), (Some(1), Verdict::Met));
    let t = alone("a b", |_| {});
    let now = named(&t, "concurrent");
    assert_eq!((now.value, now.verdict), (Some(1), Verdict::Missed));
    let t = alone("a b", |targets| {
        (targets.concurrent_least, targets.concurrent_most) = (0, 0);
        targets.concurrent_alert = 0;
    });
    assert_eq!(named(&t, "concurrent").verdict, Verdict::Unknown);
}

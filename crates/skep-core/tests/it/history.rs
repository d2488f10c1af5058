//! What is counted and timed of a swarm (U-5, G-9).

use crate::swarm::Swarm;
use crate::words::{served, usd};
use skep_core::{
    history::{Count, Level, Stage},
    request::Command,
    spec::Workers,
    time::Millis,
};

fn count(t: &Swarm, what: Count) -> u64 {
    t.state().history().totals().counts.get(what)
}

fn took(t: &Swarm, stage: Stage) -> Option<(u64, Millis)> {
    let found = t.state().history().totals().spans.of(stage)?;
    Some((found.count, found.sum))
}

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| {
        served(p);
        p.swarm.workers = Workers::Count(1);
        p.swarm.model = Some("small".into());
    })
}

// proves: U-5
#[test]
fn each_stage_of_an_attempt_is_timed_for_its_model_and_worker_and_a_merge_for_itself() {
    let mut t = alone("a");
    t.pass(Millis::secs(3));
    t.start("a");
    t.pass(Millis::mins(4));
    t.uses("a", 2.0);
    t.succeed("a");
    t.pass(Millis::secs(7));
    t.merge();
    let started = took(&t, Stage::Start).unwrap();
    assert_eq!(started, (1, Millis::secs(3)));
    assert_eq!(took(&t, Stage::Run), Some((1, Millis::mins(4))));
    assert_eq!(took(&t, Stage::Attempt), Some((1, Millis::secs(243))));
    assert_eq!(took(&t, Stage::Merge), Some((1, Millis::secs(7))));
    assert_eq!(took(&t, Stage::Lead), Some((1, Millis::secs(250))));
    assert_eq!(took(&t, Stage::Queue), took(&t, Stage::FirstClaim));
    assert_eq!(took(&t, Stage::Recovery), None);
    let history = t.state().history();
    let (name, spans) = history.models().next().unwrap();
    assert_eq!(name, "small");
    assert_eq!(spans.of(Stage::Run).unwrap().sum, Millis::mins(4));
    let (worker, spans) = history.workers().next().unwrap();
    assert_eq!(worker.0, 1);
    assert_eq!(spans.of(Stage::Run).unwrap().count, 1);
    let spent: Vec<_> = history.totals().usd.iter().collect();
    assert_eq!(spent, [(0, usd(2.0).0)]);
    assert_eq!(count(&t, Count::Settled), usd(2.0).0);
    assert_eq!(count(&t, Count::WorkingMs), 243_000);
    let merged = [Count::TasksAdded, Count::Succeeded, Count::TasksMerged];
    assert_eq!(merged.map(|what| count(&t, what)), [1, 1, 1]);
}

// proves: U-5, G-9
#[test]
fn a_crash_is_waste_and_what_follows_is_recovery_and_mending() {
    let mut t = alone("a");
    t.start("a");
    t.uses("a", 3.0);
    t.crash("a");
    t.pass(Millis::mins(1));
    t.prepare();
    let (_, recovery) = took(&t, Stage::Recovery).unwrap();
    assert!(recovery > Millis(0) && recovery <= Millis::mins(1));
    t.start("a");
    t.pass(Millis::mins(2));
    t.uses("a", 1.0);
    t.succeed("a");
    let (mended, mend) = took(&t, Stage::Mend).unwrap();
    assert!(mended == 1 && mend >= Millis::mins(3));
    let counted = [Count::Crashed, Count::Retries, Count::Claims, Count::Priced];
    assert_eq!(counted.map(|what| count(&t, what)), [1, 1, 2, 2]);
    assert_eq!(count(&t, Count::WasteCrashed), usd(3.0).0);
    assert_eq!(count(&t, Count::Settled), usd(4.0).0);
}

// proves: G-9
#[test]
fn what_is_not_known_is_not_nothing_and_a_result_that_is_given_up_is_waste() {
    let mut t = alone("a b c");
    t.start("a");
    t.succeed("a");
    assert_eq!(
        [count(&t, Count::Priced), count(&t, Count::Unpriced)],
        [0, 1]
    );
    t.start("b");
    t.uses("b", 5.0);
    t.fail("b");
    assert_eq!(count(&t, Count::WasteFailed), usd(5.0).0);
    t.start("b");
    t.uses("b", 1.5);
    t.succeed("b");
    let task = crate::words::id("b");
    t.ask(Command::CancelTask { task }).unwrap();
    assert_eq!(count(&t, Count::WasteDiscarded), usd(1.5).0);
}

// proves: U-3
#[test]
fn levels_are_those_at_the_end_of_each_point_and_now_in_the_last() {
    let mut t = alone("a b<-a");
    t.start("a");
    t.pass(Millis::mins(3));
    t.succeed("a");
    let series = t.state().series(Millis::mins(60), Millis::mins(1), t.now);
    let level = |ix: usize, what| series.points[ix].bucket.levels.get(what);
    assert_eq!(level(1, Level::TasksRunning), 1);
    assert_eq!(level(1, Level::WorkersWorking), 1);
    assert_eq!(level(1, Level::TasksWaiting), 1);
    let last = series.points.len() - 1;
    assert_eq!(level(last, Level::TasksRunning), 0);
    assert_eq!(level(last, Level::TasksAccepted), 1);
    assert_eq!(series.points[1].bucket.peak, 1);
}

// proves: U-7
#[test]
fn after_days_without_work_it_is_known_when_there_was_some_and_what_came_of_it() {
    let mut t = alone("a");
    let began = t.now;
    t.start("a");
    t.pass(Millis::mins(4));
    t.succeed("a");
    t.merge();
    let ended = t.now;
    t.pass(Millis::mins(3 * 24 * 60));
    let worked = t.state().worked_before(t.now).unwrap();
    assert!(
        ended.since(worked) <= Millis::mins(60),
        "{worked:?} {ended:?}"
    );
    let merged = |from, to| {
        let bucket = t.state().between(from, to, t.now);
        bucket.counts.get(Count::TasksMerged)
    };
    let later = ended + Millis::mins(60);
    assert_eq!(merged(began, later), 1);
    assert_eq!(merged(later, t.now), 0);
    // As exactly as a bucket is wide.
    let before = skep_core::time::Time(began.0 / 3_600_000 * 3_600_000);
    assert_eq!(t.state().worked_before(before), None);
}

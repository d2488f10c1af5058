//! In which order tasks will be done, and when, as far as that can be told (U-2).

use crate::swarm::Swarm;
use crate::words::id;
use skep_core::{
    id::WorkerId,
    queue::{Basis, places},
    request::Command,
    time::Millis,
};

/// `name:begins-ends` in minutes from now; `?` where it cannot be told.
fn seen(t: &Swarm) -> Vec<String> {
    let minutes = |at: Option<skep_core::time::Time>| {
        at.map_or("?".into(), |at| (at.since(t.now).0 / 60_000).to_string())
    };
    let places = places(t.state(), t.now);
    let one = |p: &skep_core::queue::Place| {
        format!("{}:{}-{}", p.task, minutes(p.begins), minutes(p.ends))
    };
    places.iter().map(one).collect()
}

// proves: U-2
#[test]
fn tasks_are_laid_behind_each_other_as_they_will_be_dispatched() {
    let t = Swarm::load("a b c!3 d!0<-a e");
    // Two workers, half an hour each by the policy; `d` needs what is merged with the whole first wave.
    assert_eq!(
        seen(&t),
        ["a:0-30", "b:0-30", "e:30-60", "c:30-60", "d:60-90"]
    );
    let all = places(t.state(), t.now);
    assert!(all.iter().all(|p| p.basis == Basis::Timebox));
    assert_eq!(all[4].unmet, [id("a")]);
    assert_eq!(all.iter().filter(|p| p.attempt.is_some()).count(), 2);
}

// proves: U-2
#[test]
fn what_has_been_seen_goes_before_what_is_stated() {
    let mut t = Swarm::load("a b c d e f g h i j");
    for name in ["a", "b", "c", "d", "e", "f"] {
        t.pass(Millis::mins(2));
        t.succeed(name);
    }
    let all = places(t.state(), t.now);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|p| p.basis == Basis::Kind), "{all:?}");
    let last = all.last().unwrap();
    assert!(last.ends.unwrap() < t.now + Millis::mins(20), "{all:?}");
}

// proves: U-2
#[test]
fn what_nobody_can_know_has_no_moment() {
    let mut t = Swarm::load("a!0 b!0 c d<-c");
    t.ask(Command::AssignTask {
        task: id("c"),
        worker: Some(WorkerId(2)),
    })
    .unwrap();
    assert_eq!(seen(&t), ["a:0-30", "b:0-30", "c:30-60", "d:60-90"]);
    // Given to a worker that takes nothing more; what needs it waits with it.
    t.ask(Command::PauseWorker {
        worker: WorkerId(2),
    })
    .unwrap();
    assert_eq!(seen(&t), ["a:0-30", "b:0-30", "c:?-?", "d:?-?"]);
    t.ask(Command::ResumeWorker {
        worker: WorkerId(2),
    })
    .unwrap();
    t.ask(Command::Pause).unwrap();
    assert_eq!(seen(&t), ["a:0-30", "b:0-30", "c:?-?", "d:?-?"]);
    t.ask(Command::Resume).unwrap();
    t.ask(Command::CancelTask { task: id("c") }).unwrap();
    assert_eq!(seen(&t), ["a:0-30", "b:0-30", "d:?-?"]);
}

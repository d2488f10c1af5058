//! Conflict forecast: when it is looked, what is told, and that nothing else comes of it (W-9).

use crate::swarm::Swarm;
use skep_core::{
    due,
    event::Event,
    forecast::{self, Gone, Meeting, Stand},
    id::Attempt,
    limits,
    merge::Severity,
    plan::{Action, plan},
    request::{Command, Observation},
    spec::Workers,
    state::State,
    task::TaskState,
    time::{Millis, Time},
};

/// Three tasks at work, and one that waits for them.
fn three() -> Swarm {
    let mut t = Swarm::load_with("a b c d<-a", |p| p.swarm.workers = Workers::Count(3));
    for name in ["a", "b", "c"] {
        t.start(name);
    }
    t
}

fn due_now(t: &Swarm) -> Option<u64> {
    t.actions().into_iter().find_map(|action| match action {
        Action::Forecast { mark } => Some(mark),
        _ => None,
    })
}

/// The look that is due is over, and found this.
fn look(t: &mut Swarm, met: Vec<Meeting>) {
    let mark = due_now(t).expect("a look is due");
    let cut = false;
    t.see(Observation::Forecast { mark, met, cut }).unwrap();
}

fn meet(t: &Swarm, ours: &str, theirs: &str, files: &[&str]) -> Meeting {
    let attempt = |name: &str| {
        let accepted = t.task(name).accepted.as_ref().map(|a| a.attempt);
        accepted.unwrap_or_else(|| t.attempt_of(name))
    };
    let both = |file: &&str| (file.to_string(), "both sides changed the same lines".into());
    Meeting {
        ours: attempt(ours),
        theirs: Some(attempt(theirs)),
        files: files.iter().map(both).collect(),
    }
}

/// What was told since this was last asked.
fn told(t: &mut Swarm) -> Vec<Event> {
    let of_forecast = |e: &Event| {
        matches!(
            e,
            Event::CollisionForeseen { .. } | Event::CollisionGone { .. }
        )
    };
    t.news().into_iter().filter(of_forecast).collect()
}

// proves: W-9
#[test]
fn it_is_looked_once_after_each_checkpoint_commit_or_result_and_never_twice_in_an_interval() {
    let mut t = three();
    assert_eq!(due_now(&t), None, "nobody has done anything yet");
    t.measure("a", &["output", "compute"]);
    assert_eq!(due_now(&t), None, "what is said changes no file");
    t.measure("a", &["checkpoint"]);
    look(&mut t, vec![]);
    assert_eq!(due_now(&t), None, "there is nothing new to see");
    t.pass(Millis::mins(5));
    assert_eq!(due_now(&t), None, "nor is there later");
    t.measure("b", &["write"]);
    let first = due_now(&t).expect("somebody wrote, and the last look was long ago");
    assert_eq!(
        due_now(&t),
        Some(first),
        "the same works have the same mark"
    );
    look(&mut t, vec![]);
    t.measure("b", &["checkpoint"]);
    assert_eq!(due_now(&t), None, "a minute has not passed");
    let wake = plan(t.state(), t.now).wake_at;
    assert!(wake.is_some_and(|at| at <= t.now + Millis::mins(1)));
    t.pass(Millis::mins(1));
    assert!(due_now(&t).is_some_and(|mark| mark != first));
    look(&mut t, vec![]);
    t.pass(Millis::mins(1));
    t.succeed("a");
    assert!(due_now(&t).is_some(), "a result is worth a look at once");
}

// proves: W-9
#[test]
fn what_was_cut_short_is_looked_at_again() {
    let mut t = three();
    t.measure("a", &["checkpoint"]);
    let mark = due_now(&t).unwrap();
    let (met, cut) = (vec![], true);
    t.see(Observation::Forecast { mark, met, cut }).unwrap();
    assert_eq!(due_now(&t), None);
    t.pass(Millis::mins(1));
    assert_eq!(due_now(&t), Some(mark));
}

// proves: W-9
#[test]
fn there_is_no_forecast_where_nothing_can_collide_or_nobody_wants_one() {
    let alone = |p: &mut skep_core::spec::Plan| p.swarm.workers = Workers::Count(1);
    let mut t = Swarm::load_with("a b<-a", alone);
    t.start("a");
    t.measure("a", &["checkpoint"]);
    assert_eq!(due_now(&t), None, "one alone collides with nobody");

    let mut t = Swarm::load_with("a b", |p| {
        p.swarm.policy.forecast_interval = Millis(0);
    });
    t.start("a");
    t.start("b");
    t.measure("a", &["checkpoint"]);
    assert_eq!(due_now(&t), None, "it is turned off");

    let mut t = Swarm::load_with("a b", |p| {
        p.swarm.worktree = false;
        for (task, file) in p.tasks.iter_mut().zip(["a/**", "b/**"]) {
            task.files = vec![skep_core::spec::Glob::new(file).unwrap()];
        }
    });
    t.start("a");
    t.start("b");
    t.measure("a", &["checkpoint"]);
    assert_eq!(due_now(&t), None, "one worktree holds all there is");

    let mut t = three();
    t.measure("a", &["checkpoint"]);
    t.ask(Command::Drain).unwrap();
    assert_eq!(due_now(&t), None, "the keeper is about to leave");
}

// proves: W-9
#[test]
fn a_collision_is_told_once_when_it_comes_when_it_is_certain_and_when_it_goes() {
    let mut t = three();
    t.measure("a", &["write"]);
    told(&mut t);
    let met = vec![meet(&t, "a", "b", &["src/a.rs"]), meet(&t, "a", "c", &[])];
    look(&mut t, met.clone());
    let [Event::CollisionForeseen { collision }] = &told(&mut t)[..] else {
        panic!("one collision is new");
    };
    let json = serde_json::to_value(&collision.conflicts[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "file": "src/a.rs", "workers": ["w1", "w2"], "tasks": ["a", "b"],
            "severity": "warning", "description": "both sides changed the same lines"
        })
    );
    assert!(t.why("a").contains("w1 is at work on it"));
    assert_eq!(
        forecast::tell(t.state(), t.task("b").id()).unwrap(),
        "on a collision course with w1 (a) in src/a.rs"
    );

    // Seen again, from the other side: nothing new.
    t.pass(Millis::mins(1));
    t.measure("b", &["write"]);
    let met = vec![meet(&t, "b", "a", &["src/a.rs"])];
    look(&mut t, met);
    assert_eq!(told(&mut t), []);

    // One of the two is accepted: the other can hardly get around it.
    t.pass(Millis::mins(1));
    t.succeed("a");
    assert_eq!(told(&mut t), [], "a's work is the same as before");
    let met = vec![meet(&t, "b", "a", &["src/a.rs"])];
    look(&mut t, met);
    let [Event::CollisionForeseen { collision }] = &told(&mut t)[..] else {
        panic!("it matters more than it did");
    };
    assert_eq!(collision.conflicts[0].severity, Severity::Critical);
    assert_eq!(t.state().collisions().len(), 1);

    t.pass(Millis::mins(1));
    t.measure("b", &["checkpoint"]);
    let met = vec![meet(&t, "b", "a", &[])];
    look(&mut t, met);
    let news = told(&mut t);
    let settled = |e: &Event| {
        matches!(
            e,
            Event::CollisionGone {
                why: Gone::Settled,
                ..
            }
        )
    };
    assert!(news.len() == 1 && settled(&news[0]), "{news:?}");
    assert!(t.state().collisions().is_empty());
}

// proves: W-9
#[test]
fn a_collision_ends_with_the_attempt_and_a_late_look_brings_none_back() {
    let mut t = three();
    t.measure("a", &["write"]);
    let met = vec![meet(&t, "a", "b", &["src/a.rs"])];
    let old = met.clone();
    look(&mut t, met);
    told(&mut t);
    t.fail("b");
    let news = told(&mut t);
    let over = |e: &Event| {
        matches!(
            e,
            Event::CollisionGone {
                why: Gone::Over,
                ..
            }
        )
    };
    assert!(news.len() == 1 && over(&news[0]), "{news:?}");
    let (mark, cut) = (7, false);
    t.see(Observation::Forecast {
        mark,
        met: old,
        cut,
    })
    .unwrap();
    assert_eq!(told(&mut t), [], "it was of an attempt that is over");
}

// proves: W-9
#[test]
fn collisions_and_their_files_are_bounded() {
    let mut t = three();
    t.measure("a", &["write"]);
    let names: Vec<String> = (0..500).map(|n| format!("f{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let met = vec![meet(&t, "a", "b", &names)];
    look(&mut t, met);
    let collision = &t.state().collisions()[0];
    assert_eq!(collision.conflicts.len(), limits::COLLISION_FILES);
    assert_eq!(collision.more, 500 - limits::COLLISION_FILES);
    assert_eq!(
        collision.sentence(),
        "w1 (a) and w2 (b) are on a collision course in f0 and 499 more files"
    );

    let many = limits::COLLISIONS as u32 + 20;
    let text: String = (0..=many).map(|n| format!("t{n} ")).collect();
    let mut t = Swarm::load_with(&text, |p| {
        p.swarm.workers = Workers::Count(many + 1);
        p.swarm.policy.concurrency = many + 1;
    });
    for n in 0..=many {
        t.start(&format!("t{n}"));
    }
    t.measure("t0", &["write"]);
    let order = forecast::order(t.state(), due_now(&t).unwrap()).unwrap();
    assert_eq!(order.works.len(), limits::SIGHTS);
    let all = (1..=many).map(|n| meet(&t, "t0", &format!("t{n}"), &["f"]));
    let all: Vec<Meeting> = all.collect();
    told(&mut t);
    look(&mut t, all);
    assert_eq!(told(&mut t).len(), limits::COLLISIONS);
}

// proves: W-9
#[test]
fn an_order_names_works_in_flight_and_results_and_holds_for_its_mark_only() {
    let mut t = three();
    t.succeed("a");
    let mark = due_now(&t).unwrap();
    let order = forecast::order(t.state(), mark).unwrap();
    let flying = |s: &forecast::Sight| matches!(s.stand, Stand::InFlight { .. });
    let named = order
        .works
        .iter()
        .map(|s| (s.work.task.as_str(), flying(s)));
    let named: Vec<_> = named.collect();
    assert_eq!(named, [("b", true), ("c", true), ("a", false)]);
    t.measure("b", &["write"]);
    assert_eq!(forecast::order(t.state(), mark), None);
}

/// What is decided and planned, the forecast itself aside.
fn course(state: &State, now: Time) -> (Option<Event>, Vec<Action>) {
    let mut steps = plan(state, now);
    steps
        .actions
        .retain(|a| !matches!(a, Action::Forecast { .. }));
    (due::next(state, now), steps.actions)
}

// proves: W-9
#[test]
fn a_collision_changes_nothing_that_is_done() {
    let run = |foresees: bool| {
        let mut t = three();
        t.measure("a", &["write"]);
        let before = course(t.state(), t.now);
        if foresees {
            let met = vec![
                meet(&t, "a", "b", &["x"]),
                meet(&t, "a", "c", &["y"]),
                Meeting {
                    theirs: None,
                    ..meet(&t, "c", "a", &["z"])
                },
            ];
            look(&mut t, met);
            assert_eq!(t.state().collisions().len(), 3);
        }
        assert_eq!(course(t.state(), t.now), before);
        for name in ["a", "b", "c"] {
            t.succeed(name);
        }
        t.build_but(&["b"]);
        t.land();
        t.finish();
        let of_forecast = |e: &Event| {
            matches!(
                e,
                Event::CollisionForeseen { .. } | Event::CollisionGone { .. }
            )
        };
        assert!(t.state().collisions().is_empty());
        assert_eq!(t.is("b"), TaskState::Merged);
        let log = t.log.iter().map(|r| r.event.clone());
        log.filter(|e| !of_forecast(e)).collect::<Vec<_>>()
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn attempts_that_nobody_knows_of_collide_with_nobody() {
    let mut t = three();
    let met = vec![Meeting {
        ours: Attempt(99),
        theirs: None,
        files: vec![("f".into(), "both".into())],
    }];
    let (mark, cut) = (1, false);
    t.see(Observation::Forecast { mark, met, cut }).unwrap();
    assert!(t.state().collisions().is_empty());
}

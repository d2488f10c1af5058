//! How many workers there are (S-1, S-2, S-3): each rule by itself, any plan within the bounds, and the figures.

use crate::swarm::Swarm;
use crate::words::{id, one_task, task};
use proptest::prelude::*;
use skep_core::{
    event::Event,
    id::WorkerId,
    request::{Command, Observation, Refusal},
    scale::{self, Added, Mode, Retired},
    spec::{Plan, Workers},
    state::State,
    task::TaskState,
    time::Millis,
    worker::WorkerState,
};

fn between(min: u32, max: u32) -> impl FnOnce(&mut Plan) {
    move |plan| plan.swarm.workers = Workers::Between { min, max }
}

/// The workers that are to stay.
fn count(t: &Swarm) -> usize {
    t.state().workers().filter(|w| !w.stopping).count()
}

fn idle(t: &Swarm) -> usize {
    let tip = t.state().swarm().map(|s| &s.tip);
    let idle = |w: &&skep_core::worker::Worker| w.state(tip) == WorkerState::Idle;
    t.state().workers().filter(idle).count()
}

fn why(t: &Swarm, worker: u32) -> String {
    skep_core::waiting::worker(t.state(), t.worker(worker), t.now)
}

fn add(t: &mut Swarm, words: &str) {
    let spec = one_task(words).into();
    t.ask(Command::AddTask { spec }).unwrap();
    t.prepare();
}

fn scale_to(t: &mut Swarm, min: u32, max: u32) {
    let mode = Mode::Between { min, max };
    t.ask(Command::Scale { mode }).unwrap();
}

/// So many tasks that need nothing.
fn words(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    names.join(" ")
}

// proves: S-1
#[test]
fn tasks_that_wait_bring_at_most_four_workers_at_once_up_to_each_cap() {
    let mut t = Swarm::load_with(&words(30), between(1, 20));
    assert_eq!(count(&t), 5, "one from the plan, four at once");
    assert_eq!(
        why(&t, 2),
        "works on t1, for 0s; added: 30 ready tasks for 1 worker"
    );
    t.pass(Millis::secs(4));
    assert_eq!(count(&t), 5);
    t.pass(Millis::secs(1));
    assert_eq!(count(&t), 6, "and no more than may run at once");
    assert_eq!(
        scale::explain(t.state(), t.now),
        "6 workers of 1 to 6 (policy.concurrency); 25 ready tasks could use 24 more, and there is no room for any"
    );
    let mut policy = t.state().policy();
    policy.concurrency = 50;
    policy.scaling.max_workers = 12;
    t.ask(Command::SetPolicy {
        asked: "more".into(),
        was: t.state().policy().into(),
        policy: policy.into(),
    })
    .unwrap();
    t.pass(Millis::secs(30));
    assert_eq!(count(&t), 12);
    assert!(scale::explain(t.state(), t.now).contains("(policy.scaling.max_workers)"));
    scale_to(&mut t, 40, 40);
    assert!(
        scale::explain(t.state(), t.now)
            .starts_with("12 workers of 40, but never more than 12 (policy.scaling.max_workers)")
    );
    t.prepare();
    scale_to(&mut t, 1, 9);
    assert_eq!(count(&t), 12, "none leaves that works");
    for _ in 0..4 {
        let first = t.first().unwrap();
        t.succeed(&first);
    }
    assert_eq!((count(&t), t.state().live().len()), (9, 9));
    t.finish();
}

// proves: S-1
#[test]
fn memory_that_is_short_keeps_workers_away_and_memory_unknown_does_not() {
    let mut t = Swarm::load_with(&words(8), between(1, 6));
    assert_eq!(count(&t), 5, "nobody has looked");
    let each = t.state().policy().scaling.memory_per_worker;
    let see = |t: &mut Swarm, rooms: u64| {
        let available = rooms * each + each / 2;
        t.see(Observation::Memory { available })
    };
    see(&mut t, 0).unwrap();
    assert_eq!(
        see(&mut t, 0),
        Err(Refusal::OutOfDate),
        "what stays the same is no event"
    );
    t.pass(Millis::mins(1));
    assert_eq!(count(&t), 5);
    assert!(scale::waits_for_memory(t.state(), t.now));
    assert!(scale::explain(t.state(), t.now).contains("the machine has no memory for more"));
    see(&mut t, 3).unwrap();
    assert_eq!(count(&t), 6);
    assert_eq!(
        t.state().scale().room(),
        Some(2),
        "the new one will need its part"
    );
    t.finish();
}

// proves: S-1, W-1
#[test]
fn each_role_gets_workers_for_its_own_tasks_and_none_is_without() {
    let mut t = Swarm::load_with("a b c d e", |p| {
        p.swarm.workers = Workers::Between { min: 1, max: 4 };
        for (task, role) in p
            .tasks
            .iter_mut()
            .zip(["back", "back", "back", "front", "docs"])
        {
            task.role = Some(role.into());
        }
    });
    let mut roles: Vec<_> = t
        .state()
        .workers()
        .map(|w| w.role.clone().unwrap())
        .collect();
    roles.sort();
    assert_eq!(roles, ["back", "back", "docs", "front"]);
    // Fewer places than roles: whoever has nothing to do makes room.
    scale_to(&mut t, 1, 1);
    for name in ["a", "b", "c", "d", "e"] {
        for _ in 0..5 {
            if t.state().task(&id(name)).unwrap().state == TaskState::Running {
                t.succeed(name);
            }
            t.remove();
            t.prepare();
        }
    }
    t.finish();
    assert_eq!(t.state().count(TaskState::Merged), 5);
}

// proves: S-1, L-5
#[test]
fn while_agents_cannot_be_started_no_more_workers_come() {
    let mut t = Swarm::load_with(&words(20), between(2, 6));
    let before = count(&t);
    let first = t.first().unwrap();
    t.not_startable(&first);
    t.pass(Millis::secs(20));
    assert_eq!(count(&t), before);
}

// proves: S-2
#[test]
fn idle_workers_leave_one_at_a_time_down_to_the_floor_and_back_off_when_missed() {
    let mut t = Swarm::load_with("a b c d", between(1, 4));
    for name in ["a", "b", "c", "d"] {
        t.succeed(name);
    }
    t.finish();
    let at = t.now;
    t.pass(Millis::mins(5));
    assert_eq!(count(&t), 3);
    assert_eq!(why(&t, 4), "is being removed; nothing to do for 5m");
    t.pass(Millis::secs(29));
    assert_eq!(count(&t), 3, "one at a time");
    t.pass(Millis::mins(30));
    assert_eq!(count(&t), 1, "and never below the floor");
    t.remove();
    // Missed at once: the next one waits twice as long.
    let left = t.log.iter().rev().find_map(|r| match r.event {
        Event::WorkerLeaving { why: Some(_), .. } => Some(r.at),
        _ => None,
    });
    assert!(left.unwrap() > at);
    for name in ["e", "f", "g"] {
        add(&mut t, name);
    }
    t.pass(Millis::secs(5));
    assert!(count(&t) > 1);
    t.finish();
}

// proves: S-2, Q-3
#[test]
fn a_worker_that_a_task_waits_for_stays_and_none_is_assigned_to_one_that_leaves() {
    let mut t = Swarm::load_with("a b<-a c", between(1, 3));
    for name in ["c", "a"] {
        t.succeed(name);
    }
    // `b` is to be done by w2, at the very moment at which w2 would have left.
    let assign = |worker| Command::AssignTask {
        task: id("b"),
        worker: Some(WorkerId(worker)),
    };
    t.ask(assign(2)).unwrap();
    t.ask(Command::Pause).unwrap();
    t.pass(Millis::mins(60));
    t.ask(Command::Resume).unwrap();
    t.pass(Millis::mins(60));
    assert!(t.state().worker(WorkerId(2)).is_some_and(|w| !w.stopping));
    t.finish();
    assert_eq!(t.is("b"), TaskState::Merged);
    assert_eq!(t.task("b").history[0].worker, WorkerId(2));

    // The other way round: the worker was let go first.
    let mut t = Swarm::load_with("a b c d", |p| {
        p.swarm.workers = Workers::Between { min: 0, max: 2 };
        p.tasks[3].depends_on = vec![id("a")];
    });
    t.succeed("a");
    scale_to(&mut t, 0, 1);
    let leaving = t.state().workers().find(|w| w.stopping).map(|w| w.id);
    if let Some(worker) = leaving {
        let no = t.ask(Command::AssignTask {
            task: id("d"),
            worker: Some(worker),
        });
        assert_eq!(
            no,
            Err(Refusal::Fault(format!(
                "{worker} is leaving and takes no more tasks"
            )))
        );
    }
    t.finish();
    assert_eq!(t.state().count(TaskState::Merged), 4);
}

// proves: S-3
#[test]
fn tasks_that_keep_coming_find_a_worker_ready() {
    let mut t = Swarm::load_with("a", between(1, 6));
    t.succeed("a");
    t.merge();
    for n in 0..12 {
        add(&mut t, &format!("n{n}"));
        t.pass(Millis::secs(10));
        t.prepare();
        let name = format!("n{n}");
        if t.is(&name) == TaskState::Running {
            t.succeed(&name);
        }
        t.merge();
        t.prepare();
    }
    assert!(scale::spare(t.state(), t.now) > 0);
    let ahead = t.log.iter().any(|r| {
        let why = Some(Added::Arrivals { per_minute: 4 });
        matches!(&r.event, Event::WorkerAdded { why: w, .. } if *w == why)
    });
    assert!(ahead, "more than three a minute");
    let waits = idle(&t);
    assert!(waits >= 1, "a worker is ready before the task is there");
    add(&mut t, "next");
    assert_eq!(
        t.is("next"),
        TaskState::Running,
        "it starts at the moment at which it comes"
    );
    t.finish();
    // Nothing comes any more: they leave like all others.
    t.pass(Millis::mins(60));
    assert_eq!(count(&t), 1);
}

// proves: S-1, W-1
#[test]
fn a_fixed_number_stays_and_who_adds_by_hand_decides_from_then_on() {
    let mut t = Swarm::load_with(&words(20), |p| p.swarm.workers = Workers::Count(2));
    t.pass(Millis::mins(30));
    assert_eq!(count(&t), 2);
    t.ask(Command::Scale { mode: Mode::Auto }).unwrap();
    t.pass(Millis::secs(10));
    assert_eq!(count(&t), 6);
    let hand = Command::AddWorkers {
        count: 1,
        role: None,
    };
    t.ask(hand).unwrap();
    assert_eq!(t.state().scale().mode(), Mode::Manual);
    assert!(scale::explain(t.state(), t.now).starts_with("7 workers, as added by hand"));
    let again = t.ask(Command::Scale { mode: Mode::Auto });
    assert!(again.is_ok());
    let no = t.ask(Command::Scale { mode: Mode::Auto });
    assert!(matches!(no, Err(Refusal::NothingToDo(_))));
    let no = t.ask(Command::Scale {
        mode: Mode::Between { min: 3, max: 2 },
    });
    assert!(matches!(no, Err(Refusal::Fault(_))));
    scale_to(&mut t, 3, 3);
    for _ in 0..4 {
        let first = t.first().unwrap();
        t.succeed(&first);
    }
    assert_eq!(count(&t), 3, "surplus ones leave as they become free");
    t.finish();
}

// proves: L-7
#[test]
fn one_before_the_cap_is_told_and_so_is_the_queue() {
    let mut t = Swarm::load_with(&words(9), between(1, 6));
    assert_eq!(
        scale::cap(t.state()).unwrap(),
        "5 of at most 6 attempts run; more will queue"
    );
    t.pass(Millis::secs(5));
    t.prepare();
    assert_eq!(
        scale::cap(t.state()).unwrap(),
        "6 of at most 6 attempts run (policy.concurrency); 3 ready tasks queue"
    );
    for _ in 0..6 {
        let first = t.first().unwrap();
        t.succeed(&first);
    }
    assert_eq!(scale::cap(t.state()), None);
    t.finish();
}

/// How long until as many workers as may be are there for a burst of 200 tasks, and until the first is.
fn burst(step: u32) -> (Millis, Millis) {
    let mut t = Swarm::load_with(&words(1), |p| {
        p.swarm.workers = Workers::Between { min: 1, max: 32 };
        p.swarm.policy.concurrency = 32;
        p.swarm.policy.scaling.step = step;
    });
    let began = t.now;
    for n in 0..200 {
        t.ask(Command::AddTask {
            spec: task(&format!("b{n}")).into(),
        })
        .unwrap();
    }
    let first = loop {
        t.prepare();
        if t.state().live().len() > 1 {
            break t.now.since(began);
        }
        t.pass(Millis(100));
    };
    while t.state().live().len() < 32 {
        t.pass(Millis(100));
        t.prepare();
        assert!(t.now.since(began) < Millis::mins(10), "{}", count(&t));
    }
    (first, t.now.since(began))
}

// proves: S-1, S-3
#[test]
fn a_burst_of_200_tasks_has_all_its_workers_soon() {
    let (first, all) = burst(4);
    let (_, one_by_one) = burst(1);
    println!(
        "burst of 200: first more {first}, all 32 workers after {all}; one per look: {one_by_one}"
    );
    assert!(first < Millis::secs(2) && all <= Millis::secs(40));
    assert!(one_by_one.0 > all.0 * 3);
}

// proves: S-2
#[test]
fn constant_load_makes_no_worker_come_and_go() {
    let mut t = Swarm::load_with("n0 n1 n2", between(1, 6));
    t.pass(Millis::secs(10));
    t.prepare();
    let moves = |t: &Swarm| {
        let scaled = |e: &Event| {
            matches!(
                e,
                Event::WorkerAdded { why: Some(_), .. } | Event::WorkerLeaving { why: Some(_), .. }
            )
        };
        t.log.iter().filter(|r| scaled(&r.event)).count()
    };
    let before = moves(&t);
    // Ten hours, three tasks at any time, each for six minutes.
    for n in 3..303 {
        add(&mut t, &format!("n{n}"));
        let first = t.first().unwrap();
        t.succeed(&first);
        t.pass(Millis::mins(2));
        t.prepare();
    }
    let extra = moves(&t) - before;
    assert!(extra <= 2, "{extra} workers came or went");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // proves: S-1, S-2
    #[test]
    fn whatever_happens_the_number_of_workers_stays_within_its_bounds(
        min in 0u32..4, more in 0u32..5, cap in 1u32..8, per_worker in 1u32..4,
        deeds in prop::collection::vec((0usize..9, 0usize..16), 1..80),
    ) {
        let max = (min + more).max(1);
        let mut t = Swarm::load_with("x y", |p| {
            p.swarm.workers = Workers::Between { min, max };
            p.swarm.policy.concurrency = cap;
            p.swarm.policy.scaling.tasks_per_worker = per_worker;
        });
        for (n, (deed, which)) in deeds.into_iter().enumerate() {
            let live: Vec<String> = t.state().live().map(|l| l.task.to_string()).collect();
            let name = live.get(which % live.len().max(1)).cloned();
            match (deed, name) {
                (0 | 1, _) => {
                    let mut spec = task(&format!("p{n}"));
                    spec.role = [None, Some("r".into()), Some("s".into())][which % 3].clone();
                    let _ = t.ask(Command::AddTask { spec: spec.into() });
                    t.prepare();
                }
                (2, Some(name)) => { t.succeed(&name); }
                (3, Some(name)) => t.fail(&name),
                (4, Some(name)) => t.crash(&name),
                (5, _) => { t.remove(); t.prepare(); }
                (6, _) => t.pass(Millis::secs(which as u64 * 60)),
                (7, _) => t.pass(Millis::secs(which as u64)),
                _ => t.merge(),
            }
        }
        let mut state = State::default();
        for record in &t.log {
            let staying = |s: &State| s.workers().filter(|w| !w.stopping).count() as u32;
            let before = staying(&state);
            match &record.event {
                Event::WorkerAdded { why: Some(why), .. } => {
                    let most = max.min(cap).max(min);
                    prop_assert!(before < most, "{:?} above {}", why, most);
                }
                Event::WorkerLeaving { worker, why: Some(why) } => {
                    prop_assert!(state.worker(*worker).unwrap().current.is_none(), "{:?}", why);
                    let replaced = matches!(why, Retired::Room { .. });
                    prop_assert!(replaced || before > min, "{:?} below {}", why, min);
                }
                _ => {}
            }
            state.apply(record);
        }
    }
}

// proves: S-1
#[test]
fn two_roles_that_share_one_place_take_turns_by_whole_attempts() {
    let mut t = Swarm::new();
    let mut plan = crate::words::a_plan("f1 f2 b1 b2");
    plan.swarm.workers = Workers::Between { min: 1, max: 1 };
    for (task, role) in plan.tasks.iter_mut().zip(["f", "f", "b", "b"]) {
        task.role = Some(role.into());
    }
    t.ask(crate::words::load(plan, "d1")).unwrap();
    // Long before any worktree is ready both have waited for longer than is patient.
    t.pass(Millis::mins(20));
    for _ in 0..20 {
        t.prepare();
        if let Some(first) = t.first() {
            t.succeed(&first);
        }
        t.remove();
    }
    let came = |e: &Event| matches!(e, Event::WorkerAdded { .. });
    let came = t.log.iter().filter(|r| came(&r.event)).count();
    assert!(came <= 4, "{came} workers for four tasks");
    t.finish();
    assert_eq!(t.state().count(TaskState::Merged), 4);
}

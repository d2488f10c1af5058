//! Which worker takes which task where the order of dispatch leaves a choice.

use crate::swarm::Swarm;
use crate::words::task;
use proptest::prelude::*;
use skep_core::{
    event::Event,
    request::Command,
    spec::{Glob, Plan, Priority, TaskSpec, Workers},
    state::State,
    task::TaskState,
    time::Millis,
    worker::WorkerState,
};

fn of(name: &str, category: &str) -> TaskSpec {
    let mut spec = task(name);
    spec.category = (!category.is_empty()).then(|| category.into());
    spec
}

fn plan(workers: u32, tasks: Vec<TaskSpec>) -> impl FnOnce(&mut Plan) {
    move |plan| {
        plan.swarm.workers = Workers::Count(workers);
        plan.tasks = tasks;
    }
}

// proves: Q-11
#[test]
fn a_task_goes_to_the_idle_worker_that_last_did_the_like() {
    let tasks = vec![of("db1", "db"), of("ui1", "ui")];
    let mut t = Swarm::load_with("x", plan(2, tasks));
    assert_eq!(t.running(), "db1:w1 ui1:w2");
    t.succeed("db1");
    t.succeed("ui1");
    t.merge();
    // Both workers are idle when the tasks come: ui2 goes first, and w1 is not the one for it.
    t.ask(Command::Pause).unwrap();
    for spec in [of("ui2", "ui"), of("db2", "db")] {
        t.ask(Command::AddTask { spec: spec.into() }).unwrap();
    }
    t.prepare();
    t.ask(Command::Resume).unwrap();
    assert_eq!(t.running(), "ui2:w2 db2:w1");
    t.finish();
}

// proves: Q-11
#[test]
fn files_weigh_more_than_the_category_and_that_more_than_the_role() {
    let glob = |text: &str| vec![Glob::new(text).unwrap()];
    let mut first = vec![of("a", "db"), of("b", ""), of("c", "")];
    first[1].files = glob("src/db/**");
    first[2].role = Some("back".into());
    let mut t = Swarm::load_with("x", plan(3, first));
    for name in ["a", "b", "c"] {
        t.succeed(name);
    }
    t.merge();
    t.prepare();
    t.ask(Command::Pause).unwrap();
    let mut all = of("all", "db");
    all.files = glob("src/db/mod.rs");
    all.role = Some("back".into());
    let mut category = of("category", "db");
    category.role = Some("back".into());
    let mut role = of("role", "");
    role.role = Some("back".into());
    for spec in [all, category, role] {
        t.ask(Command::AddTask { spec: spec.into() }).unwrap();
    }
    t.prepare();
    t.ask(Command::Resume).unwrap();
    t.prepare();
    assert_eq!(t.running(), "all:w2 category:w1 role:w3");
    t.finish();
}

// proves
#[test]
fn a_task_stays_in_a_busy_workers_backlog_only_while_others_that_tie_are_left() {
    let tasks = vec![
        of("db1", "db"),
        of("x1", ""),
        of("db2", "db"),
        of("x2", ""),
        of("db3", "db"),
    ];
    let mut t = Swarm::load_with("x", plan(2, tasks));
    assert_eq!(t.running(), "db1:w1 x1:w2");
    t.succeed("x1");
    assert_eq!(
        t.running(),
        "db1:w1 x2:w2",
        "db2 is for w1, and x2 ties with it"
    );
    t.succeed("x2");
    assert_eq!(t.running(), "db1:w1 db2:w2", "but nobody idles for it");
    t.succeed("db1");
    assert_eq!(t.running(), "db2:w2 db3:w1");
    t.finish();

    // Priority is never given up for affinity.
    let mut urgent = of("db2", "db");
    urgent.priority = Priority::P0;
    let mut t = Swarm::load_with(
        "x",
        plan(2, vec![of("db1", "db"), of("x1", ""), of("x2", "")]),
    );
    t.ask(Command::AddTask {
        spec: urgent.into(),
    })
    .unwrap();
    t.succeed("x1");
    assert_eq!(t.running(), "db1:w1 db2:w2");
    // And nothing is kept for long.
    let tasks = vec![of("db1", "db"), of("x1", ""), of("db2", "db"), of("x2", "")];
    let mut t = Swarm::load_with("x", plan(2, tasks));
    t.pass(Millis::mins(5));
    t.succeed("x1");
    assert_eq!(t.running(), "db1:w1 db2:w2");
}

// proves: Q-11
#[test]
fn a_worker_that_idles_takes_the_last_task_of_a_backlog_that_is_too_long() {
    let backlog = |n: usize| -> Vec<TaskSpec> {
        let first = [of("db0", "db"), of("x", "")];
        let rest = (1..=n).map(|n| of(&format!("db{n}"), "db"));
        first.into_iter().chain(rest).collect()
    };
    let mut t = Swarm::load_with("x", plan(2, backlog(6)));
    assert_eq!(t.running(), "db0:w1 x:w2");
    t.succeed("x");
    assert_eq!(t.running(), "db0:w1 db6:w2", "six are more than five");
    t.finish();
    let mut t = Swarm::load_with("x", plan(2, backlog(5)));
    t.succeed("x");
    assert_eq!(
        t.running(),
        "db0:w1 db1:w2",
        "five are not: the head, by the order of dispatch"
    );
    t.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // proves
    #[test]
    fn affinity_gives_up_neither_priority_nor_chains_and_leaves_nobody_idle(
        kinds in prop::collection::vec((0usize..4, 0u32..4), 1..20), workers in 1u32..5,
        ends in prop::collection::vec(0usize..8, 0..40),
    ) {
        let tasks = kinds.iter().enumerate().map(|(n, (category, priority))| {
            let mut spec = of(&format!("t{n}"), ["", "db", "ui", "doc"][*category]);
            spec.priority = [Priority::P0, Priority::P1, Priority::P2, Priority::P3][*priority as usize];
            spec
        });
        let mut t = Swarm::load_with("x", plan(workers, tasks.collect()));
        for end in ends {
            let live: Vec<String> = t.state().live().map(|l| l.task.to_string()).collect();
            match live.get(end % live.len().max(1)) {
                Some(name) => { t.succeed(name); }
                None => t.merge(),
            }
            let tip = t.state().swarm().map(|s| s.tip.clone());
            let idle = t.state().workers().any(|w| w.state(tip.as_ref()) == WorkerState::Idle);
            let open = t.state().live().len() < 6 && t.state().merge().is_none();
            prop_assert!(!(idle && open && t.state().count(TaskState::Ready) > 0));
        }
        let mut state = State::default();
        for record in &t.log {
            if let Event::Claimed { task, .. } = &record.event {
                let head = state.ready().next().unwrap();
                let taken = state.task(task).unwrap();
                prop_assert_eq!((head.priority, head.critical), (taken.priority, taken.critical));
            }
            state.apply(record);
        }
    }
}

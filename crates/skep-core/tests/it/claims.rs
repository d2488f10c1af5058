//! What is claimed, in which order, and what is not (Q-5, Q-7, L-7, Q-9's models).

use crate::swarm::Swarm;
use crate::words::{id, task, tasks};
use proptest::prelude::*;
use skep_core::{
    event::Event,
    merge::Severity,
    request::{Command, Observation, Refusal},
    spec::{Glob, ModelWish, Plan, Priority, Role, Workers},
    task::TaskState,
};

fn alone(plan: &mut Plan) {
    plan.swarm.workers = Workers::Count(1);
}

/// The order in which one worker takes all tasks of the first wave.
fn order(text: &str) -> Vec<String> {
    let mut t = Swarm::load_with(text, alone);
    let mut taken = Vec::new();
    while let Some(name) = t.first() {
        t.succeed(&name);
        taken.push(name);
    }
    taken
}

// proves: Q-5
#[test]
fn priority_comes_first_then_the_longest_chain_then_age() {
    assert_eq!(order("a!3 b!2 c!0 d!1"), ["c", "d", "b", "a"]);
    assert_eq!(order("a b c x<-c y<-x"), ["c", "a", "b"]);
    assert_eq!(
        order("b a c"),
        ["b", "a", "c"],
        "the plan's order is age, not the alphabet"
    );
}

// proves: Q-5
#[test]
fn only_a_task_whose_dependencies_are_all_merged_is_claimed() {
    let mut t = Swarm::load("a b c<-a,b");
    t.succeed("a");
    t.succeed("b");
    assert_eq!(t.is("c"), TaskState::Waiting, "accepted is not merged");
    t.merge();
    assert_eq!(t.running(), "c:w1");
}

proptest! {
    // proves: Q-5
    #[test]
    fn whatever_the_plan_the_best_ready_task_is_claimed(
        priorities in prop::collection::vec(0usize..4, 1..9),
        edges in prop::collection::vec((0usize..9, 0usize..9), 0..10),
    ) {
        let mut specs = tasks(&"abcdefghi"[..priorities.len()].chars().fold(String::new(), |s, c| format!("{s} {c}")));
        for (spec, p) in specs.iter_mut().zip(&priorities) {
            spec.priority = [Priority::P0, Priority::P1, Priority::P2, Priority::P3][*p];
        }
        for (from, to) in edges {
            let n = specs.len();
            let (from, to) = (from % n, to % n);
            if from < to && !specs[to].depends_on.contains(&specs[from].id.clone()) {
                let of = specs[from].id.clone();
                specs[to].depends_on.push(of);
            }
        }
        let mut t = Swarm::load_with("x", |p| { alone(p); p.tasks = specs; });
        for _ in 0..40 {
            if let Some(name) = t.first() {
                let taken = t.task(&name);
                for other in t.state().ready() {
                    let key = |x: &skep_core::task::Task| (x.priority, std::cmp::Reverse(x.critical), x.order);
                    prop_assert!(key(taken) < key(other), "{} before {}", name, other.id());
                }
                t.succeed(&name);
            } else if t.state().merge().is_some() {
                t.merge();
            }
        }
        prop_assert!(t.state().finished().is_some());
        prop_assert_eq!(t.state().count(TaskState::Merged), t.state().tasks().len());
    }

    // proves: L-7, Q-7
    #[test]
    fn no_plan_breaks_the_cap_or_shares_an_owner_key(
        cap in 1u32..5, workers in 1u32..9, keys in prop::collection::vec(0usize..4, 1..12), ends in prop::collection::vec(0usize..12, 0..60),
    ) {
        let specs: Vec<_> = keys.iter().enumerate().map(|(n, key)| {
            let mut spec = task(&format!("t{n}"));
            spec.owner_key = (*key > 0).then(|| format!("k{key}"));
            spec
        }).collect();
        let mut t = Swarm::load_with("x", |p| {
            p.swarm.workers = Workers::Count(workers);
            p.swarm.policy.concurrency = cap;
            p.tasks = specs;
        });
        for end in ends {
            let live: Vec<String> = t.state().live().map(|l| l.task.to_string()).collect();
            prop_assert!(live.len() <= cap as usize);
            // Ownership itself is among the invariants that are checked after every request.
            match live.get(end % live.len().max(1)) {
                Some(name) if end % 3 == 0 => t.fail(name),
                Some(name) => { t.succeed(name); }
                None => t.merge(),
            }
        }
    }
}

// proves: L-7
#[test]
fn beyond_the_cap_tasks_queue_and_a_warning_comes_one_before_it() {
    let mut t = Swarm::load_with("a b c d", |p| {
        p.swarm.workers = Workers::Count(4);
        p.swarm.policy.concurrency = 3;
    });
    assert_eq!(t.running(), "a:w1 b:w2 c:w3");
    assert_eq!(
        t.why("d"),
        "3 attempts run, which is the cap (policy.concurrency)"
    );
    let news = t.news();
    let claims_before_warning = news
        .iter()
        .take_while(|e| {
            !matches!(
                e,
                Event::Signal {
                    severity: Severity::Warning,
                    ..
                }
            )
        })
        .filter(|e| matches!(e, Event::Claimed { .. }));
    assert_eq!(claims_before_warning.count(), 2);
    let warnings = news
        .iter()
        .filter(|e| matches!(e, Event::Signal { .. }))
        .count();
    assert_eq!(warnings, 1);
    // Lowering the cap ends nobody.
    let mut policy = t.state().policy();
    policy.concurrency = 1;
    let set = Command::SetPolicy {
        asked: "concurrency 1".into(),
        was: t.state().policy().into(),
        policy: policy.into(),
    };
    t.ask(set.clone()).unwrap();
    assert_eq!(t.ask(set), Err(Refusal::OutOfDate), "the numbers moved on");
    t.succeed("a");
    t.succeed("b");
    assert_eq!(t.running(), "c:w3");
    t.succeed("c");
    assert_eq!(t.state().live().len(), 1);
    t.finish();
}

// proves: W-2, L-7
#[test]
fn what_a_host_notices_is_told_and_is_no_warning_of_the_cap() {
    let mut t = Swarm::load_with("a b c d", |p| {
        p.swarm.workers = Workers::Count(4);
        p.swarm.policy.concurrency = 3;
    });
    let noticed = |text: &str| Event::Signal {
        severity: Severity::Info,
        text: text.into(),
    };
    assert!(t.state().cap_warned());
    t.succeed("a");
    t.succeed("b");
    t.succeed("c");
    t.news();
    assert!(!t.state().cap_warned());
    t.see(Observation::Noticed {
        severity: Severity::Info,
        text: "a pane is gone".into(),
    })
    .unwrap();
    assert_eq!(t.news(), [noticed("a pane is gone")]);
    assert!(!t.state().cap_warned());
}

// proves: Q-7
#[test]
fn an_owner_key_has_one_owner_at_a_time() {
    let mut t = Swarm::load_with("a b c", |p| {
        p.tasks[0].owner_key = Some("db".into());
        p.tasks[1].owner_key = Some("db".into());
    });
    assert_eq!(t.running(), "a:w1 c:w2");
    assert_eq!(t.why("b"), "a runs and owns \"db\"");
    t.fail("a");
    assert_eq!(t.running(), "c:w2 a:w1");
    t.succeed("a");
    assert_eq!(t.running(), "c:w2 b:w1");
    t.finish();
}

// proves: Q-7, W-3
#[test]
fn without_worktrees_tasks_on_the_same_files_take_turns() {
    let files = |p: &mut Plan| {
        for (task, glob) in p.tasks.iter_mut().zip(["src/**", "src/a.rs", "doc/*"]) {
            task.files = vec![Glob::new(glob).unwrap()];
        }
    };
    let mut t = Swarm::load_with("a b c d", |p| {
        files(p);
        p.swarm.worktree = false;
        p.swarm.workers = Workers::Count(4);
    });
    assert_eq!(t.running(), "a:w1 c:w2");
    assert_eq!(
        t.why("b"),
        "a runs in the same worktree and may touch the same files"
    );
    assert!(
        t.why("d").contains("may touch the same files"),
        "no `files`: it may touch any"
    );
    t.succeed("a");
    assert_eq!(t.running(), "c:w2 b:w1");
    t.finish();
    let with = Swarm::load_with("a b", files);
    assert_eq!(with.running(), "a:w1 b:w2", "worktrees keep them apart");
}

// proves: Q-9
#[test]
fn after_two_failures_on_a_model_the_next_stronger_one_is_tried() {
    let models = |p: &mut Plan| {
        alone(p);
        p.swarm.model = Some("small".into());
        p.swarm.models = vec!["small".into(), "middle".into(), "large".into()];
        p.swarm.policy.max_retries = 9;
    };
    let mut t = Swarm::load_with("a", models);
    let mut used = Vec::new();
    for _ in 0..6 {
        used.push(t.state().live().next().unwrap().model.clone().unwrap());
        t.fail("a");
    }
    assert_eq!(
        used,
        ["small", "small", "middle", "middle", "large", "large"]
    );
    assert_eq!(t.running(), "");
    assert_eq!(
        t.why("a"),
        "needs a person: the agent exited with 1; large has failed on it 2 times, and no stronger model is left; \
         `skep retry` begins it anew"
    );
    t.ask(Command::CancelTask { task: id("a") }).unwrap();
    let mut fixed = Swarm::load_with("a", |p| {
        models(p);
        p.tasks[0].model = Some(ModelWish::Required("small".into()));
    });
    fixed.fail("a");
    fixed.fail("a");
    assert_eq!(fixed.running(), "", "a required model is never replaced");
    assert_eq!(fixed.is("a"), TaskState::Flagged);
}

// proves: W-1, Q-9
#[test]
fn a_worker_takes_only_what_its_role_and_capabilities_allow() {
    let mut t = Swarm::load_with("a b", |p| {
        p.swarm.workers = Workers::PerRole([("back".into(), 1), ("front".into(), 1)].into());
        let model = Some("large".into());
        p.swarm.roles.insert(
            "back".into(),
            Role {
                capabilities: Some(vec!["rust".into()]),
                model,
                permission: None,
            },
        );
        p.tasks[0].role = Some("front".into());
        p.tasks[1].capabilities = vec!["rust".into()];
    });
    assert_eq!(t.running(), "b:w1 a:w2");
    let of_b = t.attempt_of("b");
    assert_eq!(
        t.state().attempt(of_b).unwrap().model.as_deref(),
        Some("large")
    );
    t.finish();
}

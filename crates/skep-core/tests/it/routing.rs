//! Which model an attempt gets, and why (S-4, Q-9).

use crate::swarm::{Swarm, report};
use crate::words::served;
use skep_core::{
    attempt::{End, Report, Usage},
    event::Event,
    money::Usd,
    spec::{Complexity, ModelWish, Plan, Role, RouteBy, Workers},
    task::TaskState,
};
use std::collections::BTreeMap;

fn names(n: usize) -> String {
    let names: Vec<String> = (0..n).map(|n| format!("t{n:03}")).collect();
    names.join(" ")
}

fn one_worker(plan: &mut Plan) {
    served(plan);
    plan.swarm.workers = Workers::Count(1);
}

fn model_of(t: &Swarm, task: &str) -> String {
    let live = t.state().attempt(t.attempt_of(task)).unwrap();
    live.model.clone().unwrap_or_default()
}

// proves: S-4
#[test]
fn task_worker_role_complexity_and_swarm_are_asked_in_this_order() {
    let mut t = Swarm::load_with("required prefers role simple plain", |p| {
        served(p);
        p.swarm.workers = Workers::Count(5);
        p.swarm.model = Some("middle".into());
        p.swarm.policy.routing.simple = Some("small".into());
        let role = Role {
            permission: None,
            capabilities: None,
            model: Some("large".into()),
        };
        p.swarm.roles.insert("back".into(), role);
        p.tasks[0].model = Some(ModelWish::Required("other".into()));
        p.tasks[1].model = Some(ModelWish::Preferred("other".into()));
        p.tasks[2].role = Some("back".into());
        for task in &mut p.tasks[..4] {
            task.complexity = Some(Complexity::Simple);
        }
    });
    let models = ["required", "prefers", "role", "simple", "plain"].map(|n| model_of(&t, n));
    assert_eq!(models, ["other", "other", "large", "small", "middle"]);
    assert!(
        t.why("role")
            .contains("routed to large: it is the model of the role \"back\"")
    );
    assert!(
        t.why("simple")
            .contains("routed to small: the task is simple")
    );
    assert!(!t.why("plain").contains("routed"), "{}", t.why("plain"));
    t.finish();
}

// proves: S-4, S-8
#[test]
fn shares_are_held_over_time() {
    let mut t = Swarm::load_with(&names(40), |p| {
        one_worker(p);
        p.swarm.policy.routing.by = RouteBy::Shares;
    });
    let mut had: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..40 {
        let name = t.first().unwrap();
        *had.entry(model_of(&t, &name)).or_default() += 1;
        t.succeed(&name);
    }
    let wanted = [("large", 8), ("middle", 20), ("small", 12)];
    assert_eq!(had, wanted.map(|(m, n)| (m.to_string(), n)).into());
}

/// The attempt fails, and cost so much.
fn fail_for(t: &mut Swarm, name: &str, cents: u64) {
    let usage = Usage {
        usd: Some(Usd(cents * 10_000)),
        ..Usage::default()
    };
    t.end(
        name,
        Report {
            usage,
            ..report(End::Exited(1))
        },
    );
    t.prepare();
}

// proves: S-4, G-6
#[test]
fn by_cost_the_cheapest_success_wins_until_it_fails_too_often() {
    let mut t = Swarm::load_with(&names(12), |p| {
        one_worker(p);
        p.swarm.policy.routing.by = RouteBy::Cost;
        p.swarm.policy.routing.explore_percent = 0;
        p.swarm.policy.max_retries = 0;
    });
    assert_eq!(model_of(&t, "t000"), "small");
    assert!(
        t.why("t000")
            .contains("routed to small: any task, 65 % success at $0.47"),
        "{}",
        t.why("t000")
    );
    let mut used = Vec::new();
    for n in 0..12 {
        let name = format!("t{n:03}");
        used.push(model_of(&t, &name));
        if used[n] == "small" {
            fail_for(&mut t, &name, 47);
        } else {
            t.succeed(&name);
        }
    }
    // Ten times the price, but a success with it is to be had.
    let first = used.iter().position(|m| m == "middle").unwrap();
    assert!((1..6).contains(&first), "{used:?}");
    assert!(used[first..].iter().all(|m| m == "middle"), "{used:?}");
}

// proves: S-4
#[test]
fn exploring_follows_a_rule_and_its_reason_is_in_the_claim() {
    let mut t = Swarm::load_with(&names(20), |p| {
        one_worker(p);
        p.swarm.policy.routing.by = RouteBy::Cost;
        p.swarm.policy.routing.explore_percent = 10;
        for task in &mut p.tasks {
            task.complexity = Some(Complexity::Simple);
        }
    });
    t.finish();
    let reasons = t.log.iter().filter_map(|r| match &r.event {
        Event::Claimed { model, route, .. } => {
            Some(route.as_ref()?.told(model.as_deref().unwrap_or_default()))
        }
        _ => None,
    });
    let reasons: Vec<String> = reasons.collect();
    let learns = |r: &&String| r.contains("simple, to learn how it does");
    assert_eq!(
        (reasons.len(), reasons.iter().filter(learns).count()),
        (20, 2),
        "{reasons:#?}"
    );
    assert!(reasons[9].starts_with("routed to middle"), "{reasons:#?}");
}

// proves
#[test]
fn a_stronger_model_is_tried_even_when_the_retries_are_used_up() {
    let mut t = Swarm::load_with("a", |p| {
        one_worker(p);
        p.swarm.model = Some("small".into());
    });
    let mut used = Vec::new();
    while t.is("a") == TaskState::Running {
        used.push(model_of(&t, "a"));
        t.fail("a");
    }
    assert_eq!(
        used,
        ["small", "small", "middle", "middle", "large", "large"]
    );
    assert!(t.why("a").contains("no stronger model is left"));
}

// proves: Q-9, S-4
#[test]
fn by_cost_or_shares_no_task_goes_on_without_a_model_when_all_have_failed() {
    for by in [RouteBy::Cost, RouteBy::Shares] {
        let mut t = Swarm::load_with("a", |p| {
            one_worker(p);
            p.swarm.policy.routing.by = by;
            p.swarm.policy.max_retries = 9;
        });
        let mut used = BTreeMap::new();
        while t.is("a") == TaskState::Running {
            *used.entry(model_of(&t, "a")).or_insert(0) += 1;
            t.fail("a");
        }
        let wanted = ["large", "middle", "small"].map(|m| (m.to_string(), 2));
        assert_eq!(used, wanted.into());
        assert!(
            t.why("a").contains("no stronger model is left"),
            "{}",
            t.why("a")
        );
    }
}

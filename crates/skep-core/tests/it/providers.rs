//! Providers that refuse: parked, tried again, nobody charged (S-5, S-5a, S-6).

use crate::swarm::Swarm;
use crate::words::{id, served};
use proptest::prelude::*;
use skep_core::{
    attempt::{Reading, Usage},
    event::Event,
    fault::ErrorKind,
    provider,
    request::{Command, Observation},
    spec::{ModelWish, Plan, Workers},
    task::TaskState,
    time::{Millis, Time},
};

/// Tasks on `small` (of alpha), but those whose name begins with `b` on `large` (of beta).
fn two_providers(workers: u32) -> impl FnOnce(&mut Plan) {
    move |plan: &mut Plan| {
        served(plan);
        plan.swarm.workers = Workers::Count(workers);
        plan.swarm.policy.concurrency = workers + 1;
        plan.swarm.model = Some("small".into());
        for task in plan
            .tasks
            .iter_mut()
            .filter(|t| t.id.as_str().starts_with('b'))
        {
            task.model = Some(ModelWish::Required("large".into()));
        }
    }
}

fn parked(t: &Swarm) -> Vec<String> {
    let parks = t.log.iter().filter_map(|r| match &r.event {
        Event::ProviderParked { provider, kind, .. } => Some(format!("{provider} {kind:?}")),
        Event::ProviderResumed { provider, .. } => Some(format!("{provider} resumed")),
        _ => None,
    });
    parks.collect()
}

// proves: S-5, S-5a
#[test]
fn a_limit_parks_its_provider_alone_until_the_time_it_says_and_charges_nobody() {
    let mut t = Swarm::load_with("a1 a2 a3 b1 b2", two_providers(3));
    assert_eq!(t.running(), "a1:w1 a2:w2 a3:w3");
    let reset = t.now + Millis::mins(90);
    for task in ["a1", "a2", "a3"] {
        t.refused(task, ErrorKind::RateLimit, Some(reset));
    }
    assert_eq!(t.running(), "b1:w1 b2:w2", "the other provider goes on");
    assert_eq!(parked(&t), ["alpha RateLimit"], "told once");
    assert_eq!(
        t.why("a1"),
        "waits for provider alpha: limited until 01:46 UTC (in 1h30m)"
    );
    for task in ["a1", "a2", "a3"] {
        let task = t.task(task);
        assert_eq!((task.failures, task.crashes, task.history.len()), (0, 0, 1));
        assert_eq!(task.last_failure, None, "nothing to learn from");
    }
    t.succeed("b1");
    t.succeed("b2");
    t.pass(Millis::mins(89));
    assert_eq!(t.running(), "");
    // It wakes by itself, with one attempt first.
    t.pass(Millis::mins(1));
    assert_eq!((t.running().as_str(), t.now), ("a1:w1", reset));
    assert!(
        t.why("a2")
            .contains("attempt 6 tries whether it works again"),
        "{}",
        t.why("a2")
    );
    t.start("a1");
    t.pass(Millis::secs(59));
    assert_eq!(t.running(), "a1:w1");
    t.pass(Millis::secs(1));
    assert_eq!(t.running(), "a1:w1 a2:w2 a3:w3");
    assert_eq!(parked(&t), ["alpha RateLimit", "alpha resumed"]);
    t.finish();
}

// proves: S-5a
#[test]
fn a_probe_that_is_refused_parks_for_longer_and_one_that_answers_resumes_at_once() {
    let mut t = Swarm::load_with("a1 a2", two_providers(2));
    t.refused("a1", ErrorKind::RateLimit, None);
    t.refused("a2", ErrorKind::RateLimit, None);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let parked = t.state().providers()["alpha"].parked.clone().unwrap();
        waits.push(parked.until.since(t.now).0 / 1000);
        t.pass(parked.until.since(t.now));
        let probe = t.first().unwrap();
        assert_eq!(t.state().live().len(), 1);
        t.refused(&probe, ErrorKind::RateLimit, None);
    }
    assert!(
        waits.windows(2).all(|w| w[0] < w[1] || w[1] >= 675),
        "{waits:?}"
    );
    assert!(*waits.last().unwrap() <= 900, "{waits:?}");
    t.pass(Millis::mins(15));
    let probe = t.first().unwrap();
    let attempt = t.attempt_of(&probe);
    t.start(&probe);
    let answered = Reading {
        usage: Usage {
            output_tokens: Some(12),
            ..Usage::default()
        },
        ..Reading::default()
    };
    let waits = Reading {
        retries: 2,
        ..answered.clone()
    };
    t.see(Observation::Read {
        seen: vec![(attempt, waits)],
    })
    .unwrap();
    t.pass(Millis::mins(2));
    assert_eq!(t.state().live().len(), 1, "it only tries again itself");
    t.see(Observation::Read {
        seen: vec![(attempt, answered)],
    })
    .unwrap();
    assert_eq!(t.state().live().len(), 2);
}

// proves: S-6
#[test]
fn failures_open_the_breaker_within_a_window_and_a_login_at_once() {
    let mut t = Swarm::load_with("a1 a2 a3 a4 a5 a6 b1", two_providers(6));
    for (n, task) in ["a1", "a2", "a3", "a4"].into_iter().enumerate() {
        t.refused(task, ErrorKind::Server, None);
        assert_eq!(parked(&t), [""; 0], "after {n}");
    }
    t.refused("a5", ErrorKind::Network, None);
    assert_eq!(parked(&t), ["alpha Network"]);
    assert!(
        t.why("a5").contains("provider alpha: it is down"),
        "{}",
        t.why("a5")
    );
    for task in ["a1", "a2", "a3", "a4", "a5"] {
        assert_eq!((t.task(task).crashes, t.task(task).failures), (0, 0));
    }
    t.refused("b1", ErrorKind::Auth, None);
    assert_eq!(parked(&t), ["alpha Network", "beta Auth"]);
    let told = t.log.iter().rev().find_map(|r| match &r.event {
        Event::ProviderParked { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(told.unwrap().contains("log in again"));
    // A person who has done so need not wait.
    t.ask(Command::Resume).unwrap();
    assert_eq!(provider::open(t.state(), "beta", t.now), Ok(()));
    assert!(t.ask(Command::Resume).is_err(), "once");
}

// proves: S-6
#[test]
fn no_more_attempts_run_at_a_provider_than_its_bulkhead_allows() {
    let mut t = Swarm::load_with("a1 a2 a3 a4 b1 b2", |p| {
        two_providers(6)(p);
        p.swarm.policy.providers.attempts = 2;
    });
    assert_eq!(t.running(), "a1:w1 a2:w2 b1:w3 b2:w4");
    assert_eq!(
        t.why("a3"),
        "waits for provider alpha: 2 attempts run there, which is the most (policy.providers.attempts)"
    );
    t.succeed("a1");
    assert!(t.running().contains("a3"));
    t.finish();
}

// proves: S-5
#[test]
fn a_fallback_stands_in_unless_the_task_requires_its_model() {
    let mut t = Swarm::load_with("a1 a2 a3", |p| {
        two_providers(3)(p);
        p.swarm.policy.routing.fallback = vec!["large".into()];
        p.tasks[2].model = Some(ModelWish::Required("small".into()));
    });
    t.refused("a1", ErrorKind::Quota, None);
    assert_eq!(
        t.state()
            .attempt(t.attempt_of("a1"))
            .unwrap()
            .model
            .as_deref(),
        Some("large")
    );
    assert!(
        t.why("a1")
            .contains("routed to large: alpha, which serves small, takes nothing now"),
        "{}",
        t.why("a1")
    );
    t.refused("a3", ErrorKind::Quota, None);
    assert!(
        t.why("a3").contains("its quota is used up"),
        "{}",
        t.why("a3")
    );
    t.pass(Millis::mins(60));
    assert!(
        t.running().contains("a3"),
        "its own provider is tried again"
    );
}

// proves: S-5a
#[test]
fn no_date_parks_a_provider_for_longer_than_a_day_without_a_try() {
    let mut t = Swarm::load_with("a1", two_providers(1));
    // What the keeper takes for today is forty days behind.
    let stated = t.now + Millis::mins(40 * 24 * 60);
    t.refused("a1", ErrorKind::RateLimit, Some(stated));
    t.pass(Millis::mins(24 * 60));
    assert_eq!(t.running(), "a1:w1");
    // And here it is ahead: the moment has long passed.
    t.refused("a1", ErrorKind::RateLimit, Some(Time(5)));
    t.pass(Millis::mins(2));
    assert_eq!(t.running(), "a1:w1");
}

// proves: S-5, L-8
#[test]
fn a_task_that_is_always_refused_lets_others_try_its_provider() {
    let mut t = Swarm::load_with("a1!0 a2 a3", two_providers(1));
    for _ in 0..20 {
        match t.first().as_deref() {
            Some("a1") => t.refused("a1", ErrorKind::RateLimit, None),
            Some(other) => {
                let other = other.to_owned();
                t.succeed(&other);
            }
            None => t.pass(Millis::mins(5)),
        }
    }
    assert_eq!([t.is("a2"), t.is("a3")], [TaskState::Accepted; 2]);
    assert_eq!(t.task("a1").crashes, 0);
}

// proves: S-5, L-4
#[test]
fn a_task_that_is_refused_over_and_over_while_others_are_served_is_flagged() {
    let names: Vec<String> = (10..40).map(|n| format!("c{n}")).collect();
    let mut t = Swarm::load_with(&format!("a1!0 {}", names.join(" ")), two_providers(2));
    let mut refusals = 0;
    while t.is("a1") != TaskState::Flagged {
        if t.task("a1").current.is_some() {
            t.refused("a1", ErrorKind::Server, None);
            refusals += 1;
        }
        let other = t
            .state()
            .live()
            .map(|l| l.task.to_string())
            .find(|n| n != "a1");
        if let Some(other) = other {
            t.succeed(&other);
        }
        t.pass(Millis::mins(3));
        assert!(refusals < 40, "{}", t.why("a1"));
    }
    assert_eq!(refusals, 13);
    assert!(
        t.why("a1")
            .contains("alpha has refused the task 12 times while it served others")
    );
    assert!(
        t.task("a1").model_failures.is_empty(),
        "it says nothing of the model"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    // proves: S-5, S-5a, S-6, Q-9
    #[test]
    fn whatever_providers_do_nobody_is_charged_and_all_is_done_in_the_end(
        deeds in prop::collection::vec((0usize..7, 0u64..90, any::<bool>()), 1..60),
    ) {
        let mut t = Swarm::load_with("a1 a2 a3 a4 b1 b2 b3 b4", |p| {
            two_providers(6)(p);
            p.swarm.policy.providers.attempts = 2;
            // None is ended for its age.
            p.swarm.policy.timebox = Millis::mins(100 * 24 * 60);
        });
        let kinds = [
            ErrorKind::RateLimit, ErrorKind::Quota, ErrorKind::Server, ErrorKind::Network, ErrorKind::Auth,
        ];
        for (deed, minutes, stated) in deeds {
            if let Some(name) = t.first() {
                let until = stated.then(|| t.now + Millis::mins(minutes));
                match kinds.get(deed) {
                    Some(kind) => t.refused(&name, *kind, until),
                    None => drop(t.see(Observation::Started {
                        attempt: t.attempt_of(&name),
                    })),
                }
            }
            t.pass(Millis::mins(minutes / 4));
            for (name, provider) in t.state().providers() {
                let running = t.state().live().filter(|l| l.provider.as_ref() == Some(name)).count();
                prop_assert!(running <= 2 && provider.running as usize == running);
            }
            for task in t.state().tasks() {
                prop_assert!((task.failures, task.crashes) == (0, 0) && task.model_failures.is_empty());
            }
        }
        for _ in 0..200 {
            match t.first() {
                Some(name) => drop(t.succeed(&name)),
                None => t.pass(Millis::mins(60)),
            }
            if t.merge_action().is_some() {
                t.merge();
            }
        }
        prop_assert!(t.state().finished().is_some(), "{}", t.why("a1"));
        prop_assert!(t.state().task(&id("a1")).unwrap().state == TaskState::Merged);
    }
}

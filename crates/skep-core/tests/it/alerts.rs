//! Alerts (U-6): raised once, said again while they last, resolved when they are over; and what is sent when.

use crate::{
    swarm::Swarm,
    words::{id, priced, served, usd},
};
use proptest::prelude::*;
use skep_core::{
    alert::{
        Key, Rule, line,
        post::{self, Message, Posted, Says},
        route::{Quiet, Route, To},
    },
    event::Event,
    fault::ErrorKind,
    merge::Severity,
    request::{Command, Observation, Refusal},
    spec::{Plan, Workers, Zone},
    time::{Millis, Time},
};

fn route(name: &str) -> Route {
    Route {
        name: name.into(),
        to: To::Desktop,
        least: Severity::Info,
        rules: Vec::new(),
        resolved: true,
        quiet: None,
        dedup: Millis(0),
        per_hour: 1_000,
    }
}

fn with(text: &str, change: impl FnOnce(&mut Plan)) -> Swarm {
    Swarm::load_with(text, |plan| {
        served(plan);
        plan.swarm.workers = Workers::Count(2);
        plan.swarm.policy.max_retries = 0;
        plan.swarm.policy.alerts.remind = Millis(0);
        plan.swarm.routes.push(route("ops"));
        change(plan);
    })
}

/// What was said of alerts, in the order of the log: `+` raised, `!` said again, `-` over.
fn said(t: &Swarm) -> Vec<String> {
    let said = t.log.iter().filter_map(|record| match &record.event {
        Event::AlertRaised { alert, .. } => Some(format!("+{}", alert.of)),
        Event::AlertReminded { of } => Some(format!("!{of}")),
        Event::AlertResolved { of } => Some(format!("-{of}")),
        _ => None,
    });
    said.collect()
}

fn open(t: &Swarm) -> Vec<String> {
    let open = t.state().alerts().open();
    open.map(|(spell, _)| spell.of.to_string()).collect()
}

fn messages(t: &Swarm) -> Vec<Message> {
    post::messages(t.state(), t.now)
}

/// What would be sent now, each message as its letters.
fn due(t: &Swarm) -> Vec<String> {
    let words = |message: &Message| {
        let one = |l: &post::Letter| match (&l.alert, l.says) {
            (Some(alert), Says::Raised) => format!("+{}", alert.of),
            (Some(alert), Says::Resolved) => format!("-{}", alert.of),
            (Some(alert), _) => format!("!{}", alert.of),
            (None, _) => "test".into(),
        };
        let all: Vec<String> = message.letters.iter().map(one).collect();
        all.join(" ")
    };
    messages(t).iter().map(words).collect()
}

fn posted(t: &mut Swarm, message: &Message, posted: Posted) -> Result<(), Refusal> {
    t.see(Observation::Posted {
        route: message.route.name.clone(),
        letters: message.letters.iter().map(|l| l.seq).collect(),
        posted,
    })
    .map(drop)
}

fn send_all(t: &mut Swarm) {
    for message in messages(t) {
        posted(t, &message, Posted::Sent).unwrap();
    }
}

fn failed(reason: &str) -> Posted {
    Posted::Failed {
        reason: reason.into(),
        for_good: false,
        after: None,
    }
}

// proves: U-6
#[test]
fn a_task_that_failed_is_raised_once_and_is_over_a_while_after_it_begins_anew() {
    let mut t = with("a", |_| {});
    t.fail("a");
    assert_eq!(said(&t), ["+task_failed/a"]);
    t.pass(Millis::mins(60));
    assert_eq!(said(&t), ["+task_failed/a"], "once while it lasts");
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    t.pass(Millis::secs(30));
    assert_eq!(open(&t), ["task_failed/a"], "it may come back at once");
    t.fail("a");
    t.pass(Millis::mins(5));
    assert_eq!(said(&t), ["+task_failed/a"], "what flaps is one alert");
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    t.pass(Millis::mins(1));
    assert_eq!(said(&t), ["+task_failed/a", "-task_failed/a"]);
}

// proves: U-6
#[test]
fn crashes_are_counted_within_their_window_and_are_over_when_none_comes_for_as_long() {
    let mut t = with("a b c d", |plan| plan.swarm.policy.crash_retries = 20);
    t.crash("a");
    t.crash("b");
    assert_eq!(said(&t), [""; 0], "two are not too many");
    t.pass(Millis::mins(1));
    t.prepare();
    let next = t.first().unwrap();
    t.crash(&next);
    assert_eq!(said(&t), ["+crashes"]);
    t.pass(Millis::mins(4));
    assert_eq!(open(&t), ["crashes"], "fewer than too many is not yet well");
    t.pass(Millis::mins(2));
    assert_eq!(said(&t), ["+crashes", "-crashes"]);
    t.pass(Millis::mins(20));
    assert_eq!(said(&t).len(), 2);
}

// proves: U-6
#[test]
fn a_swarm_at_its_cap_and_one_that_does_nothing_are_raised_after_their_time() {
    let mut t = with("a b c", |plan| plan.swarm.policy.concurrency = 2);
    for task in ["a", "b"] {
        t.start(task);
    }
    t.pass(Millis::mins(9));
    assert_eq!(said(&t), [""; 0]);
    t.pass(Millis::mins(1));
    assert_eq!(said(&t), ["+fully_scaled"]);
    t.succeed("a");
    t.pass(Millis::mins(2));
    assert_eq!(said(&t), ["+fully_scaled", "-fully_scaled"]);

    // Its only provider refuses for an hour: work is left, and nothing does it.
    let mut t = with("a b", |_| {});
    let until = t.now + Millis::mins(60);
    t.refused("a", ErrorKind::RateLimit, Some(until));
    t.refused("b", ErrorKind::RateLimit, Some(until));
    t.pass(Millis::mins(11));
    let all = said(&t);
    assert!(all.contains(&"+idle".into()), "{all:?}");
    assert!(all.iter().any(|s| s.starts_with("+provider/")), "{all:?}");
    // A person who pauses it knows.
    t.ask(Command::Pause).unwrap();
    t.pass(Millis::mins(2));
    assert!(said(&t).contains(&"-idle".into()));
}

// proves: U-6, S-7
#[test]
fn each_rung_of_a_budget_is_said_once_and_a_quota_at_once() {
    let mut t = with("a b c", |plan| {
        priced(plan, |b| b.swarm.usd = Some(usd(10.0)))
    });
    let severities = |t: &Swarm| -> Vec<Severity> {
        let raised = t.log.iter().filter_map(|r| match &r.event {
            Event::AlertRaised { alert, .. } if matches!(alert.of, Key::Budget(_)) => {
                Some(alert.severity)
            }
            _ => None,
        });
        raised.collect()
    };
    t.start("a");
    t.uses("a", 9.2);
    t.pass(Millis::mins(2));
    assert_eq!(severities(&t), [Severity::Info]);
    t.uses("a", 9.6);
    t.pass(Millis::mins(2));
    assert_eq!(severities(&t), [Severity::Info, Severity::Warning]);

    let mut t = with("a b", |_| {});
    t.refused("a", ErrorKind::Quota, None);
    let (_, raised) = t.state().alerts().open().next().unwrap();
    assert_eq!(raised.alert.severity, Severity::Critical);
}

// proves: U-6
#[test]
fn keepers_that_die_and_a_full_disk_are_raised() {
    let mut t = with("a", |_| {});
    for _ in 0..3 {
        t.pass(Millis::mins(1));
        t.see(Observation::Restarted).unwrap();
    }
    assert_eq!(said(&t), ["+keeper_restarts"]);
    let lacking = |text: &str| Observation::Disk {
        lacking: Some(text.into()),
    };
    t.see(lacking("9 MB are free")).unwrap();
    assert_eq!(t.see(lacking("8 MB are free")), Err(Refusal::OutOfDate));
    t.see(Observation::Disk { lacking: None }).unwrap();
    t.pass(Millis::mins(30));
    assert_eq!(
        said(&t),
        ["+keeper_restarts", "+disk", "-disk", "-keeper_restarts"]
    );
}

// proves: U-6, S-8
#[test]
fn a_rule_can_be_silenced_and_turned_off() {
    let mut t = with("a b c", |_| {});
    let silence = |t: &mut Swarm, lasts| {
        let rule = Rule::TaskFailed;
        t.ask(Command::SilenceAlerts { rule, lasts }).map(drop)
    };
    assert!(
        silence(&mut t, Millis(0)).is_err(),
        "there is no silence to end"
    );
    silence(&mut t, Millis::mins(20)).unwrap();
    t.fail("a");
    assert_eq!(
        (said(&t).len(), due(&t).len()),
        (1, 0),
        "raised, and not told"
    );
    t.pass(Millis::mins(20));
    assert_eq!(due(&t), ["!task_failed/a"], "what still holds is told then");
    send_all(&mut t);
    let (was, mut policy) = (t.state().policy(), t.state().policy());
    policy.alerts.off.push(Rule::TaskFailed);
    t.ask(Command::SetPolicy {
        asked: "off".into(),
        was: was.into(),
        policy: policy.into(),
    })
    .unwrap();
    t.fail("b");
    assert_eq!(
        said(&t),
        ["+task_failed/a", "!task_failed/a", "-task_failed/a"]
    );
}

// proves: U-6
#[test]
fn what_lasts_is_said_again_and_again() {
    let mut t = with("a", |plan| {
        plan.swarm.policy.alerts.remind = Millis::mins(30);
    });
    t.fail("a");
    t.pass(Millis::mins(65));
    assert_eq!(
        said(&t),
        ["+task_failed/a", "!task_failed/a", "!task_failed/a"]
    );
}

// proves: U-6
#[test]
fn a_letter_waits_until_it_is_sent_is_tried_again_later_and_is_given_up_in_the_end() {
    let mut t = with("a", |plan| {
        let mut other = route("other");
        other.rules = vec![Rule::Undelivered];
        plan.swarm.routes.push(other);
    });
    t.fail("a");
    let [message] = &messages(&t)[..] else {
        panic!("{:?}", messages(&t))
    };
    // Whoever asks again before it is reported gets the same letter: at least once, by the same name.
    assert_eq!(messages(&t)[0].letters[0].seq, message.letters[0].seq);
    let mut waits = Vec::new();
    let mut tries = 0;
    while let Some(message) = messages(&t).into_iter().find(|m| m.route.name == "ops") {
        posted(&mut t, &message, failed("refused")).unwrap();
        tries += 1;
        if let Some(at) = post::wake_at(t.state(), t.now) {
            waits.push(at.since(t.now).0 / 1_000);
            t.now = at;
        }
    }
    assert_eq!(tries, 9);
    assert!(
        waits.windows(2).all(|w| w[0] <= w[1] || w[0] > 1_000),
        "{waits:?}"
    );
    assert!(waits.iter().all(|s| *s <= 1_800), "{waits:?}");
    assert_eq!(due(&t), ["+undelivered/ops"], "by the other route alone");
    // One that arrives makes it good.
    t.ask(Command::TestAlerts { route: None }).unwrap();
    send_all(&mut t);
    t.pass(Millis::mins(2));
    assert!(said(&t).contains(&"-undelivered/ops".into()));
    // What is reported twice, or late, changes nothing.
    let late = Observation::Posted {
        route: "ops".into(),
        letters: vec![1],
        posted: Posted::Sent,
    };
    assert_eq!(t.see(late), Err(Refusal::OutOfDate));
}

// proves: U-6
#[test]
fn a_receiver_that_asks_for_time_gets_it_and_one_that_refuses_is_not_asked_again() {
    let mut t = with("a", |_| {});
    t.fail("a");
    let message = messages(&t).remove(0);
    let after = Some(Millis::mins(5));
    let later = Posted::Failed {
        reason: "429".into(),
        for_good: false,
        after,
    };
    posted(&mut t, &message, later).unwrap();
    assert_eq!(
        post::wake_at(t.state(), t.now),
        Some(t.now + Millis::mins(5))
    );
    t.pass(Millis::mins(5));
    let message = messages(&t).remove(0);
    let never = Posted::Failed {
        reason: "404".into(),
        for_good: true,
        after: None,
    };
    posted(&mut t, &message, never).unwrap();
    assert_eq!(due(&t), [""; 0]);
    assert_eq!(t.state().alerts().post().trouble("ops"), Some("404"));
}

/// 2026-03-28T20:00Z: the night in which Berlin's clocks are put forward.
const EVENING: Time = Time(1_774_728_000_000);
const FORWARD: Time = Time(1_774_746_000_000);

// proves: U-6, A-1
#[test]
fn quiet_hours_hold_back_all_but_what_is_critical_and_end_by_the_clock_on_the_wall() {
    let mut t = with("a b c d", |plan| {
        plan.swarm.workers = Workers::Count(0);
        plan.swarm.policy.alerts.off.push(Rule::Idle);
        plan.swarm.routes[0].quiet = Some(Quiet {
            from: 22 * 60,
            to: 7 * 60,
            zone: Zone {
                name: "Europe/Berlin".into(),
                first: 3_600,
                changes: vec![(FORWARD, 7_200)],
            },
        });
    });
    t.now = EVENING + Millis::mins(58);
    let (count, role) = (4, None);
    t.ask(Command::AddWorkers { count, role }).unwrap();
    t.prepare();
    t.fail("a");
    assert_eq!(due(&t), ["+task_failed/a"], "it is 21:58 there");
    send_all(&mut t);
    t.pass(Millis::mins(3));
    t.fail("b");
    t.pass(Millis::mins(5));
    t.fail("c");
    assert_eq!(due(&t), [""; 0]);
    t.refused("d", ErrorKind::Quota, None);
    let now = due(&t);
    assert!(
        now.len() == 1 && now[0].starts_with("+provider/"),
        "{now:?}"
    );
    send_all(&mut t);
    // 07:00 there is 05:00Z, an hour earlier than on the day before.
    let end = post::wake_at(t.state(), t.now).unwrap();
    assert_eq!(end, EVENING + Millis::mins(9 * 60));
    t.now = end;
    let [digest] = &messages(&t)[..] else {
        panic!("{:?}", due(&t))
    };
    assert!(digest.letters.len() >= 2, "{:?}", due(&t));
    assert!(due(&t)[0].starts_with("+task_failed/b +task_failed/c"));
}

// proves: U-6
#[test]
fn a_route_says_no_more_within_an_hour_than_it_may_and_then_all_at_once() {
    let mut t = with("a b c d e", |plan| {
        plan.swarm.routes[0].per_hour = 2;
        plan.swarm.workers = Workers::Count(5);
    });
    for task in ["a", "b"] {
        t.fail(task);
        send_all(&mut t);
        t.pass(Millis::mins(1));
    }
    for task in ["c", "d"] {
        t.fail(task);
    }
    assert_eq!(due(&t), [""; 0]);
    t.now = post::wake_at(t.state(), t.now).unwrap();
    assert_eq!(due(&t), ["+task_failed/c +task_failed/d"]);
}

// proves: U-6
#[test]
fn filters_say_what_goes_which_way_and_the_same_is_not_said_again_so_soon() {
    let mut t = with("a b", |plan| {
        plan.swarm.routes[0].least = Severity::Critical;
        let mut second = route("tasks");
        second.rules = vec![Rule::TaskFailed];
        second.resolved = false;
        second.dedup = Millis::mins(10);
        plan.swarm.routes.push(second);
    });
    let again = |t: &mut Swarm| {
        t.ask(Command::RetryTask { task: id("a") }).unwrap();
        t.pass(Millis::mins(2));
        t.fail("a");
    };
    t.fail("a");
    assert_eq!(due(&t), ["+task_failed/a"]);
    assert_eq!(messages(&t)[0].route.name, "tasks");
    send_all(&mut t);
    again(&mut t);
    assert_eq!(said(&t).len(), 3, "raised, over, raised");
    assert_eq!(due(&t), [""; 0]);
    t.pass(Millis::mins(10));
    again(&mut t);
    assert_eq!(due(&t), ["+task_failed/a"]);
    let wrong = Command::TestAlerts {
        route: Some("nobody".into()),
    };
    assert_eq!(t.ask(wrong), Err(Refusal::NoSuchRoute("nobody".into())));
}

// proves: U-6, T-3
#[test]
fn no_text_from_outside_is_more_than_a_line() {
    assert_eq!(
        line("a\r\nBcc: x\u{1b}[2J\u{202e}b\u{2028}c  d \0"),
        "a Bcc: x [2J b c d"
    );
    let long = line(&"ä".repeat(1_000));
    assert!(long.len() <= 510 && long.ends_with('…'));
}

#[derive(Clone, Debug)]
enum Step {
    Fail(u8),
    Retry(u8),
    Crash(u8),
    Refuse(u8),
    Wait(u64),
    Send,
    Lose,
    Pause,
    Resume,
    Test,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4u8).prop_map(Step::Fail),
        (0..4u8).prop_map(Step::Retry),
        (0..4u8).prop_map(Step::Crash),
        (0..4u8).prop_map(Step::Refuse),
        (1..900u64).prop_map(Step::Wait),
        Just(Step::Send),
        Just(Step::Lose),
        Just(Step::Pause),
        Just(Step::Resume),
        Just(Step::Test),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    // proves: U-6
    #[test]
    fn nothing_is_raised_twice_or_ended_before_it_was_and_every_letter_ends(steps in steps()) {
        let mut t = with("a b c d", |plan| {
            plan.swarm.policy.crash_retries = 3;
            plan.swarm.policy.alerts.remind = Millis::mins(10);
        });
        for step in steps {
            let name = |n: u8| ["a", "b", "c", "d"][usize::from(n)];
            let runs = |t: &Swarm, n: u8| t.task(name(n)).current.is_some();
            match step {
                Step::Fail(n) if runs(&t, n) => t.fail(name(n)),
                Step::Crash(n) if runs(&t, n) => t.crash(name(n)),
                Step::Refuse(n) if runs(&t, n) => t.refused(name(n), ErrorKind::RateLimit, None),
                Step::Retry(n) => drop(t.ask(Command::RetryTask { task: id(name(n)) })),
                Step::Wait(seconds) => t.pass(Millis::secs(seconds)),
                Step::Send => send_all(&mut t),
                Step::Lose => {
                    for message in messages(&t) {
                        posted(&mut t, &message, failed("lost")).unwrap();
                    }
                }
                Step::Pause => drop(t.ask(Command::Pause)),
                Step::Resume => drop(t.ask(Command::Resume)),
                Step::Test => drop(t.ask(Command::TestAlerts { route: None })),
                _ => {}
            }
        }
        let (mut raised, mut open) = (0usize, std::collections::BTreeMap::new());
        for record in &t.log {
            match &record.event {
                Event::AlertRaised { alert, grade } => {
                    raised += 1;
                    let was = open.insert(alert.of.clone(), *grade);
                    prop_assert!(was.is_none_or(|was| was < *grade), "{} is raised twice", alert.of);
                }
                Event::AlertReminded { of } => prop_assert!(open.contains_key(of)),
                Event::AlertResolved { of } => prop_assert!(open.remove(of).is_some(), "{of} was not raised"),
                _ => {}
            }
        }
        let known: Vec<Key> = open.into_keys().collect();
        let mut held: Vec<Key> = t.state().alerts().open().map(|(s, _)| s.of.clone()).collect();
        held.sort();
        prop_assert_eq!(known, held);
        // Every alert made a letter, which waits, was sent, or was given up.
        let book = t.state().alerts().post();
        prop_assert!(book.waiting().len() + book.done().len() >= raised.min(50));
        // And once what fails gets through, nothing waits for ever.
        for _ in 0..200 {
            send_all(&mut t);
            if t.state().alerts().post().waiting().is_empty() {
                break;
            }
            t.now = post::wake_at(t.state(), t.now).unwrap_or(t.now);
        }
        prop_assert_eq!(t.state().alerts().post().waiting().len(), 0);
    }
}

//! Budgets (S-7): reserved, metered, settled; and what is done near a cap.

use crate::{
    swarm::{Swarm, costing, report},
    words::{a_plan, id, load, priced, usd},
};
use skep_core::{
    attempt::{Cut, End, Outcome, Report, StopWhy, Usage},
    budget::{Level, Scope},
    event::Event,
    money::Usd,
    request::{Command, Observation},
    spec::{Budget, ModelSpec, OnCap, Policy, Price, Priority, Tier, Workers},
    state::SwarmState,
    task::TaskState,
    time::Millis,
    waiting::{self, Waiting},
};

fn with(text: &str, workers: u32, caps: impl FnOnce(&mut Budget)) -> Swarm {
    Swarm::load_with(text, |plan| {
        plan.swarm.workers = Workers::Count(workers);
        priced(plan, caps);
    })
}

fn capped(text: &str, workers: u32, dollars: f64) -> Swarm {
    with(text, workers, |budget| {
        budget.swarm.usd = Some(usd(dollars))
    })
}

fn spent(t: &Swarm) -> Usd {
    t.state().ledger().swarm().usd
}

fn set(t: &mut Swarm, change: impl FnOnce(&mut Policy)) {
    let (was, mut policy) = (t.state().policy(), t.state().policy());
    change(&mut policy);
    t.ask(Command::SetPolicy {
        asked: "budget".into(),
        was: was.into(),
        policy: policy.into(),
    })
    .unwrap();
}

fn stopping(t: &Swarm, task: &str) -> Option<(StopWhy, bool)> {
    let live = t.state().attempt(t.attempt_of(task))?;
    live.stopping.map(|stop| (stop.why, stop.at_once))
}

// proves: S-7
#[test]
fn a_claim_that_does_not_fit_is_refused_and_says_what_was_measured() {
    let mut t = capped("a b c", 2, 1.0);
    // Nothing is known yet: each guess takes a tenth of the cap.
    assert_eq!(t.running(), "a:w1 b:w2");
    t.start("a");
    t.start("b");
    t.succeed_for("a", costing(0.85));
    assert_eq!(
        t.why("c"),
        "waits for budget: $0.85 of the swarm's $1.00 spent, $0.10 reserved, needs $0.10"
    );
    assert_eq!(t.is("c"), TaskState::Ready);
    t.succeed_for("b", costing(0.05));
    assert_eq!(t.running(), "c:w1");
}

// proves: S-7
#[test]
fn what_an_attempt_used_is_booked_once_however_it_ends_and_however_often_that_is_said() {
    let mut t = capped("a b c", 3, 100.0);
    for name in ["a", "b", "c"] {
        t.start(name);
    }
    let (a, c) = (t.attempt_of("a"), t.attempt_of("c"));
    t.uses("a", 1.0);
    t.uses("b", 2.0);
    t.uses("c", 4.0);
    assert_eq!(spent(&t), usd(7.0));
    // Less than before is not believed, and the end says the last word once.
    t.uses("a", 0.5);
    let said = Report {
        usage: costing(1.5),
        ..report(End::Exited(1))
    };
    t.end("a", said.clone());
    assert_eq!(spent(&t), usd(7.5));
    let again = Observation::Ended {
        attempt: a,
        report: said.into(),
        untouched: false,
    };
    assert!(t.see(again).is_err());
    t.lose("b");
    t.uses("c", 4.25);
    t.lose("c");
    // The last reading counts although no report came.
    assert_eq!(spent(&t), usd(7.75));
    assert_eq!(t.task("c").history[0].attempt, c);
    assert_eq!(t.task("c").history[0].charge.usd, Some(usd(4.25)));
}

// proves: S-7, Q-6
#[test]
fn the_report_of_a_revoked_attempt_is_booked_when_it_comes_and_not_twice() {
    let mut t = capped("a", 1, 100.0);
    t.start("a");
    t.uses("a", 1.0);
    let attempt = t.attempt_of("a");
    t.pass(Millis::mins(120));
    assert_ne!(t.task("a").current, Some(attempt));
    assert_eq!(spent(&t), usd(1.0));
    let late = || Observation::Ended {
        attempt,
        report: Report {
            usage: costing(3.0),
            ..report(End::Exited(0))
        }
        .into(),
        untouched: false,
    };
    t.see(late()).unwrap();
    assert_eq!(spent(&t), usd(3.0));
    assert!(t.see(late()).is_err());
    assert_eq!(spent(&t), usd(3.0));
}

// proves: S-7, W-14
#[test]
fn what_is_not_known_stays_unknown_and_a_price_makes_tokens_known() {
    let mut t = Swarm::load_with("a b", |plan| {
        priced(plan, |budget| budget.swarm.usd = Some(usd(100.0)));
        plan.tasks[0].model = Some(skep_core::spec::ModelWish::Required(
            "x/known-20260101".into(),
        ));
        plan.tasks[1].model = Some(skep_core::spec::ModelWish::Required("unheard-of".into()));
        let price = Price {
            input: usd(1.0),
            cache_read: usd(0.1),
            cache_write: usd(1.25),
            output: usd(5.0),
        };
        let spec = ModelSpec {
            provider: "x".into(),
            tier: Tier::Default,
            price: Some(price),
        };
        plan.swarm.catalog.insert("known".into(), spec);
    });
    let tokens = Usage {
        input_tokens: Some(1_000_000),
        output_tokens: Some(200_000),
        ..Usage::default()
    };
    for name in ["a", "b"] {
        t.start(name);
        t.succeed_for(name, tokens);
    }
    assert_eq!(t.task("a").history[0].charge.usd, Some(usd(2.0)));
    assert_eq!(t.task("b").history[0].charge.usd, None);
    assert_eq!(t.task("b").history[0].charge.tokens(), Some(1_200_000));
    assert_eq!(t.state().ledger().swarm().tokens, 2_400_000);
}

// proves: S-7
#[test]
fn an_attempt_beyond_what_was_set_aside_gets_more_or_is_ended_and_no_retry_is_counted() {
    let mut t = capped("a b", 2, 10.0);
    t.start("a");
    t.start("b");
    // 0.50 was set aside; there is room for more.
    t.uses("a", 0.7);
    let reserved =
        |t: &Swarm, n: &str| t.state().attempt(t.attempt_of(n)).unwrap().account.reserved;
    assert!(reserved(&t, "a").usd > usd(0.7));
    assert_eq!(stopping(&t, "a"), None);
    // A burst for which there is none.
    t.uses("a", 9.0);
    t.uses("b", 1.2);
    assert_eq!(stopping(&t, "b"), Some((StopWhy::OverBudget, true)));
    t.heed_stop("b");
    let b = t.task("b");
    assert_eq!(b.history[0].outcome, Outcome::OverBudget);
    assert_eq!((b.failures, b.crashes, b.state), (0, 0, TaskState::Ready));
}

// proves: S-7
#[test]
fn the_less_urgent_gives_back_what_it_has_not_spent_before_the_more_urgent_is_ended() {
    for (urgent, given) in [(Priority::P0, true), (Priority::P2, false)] {
        let mut t = Swarm::load_with("a b", |plan| {
            plan.swarm.workers = Workers::Count(2);
            priced(plan, |budget| budget.swarm.usd = Some(usd(1.0)));
            plan.tasks[0].priority = urgent;
            plan.tasks[1].priority = Priority::P2;
        });
        t.start("a");
        t.start("b");
        let reserved =
            |t: &Swarm, n: &str| t.state().attempt(t.attempt_of(n)).unwrap().account.reserved;
        for cents in (4..=94).step_by(5) {
            t.pass(Millis::mins(1));
            t.uses("a", f64::from(cents) / 100.0);
        }
        // 0.94 and what may follow do not fit beside the tenth that the other one keeps and does not spend.
        assert_eq!(stopping(&t, "a").is_none(), given, "{urgent:?}");
        assert_eq!(stopping(&t, "b"), None, "it has not passed anything yet");
        if given {
            assert!(reserved(&t, "b").usd < usd(0.1));
        }
    }
}

// proves: S-7
#[test]
fn a_task_whose_own_budget_is_spent_is_flagged_and_begins_anew_with_a_new_one() {
    let mut t = with("a b", 1, |budget| budget.task.usd = Some(usd(1.0)));
    t.start("a");
    t.uses("a", 1.2);
    assert_eq!(stopping(&t, "a"), Some((StopWhy::OverBudget, true)));
    t.heed_stop("a");
    assert_eq!(t.is("a"), TaskState::Flagged);
    let note = t.task("a").note.clone().unwrap();
    assert!(
        note.contains("its own budget is spent: $1.20 of $1.00"),
        "{note}"
    );
    t.succeed_for("b", costing(0.2));
    t.merge();
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    t.prepare();
    assert_eq!(t.running(), "a:w1");
    // What it cost before is not forgotten, only not held against it.
    assert_eq!(spent(&t), usd(1.4));
}

// proves: S-7
#[test]
fn a_failed_attempt_that_spent_its_tasks_budget_is_not_begun_again() {
    let mut t = with("a", 1, |budget| budget.task.tokens = Some(1_000));
    t.start("a");
    let usage = Usage {
        output_tokens: Some(1_000),
        ..Usage::default()
    };
    t.end(
        "a",
        Report {
            usage,
            ..report(End::Exited(1))
        },
    );
    assert_eq!(t.is("a"), TaskState::Flagged);
}

// proves: S-7
#[test]
fn minutes_are_capped_without_a_word_from_any_agent() {
    let mut t = with("a b", 2, |budget| {
        budget.swarm.minutes = Some(60);
    });
    t.start("a");
    t.start("b");
    t.pass(Millis::mins(27));
    assert_eq!((stopping(&t, "a"), stopping(&t, "b")), (None, None));
    t.pass(Millis::mins(2));
    // 58 of 60 minutes: both are of P2.
    let asked = Some((StopWhy::OverBudget, false));
    assert_eq!((stopping(&t, "a"), stopping(&t, "b")), (asked, asked));
    t.heed_stop("a");
    t.heed_stop("b");
    let booked = t.state().ledger().swarm().time;
    assert_eq!(booked, Millis::mins(58));
    assert_eq!(
        t.state()
            .ledger()
            .days()
            .values()
            .map(|d| d.time.0)
            .sum::<u64>(),
        booked.0
    );
    assert!(matches!(
        waiting::task(t.state(), t.task("a"), t.now),
        Waiting::Budget(_)
    ));
}

// proves: S-7
#[test]
fn a_commands_attempts_are_not_held_up_by_a_cap_in_dollars() {
    let mut t = Swarm::load_with("a b c", |plan| {
        plan.swarm.workers = Workers::Count(3);
        plan.swarm.policy.budget.swarm.usd = Some(usd(0.01));
    });
    assert_eq!(t.running(), "a:w1 b:w2 c:w3");
    t.finish();
    assert_eq!(spent(&t), Usd(0));
    assert!(t.task("a").history[0].charge.usd.is_none());
}

// proves: S-7
#[test]
fn what_is_set_aside_follows_what_the_like_cost() {
    let names: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    let mut t = capped(&names.join(" "), 1, 100.0);
    for n in 0..6 {
        let name = format!("t{n}");
        t.start(&name);
        t.succeed_for(
            &name,
            costing(if n == 0 {
                3.0
            } else {
                1.0 + f64::from(n) / 10.0
            }),
        );
    }
    let live = t.state().live().next().unwrap();
    assert_eq!(live.account.reserved.usd, usd(3.0));
}

// proves: S-7, A-11
#[test]
fn a_subscriptions_window_begins_with_an_attempt_and_the_next_one_goes_on() {
    let mut t = with("a b", 1, |budget| {
        budget.subscription.tokens = Some(1_000_000);
        budget.subscription_percent = 50;
    });
    let used = |tokens| Usage {
        output_tokens: Some(tokens),
        ..Usage::default()
    };
    t.pass(Millis::mins(10));
    t.start("a");
    t.reads("a", used(600_000));
    assert_eq!(stopping(&t, "a"), Some((StopWhy::OverBudget, true)));
    t.end(
        "a",
        Report {
            cut: Some(Cut::Stopped),
            ..report(End::Stopped)
        },
    );
    t.prepare();
    assert_eq!(t.running(), "");
    assert_eq!(t.state().swarm_state(), SwarmState::Sleeping);
    assert_eq!(
        t.state().ledger().told(Scope::Subscription).unwrap().level,
        Level::Full
    );
    t.pass(Millis::mins(289));
    assert_eq!(t.running(), "");
    t.pass(Millis::mins(1));
    assert_eq!(t.running(), "b:w1");
    assert_eq!(t.state().swarm_state(), SwarmState::Running);
}

// proves: S-7
#[test]
fn an_open_cap_may_pause_sleep_or_stop() {
    for on_cap in OnCap::ALL {
        let mut t = with("a", 1, |budget| {
            budget.day.usd = Some(usd(1.0));
            budget.on_cap = on_cap;
        });
        t.start("a");
        t.uses("a", 0.97);
        t.heed_stop("a");
        let stuck = waiting::stuck(t.state(), t.now);
        assert_eq!(
            stuck.is_some(),
            on_cap != OnCap::Sleep,
            "{on_cap:?}: {stuck:?}"
        );
        t.pass(Millis::mins(24 * 60));
        t.prepare();
        let runs = t.running();
        assert_eq!(runs.is_empty(), on_cap == OnCap::Stop, "{on_cap:?}");
        if on_cap == OnCap::Stop {
            t.ask(Command::Resume).unwrap();
            assert_eq!(t.running(), "a:w1");
        }
    }
}

// proves: S-7
#[test]
fn what_no_window_could_hold_is_for_a_person_to_see_to() {
    let mut t = with("a", 1, |budget| {
        budget.day.usd = Some(usd(1.0));
        budget.on_cap = OnCap::Sleep;
    });
    t.start("a");
    t.uses("a", 1.5);
    t.heed_stop("a");
    t.pass(Millis::mins(24 * 60));
    assert_eq!(t.running(), "");
    let asked = waiting::stuck(t.state(), t.now).unwrap();
    assert!(asked.contains("needs $1.50"), "{asked}");
    set(&mut t, |policy| policy.budget.day.usd = Some(usd(2.0)));
    assert_eq!(t.running(), "a:w1");
}

// proves: S-7, S-8
#[test]
fn a_cap_can_be_set_raised_and_lifted_while_the_swarm_runs() {
    let mut t = with("a b", 2, |_| {});
    t.start("a");
    t.start("b");
    t.uses("a", 5.0);
    t.pass(Millis::mins(1));
    set(&mut t, |policy| policy.budget.swarm.usd = Some(usd(5.0)));
    assert_eq!(stopping(&t, "a"), Some((StopWhy::OverBudget, true)));
    t.heed_stop("a");
    t.heed_stop("b");
    assert_eq!(t.running(), "");
    set(&mut t, |policy| policy.budget.swarm.usd = Some(usd(50.0)));
    assert_eq!(t.running(), "a:w1 b:w2");
    assert!(t.state().ledger().told(Scope::Swarm).is_none());
    set(&mut t, |policy| policy.budget = Budget::default());
    assert_eq!(t.running(), "a:w1 b:w2");
}

// proves: S-7
#[test]
fn meterings_are_bounded_by_the_interval_however_often_an_agent_speaks() {
    let mut t = capped("a", 1, 1_000.0);
    t.start("a");
    t.news();
    for cent in 1..=600 {
        t.now = t.now + Millis::secs(1);
        t.uses("a", 0.01 * f64::from(cent));
    }
    let metered = t.news();
    let metered = metered
        .iter()
        .filter(|e| matches!(e, Event::Metered { .. }))
        .count();
    assert!(metered <= 10 + 2 * 12, "{metered} meterings in ten minutes");
    t.pass(Millis::mins(1));
    assert_eq!(spent(&t), usd(6.0));
}

// proves: S-7
#[test]
fn days_go_on_with_the_next_plan_and_the_swarms_cap_begins_anew() {
    let mut t = capped("a", 1, 10.0);
    t.start("a");
    t.succeed_for("a", costing(2.0));
    t.merge();
    let mut plan = a_plan("b");
    priced(&mut plan, |budget| budget.day.usd = Some(usd(2.0)));
    t.ask(load(plan, "d2")).unwrap();
    t.prepare();
    assert_eq!(spent(&t), Usd(0));
    assert!(
        t.why("b").contains("$2.00 of the day's $2.00 spent"),
        "{}",
        t.why("b")
    );
}

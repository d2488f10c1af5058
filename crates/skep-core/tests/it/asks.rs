//! Questions of agents: asked once, answered once, timed out, and never counted as the agent's time (L-4b).

use crate::swarm::Swarm;
use skep_core::{
    ask::{self, AskId, Given, HELD, Question, Reply, unanswered},
    event::{By, Event},
    id::Attempt,
    limits,
    plan::Action,
    request::{Command, Observation, Refusal, What},
    task::TaskState,
    time::Millis,
    word::Word,
};

fn question(number: u32) -> Question {
    Question {
        number,
        tool: None,
        text: "Which db?".into(),
        options: vec!["pg".into(), "sqlite".into()],
    }
}

fn permission(number: u32) -> Question {
    Question {
        number,
        tool: Some("Bash".into()),
        text: "rm".into(),
        options: Vec::new(),
    }
}

/// One task at work, whose timebox is 30 minutes.
fn working() -> (Swarm, Attempt) {
    let mut t = Swarm::load("a");
    t.start("a");
    let attempt = t.attempt_of("a");
    t.news();
    (t, attempt)
}

fn seen(t: &mut Swarm, attempt: Attempt, last: u32, open: &[Question]) -> Result<(), Refusal> {
    let open = open.to_vec();
    t.see(Observation::Asks {
        attempt,
        last,
        open,
    })
    .map(drop)
}

fn answer(t: &mut Swarm, attempt: Attempt, number: u32, given: Given) -> Result<(), Refusal> {
    let ask = AskId { attempt, number };
    t.ask(Command::Answer { ask, given }).map(drop)
}

fn asked(t: &Swarm) -> Vec<u32> {
    let all = unanswered(t.state());
    all.map(|(id, _)| id.number).collect()
}

// proves: L-4b
#[test]
fn a_question_is_asked_answered_delivered_and_closed_once_each() {
    let (mut t, attempt) = working();
    seen(&mut t, attempt, 1, &[question(1)]).unwrap();
    assert_eq!(asked(&t), [1]);
    assert_eq!(
        seen(&mut t, attempt, 1, &[question(1)]),
        Err(Refusal::OutOfDate)
    );
    assert!(t.why("a").contains("waits for a person"), "{}", t.why("a"));
    answer(&mut t, attempt, 1, Given::Option(2)).unwrap();
    let sent = Reply::Text("sqlite".into());
    assert!(t.has(|event| matches!(event, Event::Answered { reply, .. } if *reply == sent)));
    assert!(asked(&t).is_empty());
    let action = Action::Answer { attempt, number: 1 };
    assert!(t.actions().contains(&action), "until it has been heard");
    let again = answer(&mut t, attempt, 1, Given::Text("pg".into()));
    assert!(matches!(again, Err(Refusal::NothingToDo(_))));
    seen(&mut t, attempt, 1, &[]).unwrap();
    assert!(!t.actions().contains(&action));
    // What was seen before and comes late asks nothing anew.
    assert_eq!(
        seen(&mut t, attempt, 1, &[question(1)]),
        Err(Refusal::OutOfDate)
    );
    let late = answer(&mut t, attempt, 1, Given::Text("pg".into()));
    assert_eq!(late, Err(Refusal::NoSuchAsk(AskId { attempt, number: 1 })));
    t.succeed("a");
    assert_eq!(t.is("a"), TaskState::Accepted);
}

// proves: L-4b
#[test]
fn a_view_that_is_older_closes_nothing_that_was_asked_since() {
    let (mut t, attempt) = working();
    seen(&mut t, attempt, 2, &[question(1), question(2)]).unwrap();
    assert_eq!(
        seen(&mut t, attempt, 1, &[question(1)]),
        Err(Refusal::OutOfDate)
    );
    assert_eq!(asked(&t), [1, 2]);
    seen(&mut t, attempt, 2, &[question(2)]).unwrap();
    assert_eq!(asked(&t), [2]);
}

// proves: L-4b
#[test]
fn what_is_no_answer_is_refused_with_what_would_be_one() {
    let (mut t, attempt) = working();
    seen(&mut t, attempt, 2, &[question(1), permission(2)]).unwrap();
    for (number, given, says) in [
        (1, Given::Option(3), "expected 1 to 2"),
        (1, Given::Option(0), "expected 1 to 2"),
        (1, Given::Allow, "expected a text or one of its options"),
        (1, Given::Text(" ".into()), "expected a text"),
        (2, Given::Text("yes".into()), "expected to allow or deny"),
        (2, Given::Option(1), "expected to allow or deny"),
        (3, Given::Allow, "no ask"),
    ] {
        let refused = answer(&mut t, attempt, number, given)
            .unwrap_err()
            .to_string();
        assert!(refused.contains(says), "{refused}");
    }
    answer(&mut t, attempt, 2, Given::Deny(Some("not here".into()))).unwrap();
    let no = Reply::Deny("not here".into());
    assert!(t.has(|event| matches!(event, Event::Answered { reply, .. } if *reply == no)));
}

// proves: L-4b
#[test]
fn who_does_not_answer_in_time_is_answered_for() {
    let (mut t, attempt) = working();
    seen(&mut t, attempt, 2, &[question(1), permission(2)]).unwrap();
    t.pass(Millis::mins(29));
    assert_eq!(asked(&t), [1, 2]);
    t.pass(Millis::mins(1));
    assert!(asked(&t).is_empty());
    let news = t.news();
    let said = |wanted: &str| {
        news.iter().any(
            |e| matches!(e, Event::Answered { reply: Reply::Deny(why), .. } if why.contains(wanted)),
        )
    };
    assert!(
        said("30m; decide yourself") && said("so it is not allowed"),
        "{news:?}"
    );
}

// proves: L-1, L-4, L-4b
#[test]
fn the_time_in_which_a_person_is_asked_is_not_the_agents() {
    let (mut t, attempt) = working();
    t.live("a", &["output"], Millis::mins(4));
    let give_up = t.state().attempt(attempt).unwrap().give_up;
    for number in 1..=2 {
        seen(&mut t, attempt, number, &[question(number)]).unwrap();
        // Silent for long, measured at every heartbeat.
        t.live("a", &[], Millis::mins(29));
        answer(&mut t, attempt, number, Given::Option(1)).unwrap();
        seen(&mut t, attempt, number, &[]).unwrap();
        t.live("a", &["output"], Millis::mins(2));
    }
    assert_eq!(t.is("a"), TaskState::Running, "{:?}", t.news());
    let live = t.state().attempt(attempt).unwrap();
    assert!(live.stopping.is_none(), "{live:?}");
    assert!(live.waited.before >= Millis::mins(58), "{:?}", live.waited);
    assert_eq!(live.give_up, give_up, "the lease itself is what it was");
}

// proves: L-1, L-4b
#[test]
fn a_clock_stands_still_for_so_long_and_no_longer() {
    let mut t = Swarm::load_with("a", |plan| {
        plan.swarm.policy.agents.ask_timeout = Millis::mins(600);
        plan.swarm.policy.agents.ask_total = Millis::mins(600);
    });
    t.start("a");
    let attempt = t.attempt_of("a");
    seen(&mut t, attempt, 1, &[question(1)]).unwrap();
    t.pass(Millis::mins(599));
    assert_eq!(t.is("a"), TaskState::Running);
    // The question is answered for the person, and its agent hears nothing: it is given up like any other.
    t.pass(Millis::mins(120));
    assert!(t.has(|event| matches!(event, Event::StopAsked { .. })));
}

/// By the attempt's token.
fn says(t: &mut Swarm, attempt: Attempt, word: Word) -> Result<(), Refusal> {
    let what = What::Observation(Observation::Word { attempt, word });
    t.request(None, By::Agent(attempt), what).map(drop)
}

fn asks(text: &str) -> Word {
    let options = ["pg".into(), "sqlite".into()].into();
    Word::Ask {
        text: text.into(),
        options,
    }
}

// proves: U-8, L-4b
#[test]
fn what_is_asked_by_token_is_held_until_it_is_heard_and_no_shim_closes_it() {
    let (mut t, attempt) = working();
    says(&mut t, attempt, asks("Which db?")).unwrap();
    seen(&mut t, attempt, 1, &[question(1)]).unwrap();
    assert_eq!(asked(&t), [HELD, 1]);
    // Asked again it is the same one; and it is none of the shim's.
    says(&mut t, attempt, asks("Which db?")).unwrap();
    seen(&mut t, attempt, 1, &[]).unwrap();
    let far = seen(&mut t, attempt, u32::MAX, &[question(HELD + 7)]);
    assert_eq!(far, Err(Refusal::OutOfDate));
    assert_eq!(asked(&t), [HELD]);
    assert!(
        t.why("a").contains("`skep answer 1.m1 TEXT`"),
        "{}",
        t.why("a")
    );
    answer(&mut t, attempt, HELD, Given::Option(2)).unwrap();
    let found = |t: &Swarm| {
        let live = t.state().attempt(attempt).unwrap();
        let options = ["pg".into(), "sqlite".into()];
        ask::held(live, "Which db?", &options).cloned()
    };
    assert_eq!(found(&t).unwrap().reply, Some(Reply::Text("sqlite".into())));
    let to_shim = |action: &Action| matches!(action, Action::Answer { .. });
    assert!(!t.actions().iter().any(to_shim), "no shim knows of it");
    // Whoever lost the answer asks again, and nobody is asked twice.
    says(&mut t, attempt, asks("Which db?")).unwrap();
    assert!(asked(&t).is_empty());
    for _ in 0..2 {
        says(&mut t, attempt, Word::Close { number: HELD }).unwrap();
        assert_eq!(found(&t), None);
    }
    // Another time is another question.
    says(&mut t, attempt, asks("Which db?")).unwrap();
    assert_eq!(asked(&t), [HELD + 1]);
    let late = answer(&mut t, attempt, HELD, Given::Option(1));
    assert!(matches!(late, Err(Refusal::NoSuchAsk(_))));
    // A shim's question is not closed by token, and what is taken back is closed.
    seen(&mut t, attempt, 2, &[question(2)]).unwrap();
    says(&mut t, attempt, Word::Close { number: 2 }).unwrap();
    says(&mut t, attempt, Word::Close { number: HELD + 1 }).unwrap();
    assert_eq!(asked(&t), [2]);
    seen(&mut t, attempt, 2, &[]).unwrap();
    t.succeed("a");
    assert_eq!(t.is("a"), TaskState::Accepted);
}

// proves: U-8, L-1, L-4b
#[test]
fn the_clock_stands_until_what_is_held_is_answered_heard_or_not() {
    let (mut t, attempt) = working();
    says(&mut t, attempt, asks("Which db?")).unwrap();
    t.live("a", &[], Millis::mins(29));
    let waited = |t: &Swarm| t.state().attempt(attempt).unwrap().waited;
    assert!(waited(&t).since.is_some());
    // Nobody answers in time, and nobody fetches it: the agent is as alive or dead as any other from then on.
    t.live("a", &[], Millis::mins(1));
    assert!(t.has(|e| matches!(e, Event::Answered { reply: Reply::Deny(why), .. } if why.contains("decide yourself"))));
    assert_eq!(waited(&t).since, None);
    assert!(waited(&t).before >= Millis::mins(29), "{:?}", waited(&t));
    assert!(!t.why("a").contains("waits for a person"), "{}", t.why("a"));
}

// proves: U-8, L-4b
#[test]
fn whose_agent_has_left_asks_nothing_any_more() {
    let (mut t, attempt) = working();
    says(&mut t, attempt, asks("Which db?")).unwrap();
    t.see(Observation::AgentEnded { attempt }).unwrap();
    assert!(asked(&t).is_empty());
    assert!(t.has(|event| matches!(event, Event::AskClosed { number: HELD, .. })));
    let late = says(&mut t, attempt, asks("Which db?"));
    assert_eq!(late, Err(Refusal::OutOfDate));
    let (mut t, attempt) = working();
    says(&mut t, attempt, asks("Which db?")).unwrap();
    t.ask(Command::CancelTask {
        task: crate::words::id("a"),
    })
    .unwrap();
    assert!(asked(&t).is_empty(), "it is being stopped");
    let late = says(&mut t, attempt, asks("Which db?"));
    assert!(matches!(late, Err(Refusal::NothingToDo(_))), "{late:?}");
}

// proves: U-8, T-3
#[test]
fn questions_by_token_are_short_and_not_without_end() {
    let (mut t, attempt) = working();
    let ask = |text: &str, options: Vec<String>| Word::Ask {
        text: text.into(),
        options,
    };
    for (word, part) in [
        (ask(" ", vec![]), "question is empty"),
        (ask(&"x".repeat(5_000), vec![]), "4096 is the most"),
        (ask("x", vec!["y".into(); 17]), "16 is the most"),
        (ask("x", vec!["y".repeat(300)]), "256 is the most"),
        (ask("x", vec![String::new()]), "an option is empty"),
    ] {
        let no = says(&mut t, attempt, word).unwrap_err().to_string();
        assert!(no.contains(part), "{no}");
    }
    // Those that are open leave a shim its room.
    for n in 0..ask::ASKS_MAX {
        says(&mut t, attempt, asks(&n.to_string())).unwrap();
    }
    let full = says(&mut t, attempt, asks("more"));
    assert!(matches!(full, Err(Refusal::Limit(_))), "{full:?}");
    seen(&mut t, attempt, 1, &[question(1)]).unwrap();
    for n in 0..limits::HELD_ASKS {
        says(&mut t, attempt, Word::Close { number: HELD + n }).unwrap();
        let _ = says(&mut t, attempt, asks(&format!("again {n}")));
    }
    let spent = says(&mut t, attempt, asks("one more")).unwrap_err();
    assert!(spent.to_string().contains("100 questions"), "{spent}");
}

// proves: U-1, L-4b
#[test]
fn an_ask_has_one_name() {
    let attempt = Attempt(7);
    for (number, name) in [(2, "7.2"), (HELD, "7.m1"), (HELD + 99, "7.m100")] {
        let id = AskId { attempt, number };
        assert_eq!((id.to_string().as_str(), name.parse()), (name, Ok(id)));
    }
    for bad in [
        "7",
        "7.",
        "7.m",
        "7.m0",
        "7.1000001",
        "7.m4294967295",
        "7.mm1",
        "7.-1",
        "x.m1",
    ] {
        assert!(bad.parse::<AskId>().is_err(), "{bad}");
    }
}

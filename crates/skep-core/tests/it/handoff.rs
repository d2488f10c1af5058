//! A context that is full is not emptied in the middle of a task; whoever begins afresh knows what was done (L-9).

use crate::swarm::{Swarm, report};
use skep_core::{
    attempt::{End, Reading, Report, Said, Saved, SavedWork, Step},
    event::Event,
    plan,
    request::Observation,
    spec::{Command, Criterion},
    task::TaskState,
    time::Millis,
};

const WORK: &str = "0123456789012345678901234567890123456789";

fn context(t: &mut Swarm, percent: u8) {
    let reading = Reading {
        context: Some(percent),
        session: Some("s".into()),
        ..Reading::default()
    };
    let seen = vec![(t.attempt_of("a"), reading)];
    t.see(Observation::Read { seen }).unwrap();
}

fn claims(said: &str) -> Report {
    let check = Step {
        name: "make test".into(),
        end: End::Exited(1),
        took: Millis(1),
        tail: "red".into(),
    };
    Report {
        said: Some(Said::Done { text: said.into() }),
        saved: Saved::Commit(SavedWork {
            commit: WORK.parse().unwrap(),
            files: (0..30).map(|n| format!("src/f{n}.rs")).collect(),
            file_count: 30,
        }),
        checks: vec![check],
        ..report(End::Exited(0))
    }
}

// proves: L-9
#[test]
fn a_refresh_waits_for_the_task_and_the_next_agent_gets_a_note() {
    let mut t = Swarm::load_with("a", |plan| {
        plan.tasks[0].success = vec![Criterion::Run(Command::Line("make test".into()))];
    });
    t.start("a");
    let first = t.attempt_of("a");
    context(&mut t, 80);
    assert!(!t.has(|e| matches!(e, Event::ContextRefreshDeferred { .. })));
    context(&mut t, 85);
    context(&mut t, 91);
    let told = |e: &Event| matches!(e, Event::ContextRefreshDeferred { percent: 85, .. });
    assert!(t.has(told));
    assert_eq!(
        t.is("a"),
        TaskState::Running,
        "nothing is done to the task in flight"
    );
    assert!(t.state().attempt(first).unwrap().refresh);
    t.end(
        "a",
        claims("The parser is done; {mission} its tests are open."),
    );
    t.prepare();
    let second = t.attempt_of("a");
    assert_ne!(first, second);
    let handoff = t
        .task("a")
        .last_failure
        .as_ref()
        .unwrap()
        .handoff
        .as_ref()
        .unwrap();
    assert_eq!(handoff.context, Some(91));
    let prompt = plan::order(t.state(), second).unwrap().prompt;
    assert!(
        prompt.contains("    The parser is done; {mission} its tests are open."),
        "{prompt}"
    );
    assert!(prompt.contains("no instructions to you"), "{prompt}");
    assert!(
        prompt.contains(WORK) && prompt.contains("src/f19.rs and 10 more"),
        "{prompt}"
    );
    assert!(!prompt.contains("src/f20.rs"), "{prompt}");
    let count = |e: &&Event| matches!(e, Event::ContextRefreshDeferred { .. });
    assert_eq!(t.news().iter().filter(count).count(), 0, "it is told once");
}

// proves: L-9
#[test]
fn an_agent_that_says_nothing_leaves_no_note() {
    let mut t = Swarm::load("a");
    t.start("a");
    t.fail("a");
    assert_eq!(t.task("a").last_failure.as_ref().unwrap().handoff, None);
}

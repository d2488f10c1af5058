//! The tables: what each state of a task and each phase of an attempt says to each request. A pair that is
//! not allowed is a typed refusal and changes nothing.

use crate::swarm::{Swarm, report};
use crate::words::{id, task};
use skep_core::{
    attempt::{End, Saved},
    id::{Attempt, WorkerId},
    request::{Answer, Command, Observation, Refusal},
    spec::{Plan, Priority, Workers},
    task::TaskState,
    word::Word,
};

/// A swarm whose task `x` is in `state`.
fn with_task_in(state: TaskState) -> Swarm {
    let alone = |p: &mut Plan| {
        p.swarm.workers = Workers::Count(1);
        (p.swarm.policy.max_retries, p.swarm.policy.crash_retries) = (0, 0);
    };
    let text = match state {
        TaskState::Waiting => "a x<-a",
        TaskState::Ready => "a!0 x",
        TaskState::Accepted => "x a",
        _ => "x",
    };
    let mut t = Swarm::load_with(text, alone);
    match state {
        TaskState::Waiting | TaskState::Ready | TaskState::Running => {}
        TaskState::Verifying => {
            let attempt = t.attempt_of("x");
            t.see(Observation::AgentEnded { attempt }).unwrap();
        }
        TaskState::Accepted => {
            t.succeed("x");
        }
        TaskState::Merged => t.finish(),
        TaskState::Blocked => {
            t.succeed("x");
            t.build_but(&["x"]);
        }
        TaskState::Flagged => t.fail("x"),
        TaskState::Dead => t.crash("x"),
        TaskState::Cancelled => {
            t.ask(Command::CancelTask { task: id("x") }).unwrap();
            t.heed_stop("x");
        }
    }
    assert_eq!(t.is("x"), state);
    t
}

fn word(answer: &Result<Answer, Refusal>) -> &'static str {
    match answer {
        Ok(_) => "yes",
        Err(Refusal::WrongState { .. }) => "no",
        Err(Refusal::OutOfDate) => "old",
        Err(Refusal::Fenced(_)) => "fenced",
        Err(other) => panic!("{other}"),
    }
}

type Verb = (&'static str, fn() -> Command);

const VERBS: [Verb; 6] = [
    ("edit", || {
        let mut spec = task("x");
        spec.mission = "Another.".into();
        Command::EditTask { spec: spec.into() }
    }),
    ("skip", || Command::SkipTask { task: id("x") }),
    ("cancel", || Command::CancelTask { task: id("x") }),
    ("retry", || Command::RetryTask { task: id("x") }),
    ("boost", || Command::BoostTask {
        task: id("x"),
        priority: Some(Priority::P1),
    }),
    ("assign", || Command::AssignTask {
        task: id("x"),
        worker: Some(WorkerId(1)),
    }),
];

const COMMANDS: &str = "
waiting   edit yes, skip yes, cancel yes, retry no, boost yes, assign yes
ready     edit yes, skip yes, cancel yes, retry no, boost yes, assign yes
running   edit no, skip no, cancel yes, retry no, boost yes, assign no
verifying edit no, skip no, cancel yes, retry no, boost yes, assign no
accepted  edit no, skip no, cancel yes, retry no, boost yes, assign no
merged    edit no, skip no, cancel no, retry no, boost no, assign no
blocked   edit no, skip yes, cancel yes, retry yes, boost yes, assign yes
flagged   edit yes, skip yes, cancel yes, retry yes, boost no, assign no
dead      edit yes, skip yes, cancel yes, retry yes, boost no, assign no
cancelled edit yes, skip yes, cancel no, retry yes, boost no, assign no
";

// proves: Q-3, L-10
#[test]
fn every_state_of_a_task_answers_every_command() {
    let mut table = String::from("\n");
    for state in TaskState::ALL {
        let mut row = Vec::new();
        for (verb, command) in VERBS {
            let mut t = with_task_in(state);
            let before = t.log.len();
            let answer = t.ask(command());
            assert_eq!(answer.is_ok(), t.log.len() > before, "{verb} in {state}");
            row.push(format!("{verb} {}", word(&answer)));
        }
        table.push_str(&format!("{state:<9} {}\n", row.join(", ")));
    }
    assert_eq!(table, COMMANDS);
}

type Sight = (&'static str, fn(Attempt) -> Observation);

const SIGHTS: [Sight; 7] = [
    ("started", |attempt| Observation::Started { attempt }),
    ("start failed", |attempt| Observation::StartFailed {
        attempt,
        reason: "no".into(),
    }),
    ("agent ended", |attempt| Observation::AgentEnded { attempt }),
    ("ended", |attempt| Observation::Ended {
        attempt,
        report: report(End::Exited(1)).into(),
        untouched: false,
    }),
    ("lost", |attempt| Observation::Lost {
        attempt,
        reason: "gone".into(),
        saved: Saved::Nothing,
    }),
    ("silent", |attempt| Observation::Silent { attempt }),
    ("said", |attempt| Observation::Word {
        attempt,
        word: Word::Checkpoint {
            text: "half of it".into(),
            percent: Some(50),
        },
    }),
];

const OBSERVATIONS: &str = "
claimed   started yes, start failed yes, agent ended yes, ended yes, lost yes, silent yes, said yes
running   started old, start failed yes, agent ended yes, ended yes, lost yes, silent yes, said yes
verifying started old, start failed yes, agent ended old, ended yes, lost yes, silent yes, said old
over      started fenced, start failed fenced, agent ended fenced, ended old, lost old, silent fenced, said fenced
";

// proves: Q-6, L-10
#[test]
fn every_phase_of_an_attempt_answers_every_sight() {
    let mut table = String::from("\n");
    for phase in ["claimed", "running", "verifying", "over"] {
        let mut row = Vec::new();
        for (sight, seen) in SIGHTS {
            let mut t = Swarm::load_with("x", |p| p.swarm.workers = Workers::Count(1));
            let attempt = t.attempt_of("x");
            match phase {
                "running" => drop(t.see(Observation::Started { attempt })),
                "verifying" => drop(t.see(Observation::AgentEnded { attempt })),
                "over" => t.fail("x"),
                _ => {}
            }
            let before = t.log.len();
            let answer = t.see(seen(attempt));
            assert_eq!(answer.is_ok(), t.log.len() > before, "{sight} when {phase}");
            row.push(format!("{sight} {}", word(&answer)));
        }
        table.push_str(&format!("{phase:<9} {}\n", row.join(", ")));
    }
    assert_eq!(table, OBSERVATIONS);
}

// proves: Q-3
#[test]
fn without_a_plan_everything_is_a_typed_refusal() {
    let mut t = Swarm::new();
    for (_, command) in VERBS {
        let no = t.ask(command());
        assert_eq!(no, Err(Refusal::NoSuchTask(id("x"))));
    }
    assert_eq!(
        t.ask(Command::AddTask {
            spec: task("x").into()
        }),
        Err(Refusal::NoPlan)
    );
    let add = t.ask(Command::AddWorkers {
        count: 1,
        role: None,
    });
    assert_eq!(add, Err(Refusal::NoPlan));
    let set = Command::SetPolicy {
        asked: String::new(),
        was: t.state().policy().into(),
        policy: t.state().policy().into(),
    };
    assert_eq!(t.ask(set), Err(Refusal::NoPlan));
    assert!(matches!(
        t.ask(Command::Resume),
        Err(Refusal::NothingToDo(_))
    ));
    assert!(t.actions().is_empty());
}

// proves: Q-3, L-4
#[test]
fn the_swarm_is_paused_drained_and_stopped_once() {
    let mut t = Swarm::load("a b");
    let nothing = |r: Result<Answer, Refusal>| matches!(r, Err(Refusal::NothingToDo(_)));
    t.ask(Command::Pause).unwrap();
    assert!(nothing(t.ask(Command::Pause)));
    t.ask(Command::Drain).unwrap();
    assert!(nothing(t.ask(Command::Drain)));
    t.ask(Command::StopAll).unwrap();
    assert!(nothing(t.ask(Command::StopAll)));
    t.heed_stop("a");
    t.heed_stop("b");
    assert_eq!((t.task("a").failures, t.task("a").crashes), (0, 0));
    assert_eq!(t.running(), "");
    t.ask(Command::Resume).unwrap();
    assert!(nothing(t.ask(Command::Resume)));
    t.prepare();
    t.finish();
}

//! What attempts say of themselves (U-8): progress, memos, that they cannot go on; and what that may not do.

use crate::swarm::Swarm;
use crate::words::id;
use skep_core::{
    event::{By, Event},
    id::Attempt,
    limits,
    request::{Answer, Command, Observation, Refusal, What},
    spec::Workers,
    task::TaskState,
    time::Millis,
    word::Word,
};

fn alone(text: &str) -> Swarm {
    Swarm::load_with(text, |p| p.swarm.workers = Workers::Count(1))
}

impl Swarm {
    fn say(&mut self, name: &str, word: Word) -> Result<Answer, Refusal> {
        let attempt = self.attempt_of(name);
        self.say_as(attempt, word)
    }

    fn say_as(&mut self, attempt: Attempt, word: Word) -> Result<Answer, Refusal> {
        let what = What::Observation(Observation::Word { attempt, word });
        self.request(None, By::Agent(attempt), what)
    }
}

fn checkpoint(text: &str, percent: Option<u8>) -> Word {
    Word::Checkpoint {
        text: text.into(),
        percent,
    }
}

fn block(reason: &str, on: Option<&str>) -> Word {
    Word::Block {
        reason: reason.into(),
        on: on.map(id),
    }
}

fn memo(key: &str, value: &str) -> Word {
    Word::Memo {
        key: key.into(),
        value: value.into(),
        source: "read it".into(),
    }
}

fn refused(answer: Result<Answer, Refusal>) -> String {
    answer.map_or_else(|no| no.to_string(), |_| "it was not refused".into())
}

// proves: U-8, L-4a
#[test]
fn a_checkpoint_is_an_event_and_is_shown_and_changes_nothing_else() {
    let mut t = alone("a");
    t.start("a");
    t.say("a", checkpoint("parser\ndone", Some(40))).unwrap();
    let last = t.log.last().unwrap();
    assert_eq!(last.by, By::Agent(t.attempt_of("a")));
    assert!(matches!(
        &last.event,
        Event::Checkpointed {
            percent: Some(40),
            ..
        }
    ));
    t.pass(Millis::secs(30));
    assert_eq!(
        t.why("a"),
        "w1 is at work on it, for 30s, and says: 40 %, \"parser done\" (30s ago)"
    );
    assert_eq!(t.is("a"), TaskState::Running);
    // "Done" in an agent's mouth finishes nothing.
    t.say("a", checkpoint("everything is done", Some(100)))
        .unwrap();
    assert_eq!(t.is("a"), TaskState::Running);
    t.fail("a");
    assert_eq!(t.is("a"), TaskState::Running, "tried again");
    assert!(
        !t.why("a").contains("says"),
        "another attempt says for itself"
    );
}

// proves: U-8, Q-6
#[test]
fn words_of_an_attempt_that_is_over_or_too_long_are_refused_and_leave_nothing() {
    let mut t = alone("a");
    let first = t.attempt_of("a");
    t.fail("a");
    let before = t.log.len();
    for word in [checkpoint("x", None), block("x", None), memo("k", "v")] {
        assert_eq!(t.say_as(first, word), Err(Refusal::Fenced(first)));
    }
    assert_eq!(
        t.say_as(first, Word::Heartbeat),
        Err(Refusal::Fenced(first))
    );
    let never = Attempt(99);
    assert_eq!(
        t.say_as(never, Word::Heartbeat),
        Err(Refusal::Fenced(never))
    );
    let long = "x".repeat(limits::WORD + 1);
    for (word, fault) in [
        (
            checkpoint(&long, None),
            "text is 4097 bytes long; 4096 is the most",
        ),
        (checkpoint(" \n", None), "text is empty"),
        (
            checkpoint("x", Some(101)),
            "percent is 101; it is from 0 to 100",
        ),
        (
            block(&long, None),
            "reason is 4097 bytes long; 4096 is the most",
        ),
        (memo(&long, "v"), "key is 4097 bytes long; 128 is the most"),
        (
            memo("k", &long),
            "value is 4097 bytes long; 4096 is the most",
        ),
        (block("x", Some("nope")), "there is no task nope"),
        (
            block("x", Some("a")),
            "a waits for a itself, so a cannot wait for a",
        ),
    ] {
        assert_eq!(refused(t.say("a", word)), fault);
    }
    assert_eq!(t.log.len(), before);
}

// proves: U-8, L-4
#[test]
fn a_heartbeat_holds_silence_off_as_a_marker_does_and_no_longer() {
    let mut t = alone("a");
    t.start("a");
    t.measure("a", &["output"]);
    let before = t.log.len();
    for _ in 0..20 {
        t.pass(Millis::mins(1));
        t.say("a", Word::Heartbeat).unwrap();
        t.measure("a", &["nothing"]);
        t.tell_all();
    }
    let attempt = t.attempt_of("a");
    let stopping = t.state().attempt(attempt).and_then(|l| l.stopping);
    assert_eq!(stopping, None, "20 minutes of heartbeats");
    let said = t.log[before..]
        .iter()
        .filter(|r| matches!(r.by, By::Agent(_)));
    assert_eq!(said.count(), 0, "heartbeats are not for the log");
    for _ in 0..30 {
        t.pass(Millis::mins(1));
        let _ = t.say_as(attempt, Word::Heartbeat);
        if t.state().attempt(attempt).is_some() {
            t.measure("a", &["nothing"]);
            t.tell_all();
        }
    }
    assert_ne!(
        t.task("a").current,
        Some(attempt),
        "heartbeats alone are no life"
    );
}

// proves: U-8, L-10
#[test]
fn who_is_blocked_on_a_person_waits_for_one_and_others_go_on() {
    let mut t = alone("a!0 b c<-a");
    t.say("a", block("there is no password", None)).unwrap();
    assert_eq!(
        refused(t.say("a", block("again", None))),
        "nothing to do: the attempt is being stopped already"
    );
    // What it leaves is no result, however well it passes.
    t.succeed("a");
    assert_eq!(t.is("a"), TaskState::Blocked);
    assert_eq!((t.task("a").failures, t.task("a").crashes), (0, 0));
    assert_eq!(
        t.why("a"),
        "needs a person: its agent could not go on: there is no password; `skep retry` begins it anew"
    );
    assert_eq!(t.why("c"), "waits for a (blocked) to be merged");
    t.prepare();
    t.succeed("b");
    t.merge();
    assert_eq!(t.is("b"), TaskState::Merged);
    assert_eq!(t.is("a"), TaskState::Blocked);
    assert!(
        t.state().finished().is_some(),
        "nothing can go on by itself"
    );
    t.ask(Command::RetryTask { task: id("a") }).unwrap();
    t.prepare();
    assert_eq!(t.is("a"), TaskState::Running);
    t.finish();
    assert_eq!(t.is("c"), TaskState::Merged);
}

// proves: U-8, L-8
#[test]
fn who_is_blocked_on_a_task_goes_on_when_that_is_merged() {
    let mut t = alone("a!0 b c<-a d<-c");
    for on in ["c", "d"] {
        let circle = format!("{on} waits for a itself, so a cannot wait for {on}");
        assert_eq!(refused(t.say("a", block("needs it", Some(on)))), circle);
    }
    t.say("a", block("needs its table", Some("b"))).unwrap();
    t.heed_stop("a");
    assert_eq!(
        t.why("a"),
        "is blocked until b (running) is merged: needs its table; `skep retry` does not wait for it"
    );
    assert_eq!(
        refused(t.say("b", block("needs a", Some("a")))),
        "a waits for b itself, so b cannot wait for a"
    );
    // Nobody may make a circle of it from the other side.
    let mut after_a = (*t.task("b").spec).clone();
    after_a.id = id("e");
    after_a.depends_on = vec![id("a")];
    t.ask(Command::AddTask {
        spec: after_a.into(),
    })
    .unwrap();
    t.succeed("b");
    t.merge();
    assert_eq!(t.is("b"), TaskState::Merged);
    assert_eq!(t.is("a"), TaskState::Running, "{}", t.why("a"));
    assert_eq!(t.task("a").block, None);
    assert_eq!(
        refused(t.say("a", block("needs b", Some("b")))),
        "b is merged already, so nothing has to wait for it"
    );
}

// proves: U-8
#[test]
fn a_block_stands_whatever_becomes_of_its_attempt() {
    let mut t = alone("a");
    t.say("a", block("no network", None)).unwrap();
    t.lose("a");
    assert_eq!(t.is("a"), TaskState::Blocked);
    // A person's cancel came first: it stands.
    let mut t = alone("a");
    t.ask(Command::CancelTask { task: id("a") }).unwrap();
    let late = refused(t.say("a", block("no network", None)));
    assert_eq!(late, "nothing to do: the attempt is being stopped already");
    t.heed_stop("a");
    assert_eq!(t.is("a"), TaskState::Cancelled);
    // A shim that obeys nothing loses its lease, and the task is blocked all the same.
    let mut t = alone("a");
    t.say("a", block("no network", None)).unwrap();
    t.pass(Millis::mins(90));
    assert_eq!(t.is("a"), TaskState::Blocked);
}

// proves: G-5
#[test]
fn memos_are_recorded_once_and_bounded() {
    let mut t = alone("a b");
    t.say("a", memo("db", "sqlite")).unwrap();
    t.say("a", memo("db", "sqlite")).unwrap();
    t.say("a", memo("db", "postgres")).unwrap();
    let known = |t: &Swarm| {
        let each = t.state().memos().iter();
        each.map(|m| format!("{}={} by {}", m.key, m.value, m.task))
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&t), ["db=sqlite by a", "db=postgres by a"]);
    for n in 2..limits::MEMOS_EACH {
        t.say("a", memo("n", &n.to_string())).unwrap();
    }
    assert_eq!(
        refused(t.say("a", memo("one", "more"))),
        "attempt 1 has recorded 100 memos, which is the most"
    );
    // They outlive the attempt.
    t.succeed("a");
    assert_eq!(t.state().memos().len(), limits::MEMOS_EACH);
}

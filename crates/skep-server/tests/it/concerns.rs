//! What needs a person: every kind of it, from the events that lead there.

use serde_json::{Value, json};
use skep_core::{
    event::{By, Event, Record},
    state::State,
    time::Time,
};
use skep_server::{
    api::{ConcernDoc, ConcernList, Gravity, Live, WhyDoc, WorkerList},
    plan::Format,
};

const BASE: &str = "0123456789012345678901234567890123456789";
const NOW: Time = Time(1_700_000_000_000);

/// A swarm with two workers, a task `a`, and `b` beside it.
fn swarm(more: &[Value]) -> State {
    let plan = "[swarm]\nlanding = \"main\"\n[policy.budget]\nusd = 1.0\n[[task]]\nid = \"a\"\nmission = \"Do it.\"\n\
                command = \"true\"\n[[task]]\nid = \"b\"\nmission = \"And that.\"\ncommand = \"true\"\n";
    let plan = crate::read(Format::Toml, plan).unwrap();
    let plan = serde_json::to_value(&plan).unwrap();
    let first = [
        json!({ "type": "plan_loaded", "plan": plan, "digest": "d", "target": "main", "base": BASE }),
        json!({ "type": "tasks_ready", "tasks": ["a", "b"] }),
        json!({ "type": "worker_added", "worker": "w1", "role": null }),
        json!({ "type": "worker_added", "worker": "w2", "role": null }),
        json!({ "type": "worker_ready", "worker": "w1", "base": BASE }),
        json!({ "type": "worker_ready", "worker": "w2", "base": BASE }),
    ];
    let mut state = State::default();
    for (event, seq) in first.iter().chain(more).zip(1..) {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        let (trace, by) = ("t".into(), By::Policy);
        state.apply(&Record {
            seq,
            at: NOW,
            trace,
            by,
            key: None,
            event,
        });
    }
    state
}

fn concerns(more: &[Value]) -> Vec<ConcernDoc> {
    ConcernList::of(&swarm(more), NOW, None).concerns
}

/// The only concern there is.
#[track_caller]
fn one(more: &[Value]) -> ConcernDoc {
    let mut all = concerns(more);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn claimed() -> Value {
    json!({ "type": "claimed", "attempt": 1, "task": "a", "worker": "w1", "agent": "claude", "model": null,
        "base": BASE, "give_up": NOW.0 + 3_600_000 })
}

fn started() -> Value {
    json!({ "type": "attempt_started", "attempt": 1 })
}

fn ended(next: &str) -> Value {
    let failure = json!({ "attempt": 1, "outcome": "failed", "model": null, "reason": "it failed twice", "output": "" });
    json!({ "type": "attempt_ended", "task": "a", "worker": "w1", "failure": failure, "next": next,
        "worker_next": "go_on", "spawn_failed": false, "salvage": null })
}

fn shells(concern: &ConcernDoc) -> Vec<&str> {
    concern.remedies.iter().map(|r| r.shell.as_str()).collect()
}

/// What a button sends is a command that the keeper takes, and its line is one that a shell takes.
fn check(concern: &ConcernDoc) {
    for remedy in &concern.remedies {
        if let Some(command) = &remedy.command {
            assert!(command.read().is_ok(), "{concern:#?}");
        }
        assert!(remedy.shell.starts_with("skep "), "{concern:#?}");
        assert!(
            !remedy.shell.contains(['`', '$', ';', '\n']),
            "{concern:#?}"
        );
    }
}

// proves: U-3, U-4
#[test]
fn all_is_well_where_nothing_needs_a_person() {
    assert_eq!(concerns(&[]), []);
    assert_eq!(concerns(&[claimed(), started()]), []);
    let nothing = ConcernList::unattended(&State::default(), NOW);
    assert_eq!(nothing.concerns, []);
}

// proves: U-3, U-4
#[test]
fn each_kind_says_how_grave_it_is_what_is_the_matter_and_what_mends_it() {
    let flagged = ended("flag");
    let work = |task: &str, worker: &str| json!({ "task": task, "attempt": 1, "worker": worker });
    let conflict = json!({ "file": "f", "workers": ["w1", "w2"], "tasks": ["a", "b"],
        "severity": "critical", "description": "both sides changed the same lines" });
    let question = json!({ "number": 1, "tool": null, "text": "Which\ndb?", "options": ["pg"] });
    let permission = json!({ "number": 1, "tool": "Bash", "text": "rm -r x", "options": [] });
    for (events, severity, kind, subject, says, shell) in [
        (
            vec![json!({ "type": "swarm_halted", "reason": "all crash", "probe_at": null })],
            Gravity::Critical,
            "halted",
            "",
            "all crash",
            "skep resume",
        ),
        (
            vec![json!({ "type": "swarm_halted", "reason": "all crash", "probe_at": NOW.0 + 9 })],
            Gravity::Warning,
            "halted",
            "",
            "tries by itself",
            "skep resume",
        ),
        (
            vec![json!({ "type": "swarm_paused" })],
            Gravity::Warning,
            "paused",
            "",
            "nothing more is claimed",
            "skep resume",
        ),
        (
            vec![claimed(), started(), flagged],
            Gravity::Warning,
            "flagged",
            "a",
            "a: it failed twice",
            "skep retry a",
        ),
        (
            vec![
                claimed(),
                started(),
                json!({ "type": "asked", "attempt": 1, "question": question }),
            ],
            Gravity::Warning,
            "ask",
            "1.1",
            "w1 (a) asks: Which db?",
            "skep answer 1.1 TEXT",
        ),
        (
            vec![
                claimed(),
                started(),
                json!({ "type": "asked", "attempt": 1, "question": permission }),
            ],
            Gravity::Warning,
            "ask",
            "1.1",
            "w1 (a) asks whether it may use Bash: rm -r x",
            "skep answer 1.1 --allow",
        ),
        (
            vec![
                json!({ "type": "worker_failed", "worker": "w2", "reason": "no git",
                "not_before": NOW.0 + 5000 }),
            ],
            Gravity::Info,
            "crashed",
            "w2",
            "restarts in 5s: no git",
            "skep resume w2",
        ),
        (
            vec![
                json!({ "type": "provider_parked", "provider": "p", "kind": "auth",
                "until": NOW.0 + 9000, "reason": "401", "attempt": 1, "tried": null }),
            ],
            Gravity::Warning,
            "provider",
            "p",
            "log in again",
            "skep resume",
        ),
        (
            vec![
                json!({ "type": "provider_parked", "provider": "p", "kind": "rate_limit",
                "until": NOW.0 + 9000, "reason": "429", "attempt": 1, "tried": null }),
            ],
            Gravity::Info,
            "provider",
            "p",
            "429",
            "skep resume",
        ),
        (
            vec![
                claimed(),
                started(),
                json!({ "type": "metered", "attempt": 1, "task": "a",
                "charge": { "usage": {}, "usd": 960_000, "basis": "agent" } }),
            ],
            Gravity::Warning,
            "budget",
            "swarm",
            "over 95 % of the budget",
            "skep costs",
        ),
        (
            vec![
                json!({ "type": "target_refused", "tip": BASE, "reason": "it has commits of its own",
                "diverged": true }),
            ],
            Gravity::Warning,
            "landing",
            "",
            "main was not moved to",
            "",
        ),
        (
            vec![json!({ "type": "collision_foreseen", "collision": {
                "works": [work("a", "w1"), work("b", "w2")], "conflicts": [conflict] } })],
            Gravity::Warning,
            "collision",
            "",
            "w1 (a) and w2 (b) are on a collision course in f: both sides",
            "",
        ),
    ] {
        let found = one(&events);
        assert_eq!((found.severity, found.kind.as_str()), (severity, kind));
        assert!(found.sentence.contains(says), "{says}: {found:#?}");
        assert!(subject.is_empty() || found.subject == subject, "{found:#?}");
        assert_eq!(shells(&found).first().copied().unwrap_or(""), shell);
        check(&found);
    }
}

// proves: U-4, L-8
#[test]
fn a_block_is_grave_only_if_what_it_waits_for_will_not_come() {
    let blocked = |on: Value, more: Vec<Value>| {
        let block = json!({ "reason": "no schema", "on": on });
        let mut events = vec![
            claimed(),
            started(),
            json!({ "type": "block_reported", "attempt": 1, "task": "a", "block": block }),
            ended("block"),
        ];
        events.extend(more);
        let all = concerns(&events);
        all.into_iter().find(|c| c.subject == "a").unwrap()
    };
    let waits = blocked(json!("b"), vec![]);
    assert_eq!((waits.severity, &*waits.kind), (Gravity::Info, "blocked"));
    assert!(
        waits
            .sentence
            .contains("until b (ready) is merged: no schema")
    );
    let lost = blocked(
        json!("b"),
        vec![json!({ "type": "task_cancelled", "task": "b" })],
    );
    assert_eq!(lost.severity, Gravity::Warning, "{lost:#?}");
    check(&lost);
}

// proves: U-4
#[test]
fn the_gravest_come_first_and_a_long_list_says_that_there_is_more() {
    let halt = json!({ "type": "swarm_halted", "reason": "all crash", "probe_at": null });
    let crash = |n: u64| json!({ "type": "worker_failed", "worker": format!("w{n}"), "reason": "x", "not_before": NOW.0 + 9 });
    let add = |n: u64| json!({ "type": "worker_added", "worker": format!("w{n}"), "role": null });
    let mut events: Vec<Value> = (3..303).flat_map(|n| [add(n), crash(n)]).collect();
    events.push(halt);
    let list = ConcernList::of(&swarm(&events), NOW, Some("the disk is full"));
    let kinds: Vec<&str> = list
        .concerns
        .iter()
        .map(|c| c.kind.as_str())
        .take(3)
        .collect();
    assert_eq!(kinds, ["held", "halted", "crashed"]);
    assert_eq!((list.concerns.len(), list.more), (200, 102));
    assert_eq!(list.count(Gravity::Critical), 2);
}

// proves: U-4, W-4
#[test]
fn that_nobody_keeps_the_swarm_comes_before_all() {
    let list = ConcernList::unattended(&swarm(&[]), NOW);
    assert_eq!(list.concerns[0].kind, "no_keeper");
    assert_eq!(shells(&list.concerns[0]), ["skep run", "skep up"]);
    let over = [
        json!({ "type": "task_skipped", "task": "a" }),
        json!({ "type": "task_skipped", "task": "b" }),
        json!({ "type": "finished" }),
    ];
    let list = ConcernList::unattended(&swarm(&over), NOW);
    assert_eq!(list.concerns, [], "nothing is left to do");
}

// proves: G-6, U-3, U-4
#[test]
fn who_does_badly_is_said_wherever_people_look_and_on_the_workers_own_record() {
    let mut events = Vec::new();
    for attempt in 1..=20 {
        let claimed = json!({ "type": "claimed", "attempt": attempt, "task": "a", "worker": "w1", "agent": "claude",
            "model": "m", "base": BASE, "give_up": NOW.0 + 3_600_000 });
        let failure = json!({ "attempt": attempt, "outcome": "failed", "model": "m", "reason": "no", "output": "" });
        let ended = json!({ "type": "attempt_ended", "task": "a", "worker": "w1", "failure": failure, "next": "flag",
            "worker_next": "go_on", "spawn_failed": false, "salvage": null });
        let again = json!({ "type": "task_requeued", "task": "a" });
        let ready = json!({ "type": "tasks_ready", "tasks": ["a"] });
        events.extend([
            claimed,
            json!({ "type": "attempt_started", "attempt": attempt }),
            ended,
            again,
            ready,
        ]);
    }
    let state = swarm(&events);
    let all = ConcernList::of(&state, NOW, None).concerns;
    let badly: Vec<&ConcernDoc> = all.iter().filter(|c| c.kind == "slo").collect();
    let of: Vec<&str> = badly.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(of, ["claude", "m", "w1"], "{all:#?}");
    let said = "worker w1 succeeded in 0 % of its last attempts";
    assert!(badly[2].sentence.starts_with(said), "{badly:#?}");
    assert_eq!(badly[2].severity, Gravity::Info);
    check(badly[2]);
    let why = WhyDoc::of(&state, "w1", NOW).unwrap().reason;
    assert!(why.contains(said), "{why}");
    let well = WhyDoc::of(&state, "w2", NOW).unwrap().reason;
    assert!(!well.contains("succeeded"), "{well}");
    let workers = WorkerList::of(&state, NOW, &Live::new()).workers;
    let record = workers[0].record.as_ref().unwrap();
    let (failed, percent) = (record.failed, record.success_percent);
    assert_eq!(
        (failed, percent, record.breach.as_deref()),
        (20, Some(0), Some("success"))
    );
    assert_eq!(workers[1].record, None);
}

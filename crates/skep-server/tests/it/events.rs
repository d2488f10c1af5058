//! Every event reads back as it was written where watchers read it: one flat object, with the record's own fields
//! beside the event's.

use serde_json::{Value, json};
use skep_core::{
    event::{By, Event, Record},
    spec::Policy,
    time::Time,
};
use skep_server::{api::EventDoc, plan::Format};
use std::collections::BTreeSet;

const ID: &str = "0123456789012345678901234567890123456789";

/// Every kind with all its fields, those that are left out when empty included.
fn samples() -> Vec<Event> {
    let plan =
        "[[task]]\nid = \"a\"\nmission = \"Do it.\"\ncommand = \"true\"\nfiles = [\"src/**\"]\n";
    let plan = crate::read(Format::Toml, plan).unwrap();
    let spec = serde_json::to_value(&plan.tasks[0]).unwrap();
    let policy = serde_json::to_value(Policy::default()).unwrap();
    let plan = serde_json::to_value(&plan).unwrap();
    let counts = json!({ "output_bytes": 1, "lines": 1, "new_lines": 1, "checkpoints": 0, "markers": 0,
        "cpu_ms": 5, "written_bytes": 0, "spawned": 1, "commit": ID });
    let clocks = json!({ "new": 1, "wrote": 1, "busy": 1, "marker": 1, "repeat": null });
    let health = json!({ "score": 50, "rung": "stop", "reasons": [{ "silent": 9 }], "clocks": clocks,
        "counts": counts, "at": 7 });
    let receipt = json!({ "files": ["f"], "file_count": 1, "no_op": null, "outside_files": [],
        "checks": [{ "name": "true", "end": { "exited": 0 }, "took": 1, "tail": "" }],
        "changed_by_checks": [], "survivors": 0, "usage": {}, "took": 9, "not_checked": [] });
    let failure =
        json!({ "attempt": 1, "outcome": "failed", "model": null, "reason": "no", "output": "x" });
    let question =
        json!({ "number": 1, "tool": "Bash", "text": "may I?", "options": ["yes", "no"] });
    let amounts = json!({ "usd": 9, "tokens": 5, "time": 60_000 });
    let fix = json!({ "of": "a", "theirs": ID, "why": { "conflict": ["f"] }, "strategy": "redo" });
    let queued = json!({ "task": "a", "attempt": 1, "commit": ID, "mission": "Do it." });
    let link = json!({ "task": "a", "commit": ID, "remembered": ["f"] });
    let conflict = json!({ "file": "f", "workers": ["w1"], "tasks": ["a"], "severity": "critical",
        "description": "both sides changed the same lines" });
    let work = json!({ "task": "a", "attempt": 1, "worker": "w1" });
    let all = [
        json!({ "type": "plan_loaded", "plan": plan, "digest": "d", "target": "main", "base": ID, "carried": [["a", ID]] }),
        json!({ "type": "task_added", "spec": spec, "origin": { "fix": fix } }),
        json!({ "type": "task_edited", "spec": spec }),
        json!({ "type": "tasks_ready", "tasks": ["a"] }),
        json!({ "type": "task_skipped", "task": "a" }),
        json!({ "type": "task_cancelled", "task": "a" }),
        json!({ "type": "task_requeued", "task": "a" }),
        json!({ "type": "task_boosted", "task": "a", "priority": "P0" }),
        json!({ "type": "task_assigned", "task": "a", "worker": "w1" }),
        json!({ "type": "claimed", "attempt": 1, "task": "a", "worker": "w1", "agent": "shell", "model": "m",
          "base": ID, "give_up": 9, "reserved": amounts, "provider": "p", "route": { "why": { "role": "back" } } }),
        json!({ "type": "attempt_started", "attempt": 1 }),
        json!({ "type": "agent_ended", "attempt": 1 }),
        json!({ "type": "lease_moved", "attempt": 1, "give_up": 9 }),
        json!({ "type": "metered", "attempt": 1, "task": "a", "reserved": amounts,
          "charge": { "usage": { "input_tokens": 5, "output_tokens": 2, "usd": null }, "usd": 9, "basis": "price" } }),
        json!({ "type": "budget_level", "scope": "day", "told": { "level": "alert", "from": 9, "cap": { "usd": 9 } },
          "text": "90 % of the day's budget is spent" }),
        json!({ "type": "health_changed", "attempt": 1, "health": health }),
        json!({ "type": "told", "attempt": 1, "rung": "ask", "delivered": false }),
        json!({ "type": "checkpointed", "attempt": 1, "task": "a", "text": "half", "percent": 50 }),
        json!({ "type": "block_reported", "attempt": 1, "task": "a", "block": { "reason": "no net", "on": "b" } }),
        json!({ "type": "task_unblocked", "task": "a" }),
        json!({ "type": "memo_recorded", "attempt": 1, "task": "a", "worker": "w1", "about": "db", "value": "sqlite",
          "source": "read it" }),
        json!({ "type": "asked", "attempt": 1, "question": question }),
        json!({ "type": "answered", "attempt": 1, "number": 1, "reply": { "text": "yes" } }),
        json!({ "type": "ask_closed", "attempt": 1, "number": 1 }),
        json!({ "type": "context_refresh_deferred", "attempt": 1, "percent": 81 }),
        json!({ "type": "stop_asked", "attempt": 1, "why": "stale", "at_once": true }),
        json!({ "type": "attempt_accepted", "task": "a", "worker": "w1",
          "accepted": { "attempt": 1, "commit": ID, "receipt": receipt } }),
        json!({ "type": "attempt_ended", "task": "a", "worker": "w1", "failure": failure,
          "next": { "retry_crashed": 9 }, "worker_next": { "back_off": 9 }, "spawn_failed": true,
          "agent_died": true, "revoked": true, "salvage": ID }),
        json!({ "type": "attempt_fenced", "attempt": 1, "task": "a", "salvage": ID }),
        json!({ "type": "worker_added", "worker": "w1", "role": "back", "why": { "floor": { "floor": 1 } } }),
        json!({ "type": "worker_ready", "worker": "w1", "base": ID }),
        json!({ "type": "worker_failed", "worker": "w1", "reason": "no", "not_before": 9 }),
        json!({ "type": "worker_restored", "worker": "w1" }),
        json!({ "type": "worker_paused", "worker": "w1" }),
        json!({ "type": "worker_resumed", "worker": "w1" }),
        json!({ "type": "worker_model_set", "worker": "w1", "model": "m" }),
        json!({ "type": "worker_retired", "worker": "w1", "successor": "w2", "reason": "no" }),
        json!({ "type": "worker_leaving", "worker": "w1", "why": { "over": { "most": 3 } } }),
        json!({ "type": "worker_gone", "worker": "w1" }),
        json!({ "type": "merge_started", "wave": 1, "base": ID, "queue": [queued] }),
        json!({ "type": "merge_built", "round": 1, "chain": [link],
          "clashes": [{ "task": "a", "files": [["f", "both"]] }], "conflicts": [conflict] }),
        json!({ "type": "merge_checked", "round": 1, "prefix": 1, "passed": false, "output": "x" }),
        json!({ "type": "left_out", "task": "a", "fixed_by": "b", "reason": "no" }),
        json!({ "type": "merge_rebuilt", "round": 2, "base": ID }),
        json!({ "type": "wave_landed", "wave": 1, "tip": ID, "merged": [["a", ID]], "checked": true }),
        json!({ "type": "target_landed", "tip": ID }),
        json!({ "type": "target_refused", "tip": ID, "reason": "no", "diverged": true }),
        json!({ "type": "waited_too_long", "task": "a", "text": "its worker is gone", "freed": true }),
        json!({ "type": "provider_parked", "provider": "p", "kind": "rate_limit", "until": 9, "reason": "limited",
          "attempt": 1, "tried": "a" }),
        json!({ "type": "provider_resumed", "provider": "p", "probe": 2 }),
        json!({ "type": "slo_breached", "subject": { "model": "m" }, "breach": "slow", "text": "it is slow" }),
        json!({ "type": "hook_ran", "ran": { "hook": "guard", "on": "before_attempt", "about": { "attempt": 1 },
          "id": "before_attempt-a1-guard", "failed": "exit code 1", "refused": true } }),
        json!({ "type": "signal", "severity": "warning", "text": "near the cap" }),
        json!({ "type": "collision_foreseen",
          "collision": { "works": [work], "conflicts": [conflict], "more": 2 } }),
        json!({ "type": "collision_gone", "works": [work], "why": "settled" }),
        json!({ "type": "policy_changed", "asked": "{}", "policy": policy }),
        json!({ "type": "scale_set", "mode": { "between": { "min": 1, "max": 3 } } }),
        json!({ "type": "memory_seen", "room": 3 }),
        json!({ "type": "swarm_paused" }),
        json!({ "type": "swarm_resumed" }),
        json!({ "type": "swarm_draining" }),
        json!({ "type": "swarm_halted", "reason": "no", "probe_at": 9 }),
        json!({ "type": "alert_raised", "grade": 1,
          "alert": { "of": { "task_failed": "a" }, "severity": "warning", "text": "x", "todo": "y", "since": 9 } }),
        json!({ "type": "alert_reminded", "of": { "budget": "day" } }),
        json!({ "type": "alert_resolved", "of": "halted" }),
        json!({ "type": "alerts_silenced", "rule": "fully_scaled", "until": 9 }),
        json!({ "type": "alert_tested", "route": "ops" }),
        json!({ "type": "alert_sent", "route": "ops", "letters": [7] }),
        json!({ "type": "alert_delayed", "route": "ops", "letters": [7], "reason": "no", "until": 9 }),
        json!({ "type": "alert_undelivered", "route": "ops", "letters": [7], "reason": "no" }),
        json!({ "type": "keeper_restarted" }),
        json!({ "type": "disk_seen", "lacking": "room" }),
        json!({ "type": "finished" }),
    ];
    let read = |sample: &Value| {
        let event: Event = serde_json::from_value(sample.clone())
            .unwrap_or_else(|error| panic!("{error}: {sample}"));
        let written = serde_json::to_value(&event).unwrap();
        let fields = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(fields(&written), fields(sample), "of {}", event.kind());
        event
    };
    all.iter().map(read).collect()
}

/// The names in `Event::kind`, whose match the compiler keeps whole.
fn kinds() -> BTreeSet<&'static str> {
    let source = include_str!("../../../skep-core/src/event/kind.rs");
    let arms = source.lines().filter(|line| line.contains("Event::"));
    let names = arms.filter_map(|line| line.split_once("=> \"")?.1.split('"').next());
    names.collect()
}

// proves: U-1, L-10
#[test]
fn every_event_reads_back_from_what_watchers_get() {
    let samples = samples();
    let sampled: BTreeSet<&str> = samples.iter().map(Event::kind).collect();
    assert_eq!(sampled, kinds(), "each kind needs a sample here");
    let own = ["seq", "at", "trace", "by", "key"];
    for event in samples {
        let kind = event.kind();
        let flat = serde_json::to_value(&event).unwrap();
        for field in own {
            assert!(
                flat.get(field).is_none(),
                "{kind} has a field {field:?}, which is its record's; call it something else"
            );
        }
        let record = Record {
            seq: 3,
            at: Time(1_700_000_000_000),
            trace: "t".into(),
            by: By::Person("ada".into()),
            key: None,
            event,
        };
        let text = serde_json::to_string(&EventDoc::from(record.clone())).unwrap();
        let read: EventDoc =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}: {text}"));
        assert_eq!(Record::from(read), record);
    }
}

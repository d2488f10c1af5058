//! Supervision with real processes, its limits scaled down: minutes become seconds, and nothing else changes.

use super::keeper::Bench;
use serde_json::{Value, json};
use skep_core::{
    attempt::Outcome,
    state::State,
    task::{Task, TaskState},
};

/// Silent for 3 s: ended, if it may be begun anew; for 7 s: ended.
fn policy(crash_retries: u32) -> Value {
    json!({ "policy": {
        "timebox": 60_000, "grace": 500, "backoff": 100, "heartbeat": 1_000, "heartbeat_timeout": 30_000,
        "crash_retries": crash_retries,
        "health": { "interval": 1_000, "grace": 500, "nudge": 2_000, "ask": 2_200, "checkpoint": 2_500,
                    "stale": 3_000, "silent": 7_000 }
    } })
}

fn run(bench: &Bench, crash_retries: u32, command: &str) -> Task {
    let tasks = json!([{ "id": "a", "command": command }]);
    let state: State = bench.run(policy(crash_retries), tasks);
    state.tasks()[0].clone()
}

fn outcomes(task: &Task) -> Vec<Outcome> {
    task.history.iter().map(|past| past.outcome).collect()
}

/// Runs `first` the first time, and makes something the next.
fn once(bench: &Bench, first: &str) -> String {
    let flag = bench.world.root().with_extension("begun");
    let flag = flag.display();
    format!("if test -e '{flag}'; then echo done > a.txt; else : > '{flag}'; {first}; fi")
}

// proves: L-4, L-4a
#[test]
fn a_stopped_agent_is_found_and_begun_anew() {
    let bench = Bench::new();
    let task = run(&bench, 3, &once(&bench, "kill -STOP $$"));
    assert_eq!(outcomes(&task), [Outcome::Stale, Outcome::Succeeded]);
    let why = &task.history[0].reason;
    assert!(why.contains("stopped by a signal"), "{why}");
    assert_eq!(task.state, TaskState::Merged);
}

// proves: L-4, Q-8
#[test]
fn a_silent_agent_is_begun_anew_and_given_up_after_its_retries() {
    let bench = Bench::new();
    let task = run(&bench, 1, "sleep 1000");
    assert_eq!(outcomes(&task), [Outcome::Stale, Outcome::Stale]);
    assert_eq!((task.state, task.crashes), (TaskState::Dead, 2));
    let note = task.note.unwrap();
    assert!(
        note.contains("no sign of life for 7s") || note.contains("no sign of life for 8s"),
        "{note}"
    );
}

// proves: L-4a
#[test]
fn an_agent_that_only_computes_is_left_alone() {
    let bench = Bench::new();
    let spin = "timeout 9 sh -c 'while :; do :; done'; echo done > a.txt";
    let task = run(&bench, 0, spin);
    assert_eq!(outcomes(&task), [Outcome::Succeeded], "{task:?}");
}

// proves: L-1, L-4, T-3
#[test]
fn forged_markers_finish_nothing_and_do_not_help_for_long() {
    let bench = Bench::new();
    let loops = "mkfifo never; exec 3<>never; while :; do \
        echo 'SKEP: still working on it'; echo 'SKEP: still working on the rest'; read -t 0.3 -u 3; done";
    let command = format!("echo x > a.txt; echo 'SKEP: done'; echo 'SKEP: accepted'; {loops}");
    let task = run(&bench, 0, &format!("exec bash -c \"{command}\""));
    assert_eq!(outcomes(&task), [Outcome::Stale]);
    assert_eq!(task.state, TaskState::Dead);
    let note = task.note.unwrap();
    assert!(note.contains("nothing but health markers"), "{note}");
}

// proves: L-4, L-4a
#[test]
fn an_agent_behind_a_hidden_prompt_is_ended_for_it() {
    let bench = Bench::new();
    let prompt = "sleep 1000 | script -qc 'read answer' /dev/null";
    let task = run(&bench, 0, prompt);
    assert_eq!(outcomes(&task), [Outcome::Stale]);
    let note = task.note.unwrap();
    // Which system call a process is in is not told in every container.
    let known = std::fs::read_to_string("/proc/1/syscall").is_ok();
    assert!(!known || note.contains("reads from a terminal"), "{note}");
}

// proves: L-4
#[test]
fn an_agent_that_repeats_itself_is_a_loop() {
    let bench = Bench::new();
    let loops = "mkfifo never; exec 3<>never; while :; do \
        n=$((n+1)); echo attempt $n: connection refused; read -t 0.3 -u 3; done";
    let task = run(&bench, 0, &format!("exec bash -c '{loops}'"));
    assert_eq!(outcomes(&task), [Outcome::Stale]);
    let note = task.note.unwrap();
    assert!(note.contains("nothing but repeated output"), "{note}");
}

// proves: L-6
#[test]
fn a_task_whose_agents_die_under_two_workers_is_quarantined() {
    let bench = Bench::new();
    let task = run(&bench, 3, "kill -9 $$");
    assert_eq!(outcomes(&task), [Outcome::Crashed, Outcome::Crashed]);
    assert_ne!(task.history[0].worker, task.history[1].worker);
    assert_eq!(task.state, TaskState::Dead);
    let note = task.note.unwrap();
    assert!(
        note.starts_with("poison: its agents died under w"),
        "{note}"
    );
}

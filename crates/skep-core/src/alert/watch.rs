//! What holds, by each rule. Everything here is asked after every event, so it costs what is in flight, never what
//! there is.

use super::{Alert, Book, Key, Spell};
use crate::{
    ask,
    budget::Level,
    fault::ErrorKind,
    merge::Severity,
    money::Usd,
    scale,
    spec::Alerts,
    state::State,
    targets::{self, Alarm, Target, Unit},
    task::TaskState,
    time::{Millis, Time},
    waiting,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::{String, ToString},
    vec::Vec,
};

/// The conditions that hold and can be seen at any time. The others begin with the event that brings them about:
/// tasks that fail, what falls short, a route that fails.
pub(super) fn beginning(state: &State, book: &Book, now: Time) -> Vec<Key> {
    let mut found = Vec::new();
    let Some(swarm) = state.swarm() else {
        return found;
    };
    let policy = &swarm.spec.policy.alerts;
    for of in [Key::FullyScaled, Key::Idle, Key::Halted, Key::Disk] {
        if grade(state, book, &of).is_some() {
            found.push(of);
        }
    }
    let within = |moments: &VecDeque<Time>, window: Millis, most: u32| {
        let recent = moments.iter().filter(|at| now.since(**at) < window);
        recent.count() > most as usize
    };
    if within(book.crashes(), policy.crash_window, policy.crashes) {
        found.push(Key::Crashes);
    }
    if within(book.keepers(), policy.keeper_window, policy.keeper_restarts) {
        found.push(Key::KeeperRestarts);
    }
    let parked = state.providers().iter().filter(|(_, p)| p.parked.is_some());
    found.extend(parked.map(|(name, _)| Key::Provider(name.clone())));
    let told = state.ledger().all_told();
    let near = told.filter(|(_, told)| told.level > Level::Fine);
    found.extend(near.map(|(scope, _)| Key::Budget(scope)));
    found.extend(book.missed().keys().cloned().map(Key::Target));
    found.extend(ask::unanswered(state).map(|(id, _)| Key::Ask(id)));
    found
}

/// The swarm's targets that are missed so far that people are told, each in a sentence (U-5).
pub(super) fn missed(state: &State, now: Time) -> BTreeMap<String, String> {
    let breaches = targets::breaches(state, now).into_iter();
    let sentence = |target: &Target| {
        let shown = |value: u64| match target.unit {
            Unit::Millis => Millis(value).to_string(),
            Unit::Share => format!("{} %", value / 100),
            Unit::MicroUsd => Usd(value).to_string(),
            Unit::Number => value.to_string(),
        };
        let value = target.value.map_or_else(|| "unknown".into(), shown);
        let limit = match target.alarm {
            Some(Alarm::Under(least)) => format!(", under {}", shown(least)),
            Some(Alarm::Over(most)) => format!(", over {}", shown(most)),
            None => String::new(),
        };
        format!("{}: {value}{limit} ({})", target.about, target.basis)
    };
    breaches
        .map(|target| (target.name.into(), sentence(&target)))
        .collect()
}

/// How bad it is, if it holds. What is counted holds until [`over_since`] says otherwise.
pub(super) fn grade(state: &State, book: &Book, of: &Key) -> Option<u32> {
    let holds = match of {
        Key::FullyScaled => is_full(state),
        Key::Idle => is_idle(state),
        Key::TaskFailed(id) => state
            .task(id)
            .is_some_and(|t| matches!(t.state, TaskState::Flagged | TaskState::Dead)),
        Key::Crashes | Key::KeeperRestarts => true,
        Key::Provider(name) => state
            .providers()
            .get(name)
            .is_some_and(|p| p.parked.is_some()),
        Key::Budget(scope) => {
            let level = state.ledger().told(*scope).map_or(Level::Fine, |t| t.level);
            return (level > Level::Fine).then_some(level as u32);
        }
        Key::Halted => state.halted().is_some(),
        Key::Ask(id) => ask::unanswered(state).any(|(open, _)| open == *id),
        Key::Disk => book.disk().is_some(),
        Key::Target(name) => {
            let record = state.reputation(name);
            let badly = record.is_some_and(|record| record.breached().is_some());
            badly || book.missed().contains_key(name)
        }
        Key::Undelivered(route) => book.post().trouble(route).is_some(),
    };
    holds.then_some(0)
}

/// Since when it does not hold, which for what is counted may be a moment to come.
pub(super) fn over_since(policy: &Alerts, book: &Book, spell: &Spell) -> Option<Time> {
    let quiet = |counted: &VecDeque<Time>, window| {
        // Not one more for a whole window: fewer than too many is not yet well.
        Some(counted.back().copied().unwrap_or(spell.since) + window)
    };
    match spell.of {
        Key::Crashes => quiet(book.crashes(), policy.crash_window),
        Key::KeeperRestarts => quiet(book.keepers(), policy.keeper_window),
        _ => spell.over,
    }
}

/// How long it must last before people are told.
pub(super) fn after(state: &State, policy: &Alerts, of: &Key) -> Millis {
    match of {
        Key::FullyScaled => policy.scaled_after,
        Key::Idle => policy.idle_after,
        Key::Ask(_) => policy.ask_after,
        Key::Provider(name) if !needs_person(state, name) => policy.provider_after,
        _ => Millis(0),
    }
}

/// Whether waiting does not help.
fn needs_person(state: &State, provider: &str) -> bool {
    let parked = state.providers().get(provider);
    let parked = parked.and_then(|p| p.parked.as_ref());
    parked.is_some_and(|p| matches!(p.kind, ErrorKind::Quota | ErrorKind::Auth))
}

/// Every place is taken, and a task could use one more.
fn is_full(state: &State) -> bool {
    let Some(swarm) = state.swarm() else {
        return false;
    };
    let live = state.live().len();
    let (workers, most) = (state.workers().len(), scale::ceiling(state).most as usize);
    let busy = live > 0 && live >= workers && workers >= most;
    (live >= swarm.spec.policy.concurrency as usize || busy) && state.ready().next().is_some()
}

/// Work is left, and nothing runs that would do it. A person who paused the swarm knows; a halt has its own alert.
fn is_idle(state: &State) -> bool {
    let open = [
        TaskState::Waiting,
        TaskState::Ready,
        TaskState::Running,
        TaskState::Verifying,
        TaskState::Accepted,
        TaskState::Blocked,
    ];
    state.live().len() == 0
        && state.merge().is_none()
        && state.finished().is_none()
        && !state.paused()
        && !state.draining()
        && state.halted().is_none()
        && open.into_iter().any(|word| state.count(word) > 0)
}

/// What people are told.
pub(super) fn describe(state: &State, spell: &Spell) -> Alert {
    let (severity, text, todo) = words(state, &spell.of, spell.since);
    Alert {
        of: spell.of.clone(),
        severity,
        text,
        todo,
        since: spell.since,
    }
}

fn words(state: &State, of: &Key, since: Time) -> (Severity, String, String) {
    use Severity::{Critical, Info, Warning};
    match of {
        Key::FullyScaled => {
            let (live, ready) = (state.live().len(), state.ready().count());
            (
                Info,
                format!(
                    "every place is taken: {live} attempts run, and {ready} ready tasks wait for one"
                ),
                "`skep scale` shows why there are no more; `skep config set concurrency N` allows more"
                    .into(),
            )
        }
        Key::Idle => {
            let why = waiting::stuck(state, since);
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            (
                Warning,
                format!("work is left and nothing runs{why}"),
                "`skep status` and `skep why TASK` say what it waits for".into(),
            )
        }
        Key::TaskFailed(id) => {
            let task = state.task(id);
            let how = match task.map(|t| t.state) {
                Some(TaskState::Dead) => "was given up",
                _ => "needs a person",
            };
            let why = task.and_then(|t| {
                let failure = t.last_failure.as_ref().map(|f| f.reason.as_str());
                t.note.as_deref().or(failure)
            });
            (
                Warning,
                format!("task {id} {how}: {}", why.unwrap_or("it failed")),
                format!(
                    "`skep tasks show {id}` shows its attempts; `skep retry {id}` begins it anew"
                ),
            )
        }
        Key::Crashes => {
            let last = state.workers().filter(|w| w.trouble.is_some());
            let last = last.max_by_key(|w| w.since).and_then(|w| w.trouble.clone());
            let window = state.policy().alerts.crash_window;
            (
                Warning,
                format!(
                    "attempts crash, several within {window}, the last: {}",
                    last.unwrap_or_else(|| "unknown".into())
                ),
                "`skep doctor` looks at the machine; `skep logs` shows what the agents said".into(),
            )
        }
        Key::Provider(name) => {
            let parked = state.providers().get(name).and_then(|p| p.parked.as_ref());
            let reason = parked.map_or("it refuses", |p| p.reason.as_str());
            let (severity, todo) = if needs_person(state, name) {
                (Critical, "renew the quota or the login, then `skep resume`")
            } else {
                (
                    Warning,
                    "it is tried again by itself; `skep resume` tries it now",
                )
            };
            (
                severity,
                format!("provider {name} takes no attempts: {reason}"),
                todo.into(),
            )
        }
        Key::Budget(scope) => {
            let level = state.ledger().told(*scope).map_or(Level::Fine, |t| t.level);
            let percent = Level::RUNGS.iter().find(|(rung, _)| *rung == level);
            let percent = percent.map_or(0, |(_, percent)| *percent);
            let owner = match scope.word() {
                word @ ("swarm" | "subscription") => format!("the {word}'s"),
                word => format!("this {word}'s"),
            };
            let (severity, then) = match level {
                Level::Fine | Level::Alert => (Info, ""),
                Level::Critical => (Warning, "; only P0 and P1 go on"),
                Level::Last => (Warning, "; only P0 goes on"),
                Level::Full => (Critical, "; nothing more begins"),
            };
            (
                severity,
                format!("{percent} % of {owner} budget is spent{then}"),
                "`skep costs` shows on what; `skep config set budget.…` raises the cap".into(),
            )
        }
        Key::Halted => {
            let halt = state.halted();
            let reason = halt.map_or("unknown", |h| h.reason.as_str());
            let todo = if halt.is_some_and(|h| h.probe_at.is_some()) {
                "one attempt is tried by itself; mend it and `skep resume` to go on at once"
            } else {
                "mend it, then `skep resume`"
            };
            (
                Critical,
                format!("the swarm is halted: {reason}"),
                todo.into(),
            )
        }
        Key::Ask(id) => {
            let found = ask::unanswered(state).find(|(open, _)| open == id);
            let live = state.attempt(id.attempt);
            let who = live.map_or_else(String::new, |live| live.task.to_string());
            let text = found.map_or_else(String::new, |(_, ask)| match &ask.question.tool {
                Some(tool) => format!("may it use {tool}? {}", ask.question.text),
                None => ask.question.text.clone(),
            });
            (
                Warning,
                format!("the agent of {who} asks: {text}"),
                format!("`skep asks` shows it whole; `skep answer {id} …` answers"),
            )
        }
        Key::KeeperRestarts => {
            let policy = state.policy().alerts;
            (
                Critical,
                format!(
                    "more than {} keepers died within {}",
                    policy.keeper_restarts, policy.keeper_window
                ),
                "`skep doctor` looks for the cause; .skep/keeper.log has their last words".into(),
            )
        }
        Key::Disk => (
            Critical,
            state.alerts().disk().unwrap_or("the disk is full").into(),
            "free some space; the keeper then goes on by itself".into(),
        ),
        Key::Target(name) => {
            let missed = state.alerts().missed().get(name).cloned();
            let badly = || {
                let percent = state.reputation(name)?.success_percent()?;
                Some(format!(
                    "{name} does badly: {percent} % of its last attempts succeeded"
                ))
            };
            (
                Warning,
                missed.or_else(badly).unwrap_or_else(|| format!("{name} falls short")),
                "`skep config` lists policy.targets and policy.slo; another model or agent may do better"
                    .into(),
            )
        }
        Key::Undelivered(route) => (
            Warning,
            format!(
                "alerts do not arrive by route {route}: {}",
                state.alerts().post().trouble(route).unwrap_or("unknown")
            ),
            format!("mend it, then `skep alerts test {route}`"),
        ),
    }
}

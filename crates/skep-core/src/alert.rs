//! Alerts: what needs a person, raised once, said again while it lasts, and taken back when it is over (U-6).
//!
//! An alert begins as a *spell*: the state notes, whenever an event is applied, which conditions begin and which are
//! over ([`watch`]). A spell that has lasted as long as its rule asks for is raised; one that has been over for
//! [`settle`](crate::spec::Alerts::settle) is resolved. What comes back before that is the same spell, so what flaps is
//! one alert. All three are events, so a keeper that dies repeats nothing and forgets nothing.
//!
//! Who is told is for [`route`]; what still has to reach them, and when, for [`post`].

mod book;
pub mod post;
pub mod route;
mod watch;

pub use book::{Book, Raised, Spell};

use crate::{
    ask::AskId, budget::Scope, event::Event, id::TaskId, merge::Severity, spec, state::State,
    time::Time,
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// At its cap, with tasks waiting.
    FullyScaled,
    /// Work is left and nothing runs.
    Idle,
    /// A task failed and is not tried again.
    TaskFailed,
    /// Attempts crash.
    Crashes,
    /// A provider refuses.
    Provider,
    /// A cap on spending is near, or reached.
    Budget,
    /// The swarm is halted.
    Halted,
    /// An agent waits for a person's answer.
    Ask,
    /// Keepers die and are started again.
    KeeperRestarts,
    /// The disk is full.
    Disk,
    /// A worker, an agent or a model does badly.
    Target,
    /// A route's messages do not arrive.
    Undelivered,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 12] = [
        Rule::FullyScaled,
        Rule::Idle,
        Rule::TaskFailed,
        Rule::Crashes,
        Rule::Provider,
        Rule::Budget,
        Rule::Halted,
        Rule::Ask,
        Rule::KeeperRestarts,
        Rule::Disk,
        Rule::Target,
        Rule::Undelivered,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Rule::FullyScaled => "fully_scaled",
            Rule::Idle => "idle",
            Rule::TaskFailed => "task_failed",
            Rule::Crashes => "crashes",
            Rule::Provider => "provider",
            Rule::Budget => "budget",
            Rule::Halted => "halted",
            Rule::Ask => "ask",
            Rule::KeeperRestarts => "keeper_restarts",
            Rule::Disk => "disk",
            Rule::Target => "target",
            Rule::Undelivered => "undelivered",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What one alert is of: two alerts of the same key are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The rules say what they are.
pub enum Key {
    FullyScaled,
    Idle,
    TaskFailed(TaskId),
    Crashes,
    Provider(String),
    Budget(Scope),
    Halted,
    Ask(AskId),
    KeeperRestarts,
    Disk,
    /// By the name that what falls short has: `worker/w1`, `model/haiku`.
    Target(String),
    /// By the route's name.
    Undelivered(String),
}

impl Key {
    /// The rule that it is of.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        match self {
            Key::FullyScaled => Rule::FullyScaled,
            Key::Idle => Rule::Idle,
            Key::TaskFailed(_) => Rule::TaskFailed,
            Key::Crashes => Rule::Crashes,
            Key::Provider(_) => Rule::Provider,
            Key::Budget(_) => Rule::Budget,
            Key::Halted => Rule::Halted,
            Key::Ask(_) => Rule::Ask,
            Key::KeeperRestarts => Rule::KeeperRestarts,
            Key::Disk => Rule::Disk,
            Key::Target(_) => Rule::Target,
            Key::Undelivered(_) => Rule::Undelivered,
        }
    }

    /// Which of its rule's; empty where there is only one.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Key::TaskFailed(task) => task.to_string(),
            Key::Provider(name) | Key::Target(name) | Key::Undelivered(name) => name.clone(),
            Key::Budget(scope) => scope.word().into(),
            Key::Ask(ask) => ask.to_string(),
            Key::FullyScaled
            | Key::Idle
            | Key::Crashes
            | Key::Halted
            | Key::KeeperRestarts
            | Key::Disk => String::new(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, subject) = (self.rule(), self.subject());
        if subject.is_empty() {
            f.pad(rule.word())
        } else {
            f.pad(&format!("{rule}/{subject}"))
        }
    }
}

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is of.
    pub of: Key,
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter, in a sentence.
    pub text: String,
    /// What to do about it.
    pub todo: String,
    /// Since when.
    pub since: Time,
}

/// The longest sentence of an alert, in bytes: what an agent or a command printed may be part of it.
const TEXT: usize = 500;

/// A text from outside as one line that drives no terminal, no header and no markup of its own.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        // Line separators and the marks that turn the direction of text are no control characters to Unicode.
        let odd = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let c = if odd { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() + c.len_utf8() > TEXT {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// The next event that is due, if any.
pub(crate) fn next(state: &State, now: Time) -> Option<Event> {
    let policy = &state.swarm()?.spec.policy.alerts;
    let spells = state.alerts().spells();
    spells
        .iter()
        .find_map(|spell| due(state, policy, spell, now))
}

/// When something of it is due next.
pub(crate) fn wake_at(state: &State, now: Time) -> Option<Time> {
    let policy = &state.swarm()?.spec.policy.alerts;
    let mut next: Option<Time> = None;
    for spell in state.alerts().spells() {
        let over = watch::over_since(policy, state.alerts(), spell);
        let ends = over.map(|over| over + policy.settle);
        let off = policy.off.contains(&spell.of.rule());
        let begins = (spell.raised.is_none() && !off && over.is_none_or(|over| over > now))
            .then(|| spell.since + watch::after(state, policy, &spell.of));
        let again = spell.raised.as_ref().and_then(|raised| {
            remind_at(state, policy, spell, raised).filter(|_| over.is_none_or(|over| over > now))
        });
        let ends = ends.filter(|_| spell.raised.is_some());
        let moments = [begins, ends, again].into_iter().flatten();
        next = moments.chain(next).filter(|at| *at > now).min();
    }
    next
}

fn due(state: &State, policy: &spec::Alerts, spell: &Spell, now: Time) -> Option<Event> {
    let over = watch::over_since(policy, state.alerts(), spell).filter(|over| *over <= now);
    let off = policy.off.contains(&spell.of.rule());
    match &spell.raised {
        None if off || over.is_some() => None,
        None => {
            let at = spell.since + watch::after(state, policy, &spell.of);
            (at <= now && state.alerts().has_room()).then(|| raised(state, spell))
        }
        Some(_) if off || over.is_some_and(|over| over + policy.settle <= now) => {
            Some(Event::AlertResolved {
                of: spell.of.clone(),
            })
        }
        Some(_) if over.is_some() => None,
        Some(was) if spell.grade > was.grade => Some(raised(state, spell)),
        Some(was) => {
            let at = remind_at(state, policy, spell, was)?;
            (at <= now).then(|| Event::AlertReminded {
                of: spell.of.clone(),
            })
        }
    }
}

fn raised(state: &State, spell: &Spell) -> Event {
    let mut alert = watch::describe(state, spell);
    (alert.text, alert.todo) = (line(&alert.text), line(&alert.todo));
    Event::AlertRaised {
        alert: Box::new(alert),
        grade: spell.grade,
    }
}

/// When people are told again. What was raised while its rule was silenced is told once it is not any more. Figures
/// of work are said once where nothing is left to do: they cannot become better until there is.
fn remind_at(state: &State, policy: &spec::Alerts, spell: &Spell, raised: &Raised) -> Option<Time> {
    let silent = state.alerts().silenced_until(spell.of.rule());
    let rests = spell.of.rule() == Rule::Target && state.finished().is_some();
    let at = match raised.told {
        None => raised.at,
        Some(_) if policy.remind.0 == 0 || rests => return None,
        Some(told) => told + policy.remind,
    };
    Some(silent.map_or(at, |until| at.max(until)))
}

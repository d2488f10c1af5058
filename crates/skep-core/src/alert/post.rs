//! What still has to reach people, and when (U-6).
//!
//! Every alert that is raised, said again or resolved makes a *letter* for each route that takes it; it waits in the
//! state until a host says that it was sent, or until it is given up. So each is sent at least once, whatever dies in
//! between; its number, that of the event in the log, tells a receiver that it has it already.
//!
//! When it is sent is decided here: not in quiet hours (unless it is critical), not more often than the route
//! allows, later after a failure. What had to wait comes as one message.

use super::{
    Alert, Key,
    route::{Quiet, Route},
};
use crate::{
    event::Event,
    limits,
    merge::Severity,
    request::Fingerprint,
    spec::Span,
    state::State,
    time::{Millis, Time},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    vec::Vec,
};
use core::fmt::Write;
use serde::{Deserialize, Serialize};

const HOUR: Millis = Millis::mins(60);
/// The wait after a first failure; it grows fourfold with each.
const BACK_OFF: Millis = Millis::secs(1);
/// The longest such wait, and the longest that a server can ask for.
const BACK_OFF_CAP: Millis = Millis::mins(30);
/// So many failures give a message up: about an hour and a half after the first.
const TRIES: u32 = 9;

/// What a letter says of its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It begins, or has become worse.
    Raised,
    /// It still holds.
    Reminder,
    /// It is over.
    Resolved,
    /// Nothing: somebody wants to see whether letters arrive.
    Test,
}

impl Says {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Says::Raised => "raised",
            Says::Reminder => "reminder",
            Says::Resolved => "resolved",
            Says::Test => "test",
        }
    }
}

/// What is to be sent by one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The number of its event in the log.
    pub seq: u64,
    /// By which route.
    pub route: String,
    /// What it says.
    pub says: Says,
    /// Of which alert; a test has none.
    pub alert: Option<Alert>,
    /// When it was written.
    pub at: Time,
    /// How often it was tried in vain.
    pub tries: u32,
    /// Not before this moment.
    pub not_before: Option<Time>,
    /// What went wrong last.
    pub trouble: Option<String>,
}

impl Letter {
    /// Whether it waits for nothing but the network.
    fn is_urgent(&self) -> bool {
        let alert = self.alert.as_ref();
        alert.is_none_or(|alert| alert.severity == Severity::Critical)
    }
}

/// A letter that waits no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The letter.
    pub letter: Letter,
    /// When it was sent, or given up.
    pub at: Time,
    /// Whether it was sent.
    pub sent: bool,
}

/// Letters that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// By which route.
    pub route: Route,
    /// What it says, oldest first; more than one is a digest.
    pub letters: Vec<Letter>,
}

/// What is to be sent, and was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Post {
    waiting: Vec<Letter>,
    /// The last ones, oldest first.
    done: VecDeque<Done>,
    /// When messages were sent within the last hour, by route.
    sent: BTreeMap<String, VecDeque<Time>>,
    /// What each route was told last of which alert.
    told: VecDeque<(String, Key, Says, Time)>,
    /// Routes whose last message was given up, and why.
    trouble: BTreeMap<String, String>,
}

impl Post {
    /// What waits, oldest first.
    #[must_use]
    pub fn waiting(&self) -> &[Letter] {
        &self.waiting
    }
    /// What waits no more, oldest first; only the last ones are kept.
    #[must_use]
    pub fn done(&self) -> &VecDeque<Done> {
        &self.done
    }
    /// Why a route's last message was given up, if it was.
    #[must_use]
    pub fn trouble(&self, route: &str) -> Option<&str> {
        self.trouble.get(route).map(String::as_str)
    }

    pub(super) fn raised(&mut self, routes: &[Route], alert: &Alert, seq: u64, now: Time) {
        self.write(routes, Says::Raised, alert, seq, now);
    }
    pub(super) fn reminded(&mut self, routes: &[Route], alert: &Alert, seq: u64, now: Time) {
        self.write(routes, Says::Reminder, alert, seq, now);
    }
    pub(super) fn resolved(&mut self, routes: &[Route], alert: &Alert, seq: u64, now: Time) {
        self.write(routes, Says::Resolved, alert, seq, now);
    }
    pub(super) fn test(&mut self, routes: &[Route], route: Option<&str>, seq: u64, now: Time) {
        for to in routes {
            if route.is_none_or(|name| name == to.name) {
                self.put(letter(to, Says::Test, None, seq, now));
            }
        }
    }

    fn write(&mut self, routes: &[Route], says: Says, alert: &Alert, seq: u64, now: Time) {
        for route in routes.iter().filter(|route| route.takes(alert)) {
            if says == Says::Resolved && !route.resolved {
                continue;
            }
            let same = |told: &&(String, Key, Says, Time)| {
                told.0 == route.name && told.1 == alert.of && told.2 == says
            };
            let last = self.told.iter().rev().find(same).map(|told| told.3);
            // A reminder is late by itself, and what has become worse is news.
            let worse = alert.severity == Severity::Critical;
            let soon = last.is_some_and(|last| now.since(last) < route.dedup);
            if soon && says != Says::Reminder && !worse {
                continue;
            }
            self.told
                .push_back((route.name.clone(), alert.of.clone(), says, now));
            if self.told.len() > limits::LETTERS {
                self.told.pop_front();
            }
            self.put(letter(route, says, Some(alert.clone()), seq, now));
        }
    }

    fn put(&mut self, letter: Letter) {
        if self.waiting.len() >= limits::LETTERS {
            // Most likely nothing gets through at all; what is newest matters most then.
            let mut oldest = self.waiting.remove(0);
            oldest.trouble = Some(format!("more than {} waited", limits::LETTERS));
            let at = letter.at;
            self.finish(oldest, at, false);
        }
        self.waiting.push(letter);
    }

    fn finish(&mut self, letter: Letter, at: Time, sent: bool) {
        self.done.push_back(Done { letter, at, sent });
        if self.done.len() > limits::LETTERS_KEPT {
            self.done.pop_front();
        }
    }

    /// Other routes: what waits for those that are gone is given up.
    pub(super) fn keep(&mut self, routes: &[Route]) {
        let known = |name: &str| routes.iter().any(|route| route.name == name);
        self.waiting.retain(|letter| known(&letter.route));
        self.trouble.retain(|name, _| known(name));
        self.sent.retain(|name, _| known(name));
    }

    pub(super) fn apply(&mut self, event: &Event, now: Time) {
        match event {
            Event::AlertSent { route, letters } => {
                self.trouble.remove(route);
                let sent = self.sent.entry(route.clone()).or_default();
                sent.retain(|at| now.since(*at) < HOUR);
                if sent.len() < limits::LETTERS {
                    sent.push_back(now);
                }
                for letter in self.take(route, letters) {
                    self.finish(letter, now, true);
                }
            }
            Event::AlertDelayed {
                route,
                letters,
                reason,
                until,
            } => {
                let mine = |l: &&mut Letter| l.route == *route && letters.contains(&l.seq);
                for letter in self.waiting.iter_mut().filter(mine) {
                    letter.tries += 1;
                    letter.not_before = Some(*until);
                    letter.trouble = Some(reason.clone());
                }
            }
            Event::AlertUndelivered {
                route,
                letters,
                reason,
            } => {
                self.trouble.insert(route.clone(), reason.clone());
                for mut letter in self.take(route, letters) {
                    letter.tries += 1;
                    letter.trouble = Some(reason.clone());
                    self.finish(letter, now, false);
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, route: &str, letters: &[u64]) -> Vec<Letter> {
        let (taken, left) = core::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|l| l.route == route && letters.contains(&l.seq));
        self.waiting = left;
        taken
    }

    /// How many more messages may be sent now, and when one more may.
    fn room(&self, route: &Route, now: Time) -> (usize, Option<Time>) {
        let none = VecDeque::new();
        let sent = self.sent.get(&route.name).unwrap_or(&none);
        let recent: Vec<Time> = sent
            .iter()
            .copied()
            .filter(|at| now.since(*at) < HOUR)
            .collect();
        let room = (route.per_hour as usize).saturating_sub(recent.len());
        let more = recent.len().checked_sub(route.per_hour as usize);
        let next = more.and_then(|more| recent.get(more));
        (room, next.map(|at| *at + HOUR))
    }

    fn of<'p>(&'p self, route: &'p Route) -> impl Iterator<Item = &'p Letter> {
        self.waiting.iter().filter(|l| l.route == route.name)
    }
}

fn letter(route: &Route, says: Says, alert: Option<Alert>, seq: u64, at: Time) -> Letter {
    Letter {
        seq,
        route: route.name.clone(),
        says,
        alert,
        at,
        tries: 0,
        not_before: None,
        trouble: None,
    }
}

fn quiet(route: &Route, at: Time) -> Option<Span> {
    route
        .quiet
        .as_ref()
        .and_then(|quiet: &Quiet| quiet.span(at))
}

fn routes(state: &State) -> &[Route] {
    state.swarm().map_or(&[], |swarm| &swarm.spec.routes)
}

/// What is to be sent now.
#[must_use]
pub fn messages(state: &State, now: Time) -> Vec<Message> {
    let post = state.alerts().post();
    let mut found = Vec::new();
    for route in routes(state) {
        let is_quiet = quiet(route, now).is_some();
        let open =
            |l: &&Letter| l.not_before.is_none_or(|at| at <= now) && (l.is_urgent() || !is_quiet);
        let (urgent, others): (Vec<&Letter>, Vec<&Letter>) =
            post.of(route).filter(open).partition(|l| l.is_urgent());
        let one = |letters: Vec<Letter>| Message {
            route: route.clone(),
            letters,
        };
        found.extend(urgent.into_iter().map(|l| one(Vec::from([l.clone()]))));
        let (room, _) = post.room(route, now);
        let waited = others.iter().any(|l| quiet(route, l.at).is_some());
        if room == 0 || others.is_empty() {
            continue;
        }
        let cloned = others.iter().map(|l| (*l).clone());
        if waited || others.len() > room {
            // A person reads one message of so many lines; the rest comes with the next.
            found.push(one(cloned.take(limits::DIGEST).collect()));
        } else {
            found.extend(cloned.map(|l| one(Vec::from([l]))));
        }
    }
    found
}

/// When something is to be sent that is not to be sent now.
#[must_use]
pub fn wake_at(state: &State, now: Time) -> Option<Time> {
    let post = state.alerts().post();
    let mut moments = Vec::new();
    for route in routes(state) {
        let (room, more) = post.room(route, now);
        for letter in post.of(route) {
            moments.extend(letter.not_before);
            if !letter.is_urgent() {
                moments.extend(quiet(route, now).map(|span| span.to));
                moments.extend(more.filter(|_| room == 0));
            }
        }
    }
    moments.into_iter().filter(|at| *at > now).min()
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Whoever it was for has it.
    Sent,
    /// It did not get through.
    Failed {
        /// Why.
        reason: String,
        /// Trying again would not help.
        for_good: bool,
        /// How long the receiver asks to be left alone.
        after: Option<Millis>,
    },
}

/// What follows from what became of a message; nothing if its letters wait no more.
pub(crate) fn posted(
    state: &State,
    route: &str,
    letters: &[u64],
    posted: &Posted,
    now: Time,
) -> Option<Event> {
    let waiting = state.alerts().post().waiting().iter();
    let mine = waiting.filter(|l| l.route == route && letters.contains(&l.seq));
    let mine: Vec<&Letter> = mine.collect();
    let tries = mine.iter().map(|l| l.tries + 1).max()?;
    let letters = mine.iter().map(|l| l.seq).collect();
    let route = route.into();
    Some(match posted {
        Posted::Sent => Event::AlertSent { route, letters },
        Posted::Failed {
            reason, for_good, ..
        } if *for_good || tries >= TRIES => Event::AlertUndelivered {
            route,
            letters,
            reason: super::line(reason),
        },
        Posted::Failed { reason, after, .. } => {
            let wait = after.unwrap_or(Millis(0)).max(back_off(&letters, tries));
            Event::AlertDelayed {
                route,
                letters,
                reason: super::line(reason),
                until: now + wait.min(BACK_OFF_CAP),
            }
        }
    })
}

/// Longer with each failure, and a little different for each message: those that failed together are not all tried
/// again together.
fn back_off(letters: &[u64], tries: u32) -> Millis {
    let factor = 4u64.saturating_pow(tries.saturating_sub(1));
    let wait = BACK_OFF.times(factor).min(BACK_OFF_CAP);
    let mut mix = Fingerprint::default();
    // Writing to a number cannot fail.
    let _ = write!(mix, "{letters:?} {tries}");
    Millis(wait.0 - wait.0 / 5 * (mix.number() % 100) / 100)
}

//! What the state keeps of alerts: the spells, what is counted for them, who wants silence, and what is to be sent.

use super::{Alert, Key, Rule, post::Post, route::Route, watch};
use crate::{
    event::Event,
    limits,
    state::State,
    time::{Millis, Time},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// How often at most the swarm's targets are judged.
const JUDGED_EVERY: Millis = Millis::mins(1);

/// A condition that holds, or did a moment ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// Of what.
    pub of: Key,
    /// Since when.
    pub since: Time,
    /// How bad it is, in steps of its own.
    pub grade: u32,
    /// Since when it does not hold.
    pub over: Option<Time>,
    /// What people were told.
    pub raised: Option<Raised>,
}

/// What people were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The words.
    pub alert: Alert,
    /// How bad it was at its worst.
    pub grade: u32,
    /// When it was raised first.
    pub at: Time,
    /// When it was said last; `None` while its rule has been silenced all along.
    pub told: Option<Time>,
}

/// Everything that is remembered for alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Book {
    spells: Vec<Spell>,
    /// When attempts crashed last.
    crashes: VecDeque<Time>,
    /// When keepers died last.
    keepers: VecDeque<Time>,
    /// What the disk lacks.
    disk: Option<String>,
    /// The swarm's targets that are missed so far that people are told (U-5), each in a sentence.
    missed: BTreeMap<String, String>,
    /// When that was looked at last.
    judged: Time,
    /// Rules of which nobody wants to hear, until when.
    silenced: BTreeMap<Rule, Time>,
    post: Post,
}

impl Book {
    /// All spells, raised or not.
    #[must_use]
    pub fn spells(&self) -> &[Spell] {
        &self.spells
    }
    /// What is raised and not resolved, in the order in which it began.
    pub fn open(&self) -> impl Iterator<Item = (&Spell, &Raised)> {
        let open = self.spells.iter();
        open.filter_map(|spell| Some((spell, spell.raised.as_ref()?)))
    }
    /// Whether one more may be raised.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.open().count() < limits::ALERTS
    }
    /// Until when a rule is silenced, if it ever was.
    #[must_use]
    pub fn silenced_until(&self, rule: Rule) -> Option<Time> {
        self.silenced.get(&rule).copied()
    }
    /// What is to be sent, and was.
    #[must_use]
    pub fn post(&self) -> &Post {
        &self.post
    }
    pub(super) fn crashes(&self) -> &VecDeque<Time> {
        &self.crashes
    }
    pub(super) fn keepers(&self) -> &VecDeque<Time> {
        &self.keepers
    }
    /// What the disk lacks, as its host saw it last.
    #[must_use]
    pub fn disk(&self) -> Option<&str> {
        self.disk.as_deref()
    }

    /// The swarm's targets that are missed, each in a sentence.
    pub(super) fn missed(&self) -> &BTreeMap<String, String> {
        &self.missed
    }

    fn is_silenced(&self, rule: Rule, now: Time) -> bool {
        self.silenced_until(rule).is_some_and(|until| now < until)
    }

    /// A condition begins, unless it holds already. Says whether it does.
    pub(crate) fn begin(&mut self, of: Key, now: Time) -> bool {
        if self.spells.iter().any(|spell| spell.of == of) || self.spells.len() >= limits::SPELLS {
            return false;
        }
        self.spells.push(Spell {
            of,
            since: now,
            grade: 0,
            over: None,
            raised: None,
        });
        true
    }

    pub(crate) fn crashed(&mut self, now: Time) {
        remember(&mut self.crashes, now);
    }

    /// Notes which conditions begin and which are over: after each event, with the state that it led to.
    pub(crate) fn look(&mut self, state: &State, now: Time) {
        let Some(swarm) = state.swarm() else { return };
        let policy = &swarm.spec.policy.alerts;
        // Not after each event: it sums up a whole window.
        if now.since(self.judged) >= JUDGED_EVERY {
            self.judged = now;
            self.missed = watch::missed(state, now);
        }
        let grades = self.spells.iter().map(|s| watch::grade(state, self, &s.of));
        let grades: Vec<Option<u32>> = grades.collect();
        for (spell, grade) in self.spells.iter_mut().zip(grades) {
            match grade {
                Some(grade) => {
                    // What nobody was told of, and was over for long enough, begins anew.
                    let over = spell.over.filter(|over| *over + policy.settle <= now);
                    if over.is_some() && spell.raised.is_none() {
                        spell.since = now;
                    }
                    (spell.grade, spell.over) = (grade, None);
                }
                None => {
                    spell.over.get_or_insert(now);
                }
            }
        }
        self.forget(policy, now);
        for of in watch::beginning(state, self, now) {
            let grade = watch::grade(state, self, &of).unwrap_or_default();
            if self.begin(of, now)
                && let Some(spell) = self.spells.last_mut()
            {
                spell.grade = grade;
            }
        }
    }

    /// What nobody was told of, and is over, is nothing.
    fn forget(&mut self, policy: &crate::spec::Alerts, now: Time) {
        let mut spells = core::mem::take(&mut self.spells);
        spells.retain(|spell| {
            let over = watch::over_since(policy, self, spell);
            spell.raised.is_some() || over.is_none_or(|over| now < over + policy.settle)
        });
        self.spells = spells;
    }

    /// Takes an event of alerts into account. `seq` names what is sent for it.
    pub(crate) fn apply(&mut self, event: &Event, routes: &[Route], seq: u64, now: Time) {
        match event {
            Event::AlertRaised { alert, grade } => {
                self.begin(alert.of.clone(), alert.since);
                let silent = self.is_silenced(alert.of.rule(), now);
                let Some(spell) = self.spells.iter_mut().find(|s| s.of == alert.of) else {
                    return;
                };
                let first = spell.raised.as_ref().map_or(now, |raised| raised.at);
                spell.raised = Some(Raised {
                    alert: (**alert).clone(),
                    grade: *grade,
                    at: first,
                    told: (!silent).then_some(now),
                });
                if !silent {
                    self.post.raised(routes, alert, seq, now);
                }
            }
            Event::AlertReminded { of } => {
                let spell = self.spells.iter_mut().find(|s| s.of == *of);
                if let Some(raised) = spell.and_then(|spell| spell.raised.as_mut()) {
                    raised.told = Some(now);
                    let alert = raised.alert.clone();
                    self.post.reminded(routes, &alert, seq, now);
                }
            }
            Event::AlertResolved { of } => {
                let Some(at) = self.spells.iter().position(|s| s.of == *of) else {
                    return;
                };
                let spell = self.spells.remove(at);
                // Who never heard of it need not hear that it is over.
                if let Some(raised) = spell.raised.filter(|raised| raised.told.is_some()) {
                    self.post.resolved(routes, &raised.alert, seq, now);
                }
                let counted = match of {
                    Key::Crashes => &mut self.crashes,
                    Key::KeeperRestarts => &mut self.keepers,
                    _ => return,
                };
                counted.clear();
            }
            Event::AlertsSilenced { rule, until } => {
                self.silenced.insert(*rule, *until);
            }
            Event::AlertTested { route } => self.post.test(routes, route.as_deref(), seq, now),
            Event::AlertSent { .. }
            | Event::AlertDelayed { .. }
            | Event::AlertUndelivered { .. } => {
                self.post.apply(event, now);
                if let Event::AlertUndelivered { route, .. } = event {
                    self.begin(Key::Undelivered(route.clone()), now);
                }
            }
            Event::KeeperRestarted {} => remember(&mut self.keepers, now),
            Event::DiskSeen { lacking } => self.disk.clone_from(lacking),
            _ => {}
        }
    }

    /// Another plan begins: what its routes do not have is sent nowhere.
    pub(crate) fn begin_plan(&mut self, routes: &[Route]) {
        self.post.keep(routes);
    }
}

fn remember(moments: &mut VecDeque<Time>, now: Time) {
    moments.push_back(now);
    if moments.len() > limits::COUNTED {
        moments.pop_front();
    }
}

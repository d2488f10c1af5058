//! What must hold of what agents ask people (L-4b): a question is open from when it was asked until its agent wants no
//! answer any more or is gone, it is answered once, by policy not before its time and not long after it, and an
//! attempt's clock stands still only while it waits, for a bounded time in all.

use crate::{asks::ends, audit::Kind, hosts::FolderState, world::World};
use skep_core::{
    attempt::Phase,
    event::{By, Event, Record},
    id::Attempt,
    time::Millis,
};
use std::collections::{BTreeMap, BTreeSet};

/// A log that does not take entries, a clock that jumps, a look that comes a minute later.
const SLACK: u64 = 10 * 60_000;

/// What the auditor knows of questions, by real time.
#[derive(Default)]
pub(crate) struct Asks {
    /// Since when each is open, and whether it is answered.
    open: BTreeMap<(Attempt, u32), (u64, bool)>,
    waited: BTreeMap<Attempt, Waits>,
    /// How far the last keeper's clock was ahead.
    ahead: i64,
    /// Attempts that waited while one keeper's clock was followed by another's that is ahead of it or behind: by a
    /// clock alone nobody can tell how long that was, so all that holds is the bound of all waiting.
    unsure: BTreeSet<Attempt>,
}

/// For how long an attempt has waited.
#[derive(Default)]
struct Waits {
    since: Option<u64>,
    before: u64,
}

impl Asks {
    fn waits(&self, attempt: Attempt) -> bool {
        let mut its = self.open.range((attempt, 0)..=(attempt, u32::MAX));
        its.any(|(_, (_, answered))| !answered)
    }

    /// A keeper begins, with its clock so far ahead.
    pub(crate) fn keeper_begins(&mut self, ahead: i64) {
        if ahead.abs_diff(self.ahead) > SLACK {
            let open = self.open.iter().filter(|(_, (_, answered))| !answered);
            self.unsure.extend(open.map(|((attempt, _), _)| *attempt));
        }
        self.ahead = ahead;
    }

    fn turn(&mut self, attempt: Attempt, now: u64) {
        let waits = self.waits(attempt);
        let its = self.waited.entry(attempt).or_default();
        match (its.since, waits) {
            (None, true) => its.since = Some(now),
            (Some(since), false) => {
                its.before += now - since;
                its.since = None;
            }
            _ => {}
        }
    }

    fn so_far(&self, attempt: Attempt, now: u64) -> u64 {
        let its = self.waited.get(&attempt);
        its.map_or(0, |its| {
            its.before + its.since.map_or(0, |since| now - since)
        })
    }
}

impl World {
    /// Before the record is applied.
    pub(super) fn audit_asks(&mut self, record: &Record) {
        let now = self.now;
        match &record.event {
            Event::Asked { attempt, question } => {
                let key = (*attempt, question.number);
                let again = self.audit.asks.open.insert(key, (now, false)).is_some();
                self.audit
                    .unsafe_if(again, "L-4b: nobody is asked twice", || format!("{key:?}"));
                self.audit.asks.turn(*attempt, now);
            }
            Event::Answered {
                attempt, number, ..
            } => self.audit_answered(record, *attempt, *number),
            Event::AskClosed { attempt, number } => self.audit_closed(*attempt, *number),
            Event::AttemptAccepted { accepted, .. } => self.forget_asks(accepted.attempt),
            Event::AttemptEnded { failure, .. } => self.forget_asks(failure.attempt),
            _ => {}
        }
    }

    fn audit_answered(&mut self, record: &Record, attempt: Attempt, number: u32) {
        let now = self.now;
        let limit = self.audit.policy.agents.ask_timeout;
        let live = self.audit.state.attempt(attempt);
        let ask = live.and_then(|l| l.asks.iter().find(|a| a.question.number == number));
        let early = ask.is_some_and(|ask| ends(ask, limit) > record.at);
        let known = self.audit.asks.open.get_mut(&(attempt, number));
        let wrong = match known {
            Some((_, answered)) => std::mem::replace(answered, true),
            None => true,
        };
        self.audit
            .unsafe_if(wrong, "L-4b: what is open is answered once", || {
                format!("{attempt}.{number}")
            });
        let policy = record.by == By::Policy;
        self.audit
            .unsafe_if(policy && early, "L-4b: people have their time", || {
                format!("{attempt}.{number}")
            });
        self.coverage.hit(if policy {
            "ask: answered by nobody"
        } else {
            "ask: answered by a person"
        });
        self.audit.asks.turn(attempt, now);
    }

    fn audit_closed(&mut self, attempt: Attempt, number: u32) {
        let now = self.now;
        let open = self.audit.asks.open.remove(&(attempt, number));
        let folder = self.hosts.folders.get(&attempt);
        let heard = folder.is_none_or(|f| f.asking.as_ref().is_none_or(|asking| asking.heard));
        let live = self.audit.state.attempt(attempt);
        let over = live.is_none_or(|l| l.stopping.is_some() || l.phase == Phase::Verifying);
        self.audit.unsafe_if(
            open.is_none() || !(heard || over),
            "L-4b: a question is open until its agent wants no answer",
            || format!("{attempt}.{number}: {open:?}"),
        );
        self.coverage.hit(match open {
            Some((_, false)) if !over => "ask: taken back",
            Some((_, false)) => "ask: closed with its attempt",
            _ => "ask: heard",
        });
        self.audit.asks.turn(attempt, now);
    }

    fn forget_asks(&mut self, attempt: Attempt) {
        let asks = &mut self.audit.asks;
        asks.open.retain(|(of, _), _| *of != attempt);
        asks.waited.remove(&attempt);
        asks.unsure.remove(&attempt);
    }

    /// Nothing waits for ever, and nobody's clock stands still for longer than it waits: while a keeper looks.
    pub(crate) fn audit_waits(&mut self) {
        let (now, up) = (
            self.now,
            self.audit.facts_since.max(self.audit.keeper_since),
        );
        let agents = &self.audit.policy.agents;
        let (limit, total) = (agents.ask_timeout.0 + SLACK, agents.ask_total);
        let mut open = self.audit.asks.open.iter();
        let late = open.find(|(_, (since, answered))| !answered && now > since.max(&up) + limit);
        if let Some(((attempt, number), (since, _))) = late {
            let minutes = (now - since) / 60_000;
            let text = format!("{attempt}.{number} waits for {minutes} minutes");
            return self
                .audit
                .fail(Kind::Liveness, "L-4b: no question waits for ever", text);
        }
        let Some(keeper) = &self.keeper else { return };
        let time = keeper.time(now);
        let over = |live: &&skep_core::attempt::Live| {
            let waited = if self.audit.asks.unsure.contains(&live.attempt) {
                total
            } else {
                Millis(self.audit.asks.so_far(live.attempt, now)).min(total)
            };
            let runs = self.hosts.folders.get(&live.attempt).is_some_and(|f| {
                f.over_since.is_none() && matches!(f.state, FolderState::Running { .. })
            });
            let late = live.give_up + waited + Millis(SLACK) < time;
            runs && late && now > up + SLACK && live.stopping.is_none()
        };
        let over = self.audit.state.live().find(over).map(|l| l.attempt);
        if let Some(attempt) = over {
            let text = format!("attempt {attempt} goes on past its ceiling");
            self.audit
                .fail(Kind::Safety, "L-4b: time stands still while it waits", text);
        }
    }

    /// L-4b: nobody is given up within the time for which they waited.
    pub(super) fn audit_given_up(&mut self, record: &Record) {
        let Event::AttemptEnded {
            failure, revoked, ..
        } = &record.event
        else {
            return;
        };
        let Some(live) = self.audit.state.attempt(failure.attempt) else {
            return;
        };
        let total = self.audit.policy.agents.ask_total;
        let waited = Millis(self.audit.asks.so_far(failure.attempt, self.now)).min(total);
        let early = *revoked
            && live.stopping.is_none()
            && record.at + Millis(SLACK) < live.give_up + waited;
        self.audit
            .unsafe_if(early, "L-4b: who waits is not out of time for it", || {
                format!("attempt {}", failure.attempt)
            });
    }
}

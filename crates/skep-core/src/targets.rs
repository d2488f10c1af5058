//! Whether the swarm comes to what it should (U-5, G-9): a value for each target, from what was counted in the
//! window, and a verdict. What is not known has no value, and what is known of too few no verdict.

use crate::{
    history::{Bucket, Count, Stage},
    spec::Targets,
    state::State,
    task::TaskState,
    time::{Millis, Time},
};
use alloc::{format, string::String, vec::Vec};

/// In what a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Hundredths of a percent.
    Share,
    /// Pieces.
    Number,
    /// Millionths of a US dollar.
    MicroUsd,
}

/// What a value should be, with both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    /// At least.
    pub least: Option<u64>,
    /// At most.
    pub most: Option<u64>,
}

/// From where on somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Under it.
    Under(u64),
    /// Over it.
    Over(u64),
}

/// How a value stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is known, or of too few, or nothing is asked for.
    Unknown,
    /// As it should be.
    Met,
    /// Not as it should be.
    Missed,
    /// So far from it that somebody is told.
    Alert,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Alert => "alert",
        }
    }
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name: stable, for machines.
    pub name: &'static str,
    /// What it is of, for people.
    pub about: &'static str,
    /// In what it is counted.
    pub unit: Unit,
    /// What was measured.
    pub value: Option<u64>,
    /// What it should be.
    pub aim: Aim,
    /// From where on somebody is told.
    pub alarm: Option<Alarm>,
    /// How it stands.
    pub verdict: Verdict,
    /// Of what it was measured, in a phrase.
    pub basis: String,
}

/// All targets, in a fixed order. It sums up the window's buckets: for views, and for whoever looks once in a while,
/// not for every request.
#[must_use]
pub fn targets(state: &State, now: Time) -> Vec<Target> {
    let policy = state.policy().targets;
    let window = state.within(policy.window, now);
    let seen = Seen::new(&window, &policy);
    let mut all = seen.attempts();
    all.insert(2, concurrent(state, &policy));
    all.extend(seen.outcomes());
    all
}

/// Those of which somebody should be told.
#[must_use]
pub fn breaches(state: &State, now: Time) -> Vec<Target> {
    let mut all = targets(state, now);
    all.retain(|target| target.verdict == Verdict::Alert);
    all
}

/// What a target is measured from.
struct Seen<'a> {
    window: &'a Bucket,
    policy: &'a Targets,
    /// Attempts whose end says something of them.
    judged: u64,
    /// Those and the ones that a provider refused.
    ended: u64,
}

impl<'a> Seen<'a> {
    fn new(window: &'a Bucket, policy: &'a Targets) -> Self {
        let sum = |all: &[Count]| all.iter().map(|what| window.counts.get(*what)).sum::<u64>();
        let judged = sum(&[
            Count::Succeeded,
            Count::Failed,
            Count::TimedOut,
            Count::Stale,
            Count::Crashed,
            Count::OverBudget,
        ]);
        Seen {
            window,
            policy,
            judged,
            ended: judged + sum(&[Count::RateLimited]),
        }
    }

    fn count(&self, what: Count) -> u64 {
        self.window.counts.get(what)
    }

    /// A part of so many things.
    fn share(&self, name: &'static str, about: &'static str, part: u64, of: (u64, &str)) -> Draft {
        let (all, things) = of;
        let value = (u128::from(part) * 10_000).checked_div(u128::from(all));
        Draft {
            name,
            about,
            unit: Unit::Share,
            value: value.map(|share| u64::try_from(share.min(10_000)).unwrap_or(10_000)),
            seen: all,
            basis: self.of(all, things),
        }
    }

    /// A length of time.
    fn length(
        &self,
        name: &'static str,
        about: &'static str,
        stage: Stage,
        things: &str,
        of: fn(&crate::history::Summary) -> Millis,
    ) -> Draft {
        let summary = self.window.spans.of(stage);
        let seen = summary.map_or(0, |summary| summary.count);
        Draft {
            name,
            about,
            unit: Unit::Millis,
            value: summary.as_ref().map(|summary| of(summary).0),
            seen,
            basis: self.of(seen, things),
        }
    }

    fn of(&self, seen: u64, things: &str) -> String {
        format!("{seen} {things} in the last {}", self.policy.window)
    }

    /// How attempts go.
    fn attempts(&self) -> Vec<Target> {
        let (policy, judged) = (self.policy, (self.judged, "attempts"));
        let succeeded = self.count(Count::Succeeded);
        let fewest = u64::from(policy.fewest);
        let mean = crate::history::Summary::mean;
        Vec::from([
            self.length(
                "mean_duration",
                "mean length of an attempt",
                Stage::Attempt,
                "attempts",
                mean,
            )
            .judged(
                fewest,
                at_most(policy.duration.0),
                over(policy.duration_alert.0),
            ),
            self.share("success", "attempts that succeed", succeeded, judged)
                .judged(
                    fewest,
                    at_least(percent(policy.success_percent)),
                    (policy.success_alert_percent > 0)
                        .then(|| Alarm::Under(percent(policy.success_alert_percent))),
                ),
            self.share(
                "stale",
                "attempts that made no progress",
                self.count(Count::Stale),
                judged,
            )
            .judged(
                fewest,
                // None at all is what is asked for by default.
                Aim {
                    least: None,
                    most: Some(percent(policy.stale_percent)),
                },
                over(percent(policy.stale_alert_percent)),
            ),
            self.share(
                "restarts",
                "attempts that lead to another",
                self.count(Count::Retries),
                judged,
            )
            .judged(
                fewest,
                at_most(percent(policy.restart_percent)),
                over(percent(policy.restart_alert_percent)),
            ),
        ])
    }

    /// What comes of it.
    fn outcomes(&self) -> Vec<Target> {
        let policy = self.policy;
        let fewest = u64::from(policy.fewest);
        let mean = crate::history::Summary::mean;
        let merged = self.count(Count::TasksMerged);
        let lost = [Count::TasksFlagged, Count::TasksDead, Count::TasksCancelled];
        let over_tasks = merged + lost.map(|what| self.count(what)).iter().sum::<u64>();
        let errors = self.ended - self.count(Count::Succeeded);
        let escalations = self.count(Count::Escalations);
        Vec::from([
            self.share(
                "completion",
                "tasks that are merged in the end",
                merged,
                (over_tasks, "tasks"),
            )
            .judged(fewest, at_least(percent(policy.completion_percent)), None),
            self.length(
                "time_to_fix",
                "from a first failure to acceptance",
                Stage::Mend,
                "tasks",
                mean,
            )
            .judged(fewest, at_most(policy.mend.0), None),
            self.cost(merged)
                .judged(fewest, at_most(policy.merged_usd.0), None),
            Draft {
                name: "coverage_velocity",
                about: "test coverage gained in a day",
                unit: Unit::Share,
                value: None,
                seen: 0,
                basis: "nothing measures coverage yet".into(),
            }
            .judged(fewest, Aim::default(), None),
            self.share(
                "errors",
                "attempts that end neither well nor on purpose",
                errors,
                (self.ended, "attempts"),
            )
            .judged(fewest, at_most(percent(policy.error_percent)), None),
            self.length(
                "recovery_time",
                "from a crash to the next claim",
                Stage::Recovery,
                "crashes",
                mean,
            )
            .judged(fewest, at_most(policy.recovery.0), None),
            self.share(
                "escalations",
                "attempts for which a person is asked",
                escalations,
                (self.ended, "attempts"),
            )
            .judged(
                fewest,
                Aim {
                    least: some(percent(policy.escalation_least_percent)),
                    most: some(percent(policy.escalation_most_percent)),
                },
                None,
            ),
            self.length(
                "time_to_decision",
                "95th percentile from a question to its answer",
                Stage::Decision,
                "questions",
                |s| s.p95,
            )
            .judged(fewest, at_most(policy.decision.0), None),
            self.waste()
                .judged(fewest, at_most(percent(policy.waste_percent)), None),
        ])
    }

    /// What a merged task costs. Of attempts whose cost is unknown no guess is made.
    fn cost(&self, merged: u64) -> Draft {
        let (priced, unpriced) = (self.count(Count::Priced), self.count(Count::Unpriced));
        let spent = self.window.usd.sum();
        let known = priced > 0 || spent > 0;
        Draft {
            name: "usd_per_merged",
            about: "cost of a merged task",
            unit: Unit::MicroUsd,
            value: known.then(|| spent.checked_div(merged)).flatten(),
            seen: merged,
            basis: self.of(merged, "merged tasks") + &unknown(unpriced),
        }
    }

    fn waste(&self) -> Draft {
        let (priced, unpriced) = (self.count(Count::Priced), self.count(Count::Unpriced));
        Draft {
            name: "waste",
            about: "spending on results that were not used",
            unit: Unit::Share,
            value: self.window.waste_share(),
            seen: priced,
            basis: self.of(priced, "attempts of known cost") + &unknown(unpriced),
        }
    }
}

fn unknown(attempts: u64) -> String {
    if attempts == 0 {
        return String::new();
    }
    format!("; what {attempts} cost is unknown")
}

/// How many attempts run now. Too few is no fault where there is no more to do.
fn concurrent(state: &State, policy: &Targets) -> Target {
    let live = state.live().len() as u64;
    let ready = state.count(TaskState::Ready) as u64;
    let least = some(policy.concurrent_least.into()).filter(|_| ready > 0);
    let draft = Draft {
        name: "concurrent",
        about: "attempts at once",
        unit: Unit::Number,
        value: (live + ready > 0).then_some(live),
        seen: u64::MAX,
        basis: format!("now, with {ready} tasks ready"),
    };
    let most = some(policy.concurrent_most.into());
    draft.judged(0, Aim { least, most }, over(policy.concurrent_alert.into()))
}

/// A target without a verdict.
struct Draft {
    name: &'static str,
    about: &'static str,
    unit: Unit,
    value: Option<u64>,
    /// Of how many it was measured.
    seen: u64,
    basis: String,
}

impl Draft {
    fn judged(mut self, fewest: u64, aim: Aim, alarm: Option<Alarm>) -> Target {
        let few = self.value.is_some() && self.seen < fewest;
        if few {
            self.basis.push_str(&format!("; judged from {fewest} on"));
        }
        let verdict = match self.value.filter(|_| !few) {
            Some(value) => judge(value, aim, alarm),
            None => Verdict::Unknown,
        };
        Target {
            name: self.name,
            about: self.about,
            unit: self.unit,
            value: self.value,
            aim,
            alarm,
            verdict,
            basis: self.basis,
        }
    }
}

fn judge(value: u64, aim: Aim, alarm: Option<Alarm>) -> Verdict {
    let told = match alarm {
        Some(Alarm::Under(edge)) => value < edge,
        Some(Alarm::Over(edge)) => value > edge,
        None => false,
    };
    let low = aim.least.is_some_and(|least| value < least);
    let high = aim.most.is_some_and(|most| value > most);
    match (told, low || high) {
        (true, _) => Verdict::Alert,
        (false, true) => Verdict::Missed,
        (false, false) if aim == Aim::default() && alarm.is_none() => Verdict::Unknown,
        (false, false) => Verdict::Met,
    }
}

/// Nought asks for nothing.
fn some(edge: u64) -> Option<u64> {
    (edge > 0).then_some(edge)
}
fn at_most(edge: u64) -> Aim {
    Aim {
        least: None,
        most: some(edge),
    }
}
fn at_least(edge: u64) -> Aim {
    Aim {
        least: some(edge),
        most: None,
    }
}
fn over(edge: u64) -> Option<Alarm> {
    some(edge).map(Alarm::Over)
}
fn percent(percent: u32) -> u64 {
    u64::from(percent) * 100
}

//! Hours, days, weeks and runs: which report is due, and what it is called.
//!
//! What was written is known by its name alone, and a name says of what time a report is. So nothing is remembered:
//! after a night without a keeper the last day with work in it is due, once, and so is the last hour.

use crate::{api::ReportKind, zones};
use jiff::{Timestamp, tz::TimeZone};
use skep_core::{
    spec::{Reports, Span, Zone},
    state::State,
    time::{Millis, Time},
};

/// A report that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) kind: ReportKind,
    pub(super) id: String,
    pub(super) span: Span,
}

const HOUR: u64 = 3_600_000;

fn utc(at: Time, format: &str) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// The name of the report of a run that ended at a moment.
#[must_use]
pub fn run_id(finished: Time) -> String {
    format!("run-{}", utc(finished, "%Y%m%dT%H%M%S%3fZ"))
}

/// A span up to a moment, what happened at that moment included.
fn up_to(from: Time, to: Time) -> Span {
    Span {
        from: from.min(to),
        to: to + Millis(1),
    }
}

/// The last `length` before now.
#[must_use]
pub fn since(length: Millis, now: Time) -> Span {
    up_to(Time(now.0.saturating_sub(length.0)), now)
}

/// What somebody means who asks now for a report of a kind: the run so far, or the last hour, day or week.
#[must_use]
pub fn named(state: &State, kind: ReportKind, now: Time) -> Span {
    match kind {
        ReportKind::Run => run(state, now),
        ReportKind::Hourly => since(Millis(HOUR), now),
        ReportKind::Daily | ReportKind::Window => since(Millis(24 * HOUR), now),
        ReportKind::Weekly => since(Millis(7 * 24 * HOUR), now),
    }
}

/// The run under way, or the last one.
fn run(state: &State, now: Time) -> Span {
    let began = state.swarm().map_or(now, |swarm| swarm.since);
    up_to(began, state.finished().unwrap_or(now))
}

/// The period of a kind that a moment is in; `None` for kinds that are no periods.
fn period(zone: &Zone, kind: ReportKind, at: Time) -> Option<Span> {
    let day = zone.day(at);
    match kind {
        ReportKind::Hourly => {
            let from = Time(day.from.0 + at.since(day.from).0 / HOUR * HOUR);
            let to = (from + Millis(HOUR)).min(day.to);
            Some(Span { from, to })
        }
        ReportKind::Daily => Some(day),
        ReportKind::Weekly => {
            // The first of January 1970 was a Thursday.
            let weekday = (zone.day_number(at) + 3).rem_euclid(7);
            let before = |at: Time| zone.day(Time(at.0.saturating_sub(1))).from;
            let from = (0..weekday).fold(day.from, |from, _| before(from));
            let to = (weekday..6).fold(day.to, |to, _| zone.day(to).to);
            Some(Span { from, to })
        }
        ReportKind::Run | ReportKind::Window => None,
    }
}

fn id(zone: &Zone, kind: ReportKind, span: Span) -> String {
    let name = match kind {
        // The clock may show the same hour twice in a night.
        ReportKind::Hourly => utc(span.from, "%Y%m%dT%H%MZ"),
        _ => zones::day(zone.day_number(span.from)),
    };
    format!("{}-{name}", kind.word())
}

fn periods(policy: &Reports) -> impl Iterator<Item = ReportKind> {
    let all = [
        (policy.hourly, ReportKind::Hourly),
        (policy.daily, ReportKind::Daily),
        (policy.weekly, ReportKind::Weekly),
    ];
    all.into_iter().filter_map(|(on, kind)| on.then_some(kind))
}

/// What is to be written now, as far as it is not there.
pub(super) fn due(state: &State, now: Time, there: impl Fn(&str) -> bool) -> Vec<Due> {
    let policy = state.policy();
    let zone = &policy.budget.zone;
    let mut all = Vec::new();
    if let Some(finished) = state.finished().filter(|_| policy.reports.run) {
        all.push(Due {
            kind: ReportKind::Run,
            id: run_id(finished),
            span: run(state, now),
        });
    }
    for kind in periods(&policy.reports) {
        // Of several that are over, the last in which there was work.
        let open = period(zone, kind, now);
        let worked = open.and_then(|open| state.worked_before(open.from));
        if let Some(span) = worked.and_then(|at| period(zone, kind, at)) {
            let id = id(zone, kind, span);
            all.push(Due { kind, id, span });
        }
    }
    all.retain(|due| !there(&due.id));
    all
}

/// When the next period ends; `None` if no period is to be reported.
pub(super) fn wake_at(state: &State, now: Time) -> Option<Time> {
    let policy = state.policy();
    let zone = &policy.budget.zone;
    let ends = periods(&policy.reports).filter_map(|kind| period(zone, kind, now));
    ends.map(|span| span.to).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        let at: Timestamp = text.parse().unwrap();
        Time(u64::try_from(at.as_millisecond()).unwrap())
    }

    // proves: U-7
    #[test]
    fn periods_follow_the_zone_and_its_changes_and_weeks_begin_on_monday() {
        let berlin = zones::zone("Europe/Berlin").unwrap();
        for (kind, moment, from, to, name) in [
            (
                ReportKind::Daily,
                "2026-03-29T04:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
                "daily-2026-03-29",
            ),
            (
                ReportKind::Weekly,
                "2026-03-29T04:00:00Z",
                "2026-03-22T23:00:00Z",
                "2026-03-29T22:00:00Z",
                "weekly-2026-03-23",
            ),
            (
                ReportKind::Weekly,
                "2026-11-23T00:30:00Z",
                "2026-11-22T23:00:00Z",
                "2026-11-29T23:00:00Z",
                "weekly-2026-11-23",
            ),
            (
                ReportKind::Hourly,
                "2026-10-25T01:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T02:00:00Z",
                "hourly-20261025T0100Z",
            ),
        ] {
            let span = period(&berlin, kind, at(moment)).unwrap();
            assert_eq!((span.from, span.to), (at(from), at(to)), "{name}");
            assert_eq!(id(&berlin, kind, span), name);
            // Wherever in it one looks, it is the same one.
            let last = Time(span.to.0 - 1);
            assert_eq!(period(&berlin, kind, span.from), Some(span));
            assert_eq!(period(&berlin, kind, last), Some(span));
        }
    }
}

//! A time zone as data: the core knows no clock and no database of zones. Whoever reads the plan resolves the
//! zone's name into the moments at which its clocks are put forward or back.

use crate::time::{Millis, Time};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Milliseconds of a day on which no clock is moved.
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// A time zone. The default is UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Its name, such as `Europe/Berlin`; empty for UTC.
    pub name: String,
    /// How far its clocks are ahead of UTC before the first change, in seconds.
    pub first: i32,
    /// The moments at which that changes, in order, and how far ahead they are from then on.
    pub changes: Vec<(Time, i32)>,
}

/// A stretch of time: from the first moment up to the second, which is not of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub from: Time,
    /// Where it ends.
    pub to: Time,
}

impl Span {
    /// Whether a moment is within it.
    #[must_use]
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

impl Zone {
    /// Its name, for people.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() {
            "UTC"
        } else {
            &self.name
        }
    }

    /// How far its clocks are ahead of UTC at a moment, in milliseconds.
    fn ahead(&self, at: i64) -> i64 {
        let past = self
            .changes
            .partition_point(|(from, _)| signed(*from) <= at);
        let seconds = match past.checked_sub(1) {
            Some(last) => self.changes[last].1,
            None => self.first,
        };
        i64::from(seconds) * 1000
    }

    /// The day that a moment is on, counted from the first of January 1970.
    #[must_use]
    pub fn day_number(&self, at: Time) -> i64 {
        let at = signed(at);
        (at + self.ahead(at)).div_euclid(DAY)
    }

    /// The first moment at which its clocks show so many milliseconds since their own 1970, or more: an hour that
    /// they leave out begins where it is left out, one that they repeat the first time.
    fn moment(&self, shown: i64) -> Time {
        let (before, after) = (self.ahead(shown - DAY), self.ahead(shown + DAY));
        if before == after {
            return unsigned(shown - before);
        }
        let change = self
            .changes
            .iter()
            .map(|(from, _)| signed(*from))
            .find(|from| *from > shown - DAY)
            .unwrap_or(shown);
        let (early, late) = (shown - before, shown - after);
        unsigned(if early < change {
            early
        } else {
            late.max(change)
        })
    }

    /// The calendar day that holds a moment.
    #[must_use]
    pub fn day(&self, at: Time) -> Span {
        let today = self.day_number(at);
        let bounds = (today - 1..=today + 2).map(|day| self.moment(day * DAY));
        within(bounds, at)
    }

    /// The night that holds a moment; none by day.
    #[must_use]
    pub fn night(&self, at: Time) -> Option<Span> {
        let (span, night) = self.half(at);
        night.then_some(span)
    }

    /// The active hours that hold a moment; none at night.
    #[must_use]
    pub fn active(&self, at: Time) -> Option<Span> {
        let (span, night) = self.half(at);
        (!night).then_some(span)
    }

    /// The hours of a day that hold a moment, from one minute after midnight to another, which is the next day's if
    /// it is not later. Hours that begin as they end are the whole day.
    #[must_use]
    pub fn hours(&self, at: Time, from: u16, to: u16) -> Option<Span> {
        let today = self.day_number(at);
        let minutes = |day: i64, n: u16| self.moment(day * DAY + i64::from(n) * HOUR / 60);
        let days = today - 1..=today + 1;
        let mut spans = days.map(|day| Span {
            from: minutes(day, from),
            to: minutes(day + i64::from(to <= from), to),
        });
        spans.find(|span| span.holds(at))
    }

    /// Each moment is in a night or in active hours: the hour that no mode names is active.
    fn half(&self, at: Time) -> (Span, bool) {
        let today = self.day_number(at);
        let bounds = (today - 1..=today + 1)
            .flat_map(|day| [7, 23].map(|hour| self.moment(day * DAY + hour * HOUR)));
        let bounds: Vec<Time> = bounds.collect();
        let span = within(bounds.iter().copied(), at);
        let nth = bounds.iter().position(|bound| *bound == span.from);
        (span, nth.is_some_and(|nth| nth % 2 == 1))
    }
}

/// Of the spans between bounds, the one that holds a moment.
fn within(bounds: impl Iterator<Item = Time> + Clone, at: Time) -> Span {
    let next = bounds.clone().skip(1);
    let spans = bounds.zip(next).map(|(from, to)| Span { from, to });
    let mut last = Span {
        from: at,
        to: at + Millis(1),
    };
    for span in spans {
        last = span;
        if span.holds(at) {
            break;
        }
    }
    last
}

/// Moments beyond what a signed number holds are far beyond any calendar.
fn signed(at: Time) -> i64 {
    i64::try_from(at.0)
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}
fn unsigned(at: i64) -> Time {
    Time(u64::try_from(at).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BERLIN_2026: [(u64, i32); 2] = [(1_774_746_000_000, 7_200), (1_792_890_000_000, 3_600)];

    fn berlin() -> Zone {
        Zone {
            name: "Europe/Berlin".into(),
            first: 3_600,
            changes: BERLIN_2026.map(|(at, ahead)| (Time(at), ahead)).into(),
        }
    }

    fn hours(span: Span) -> u64 {
        span.to.since(span.from).0 / 3_600_000
    }

    // proves: A-1, S-7
    #[test]
    fn a_day_on_which_the_clocks_move_has_23_or_25_hours() {
        let zone = berlin();
        for (at, wanted) in BERLIN_2026.iter().zip([23, 25]) {
            let day = zone.day(Time(at.0));
            assert_eq!(hours(day), wanted);
            let night = zone.night(Time(at.0)).unwrap();
            assert_eq!(hours(night), wanted + 8 - 24);
        }
        assert_eq!(hours(zone.day(Time(1_780_000_000_000))), 24);
    }

    // proves: A-1
    #[test]
    fn the_hour_that_no_mode_names_is_active() {
        let zone = Zone::default();
        let hour = |h: u64| Time(1_780_012_800_000 / 86_400_000 * 86_400_000 + h * 3_600_000);
        for h in 7..23 {
            assert!(zone.active(hour(h)).is_some(), "{h}");
        }
        for h in [23, 0, 3, 6] {
            assert!(zone.night(hour(h)).is_some(), "{h}");
        }
        assert_eq!(hours(zone.night(hour(0)).unwrap()), 8);
    }

    fn zones() -> impl Strategy<Value = Zone> {
        // Quarter hours, as all zones have them; changes at least two days apart, of two hours at most.
        let change = (200u64..20_000, -8i32..=8);
        (-48i32..=56, proptest::collection::vec(change, 0..8)).prop_map(|(first, steps)| {
            let first = first * 900;
            let (mut at, mut ahead) = (1_700_000_000_000u64, first);
            let changes = steps.into_iter().map(|(wait, by)| {
                at += wait * 900_000;
                ahead = (first + by * 900).clamp(-50_400, 50_400);
                (Time(at), ahead)
            });
            Zone {
                name: "Test/Zone".into(),
                first,
                changes: changes.collect(),
            }
        })
    }

    proptest! {
        // proves: A-1, S-7
        #[test]
        fn every_moment_is_in_one_day_and_in_one_half(zone in zones(), at in 1_699_000_000_000u64..1_900_000_000_000) {
            let at = Time(at);
            let day = zone.day(at);
            prop_assert!(day.holds(at), "{day:?} {at:?}");
            prop_assert!((20..=28).contains(&hours(day)), "{} hours", hours(day));
            let (night, active) = (zone.night(at), zone.active(at));
            prop_assert!(night.is_some() != active.is_some());
            let half = night.or(active).unwrap();
            prop_assert!(half.holds(at), "{half:?} {at:?}");
            // The next window begins where this one ends, and knows itself by the same moments.
            for other in [half.from, Time(half.to.0 - 1)] {
                prop_assert_eq!(zone.night(other).or(zone.active(other)), Some(half));
            }
            prop_assert_eq!(zone.day(day.from), day);
            prop_assert_eq!(zone.day(day.to).from, day.to);
            let next = zone.night(half.to).or(zone.active(half.to)).unwrap();
            prop_assert_eq!(next.from, half.to);
            prop_assert_ne!(zone.night(half.to).is_some(), night.is_some());
        }
    }
}

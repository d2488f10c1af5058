//! One record: counts of all, and the last ones each by itself.

use super::Breach;
use crate::{
    limits,
    money::Usd,
    spec::Slo,
    time::{Millis, Time},
};
use alloc::{collections::VecDeque, vec::Vec};
use serde::{Deserialize, Serialize};

/// How one attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it was accepted.
    pub(crate) succeeded: bool,
    /// From its claim to its end.
    pub(crate) took: Millis,
    /// What it cost, if that is known.
    pub(crate) usd: Option<Usd>,
}

/// What is known of a worker, an agent or a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Attempts that were accepted.
    pub succeeded: u64,
    /// Attempts that were not, for a reason of their own.
    pub failed: u64,
    /// What those cost of which that is known.
    pub usd: Usd,
    /// So many.
    pub priced: u64,
    /// The last ones: whether each was accepted, and how long it took.
    recent: VecDeque<(bool, Millis)>,
    /// When the last one ended.
    pub(super) last: Time,
    /// What people were told of.
    breached: Option<Breach>,
}

impl Record {
    /// How many attempts it is made of.
    #[must_use]
    pub const fn judged(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// How often the last ones succeeded, in percent.
    #[must_use]
    pub fn success_percent(&self) -> Option<u32> {
        let good = self.recent.iter().filter(|(good, _)| *good).count();
        let percent = (good * 100).checked_div(self.recent.len())?;
        u32::try_from(percent).ok()
    }

    /// How long so many percent of the last ones took at most.
    #[must_use]
    pub fn took(&self, percent: usize) -> Option<Millis> {
        let mut took: Vec<Millis> = self.recent.iter().map(|(_, took)| *took).collect();
        took.sort_unstable();
        let rank = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(rank).copied()
    }

    /// What an accepted task cost, those that were not included; unknown while no cost is known.
    #[must_use]
    pub fn usd_per_success(&self) -> Option<Usd> {
        // Of some the cost may not be known: the others stand for them.
        let all = u128::from(self.usd.0) * u128::from(self.judged());
        let each = all.checked_div(u128::from(self.priced))?;
        let each = each.checked_div(u128::from(self.succeeded))?;
        u64::try_from(each).ok().map(Usd)
    }

    /// What it falls short of now, if it was told.
    #[must_use]
    pub const fn breached(&self) -> Option<Breach> {
        self.breached
    }

    pub(super) fn add(&mut self, seen: &Seen, now: Time) {
        if seen.succeeded {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        if let Some(usd) = seen.usd {
            self.usd = Usd(self.usd.0.saturating_add(usd.0));
            self.priced += 1;
        }
        self.recent.push_back((seen.succeeded, seen.took));
        if self.recent.len() > limits::RECENT {
            self.recent.pop_front();
        }
        self.last = now;
    }

    /// Whether it has just begun to fall short of something. It must do well again before that is told again.
    pub(super) fn fell_short(&mut self, slo: &Slo) -> bool {
        let found = self.shortfall(slo);
        let new = found.is_some() && self.breached != found;
        self.breached = found;
        new
    }

    fn shortfall(&self, slo: &Slo) -> Option<Breach> {
        if self.recent.len() < slo.attempts as usize {
            return None;
        }
        let few = self
            .success_percent()
            .is_some_and(|p| p < slo.success_percent);
        let slow = slo.p95.0 > 0 && self.took(95).is_some_and(|took| took > slo.p95);
        let dear = slo.cost.0 > 0 && self.usd_per_success().is_some_and(|usd| usd > slo.cost);
        let found = [
            (few, Breach::Success),
            (slow, Breach::Slow),
            (dear, Breach::Cost),
        ];
        found
            .into_iter()
            .find(|(is, _)| *is)
            .map(|(_, breach)| breach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(succeeded: bool, took: u64) -> Seen {
        Seen {
            succeeded,
            took: Millis(took),
            usd: Some(Usd(1_000_000)),
        }
    }

    // proves: G-6
    #[test]
    fn a_breach_is_told_once_and_again_only_after_it_was_mended() {
        let (mut record, slo) = (Record::default(), Slo::default());
        let mut told = 0;
        for _ in 0..30 {
            record.add(&seen(false, 1), Time(1));
            told += u32::from(record.fell_short(&slo));
        }
        assert_eq!(told, 1);
        for _ in 0..40 {
            record.add(&seen(true, 1), Time(1));
            told += u32::from(record.fell_short(&slo));
        }
        assert_eq!((told, record.breached()), (1, None));
        for _ in 0..40 {
            record.add(&seen(true, 3_600_000), Time(1));
            told += u32::from(record.fell_short(&slo));
        }
        assert_eq!((told, record.breached()), (2, Some(Breach::Slow)));
    }

    proptest! {
        // proves: G-6
        #[test]
        fn what_is_kept_is_bounded_and_percentiles_are_of_what_was_seen(
            took in prop::collection::vec(0u64..100_000, 1..200),
        ) {
            let mut record = Record::default();
            for length in &took {
                record.add(&seen(true, *length), Time(*length));
            }
            let mut last: Vec<u64> = took.iter().rev().take(limits::RECENT).copied().collect();
            last.sort_unstable();
            prop_assert!(record.recent.len() <= limits::RECENT);
            prop_assert_eq!(record.took(100).unwrap().0, *last.last().unwrap());
            prop_assert!(record.took(50).unwrap() <= record.took(95).unwrap());
            prop_assert_eq!(record.usd_per_success(), Some(Usd(1_000_000)));
        }
    }
}

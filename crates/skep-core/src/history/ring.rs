//! The last buckets of one width.

use super::{
    kinds::{Count, Level},
    span::Spans,
    tally::Tally,
};
use crate::{
    money::Usd,
    time::{Millis, Time},
};
use alloc::collections::VecDeque;
use serde::{Deserialize, Serialize};

/// What happened in a length of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// What was counted.
    #[serde(rename = "c", default, skip_serializing_if = "Tally::is_empty")]
    pub counts: Tally<Count>,
    /// What there was at its end.
    #[serde(rename = "l", default, skip_serializing_if = "Tally::is_empty")]
    pub levels: Tally<Level>,
    /// What was spent, in millionths of a dollar, by the number of a [name](super::History::name).
    #[serde(rename = "u", default, skip_serializing_if = "Tally::is_empty")]
    pub usd: Tally<u8>,
    /// Tokens that were used, by the same.
    #[serde(rename = "t", default, skip_serializing_if = "Tally::is_empty")]
    pub tokens: Tally<u8>,
    /// How long the stages took that ended in it.
    #[serde(rename = "s", default, skip_serializing_if = "Spans::is_empty")]
    pub spans: Spans,
    /// The most attempts that ran at once.
    #[serde(rename = "p", default)]
    pub peak: u32,
}

impl Bucket {
    /// Takes a later one in.
    pub(super) fn add_all(&mut self, later: &Bucket) {
        self.counts.add_all(&later.counts);
        self.levels.clone_from(&later.levels);
        self.usd.add_all(&later.usd);
        self.tokens.add_all(&later.tokens);
        self.spans.add_all(&later.spans);
        self.peak = self.peak.max(later.peak);
    }

    /// Takes in that for so long things were as they were: `live` attempts, `workers` workers.
    pub(super) fn last(&mut self, length: Millis, live: u64, workers: u64) {
        self.counts.add(Count::WorkingMs, length.times(live).0);
        self.counts.add(Count::WorkerMs, length.times(workers).0);
        self.peak = self.peak.max(u32::try_from(live).unwrap_or(u32::MAX));
    }

    /// What was spent on results that were not accepted, or not merged after all (G-9).
    #[must_use]
    pub fn wasted(&self) -> Usd {
        let each = Count::WASTE.iter().map(|(_, what)| self.counts.get(*what));
        each.fold(Usd(0), |sum, usd| sum.plus(Usd(usd)))
    }

    /// Of what ended attempts are known to have cost, so many hundredths of a percent; `None` while nothing is known
    /// to have cost anything. What is discarded may have been paid for before this bucket.
    #[must_use]
    pub fn waste_share(&self) -> Option<u64> {
        let (wasted, of) = (self.wasted().0, self.counts.get(Count::Settled));
        let share = u128::from(wasted) * 10_000;
        let share = share.checked_div(u128::from(of))?;
        u64::try_from(share.min(10_000)).ok()
    }

    /// Of the workers' time they had an attempt, in hundredths of a percent; `None` where there were no workers. An
    /// attempt may outlive its worker by a moment.
    #[must_use]
    pub fn utilisation(&self) -> Option<u64> {
        let working = u128::from(self.counts.get(Count::WorkingMs)) * 10_000;
        let share = working.checked_div(u128::from(self.counts.get(Count::WorkerMs)))?;
        u64::try_from(share.min(10_000)).ok()
    }

    /// How many numbers it keeps.
    #[must_use]
    pub fn len(&self) -> usize {
        let tallies = self.counts.len() + self.levels.len() + self.usd.len() + self.tokens.len();
        tallies + self.spans.len()
    }

    /// Whether nothing happened in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The last buckets of one width, oldest first. Where nothing happened and nobody was there, none is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ring {
    pub(super) step: Millis,
    pub(super) most: u64,
    /// Each with the number of its step since 1970.
    buckets: VecDeque<(u64, Bucket)>,
}

impl Ring {
    pub(super) fn new(step: Millis, most: u64) -> Ring {
        Ring {
            step,
            most,
            buckets: VecDeque::new(),
        }
    }

    /// For how long it remembers.
    pub(super) fn reach(&self) -> Millis {
        self.step.times(self.most)
    }

    /// The buckets, each with its beginning.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Time, &Bucket)> {
        let buckets = self.buckets.iter();
        buckets.map(|(slot, bucket)| (Time(slot.saturating_mul(self.step.0)), bucket))
    }

    /// The bucket of a moment that is not before any that was asked for.
    pub(super) fn at(&mut self, at: Time) -> &mut Bucket {
        let slot = at.0 / self.step.0;
        let last = self.buckets.back().map(|(last, _)| *last);
        if last.is_none_or(|last| last < slot) {
            let kept = (slot + 1).saturating_sub(self.most);
            while self.buckets.front().is_some_and(|(old, _)| *old < kept) {
                self.buckets.pop_front();
            }
            self.buckets.push_back((slot, Bucket::default()));
        }
        let newest = self.buckets.len() - 1;
        &mut self.buckets[newest].1
    }

    /// Whether a bucket ends after `from`, and not after `to`.
    pub(super) fn ends(&self, from: Time, to: Time) -> bool {
        from.0 / self.step.0 < to.0 / self.step.0
    }

    /// Takes in that from one moment to another things were as they were.
    pub(super) fn pass(&mut self, from: Time, to: Time, still: &Still<'_>) {
        if let Some((_, open)) = self.buckets.back_mut()
            && let Some(levels) = still.levels
        {
            open.levels.clone_from(levels);
        }
        if still.live == 0 && still.workers == 0 {
            return;
        }
        let kept = Time(to.0.saturating_sub(self.reach().0));
        for (part, length) in parts(from.max(kept), to, self.step) {
            let ends = self.ends(part, part + length);
            let bucket = self.at(part);
            bucket.last(length, still.live, still.workers);
            if let Some(levels) = still.levels.filter(|_| ends) {
                bucket.levels.clone_from(levels);
            }
        }
    }
}

/// What there is while nothing happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Still<'a> {
    /// Live attempts.
    pub(super) live: u64,
    /// Workers.
    pub(super) workers: u64,
    /// All that is looked at, if a bucket ends meanwhile.
    pub(super) levels: Option<&'a Tally<Level>>,
}

/// A length of time, cut where buckets end: where each part begins, and how long it is.
pub(super) fn parts(from: Time, to: Time, step: Millis) -> impl Iterator<Item = (Time, Millis)> {
    let mut at = from;
    core::iter::from_fn(move || {
        (at < to).then(|| {
            let end = Time((at.0 / step.0 + 1).saturating_mul(step.0)).min(to);
            let part = (at, end.since(at));
            at = end;
            part
        })
    })
}

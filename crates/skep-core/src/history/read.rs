//! Reading the history: the last so-and-so long as one, or as points of a chart.

use super::{
    Bucket, Count, History, OTHERS, Spans, levels,
    ring::{Ring, parts},
};
use crate::{
    id::WorkerId,
    state::State,
    time::{Millis, Time},
};
use alloc::vec::Vec;

/// The most points of one chart: more than a wide screen has pixels for.
const POINTS: u64 = 1_500;

/// One point of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// When it begins.
    pub from: Time,
    /// What happened in it. The last one is not over: its levels are those of now.
    pub bucket: Bucket,
}

/// Points at equal distances, oldest first, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The distance.
    pub step: Millis,
    /// The points; none before the first event.
    pub points: Vec<Point>,
}

impl History {
    /// The moment of the first event.
    #[must_use]
    pub fn since(&self) -> Option<Time> {
        self.since
    }
    /// All that was ever counted. Its levels mean nothing.
    #[must_use]
    pub fn totals(&self) -> &Bucket {
        &self.totals
    }
    /// A model, or an agent that chooses its model itself, by number.
    #[must_use]
    pub fn name(&self, number: u8) -> &str {
        let known = self.names.get(usize::from(number));
        known.map_or("others", |name| name.as_str())
    }
    /// How long attempts took with each model.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Spans)> {
        let models = self.models.iter();
        models.map(|(number, spans)| (self.name(*number), spans))
    }
    /// How long attempts took under each worker.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, &Spans)> {
        self.workers.iter().map(|(id, (_, spans))| (*id, spans))
    }
    /// For how long it remembers more than totals.
    #[must_use]
    pub fn reach(&self) -> Millis {
        let reach = self.rings.iter().map(Ring::reach).max();
        reach.unwrap_or_default()
    }
    /// How many numbers it keeps.
    #[must_use]
    pub fn len(&self) -> usize {
        let buckets = self.rings.iter().flat_map(Ring::iter);
        let models = self.models.values();
        let timed = models.chain(self.workers.values().map(|(_, spans)| spans));
        self.totals.len()
            + buckets.map(|(_, bucket)| 1 + bucket.len()).sum::<usize>()
            + timed.map(Spans::len).sum::<usize>()
    }
    /// Whether nothing ever happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// The ring that says what happened within `length`, as finely as is needed for points of `step`.
    fn ring(&self, length: Millis, step: Millis) -> Option<&Ring> {
        let reaches = |ring: &&Ring| ring.reach() >= length;
        let coarse = self.rings.iter().rev().filter(reaches);
        let mut coarse = coarse.filter(|ring| step.0.is_multiple_of(ring.step.0));
        coarse
            .next()
            .or_else(|| self.rings.iter().find(reaches))
            .or(self.rings.last())
    }
}

impl State {
    /// What happened in the last `length`, up to a bucket's width more. Its levels are those of now.
    #[must_use]
    pub fn within(&self, length: Millis, now: Time) -> Bucket {
        let history = self.history();
        let mut all = Bucket::default();
        let begin = Time(now.0.saturating_sub(length.0));
        // A bucket finer than the ring that just reaches is never asked for.
        if let Some(ring) = history.ring(length, Millis(1)) {
            let slot = |at: Time| at.0 / ring.step.0;
            let recent = ring.iter().filter(|(at, _)| slot(*at) >= slot(begin));
            for (_, bucket) in recent {
                all.add_all(bucket);
            }
        }
        if history.since.is_some() {
            let still = now.since(history.at.max(begin));
            all.last(still, self.live().len() as u64, self.workers().len() as u64);
        }
        all.levels = levels(self);
        all
    }

    /// What happened from one moment to another, up to a bucket's width more. Its levels are those of now.
    #[must_use]
    pub fn between(&self, from: Time, to: Time, now: Time) -> Bucket {
        let history = self.history();
        let mut all = Bucket::default();
        if let Some(ring) = history.ring(now.since(from), Millis(1)) {
            let slot = |at: Time| at.0 / ring.step.0;
            // A bucket in which the span ends is of it, unless that is where the bucket begins.
            let last = to.0.div_ceil(ring.step.0);
            let within = ring.iter();
            let within = within.filter(|(at, _)| (slot(from)..last).contains(&slot(*at)));
            for (_, bucket) in within {
                all.add_all(bucket);
            }
        }
        if history.since.is_some() && history.at < to {
            let still = to.min(now).since(history.at.max(from));
            all.last(still, self.live().len() as u64, self.workers().len() as u64);
        }
        all.levels = levels(self);
        all
    }

    /// When there was work last before a moment, as exactly as that is remembered.
    #[must_use]
    pub fn worked_before(&self, moment: Time) -> Option<Time> {
        let worked = |bucket: &Bucket| {
            let kinds = [Count::Claims, Count::WorkingMs, Count::TasksMerged];
            kinds.iter().any(|kind| bucket.counts.get(*kind) > 0)
        };
        let rings = self.history().rings.iter().flat_map(Ring::iter);
        let rings = rings.filter(|(at, bucket)| *at < moment && worked(bucket));
        rings.map(|(at, _)| at).max()
    }

    /// All that ever happened. Its levels are those of now.
    #[must_use]
    pub fn all_time(&self, now: Time) -> Bucket {
        let history = self.history();
        let mut all = history.totals.clone();
        if history.since.is_some() {
            let (live, workers) = (self.live().len() as u64, self.workers().len() as u64);
            all.last(now.since(history.at), live, workers);
        }
        all.levels = levels(self);
        all
    }

    /// What happened in the last `length`, in points of `step` or, where there are no such fine ones, of the next
    /// that there are.
    #[must_use]
    pub fn series(&self, length: Millis, step: Millis, now: Time) -> Series {
        let history = self.history();
        let length = length.min(history.reach());
        let (Some(since), Some(ring)) = (history.since, history.ring(length, step)) else {
            return Series::default();
        };
        let least = step.max(ring.step).0.max(length.0.div_ceil(POINTS));
        let step = Millis(least.div_ceil(ring.step.0) * ring.step.0);
        let begin = Time(now.0.saturating_sub(length.0)).max(since);
        let first = begin.0 / step.0;
        let count = (now.0 / step.0).saturating_sub(first) + 1;
        let mut points: Vec<Point> = (0..count.min(POINTS + 1))
            .map(|n| Point {
                from: Time((first + n) * step.0),
                bucket: Bucket::default(),
            })
            .collect();
        let index = |at: Time| usize::try_from((at.0 / step.0).checked_sub(first)?).ok();
        let mut seen = levels(&State::default());
        let mut looked = alloc::vec![false; points.len()];
        for (at, bucket) in ring.iter() {
            match index(at) {
                Some(ix) if ix < points.len() => {
                    points[ix].bucket.add_all(bucket);
                    looked[ix] = true;
                }
                _ => seen.clone_from(&bucket.levels),
            }
        }
        let (live, workers) = (self.live().len() as u64, self.workers().len() as u64);
        for (at, length) in parts(history.at.max(begin), now, step) {
            if let Some(point) = index(at).and_then(|ix| points.get_mut(ix)) {
                point.bucket.last(length, live, workers);
            }
        }
        let current = levels(self);
        for (point, looked) in points.iter_mut().zip(looked) {
            let bucket = &mut point.bucket;
            if point.from.0 / step.0 >= history.at.0 / step.0 {
                bucket.levels.clone_from(&current);
            } else if !looked {
                // Nothing happened in it: all was as it was.
                bucket.levels.clone_from(&seen);
            }
            seen.clone_from(&bucket.levels);
        }
        Series { step, points }
    }
}

const _: () = assert!(OTHERS < u8::MAX, "a name's number is a byte");

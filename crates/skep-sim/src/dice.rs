//! The only source of chance: everything a world does follows from its seed.

use std::ops::RangeInclusive;

pub(crate) struct Dice(oorandom::Rand64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(oorandom::Rand64::new(u128::from(seed) ^ 0x5eed_5eed))
    }
    /// A number from the range, each as likely.
    pub(crate) fn of(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        self.0.rand_range(low..high.max(low) + 1)
    }
    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.0.rand_range(0..1000) < per_mille
    }
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.of(0..=(length.max(1) as u64 - 1)) as usize
    }
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            None
        } else {
            let at = self.index(from.len());
            from.get(at)
        }
    }
    /// A length of time: mostly short, now and then long; every magnitude is as likely as another.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let magnitudes = (high.max(1) / low.max(1)).max(1).ilog2();
        let scale = low << self.of(0..=u64::from(magnitudes));
        self.of(scale..=(scale * 2).min(high.max(scale)))
    }
}

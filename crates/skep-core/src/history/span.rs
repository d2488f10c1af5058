//! How long things take: counts by bins whose edges are the lengths that people name, so that a target stands on an
//! edge and what is over it is known exactly.

use super::{kinds::Stage, tally::Tally};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// The upper edges of all bins but the last, in milliseconds: 10 ms to a day.
pub const EDGES: [u64; 36] = [
    10, 20, 50, 100, 200, 500, //
    1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 45_000, //
    60_000, 90_000, 120_000, 180_000, 300_000, 420_000, 600_000, 900_000, 1_200_000, 1_800_000,
    2_700_000, //
    3_600_000, 5_400_000, 7_200_000, 10_800_000, 14_400_000, 21_600_000, 28_800_000, 43_200_000,
    86_400_000,
];

/// How long the stages took of which something was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// How often a stage took between two edges: up to and with the edge of the bin's number.
    bins: Tally<(Stage, u8)>,
    /// For how long, in all.
    sums: Tally<Stage>,
}

/// How long one stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// So often.
    pub count: u64,
    /// For so long, in all.
    pub sum: Millis,
    /// Half of them at most so long.
    pub p50: Millis,
    /// Nineteen in twenty.
    pub p95: Millis,
    /// All but one in a hundred.
    pub p99: Millis,
}

impl Summary {
    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Millis {
        Millis(self.sum.0 / self.count.max(1))
    }
}

impl Spans {
    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// How many numbers it keeps: no more than stages times bins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bins.len() + self.sums.len()
    }

    /// What was seen of a stage; `None` if nothing was.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Option<Summary> {
        let bins = self.bins(stage);
        let count = bins.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
        (count > 0).then(|| Summary {
            count,
            sum: Millis(self.sums.get(stage)),
            p50: percentile(&bins, count, 50),
            p95: percentile(&bins, count, 95),
            p99: percentile(&bins, count, 99),
        })
    }

    /// How often a stage took how long, by [edges](EDGES).
    #[must_use]
    pub fn bins(&self, stage: Stage) -> [u64; EDGES.len() + 1] {
        let mut bins = [0; EDGES.len() + 1];
        for ((of, bin), n) in self.bins.iter().filter(|((of, _), _)| *of == stage) {
            debug_assert!(of == stage);
            if let Some(slot) = bins.get_mut(usize::from(bin)) {
                *slot = n;
            }
        }
        bins
    }

    pub(super) fn add(&mut self, stage: Stage, took: Millis) {
        let bin = EDGES.partition_point(|edge| *edge < took.0);
        // There are far fewer than 256 edges.
        self.bins.add((stage, bin as u8), 1);
        self.sums.add(stage, took.0);
    }

    pub(super) fn add_all(&mut self, other: &Spans) {
        self.bins.add_all(&other.bins);
        self.sums.add_all(&other.sums);
    }
}

/// How long so many percent took at most: within the bin that says so, as if all in it were spread evenly. Of what
/// took longer than the last edge no more is known than that.
fn percentile(bins: &[u64], count: u64, percent: u64) -> Millis {
    let rank = (u128::from(count) * u128::from(percent))
        .div_ceil(100)
        .max(1);
    let mut below = 0u128;
    for (bin, n) in bins.iter().enumerate() {
        let n = u128::from(*n);
        if below + n >= rank {
            let low = bin.checked_sub(1).map_or(0, |bin| EDGES[bin]);
            let high = EDGES.get(bin).copied().unwrap_or(low);
            let part = u128::from(high - low) * (rank - below) / n.max(1);
            return Millis(low + u64::try_from(part).unwrap_or(0));
        }
        below += n;
    }
    Millis(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    // proves: U-5
    #[test]
    fn edges_rise_and_what_lies_on_one_is_not_over_it() {
        assert!(EDGES.is_sorted_by(|a, b| a < b));
        for edge in [10_000, 1_800_000, 2_700_000] {
            let bin = EDGES.iter().position(|e| *e == edge).unwrap();
            let mut spans = Spans::default();
            spans.add(Stage::Run, Millis(edge));
            spans.add(Stage::Run, Millis(edge + 1));
            let bins = spans.bins(Stage::Run);
            assert_eq!((bins[bin], bins[bin + 1]), (1, 1), "{edge}");
        }
    }

    proptest! {
        // proves: U-5
        #[test]
        fn percentiles_lie_in_the_bin_of_the_true_one_and_sums_are_exact(
            took in proptest::collection::vec(0u64..90_000_000, 1..300)
        ) {
            let mut spans = Spans::default();
            for took in &took {
                spans.add(Stage::Queue, Millis(*took));
            }
            let found = spans.of(Stage::Queue).unwrap();
            prop_assert_eq!(found.count, took.len() as u64);
            prop_assert_eq!(found.sum.0, took.iter().sum::<u64>());
            let mut sorted: Vec<u64> = took.clone();
            sorted.sort_unstable();
            for (percent, said) in [(50, found.p50), (95, found.p95), (99, found.p99)] {
                let truth = sorted[(sorted.len() * percent).div_ceil(100) - 1];
                let bin = EDGES.partition_point(|edge| *edge < truth);
                let low = if bin == 0 { 0 } else { EDGES[bin - 1] };
                let high = EDGES.get(bin).copied().unwrap_or(low);
                prop_assert!((low..=high).contains(&said.0), "{percent}: {truth} in {low}..{high}, said {}", said.0);
            }
            prop_assert!(spans.of(Stage::Run).is_none());
        }
    }
}

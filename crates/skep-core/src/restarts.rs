//! When a keeper that died is started again, and when that stops being worth it.

use crate::time::{Millis, Time};
use alloc::vec::Vec;

/// How patient a watchdog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The wait before the second restart in a window; it doubles with each. The first comes at once: a keeper
    /// that was killed once has most often nothing wrong with it.
    pub backoff: Millis,
    /// The longest such wait.
    pub backoff_cap: Millis,
    /// So many failures within the window are too many.
    pub failures: usize,
    /// How long a failure counts. Longer than `failures` keepers take that hang and are ended for it.
    pub window: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            backoff: Millis::secs(1),
            backoff_cap: Millis::mins(1),
            failures: 5,
            window: Millis::mins(20),
        }
    }
}

/// What to do about a keeper that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start another after so long.
    After(Millis),
    /// Start none: whatever is wrong does not go away by starting again.
    GiveUp,
}

/// The failures that still count.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    failures: Vec<Time>,
}

impl Restarts {
    /// Takes note of a failure, and says what follows. `now` must come from a clock that does not jump.
    pub fn failed(&mut self, limits: &Limits, now: Time) -> Verdict {
        self.failures.retain(|at| now.since(*at) < limits.window);
        self.failures.push(now);
        if self.failures.len() >= limits.failures {
            return Verdict::GiveUp;
        }
        let Some(doublings) = self.failures.len().checked_sub(2) else {
            return Verdict::After(Millis(0));
        };
        let factor = u32::try_from(doublings)
            .ok()
            .and_then(|n| 1u64.checked_shl(n));
        let wait = limits.backoff.times(factor.unwrap_or(u64::MAX));
        Verdict::After(wait.min(limits.backoff_cap))
    }

    /// How many failures count now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.failures.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // proves: A-7
    #[test]
    fn the_first_restart_comes_at_once_the_next_wait_and_the_fifth_failure_is_the_last() {
        let (limits, mut restarts) = (Limits::default(), Restarts::default());
        let mut told = |at| restarts.failed(&limits, Time(at));
        for (at, wait) in [(0, 0), (10, 1_000), (2_000, 2_000), (5_000, 4_000)] {
            assert_eq!(told(at), Verdict::After(Millis(wait)));
        }
        assert_eq!(told(9_000), Verdict::GiveUp);
        // Long after, it is as if nothing had been.
        assert_eq!(told(9_000 + limits.window.0), Verdict::After(Millis(0)));
    }

    proptest! {
        // proves: A-7
        #[test]
        fn it_is_never_a_storm(gaps in prop::collection::vec(0u64..600_000, 1..200)) {
            let (limits, mut restarts, mut now) = (Limits::default(), Restarts::default(), 0);
            let mut started: Vec<u64> = Vec::new();
            for gap in gaps {
                now += gap;
                match restarts.failed(&limits, Time(now)) {
                    Verdict::GiveUp => break,
                    Verdict::After(wait) => {
                        prop_assert!(wait <= limits.backoff_cap);
                        now += wait.0;
                        started.push(now);
                    }
                }
                let recent = started.iter().filter(|at| now - **at < limits.window.0).count();
                prop_assert!(recent < limits.failures, "{recent} restarts in a window");
            }
        }
    }
}

//! What scaling remembers. Changed only by [`apply`](crate::state::State::apply).

use super::{Added, Mode, Retired};
use crate::{
    spec::Scaling,
    time::{Millis, Time},
};
use alloc::{collections::VecDeque, string::String};
use serde::{Deserialize, Serialize};

/// Arrivals are counted by slots of so many milliseconds, so that what is remembered of them is bounded.
const SLOT: u64 = 5_000;
/// Enough of them for the longest window.
const SLOTS: usize = (Scaling::LONGEST_WINDOW.0 / SLOT) as usize + 1;
/// Down-scaling that was regretted more often than this in a row waits no longer than before.
const REGRETS: u32 = 6;

/// What scaling remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// Who decides.
    pub(crate) mode: Mode,
    /// When workers were last added for want of them, and how many at that moment.
    pub(crate) up: Option<(Time, u32)>,
    /// When a worker was last let go for want of work.
    pub(crate) down: Option<Time>,
    /// How often in a row such a worker was missed soon after.
    pub(crate) regrets: u32,
    /// Whether the last one was.
    pub(crate) regretted: bool,
    /// When tasks last became ready.
    pub(crate) arrived: Option<Time>,
    /// The role for which a worker made room, until the one it made room for has come.
    pub(crate) promised: Option<Option<String>>,
    /// For how many more workers the machine has memory; `None` while nobody has looked.
    pub(crate) room: Option<u32>,
    /// The slots in which tasks were added, oldest first, each with how many.
    arrivals: VecDeque<(u64, u32)>,
}

impl Book {
    /// Who decides how many workers there are.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// For how many more workers the machine has memory, if a host has looked.
    #[must_use]
    pub fn room(&self) -> Option<u32> {
        self.room
    }

    /// Tasks added in a minute, measured over `window`.
    #[must_use]
    pub fn arrivals_per_minute(&self, window: Millis, now: Time) -> u32 {
        let since = now.0.saturating_sub(window.0);
        let recent = self
            .arrivals
            .iter()
            .filter(|(slot, _)| *slot >= since / SLOT);
        let count: u64 = recent.map(|(_, n)| u64::from(*n)).sum();
        let per_minute = count.saturating_mul(60_000) / window.0.max(1);
        u32::try_from(per_minute).unwrap_or(u32::MAX)
    }

    /// The wait between two workers that leave: longer after some were missed.
    pub(crate) fn down_interval(&self, scaling: &Scaling) -> Millis {
        scaling.down_interval.times(1 << self.regrets.min(REGRETS))
    }

    /// Another plan, or another word on who decides.
    pub(crate) fn set(&mut self, mode: Mode) {
        *self = Book {
            mode,
            room: self.room,
            arrivals: core::mem::take(&mut self.arrivals),
            ..Book::default()
        };
    }

    pub(crate) fn tasks_ready(&mut self, now: Time) {
        self.arrived = Some(now);
    }

    pub(crate) fn task_added(&mut self, now: Time) {
        let slot = now.0 / SLOT;
        match self.arrivals.back_mut() {
            Some((last, count)) if *last == slot => *count = count.saturating_add(1),
            _ => self.arrivals.push_back((slot, 1)),
        }
        while self.arrivals.len() > SLOTS {
            self.arrivals.pop_front();
        }
    }

    pub(crate) fn worker_added(&mut self, why: &Added, scaling: &Scaling, now: Time) {
        self.promised = None;
        // What the next one needs is not seen as free until a host has looked again.
        self.room = self.room.map(|room| room.saturating_sub(1));
        if !matches!(why, Added::Tasks { .. } | Added::Arrivals { .. }) {
            return;
        }
        self.up = match self.up {
            Some((at, count)) if at == now => Some((at, count + 1)),
            _ => Some((now, 1)),
        };
        let missed = self
            .down
            .is_some_and(|at| now.since(at) < scaling.idle_after);
        if missed && !self.regretted {
            self.regretted = true;
            self.regrets = (self.regrets + 1).min(REGRETS);
        }
    }

    pub(crate) fn worker_retired(&mut self, why: &Retired, now: Time) {
        match why {
            Retired::Idle { .. } => {}
            Retired::Room { role } => {
                self.promised = Some(role.clone());
                return;
            }
            Retired::Over { .. } => return,
        }
        if !self.regretted {
            self.regrets = 0;
        }
        (self.down, self.regretted) = (Some(now), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: S-3
    #[test]
    fn arrivals_are_counted_over_a_window_that_slides_and_what_is_kept_is_bounded() {
        let mut book = Book::default();
        let window = Millis::mins(1);
        let begin = 1_000_000_000;
        for n in 0..10 {
            book.task_added(Time(begin + n * 1_000));
        }
        assert_eq!(book.arrivals_per_minute(window, Time(begin + 10_000)), 10);
        assert_eq!(
            book.arrivals_per_minute(Millis::mins(2), Time(begin + 10_000)),
            5
        );
        assert_eq!(book.arrivals_per_minute(window, Time(begin + 80_000)), 0);
        for n in 0..100_000 {
            book.task_added(Time(begin + n * 7_000));
        }
        assert!(book.arrivals.len() <= SLOTS);
    }

    // proves: S-2
    #[test]
    fn each_worker_that_was_missed_doubles_the_wait_and_one_that_was_not_ends_that() {
        let idle = Retired::Idle { for_ms: 0 };
        let (mut book, scaling) = (Book::default(), Scaling::default());
        let missed = Added::Tasks {
            ready: 1,
            workers: 0,
        };
        for n in 0..10 {
            assert_eq!(
                book.down_interval(&scaling),
                scaling.down_interval.times(1 << n.min(REGRETS))
            );
            let at = Time(u64::from(n) * 1_000_000);
            book.worker_retired(&idle, at);
            book.worker_added(&missed, &scaling, at + Millis::secs(10));
            book.worker_added(&missed, &scaling, at + Millis::secs(10));
        }
        book.worker_retired(&idle, Time(20_000_000));
        book.worker_retired(&idle, Time(21_000_000));
        assert_eq!(book.down_interval(&scaling), scaling.down_interval);
    }
}

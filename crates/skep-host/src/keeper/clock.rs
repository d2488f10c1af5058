//! The keeper's clock: wall time that never runs backwards.
//!
//! It starts at the wall's time, but never before the last event in the log, and then follows the boot clock,
//! which counts suspension and knows nothing of corrections. So a wall clock that jumps while a keeper
//! runs changes nothing, and one that was set back between two keepers cannot make time run backwards.

use skep_core::time::{Millis, Time};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock for one keeper's life.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Time,
    boot: Duration,
}

impl Clock {
    /// A clock that shows the wall's time now, or `last` if that is later.
    #[must_use]
    pub fn starting_after(last: Time) -> Clock {
        Clock {
            origin: wall().max(last),
            boot: boot(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Time {
        let passed = boot().saturating_sub(self.boot);
        self.origin + Millis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The wall's time, for readers that have no keeper.
#[must_use]
pub fn wall() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn boot() -> Duration {
    let spec = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(spec.tv_sec).unwrap_or(0),
        u32::try_from(spec.tv_nsec).unwrap_or(0),
    )
}

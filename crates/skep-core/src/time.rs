//! Time as data: a moment and a length, both in whole milliseconds.
//!
//! The core never asks what time it is. Arithmetic saturates, so a clock that jumps cannot panic or
//! wrap a decision.

use alloc::{format, string::String};
use core::{fmt, ops::Add, str::FromStr};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch, as the keeper's clock (which never runs backwards) says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

/// A length of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Time {
    /// How long ago `earlier` was; zero if it is in the future.
    #[must_use]
    pub fn since(self, earlier: Time) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// What this moment is called after a jump of the clock by which `from` became `to`.
    #[must_use]
    pub fn jumped(self, from: Time, to: Time) -> Time {
        Time((self + to.since(from)).0.saturating_sub(from.since(to).0))
    }
}
impl Add<Millis> for Time {
    type Output = Time;
    fn add(self, length: Millis) -> Time {
        Time(self.0.saturating_add(length.0))
    }
}

impl Millis {
    /// `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Millis {
        Millis(n.saturating_mul(1000))
    }
    /// `n` minutes.
    #[must_use]
    pub const fn mins(n: u64) -> Millis {
        Millis::secs(n.saturating_mul(60))
    }
    /// This length times `n`.
    #[must_use]
    pub const fn times(self, n: u64) -> Millis {
        Millis(self.0.saturating_mul(n))
    }
    /// This length as a standard duration.
    #[must_use]
    pub const fn std(self) -> core::time::Duration {
        core::time::Duration::from_millis(self.0)
    }
}

/// A text that is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time; write it as 90s, 45m, 1h30m or 500ms")]
pub struct NotADuration(pub String);

impl FromStr for Millis {
    type Err = NotADuration;
    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let fault = || NotADuration(text.into());
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
            let number: u64 = rest[..digits].parse().map_err(|_| fault())?;
            rest = &rest[digits..];
            let unit_end = rest
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len());
            let scale: u64 = match &rest[..unit_end] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(fault()),
            };
            rest = &rest[unit_end..];
            total = number
                .checked_mul(scale)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(fault)?;
        }
        if text.is_empty() {
            Err(fault())
        } else {
            Ok(Millis(total))
        }
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut rest = self.0;
        for (scale, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1000, "s"),
            (1, "ms"),
        ] {
            if rest >= scale {
                text.push_str(&format!("{}{unit}", rest / scale));
                rest %= scale;
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, ms) in [
            ("45m", 2_700_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
        ] {
            assert_eq!(text.parse(), Ok(Millis(ms)));
        }
        for bad in [
            "",
            "45",
            "m",
            "-1s",
            "1.5h",
            "1 h",
            "1w",
            "99999999999999999999s",
            "9999999999999d",
        ] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
        assert_eq!(Millis(5_400_250).to_string(), "1h30m250ms");
        assert_eq!(Millis(0).to_string(), "0s");
    }

    #[test]
    fn a_clock_that_jumps_back_gives_no_time_passed() {
        assert_eq!(Time(5).since(Time(9)), Millis(0));
        assert_eq!(Time(u64::MAX) + Millis(9), Time(u64::MAX));
    }
}

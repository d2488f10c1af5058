//! Money: US dollars, counted in millionths so that sums are exact.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// An amount of US dollars in millionths of a dollar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Usd(pub u64);

/// A number that is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an amount of US dollars; write a number from 0 to 1000000000, such as 2.5")]
pub struct NotMoney(pub String);

impl Usd {
    /// From dollars as people write them, rounded to a millionth.
    ///
    /// # Errors
    /// Negative, not finite, or more than a thousand million dollars.
    pub fn from_dollars(dollars: f64) -> Result<Usd, NotMoney> {
        if dollars.is_finite() && (0.0..=1e9).contains(&dollars) {
            // In range, so the cast neither wraps nor loses the sign; adding a half rounds.
            Ok(Usd((dollars * 1e6 + 0.5) as u64))
        } else {
            Err(NotMoney(alloc::format!("{dollars}")))
        }
    }
    /// The amount in dollars.
    #[must_use]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }
    /// What is left of it without the other; nothing, if that is more.
    #[must_use]
    pub const fn less(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
    /// What so many tokens cost, if this is the price of a million; a broken millionth counts as a whole one.
    #[must_use]
    pub fn for_tokens(self, tokens: u64) -> Usd {
        let cost = (u128::from(self.0) * u128::from(tokens)).div_ceil(1_000_000);
        Usd(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "${}.{:02}",
            self.0 / 1_000_000,
            self.0 % 1_000_000 / 10_000
        )
    }
}

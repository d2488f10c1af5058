//! What one attempt is charged: from what its agent says of its use, and from the prices of its model.

use crate::{attempt::Usage, money::Usd, spec::Price, time::Millis};
use serde::{Deserialize, Serialize};

/// Amounts of all that can be capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Money.
    pub usd: Usd,
    /// Tokens, read and written.
    pub tokens: u64,
    /// How long attempts ran.
    pub time: Millis,
}

impl Amounts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            usd: self.usd.plus(other.usd),
            tokens: self.tokens.saturating_add(other.tokens),
            time: Millis(self.time.0.saturating_add(other.time.0)),
        }
    }
    /// What is left without the other, of each at least nothing.
    #[must_use]
    pub fn less(self, other: Amounts) -> Amounts {
        Amounts {
            usd: self.usd.less(other.usd),
            tokens: self.tokens.saturating_sub(other.tokens),
            time: Millis(self.time.0.saturating_sub(other.time.0)),
        }
    }
    /// The lesser of each.
    #[must_use]
    pub fn min(self, other: Amounts) -> Amounts {
        Amounts {
            usd: self.usd.min(other.usd),
            tokens: self.tokens.min(other.tokens),
            time: self.time.min(other.time),
        }
    }
    /// The greater of each.
    #[must_use]
    pub fn max(self, other: Amounts) -> Amounts {
        Amounts {
            usd: self.usd.max(other.usd),
            tokens: self.tokens.max(other.tokens),
            time: self.time.max(other.time),
        }
    }
    /// What of it falls into one interval, if it came over so long; over less than an interval, all of it.
    #[must_use]
    pub fn paced(self, interval: Millis, over: Millis) -> Amounts {
        let part = |amount: u64| {
            let part = u128::from(amount) * u128::from(interval.0);
            u64::try_from(part.div_ceil(u128::from(over.max(interval).0.max(1)))).unwrap_or(amount)
        };
        Amounts {
            usd: Usd(part(self.usd.0)),
            tokens: part(self.tokens),
            time: Millis(part(self.time.0)),
        }
    }
    /// Whether there is nothing of any.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Amounts::default()
    }
}

/// Where a cost is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The agent reckoned it.
    Agent,
    /// The model's price times the tokens: the agent said nothing, or less.
    Price,
}

impl Basis {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Basis::Agent => "agent",
            Basis::Price => "price",
        }
    }
}

/// What an attempt is charged. It only grows: an agent that says less than it said before is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The most that its agent has said of each kind.
    pub usage: Usage,
    /// What that costs, as caps count it: the greater of what the agent reckons and what the tokens cost by the
    /// model's price. `None`: neither is known, which is never taken for nothing.
    pub usd: Option<Usd>,
    /// Which of the two it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

impl Charge {
    /// The charge after the agent has said what it used so far.
    #[must_use]
    pub fn with(&self, said: &Usage, price: Option<&Price>) -> Charge {
        let was = &self.usage;
        let usage = Usage {
            input_tokens: was.input_tokens.max(said.input_tokens),
            cache_read_tokens: was.cache_read_tokens.max(said.cache_read_tokens),
            cache_write_tokens: was.cache_write_tokens.max(said.cache_write_tokens),
            output_tokens: was.output_tokens.max(said.output_tokens),
            usd: was.usd.max(said.usd),
        };
        let priced = price.and_then(|price| by_price(&usage, price));
        let (usd, basis) = match (usage.usd, priced) {
            (Some(agent), priced) if priced.is_none_or(|p| p <= agent) => {
                (Some(agent), Some(Basis::Agent))
            }
            (_, Some(priced)) => (Some(priced), Some(Basis::Price)),
            (_, None) => (None, None),
        };
        // A price that was lowered since does not give back what was charged by the old one.
        if self.usd > usd {
            return Charge { usage, ..*self };
        }
        Charge { usage, usd, basis }
    }

    /// All tokens that are known of.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        let kinds = [self.usage.read_tokens(), self.usage.output_tokens];
        kinds.into_iter().flatten().reduce(u64::saturating_add)
    }

    /// As amounts that caps count, where what is unknown counts for nothing.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        Amounts {
            usd: self.usd.unwrap_or_default(),
            tokens: self.tokens().unwrap_or_default(),
            time: Millis(0),
        }
    }
}

/// `None` if nothing is known of any tokens.
fn by_price(usage: &Usage, price: &Price) -> Option<Usd> {
    let kinds = [
        (usage.input_tokens, price.input),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_tokens, price.cache_write),
        (usage.output_tokens, price.output),
    ];
    let costs = kinds
        .into_iter()
        .filter_map(|(tokens, million)| Some(million.for_tokens(tokens?)));
    costs.reduce(Usd::plus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRICE: Price = Price {
        input: Usd(3_000_000),
        cache_read: Usd(300_000),
        cache_write: Usd(3_750_000),
        output: Usd(15_000_000),
    };

    fn tokens(input: u64, output: u64) -> Usage {
        Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            ..Usage::default()
        }
    }

    // proves: S-7, W-14
    #[test]
    fn the_greater_of_two_costs_counts_and_unknown_is_not_nothing() {
        let none = Charge::default();
        assert_eq!(none.with(&Usage::default(), Some(&PRICE)).usd, None);
        assert_eq!(none.with(&tokens(1_000, 10), None).usd, None);
        let priced = none.with(&tokens(1_000_000, 100_000), Some(&PRICE));
        assert_eq!(
            (priced.usd, priced.basis),
            (Some(Usd(4_500_000)), Some(Basis::Price))
        );
        let said = |usd| Usage {
            usd: Some(Usd(usd)),
            ..tokens(1_000_000, 100_000)
        };
        let agent = none.with(&said(5_000_000), Some(&PRICE));
        assert_eq!(
            (agent.usd, agent.basis),
            (Some(Usd(5_000_000)), Some(Basis::Agent))
        );
        let liar = none.with(&said(0), Some(&PRICE));
        assert_eq!((liar.usd, liar.basis), (priced.usd, priced.basis));
        let free = none.with(&said(0), None);
        assert_eq!((free.usd, free.basis), (Some(Usd(0)), Some(Basis::Agent)));
    }

    fn usage() -> impl Strategy<Value = Usage> {
        let some = || proptest::option::of(prop_oneof![0u64..10_000_000, Just(u64::MAX)]);
        (some(), some(), some(), some(), some()).prop_map(|(a, b, c, d, usd)| Usage {
            input_tokens: a,
            cache_read_tokens: b,
            cache_write_tokens: c,
            output_tokens: d,
            usd: usd.map(Usd),
        })
    }

    proptest! {
        // proves: S-7
        #[test]
        fn a_charge_only_grows_and_what_was_said_twice_counts_once(
            said in proptest::collection::vec((usage(), proptest::bool::ANY), 1..8)
        ) {
            let mut charge = Charge::default();
            for (usage, priced) in said {
                let next = charge.with(&usage, priced.then_some(&PRICE));
                prop_assert!(next.usd >= charge.usd && next.tokens() >= charge.tokens());
                prop_assert_eq!(next.with(&usage, priced.then_some(&PRICE)), next);
                charge = next;
            }
        }
    }
}

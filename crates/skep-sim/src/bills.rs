//! What agents use, and what they say of it: honestly, late, in bursts, too little, too much, or never.

use crate::dice::Dice;
use skep_core::{attempt::Usage, money::Usd};

/// How an agent spends and speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Says nothing, as a command does.
    Silent,
    /// Says at every moment what it has used.
    Honest,
    /// Uses much at once, now and then.
    Bursts,
    /// Says nothing before its end.
    Late,
    /// Says less now than it said before, every other minute.
    Shrinks,
    /// Reckons its cost at next to nothing; its tokens tell.
    Lies,
    /// Gives numbers that nobody can have used.
    Huge,
    /// Says tokens and no cost, or a cost and no tokens.
    Partial,
}

const ALL: [Manner; 8] = [
    Manner::Silent,
    Manner::Honest,
    Manner::Bursts,
    Manner::Late,
    Manner::Shrinks,
    Manner::Lies,
    Manner::Huge,
    Manner::Partial,
];

impl Manner {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Manner::Silent => "usage: silent",
            Manner::Honest => "usage: honest",
            Manner::Bursts => "usage: bursts",
            Manner::Late => "usage: late",
            Manner::Shrinks => "usage: shrinks",
            Manner::Lies => "usage: lies",
            Manner::Huge => "usage: huge",
            Manner::Partial => "usage: partial",
        }
    }
}

/// One attempt's.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) manner: Manner,
    /// Millionths of a dollar in a minute.
    rate: u64,
    /// Of the bursts, when they come, and how much each is.
    bursts: Vec<(u64, u64)>,
    /// Of those who tell only a part, which.
    tokens: bool,
}

/// No model is so cheap that a dollar buys more than so many tokens.
const TOKENS_A_DOLLAR: u64 = 100_000;

impl Bill {
    pub(crate) fn throw(dice: &mut Dice) -> Bill {
        let manner = match dice.of(0..=9) {
            0..=3 => Manner::Honest,
            _ => ALL[dice.index(ALL.len())],
        };
        let bursts = dice.of(1..=4);
        Bill {
            manner,
            rate: dice.spread(1_000, 200_000),
            bursts: (0..bursts)
                .map(|_| {
                    (
                        dice.spread(1_000, 2_400_000),
                        dice.spread(10_000, 20_000_000),
                    )
                })
                .collect(),
            tokens: dice.chance(500),
        }
    }

    /// What it has really used after it has run for so long.
    pub(crate) fn used(&self, ran: u64) -> Usd {
        let steady = self.rate.saturating_mul(ran) / 60_000;
        let burst = self.bursts.iter().filter(|(at, _)| *at <= ran);
        let burst = burst.map(|(_, much)| *much).sum::<u64>();
        Usd(match self.manner {
            Manner::Bursts => steady / 4 + burst,
            Manner::Huge if ran > 60_000 => u64::MAX / 1_000,
            _ => steady,
        })
    }

    /// What it says of that while it runs, if it says anything.
    pub(crate) fn says(&self, ran: u64) -> Option<Usage> {
        let used = self.used(ran);
        match self.manner {
            Manner::Silent | Manner::Late => None,
            Manner::Shrinks if ran / 60_000 % 2 == 1 => Some(whole(Usd(used.0 / 3))),
            Manner::Lies => Some(Usage {
                usd: Some(Usd(1)),
                ..whole(used)
            }),
            Manner::Partial if self.tokens => Some(Usage {
                usd: None,
                ..whole(used)
            }),
            Manner::Partial => Some(Usage {
                usd: Some(used),
                ..Usage::default()
            }),
            _ => Some(whole(used)),
        }
    }

    /// What its end says.
    pub(crate) fn report(&self, ran: u64) -> Usage {
        match self.manner {
            Manner::Silent => Usage::default(),
            Manner::Late => whole(self.used(ran)),
            // It says less at the end than it did before.
            Manner::Shrinks => whole(Usd(self.used(ran).0 / 2)),
            _ => self.says(ran).unwrap_or_default(),
        }
    }
}

fn whole(used: Usd) -> Usage {
    let tokens = (u128::from(used.0) * u128::from(TOKENS_A_DOLLAR) / 1_000_000) as u64;
    Usage {
        input_tokens: Some(tokens / 2),
        cache_read_tokens: Some(tokens / 4),
        cache_write_tokens: None,
        output_tokens: Some(tokens - tokens / 2 - tokens / 4),
        usd: Some(used),
    }
}

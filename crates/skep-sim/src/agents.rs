//! What agents do: one script an attempt, by the character of its task.

use crate::{
    dice::Dice,
    git::{Breaks, FILES, Works},
    lives::Life,
};

/// How an attempt will go, if nothing comes in between.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) deed: Deed,
    /// From the start of the agent to its end, in milliseconds.
    pub(crate) agent_ms: u64,
    /// The checks after it.
    pub(crate) checks_ms: u64,
    /// The files it changes; none: an empty diff.
    pub(crate) files: Vec<usize>,
    pub(crate) breaks: Breaks,
    pub(crate) mends: Works,
    pub(crate) survivors: u32,
    /// What its processes show meanwhile.
    pub(crate) life: Life,
}

/// What the agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Succeed,
    SayNoOp,
    Fail,
    Crash,
    Hang,
    FailChecks,
    LimitedByProvider,
    NotStartable,
    FailSetup,
    ChecksChangeFiles,
}

impl Deed {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Deed::Succeed => "agent: succeeds",
            Deed::SayNoOp => "agent: empty diff",
            Deed::Fail => "agent: fails",
            Deed::Crash => "agent: crashes",
            Deed::Hang => "agent: hangs",
            Deed::FailChecks => "agent: checks fail",
            Deed::LimitedByProvider => "agent: rate limited",
            Deed::NotStartable => "agent: not startable",
            Deed::FailSetup => "agent: setup fails",
            Deed::ChecksChangeFiles => "agent: checks change files",
        }
    }
}

const BAD: [Deed; 9] = [
    Deed::SayNoOp,
    Deed::Fail,
    Deed::Crash,
    Deed::Hang,
    Deed::FailChecks,
    Deed::LimitedByProvider,
    Deed::NotStartable,
    Deed::FailSetup,
    Deed::ChecksChangeFiles,
];

/// What a task is like: how often its attempts go wrong, in which way, and where they write.
#[derive(Clone, Debug)]
pub(crate) struct Character {
    /// In a thousand.
    pub(crate) trouble: u64,
    pub(crate) favourite: Deed,
    pub(crate) files: Vec<usize>,
    pub(crate) breaks: Breaks,
}

impl Character {
    pub(crate) fn throw(dice: &mut Dice) -> Character {
        let trouble = [0, 0, 100, 300, 600, 1000][dice.index(6)];
        let count = dice.of(1..=2);
        let breaks = match dice.of(0..=19) {
            0 => Breaks::Alone,
            1..=3 => Breaks::With(dice.of(0..=1) as u8),
            _ => Breaks::No,
        };
        Character {
            trouble,
            favourite: BAD[dice.index(BAD.len())],
            files: (0..count).map(|_| dice.index(FILES)).collect(),
            breaks,
        }
    }

    pub(crate) fn script(&self, dice: &mut Dice) -> Script {
        let deed = if !dice.chance(self.trouble) {
            Deed::Succeed
        } else if dice.chance(700) {
            self.favourite
        } else {
            BAD[dice.index(BAD.len())]
        };
        let agent_ms = match deed {
            Deed::Hang => 1_000_000_000,
            Deed::NotStartable | Deed::FailSetup => dice.of(1..=2_000),
            _ => dice.spread(20, 2_400_000),
        };
        let writes = !matches!(deed, Deed::SayNoOp | Deed::NotStartable | Deed::FailSetup)
            && (matches!(
                deed,
                Deed::Succeed | Deed::ChecksChangeFiles | Deed::FailChecks
            ) || dice.chance(600));
        Script {
            deed,
            agent_ms,
            checks_ms: dice.spread(5, 300_000),
            files: if writes {
                self.files.clone()
            } else {
                Vec::new()
            },
            breaks: self.breaks,
            mends: Works::default(),
            survivors: if dice.chance(30) { 2 } else { 0 },
            life: match deed {
                Deed::Hang => Life::unhealthy(dice),
                _ => Life::healthy(dice),
            },
        }
    }
}

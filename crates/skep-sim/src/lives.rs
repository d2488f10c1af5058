//! What an attempt's processes show while it runs: ways of being well, and ways of not being.

use crate::dice::Dice;
use skep_core::{
    health::{Counts, Leader, Sample},
    id::Oid,
    time::Millis,
};

/// How an agent behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// Prints something new now and then.
    Talks,
    /// Prints nothing; its compiler works, writes files and starts processes.
    Compiles,
    /// Prints nothing; one process computes.
    Links,
    /// Thinks for up to 14 minutes between two lines, and uses next to no CPU.
    Thinks,
    /// Prints nothing; starts sub-agents that use a little CPU.
    Delegates,
    /// Prints nothing and commits now and then.
    Commits,
    /// Waits for something far away, says so, and has something new every 25 minutes.
    Waits,
    /// Shows nothing at all.
    Hangs,
    /// Prints the same over and over.
    Loops,
    /// Waits for somebody to type.
    Prompts,
    /// Has ended, and what it started lives on and computes.
    Headless,
    /// Was stopped by a signal.
    Stopped,
    /// Prints nothing but health markers.
    MarksOnly,
}

impl Manner {
    /// The ways of being well.
    pub const HEALTHY: [Manner; 7] = [
        Manner::Talks,
        Manner::Compiles,
        Manner::Links,
        Manner::Thinks,
        Manner::Delegates,
        Manner::Commits,
        Manner::Waits,
    ];
    /// The others.
    pub const UNHEALTHY: [Manner; 6] = [
        Manner::Hangs,
        Manner::Loops,
        Manner::Prompts,
        Manner::Headless,
        Manner::Stopped,
        Manner::MarksOnly,
    ];

    /// The words for it, for tables.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Manner::Talks => "prints a line now and then",
            Manner::Compiles => "long compile, no output",
            Manner::Links => "long link: CPU alone",
            Manner::Thinks => "long thinking, up to 14m",
            Manner::Delegates => "sub-agents at work",
            Manner::Commits => "commits, no output",
            Manner::Waits => "waits, with health markers",
            Manner::Hangs => "hung",
            Manner::Loops => "repeats its output",
            Manner::Prompts => "behind a hidden prompt",
            Manner::Headless => "zombie, grandchild computes",
            Manner::Stopped => "stopped process",
            Manner::MarksOnly => "nothing but markers",
        }
    }

    /// After how much of it an attempt that may be retried is to be ended; none for the healthy ones.
    #[must_use]
    pub fn limit(self) -> Option<Millis> {
        match self {
            Manner::Loops | Manner::MarksOnly => Some(Millis::mins(30)),
            _ if Manner::UNHEALTHY.contains(&self) => Some(Millis::mins(15)),
            _ => None,
        }
    }
}

/// One attempt's behaviour.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) manner: Manner,
    /// Until then, in milliseconds from its start, it talks.
    pub(crate) from: u64,
    /// So far apart are its signs, in milliseconds.
    every: u64,
}

const MINUTE: u64 = 60_000;

impl Life {
    pub(crate) fn of(manner: Manner, dice: &mut Dice) -> Life {
        let every = match manner {
            Manner::Talks => dice.of(1_000..=10 * MINUTE),
            Manner::Thinks | Manner::Commits => dice.of(5 * MINUTE..=14 * MINUTE - 10_000),
            Manner::Delegates => dice.of(MINUTE..=10 * MINUTE),
            _ => dice.of(5_000..=30_000),
        };
        let from = dice.of(0..=10 * MINUTE);
        Life {
            manner,
            from,
            every,
        }
    }

    pub(crate) fn healthy(dice: &mut Dice) -> Life {
        let manner = Manner::HEALTHY[dice.index(Manner::HEALTHY.len())];
        Life::of(manner, dice)
    }

    pub(crate) fn unhealthy(dice: &mut Dice) -> Life {
        let manner = Manner::UNHEALTHY[dice.index(Manner::UNHEALTHY.len())];
        Life::of(manner, dice)
    }

    /// When, in milliseconds from its start, it last showed anything that counts; for the unhealthy.
    pub(crate) fn last_sign(&self) -> u64 {
        self.from
    }

    /// What a host measures after so many milliseconds.
    pub(crate) fn sample(&self, ran: u64) -> Sample {
        let talked = ran.min(self.from);
        let more = ran - talked;
        // A line each 20 seconds to begin with.
        let lines = talked / 20_000 + 1;
        let mut counts = Counts {
            output_bytes: lines * 40,
            lines,
            new_lines: lines,
            cpu_ms: talked / 50 + 200,
            spawned: 1,
            commit: Some(commit(0)),
            ..Counts::default()
        };
        let (mut leader, mut waits_for_input, mut processes) = (Leader::Lives, false, 1);
        let times = more / self.every;
        match self.manner {
            Manner::Talks | Manner::Thinks => {
                counts.lines += times;
                counts.new_lines += times;
                counts.output_bytes += times * 60;
                counts.cpu_ms += more / 1_000;
            }
            Manner::Compiles => {
                counts.cpu_ms += more * 19 / 10;
                counts.spawned += times;
                counts.written_bytes += more * 500;
                processes = 9;
            }
            Manner::Links => counts.cpu_ms += more,
            Manner::Delegates => {
                counts.spawned += times * 3;
                counts.cpu_ms += times * 1_500;
                processes = 4;
            }
            Manner::Commits => counts.commit = Some(commit(times)),
            Manner::Waits => {
                let new = more / (25 * MINUTE);
                counts.markers += more / (4 * MINUTE);
                counts.lines += new;
                counts.new_lines += new;
                counts.output_bytes += more / (4 * MINUTE) * 30 + new * 40;
            }
            Manner::Hangs => {}
            Manner::Loops => {
                counts.lines += times;
                counts.output_bytes += times * 30;
                counts.cpu_ms += more / 10;
            }
            Manner::Prompts => waits_for_input = more > 0,
            Manner::Headless | Manner::Stopped if more == 0 => {}
            Manner::Headless => {
                leader = Leader::Gone;
                counts.cpu_ms += more;
                counts.spawned += times;
            }
            Manner::Stopped => leader = Leader::Stopped,
            Manner::MarksOnly => {
                counts.markers += more / MINUTE;
                counts.output_bytes += more / MINUTE * 30;
            }
        }
        Sample {
            counts,
            processes,
            memory_bytes: 100_000_000,
            beat_age: Some(Millis(0)),
            leader,
            waits_for_input,
            busiest: Vec::new(),
        }
    }
}

fn commit(number: u64) -> Oid {
    format!("{:040x}", number + 1)
        .parse()
        .expect("forty hexadecimal digits are a commit's name")
}

//! The health of attempts (L-4, L-4a): from what hosts measure, over time, to a score with its reasons and a rung
//! of the ladder nudge, ask, checkpoint, stop. No model is asked, and no clock but `now` is read.
//!
//! What hosts measure stands beside the state, in memory: it would flood the log. Only what it amounts to is an
//! event, and with it what the next keeper needs to go on from.
//!
//! Signs of life do not all count the same:
//!
//! | sign | holds off |
//! |---|---|
//! | something new: output never seen before, a commit; and files written | everything |
//! | CPU, new processes | silence. Alone, they are shown and asked about, and never ended: a long link is healthy, and the hard stop ends a spin |
//! | a health marker | silence, at half speed: who prints nothing else and does nothing is ended at [`Health::silent`] |
//! | output that repeats | silence, in the same way, and whatever CPU it takes: it is the mark of a loop |
//!
//! An agent that is stopped, or that is gone while something it started lives on, shows no signs of life at all.
//!
//! [`Health::silent`]: crate::spec::Health::silent

mod checkup;
mod due;
mod facts;
mod pace;
mod tell;
#[cfg(test)]
mod tests;

pub use checkup::{Checkup, Reason, Rung, Setting};
pub use due::must_measure;
pub(crate) use due::{next, revoked, wake_at};
pub use facts::{Clocks, Counts, Facts, Leader, Sample, Track};
pub use pace::Pace;
pub use tell::{checkup, tell};

use crate::time::Time;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A checkup as the log keeps it: with what a keeper needs that knows nothing else of the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// 0 to 100.
    pub score: u8,
    /// How far up the ladder.
    pub rung: Rung,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The last signs of life.
    pub clocks: Clocks,
    /// What had been counted by then.
    pub counts: Counts,
    /// When that was measured.
    pub at: Time,
}

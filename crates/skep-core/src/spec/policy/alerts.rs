//! When people are told that something needs them (U-6).

use crate::{alert::Rule, time::Millis};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// From when on each rule holds, and how often people hear of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alerts {
    /// Rules that raise nothing.
    pub off: Vec<Rule>,
    /// What was alerted of must be over for so long before that is said: what comes and goes is one alert.
    pub settle: Millis,
    /// What still holds is said again after so long; zero: never.
    pub remind: Millis,
    /// At its cap with tasks waiting for so long, the swarm is fully scaled.
    pub scaled_after: Millis,
    /// With work left and nothing running for so long, the swarm is idle.
    pub idle_after: Millis,
    /// More crashes than this within the window are too many.
    pub crashes: u32,
    /// The window in which crashes are counted.
    pub crash_window: Millis,
    /// How long a provider may refuse before people hear of it; a used-up quota or a refused login is told at once.
    pub provider_after: Millis,
    /// How long a question may wait before people hear of it.
    pub ask_after: Millis,
    /// More keepers than this that died within the window are too many.
    pub keeper_restarts: u32,
    /// The window in which keepers that died are counted.
    pub keeper_window: Millis,
}

impl Default for Alerts {
    fn default() -> Self {
        Alerts {
            off: Vec::new(),
            settle: Millis::mins(1),
            remind: Millis::mins(4 * 60),
            // A plan with more tasks than may run at once is at its cap from the start, and nothing is wrong.
            scaled_after: Millis::mins(10),
            idle_after: Millis::mins(10),
            crashes: 2,
            crash_window: Millis::mins(5),
            provider_after: Millis::mins(1),
            ask_after: Millis(0),
            keeper_restarts: 2,
            keeper_window: Millis::mins(20),
        }
    }
}

//! Which reports are written by themselves (U-7).

use serde::{Deserialize, Serialize};

/// The reports that nobody has to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reports {
    /// One of every run, when it has ended.
    pub run: bool,
    /// One of every hour in which there was work.
    pub hourly: bool,
    /// One of every day in which there was work.
    pub daily: bool,
    /// One of every week in which there was work.
    pub weekly: bool,
}

impl Default for Reports {
    fn default() -> Self {
        Reports {
            run: true,
            // Twenty-four files a day are for whoever asks for them.
            hourly: false,
            daily: true,
            weekly: true,
        }
    }
}

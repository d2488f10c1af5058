//! The caps on spending and how they are kept (S-7).

use crate::{money::Usd, spec::Zone, time::Millis};
use serde::{Deserialize, Serialize};

/// The most that may be spent of each kind; `None`: no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cap {
    /// Money.
    pub usd: Option<Usd>,
    /// Tokens, read and written together.
    pub tokens: Option<u64>,
    /// Minutes for which attempts run, added up over all of them.
    pub minutes: Option<u64>,
}

impl Cap {
    /// Whether it caps nothing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Cap::default()
    }
}

/// What happens when a cap leaves room for nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCap {
    /// Nothing begins and a person is asked: a higher cap goes on, and so does the cap's next window.
    #[default]
    Pause,
    /// The same, but a run in the foreground waits for the next window, if there is one.
    Sleep,
    /// The swarm is halted: a person must resume it, whatever the hour.
    Stop,
}

impl OnCap {
    /// All of them.
    pub const ALL: [OnCap; 3] = [OnCap::Pause, OnCap::Sleep, OnCap::Stop];
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            OnCap::Pause => "pause",
            OnCap::Sleep => "sleep",
            OnCap::Stop => "stop",
        }
    }
}

/// Caps on spending, and the numbers by which they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// For all that the swarm spends on its plan.
    pub swarm: Cap,
    /// For each task, until it begins anew; a task's own budget goes before it.
    pub task: Cap,
    /// For each worker.
    pub worker: Cap,
    /// For each role of tasks.
    pub role: Cap,
    /// For each calendar day.
    pub day: Cap,
    /// For each day's active hours, 07–23: those that the night leaves.
    pub active: Cap,
    /// For each night, 23–07.
    pub night: Cap,
    /// What a subscription allows in one of its windows, which begins with the first attempt after the last one.
    pub subscription: Cap,
    /// How long such a window is.
    pub subscription_window: Millis,
    /// The part of a subscription's window that the swarm may use, in percent.
    pub subscription_percent: u32,
    /// Where days and nights begin.
    pub zone: Zone,
    /// What happens when a cap leaves room for nothing more.
    pub on_cap: OnCap,
    /// Between two meterings of an attempt; what passes what was set aside for it is metered at once.
    pub interval: Millis,
    /// Set aside for an attempt of which no like is known.
    pub reserve_usd: Usd,
    /// The same in tokens.
    pub reserve_tokens: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            swarm: Cap::default(),
            task: Cap::default(),
            worker: Cap::default(),
            role: Cap::default(),
            day: Cap::default(),
            active: Cap::default(),
            night: Cap::default(),
            subscription: Cap::default(),
            subscription_window: Millis::mins(5 * 60),
            subscription_percent: 100,
            zone: Zone::default(),
            on_cap: OnCap::default(),
            interval: Millis::mins(1),
            // A small task of a middling model, by what such tasks are measured to take.
            reserve_usd: Usd(500_000),
            reserve_tokens: 500_000,
        }
    }
}

impl Budget {
    /// Whether it caps nothing; a task may still have a budget of its own.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let caps = [
            &self.swarm,
            &self.task,
            &self.worker,
            &self.role,
            &self.day,
            &self.active,
            &self.night,
            &self.subscription,
        ];
        caps.into_iter().all(Cap::is_open)
    }

    /// The share of a subscription that the swarm may use.
    #[must_use]
    pub fn share(&self) -> Cap {
        let percent = u64::from(self.subscription_percent);
        let part = |whole: u64| (u128::from(whole) * u128::from(percent) / 100) as u64;
        Cap {
            usd: self.subscription.usd.map(|usd| Usd(part(usd.0))),
            tokens: self.subscription.tokens.map(part),
            minutes: self.subscription.minutes.map(part),
        }
    }
}

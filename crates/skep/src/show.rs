//! How things look as text. Everything here is a pure function of documents or of the state, so that it can
//! be tested without a terminal.

pub(crate) mod alerts;
pub(crate) mod concerns;
pub(crate) mod config;
pub(crate) mod costs;
pub(crate) mod forecast;
pub(crate) mod line;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod progress;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use crate::term::Style;
use skep_core::time::Millis;

/// A length of time as people say it: `3s`, `4m10s`, `2h05m`.
pub(crate) fn length(ms: u64) -> String {
    let secs = Millis(ms).0 / 1000;
    match secs {
        0 if ms > 0 => format!("{ms}ms"),
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// A clock that counts up: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn clock(ms: u64) -> String {
    let secs = ms / 1000;
    if secs < 3600 {
        format!("{}:{:02}", secs / 60, secs % 60)
    } else {
        format!("{}:{:02}:{:02}", secs / 3600, secs % 3600 / 60, secs % 60)
    }
}

/// How a state is painted.
pub(crate) fn tone(state: &str) -> Style {
    match state {
        "merged" | "accepted" | "succeeded" => Style::Good,
        "flagged" | "dead" | "crashed" | "halted" | "failed" => Style::Bad,
        "blocked" | "paused" | "draining" | "cancelled" => Style::Care,
        "running" | "verifying" | "working" | "merging" => Style::Strong,
        _ => Style::Plain,
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

//! Numbers as a report shows them. What is not known says so.

use crate::api::CostRow;
use skep_core::time::Millis;

pub(super) fn usd(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.1 {
        format!("${dollars:.4}")
    } else {
        format!("${dollars:.2}")
    }
}

pub(super) fn known(dollars: Option<f64>) -> String {
    dollars.map_or_else(|| "unknown".into(), usd)
}

/// A cost that is less than the true one says so.
pub(super) fn cost(row: &CostRow) -> String {
    match (row.usd, row.unknown) {
        (Some(dollars), Some(n)) if n > 0 => format!("≥ {}", usd(dollars)),
        (dollars, _) => known(dollars),
    }
}

pub(super) fn length(ms: u64) -> String {
    let secs = Millis(ms).0 / 1000;
    match secs {
        0 if ms > 0 => format!("{ms}ms"),
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m {:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h {:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d {:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A number of a chart's axis.
pub(super) fn number(n: f64) -> String {
    if n >= 10_000.0 {
        format!("{:.0}k", n / 1000.0)
    } else if n.fract() == 0.0 {
        format!("{n:.0}")
    } else if n < 0.1 {
        format!("{n:.4}")
    } else {
        format!("{n:.2}")
    }
}

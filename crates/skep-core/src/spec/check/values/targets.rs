//! What the numbers of targets must be.

use super::{Values, above, at, below};
use crate::{
    spec::{FaultKind, FieldPath, Policy, Step},
    time::Millis,
};
use alloc::string::ToString;

/// So long is remembered what happened.
const LONGEST: Millis = Millis::mins(45 * 24 * 60);

pub(super) fn check(values: &mut Values<'_>, policy: &Policy) {
    let of = &policy.targets;
    if of.window < Millis::mins(1) {
        values.push(path("window"), below(of.window, Millis::mins(1), None));
    }
    if of.window > LONGEST {
        values.push(path("window"), above(of.window, LONGEST));
    }
    if of.fewest < 1 {
        values.push(path("fewest"), below(of.fewest, 1, None));
    }
    for (key, given) in [
        ("success_percent", of.success_percent),
        ("success_alert_percent", of.success_alert_percent),
        ("stale_percent", of.stale_percent),
        ("stale_alert_percent", of.stale_alert_percent),
        ("restart_percent", of.restart_percent),
        ("restart_alert_percent", of.restart_alert_percent),
        ("completion_percent", of.completion_percent),
        ("error_percent", of.error_percent),
        ("escalation_least_percent", of.escalation_least_percent),
        ("escalation_most_percent", of.escalation_most_percent),
        ("waste_percent", of.waste_percent),
    ] {
        if given > 100 {
            values.push(path(key), above(given, 100));
        }
    }
    // What is told of must be worse than what is only missed; nought tells nothing.
    for (key, told, than, aim) in [
        (
            "duration_alert",
            of.duration_alert.0,
            "duration",
            of.duration.0,
        ),
        (
            "concurrent_alert",
            of.concurrent_alert.into(),
            "concurrent_most",
            of.concurrent_most.into(),
        ),
        (
            "stale_alert_percent",
            of.stale_alert_percent.into(),
            "stale_percent",
            of.stale_percent.into(),
        ),
        (
            "restart_alert_percent",
            of.restart_alert_percent.into(),
            "restart_percent",
            of.restart_percent.into(),
        ),
        (
            "concurrent_most",
            of.concurrent_most.into(),
            "concurrent_least",
            of.concurrent_least.into(),
        ),
        (
            "escalation_most_percent",
            of.escalation_most_percent.into(),
            "escalation_least_percent",
            of.escalation_least_percent.into(),
        ),
    ] {
        if told > 0 && told < aim {
            values.push(path(key), than_another(key, told, aim, than));
        }
    }
    if of.success_alert_percent > of.success_percent && of.success_percent > 0 {
        let most = of.success_percent;
        values.push(
            path("success_alert_percent"),
            above(of.success_alert_percent, most),
        );
    }
}

/// Lengths of time are shown as such.
fn than_another(key: &str, given: u64, least: u64, of: &'static str) -> FaultKind {
    let shown = |n: u64| match key {
        "duration_alert" => Millis(n).to_string(),
        _ => n.to_string(),
    };
    below(shown(given), shown(least), Some(of))
}

fn path(key: &'static str) -> FieldPath {
    at(
        &[],
        &[Step::Key("policy"), Step::Key("targets"), Step::Key(key)],
    )
}

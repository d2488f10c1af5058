//! `skep metrics` as text. What is not known says so.

use super::{
    costs::usd,
    length,
    status::Look,
    table::{Cell, cell, styled, table},
};
use crate::term::Style;
use skep_server::api::{LatencyDoc, MetricsDoc, TargetDoc, TargetsDoc};
use std::fmt::Write as _;

/// How the swarm stands to its targets, and how long everything takes.
pub(crate) fn metrics(targets: &TargetsDoc, metrics: &MetricsDoc, look: Look) -> String {
    let rows: Vec<Vec<Cell>> = targets.targets.iter().map(target).collect();
    let head = [
        "TARGET",
        "VALUE",
        "AIM",
        "ALERT",
        "VERDICT",
        "MEASURED FROM",
    ];
    let mut out = table(&head, &rows, look.width, look.color);
    if !metrics.latency.is_empty() {
        let rows: Vec<Vec<Cell>> = metrics.latency.iter().map(latency).collect();
        let head = ["STAGE", "COUNT", "MEAN", "P50", "P95", "P99"];
        let _ = write!(out, "\n{}", table(&head, &rows, look.width, look.color));
    }
    if let Some(percent) = metrics.utilisation_percent {
        let _ = writeln!(
            out,
            "\nworkers had an attempt for {percent:.1} % of their time"
        );
    }
    for (cause, dollars) in &metrics.waste.by_cause {
        let cause = cause.replace('_', " ");
        let _ = writeln!(out, "spent in vain on attempts, {cause}: {}", usd(*dollars));
    }
    out
}

fn target(target: &TargetDoc) -> Vec<Cell> {
    let amount = |n: f64| match &*target.unit {
        "seconds" => length((n * 1e3) as u64),
        "percent" => format!("{n} %"),
        "usd" => usd(n),
        _ => format!("{n}"),
    };
    let edge = |n: Option<f64>, word: &str| n.map(|n| format!("{word} {}", amount(n)));
    let aim = match (target.least, target.most) {
        (Some(least), Some(most)) => format!("{} to {}", amount(least), amount(most)),
        (least, most) => edge(least, "from")
            .or(edge(most, "up to"))
            .unwrap_or_else(|| "-".into()),
    };
    let alert = edge(target.alert_under, "under").or(edge(target.alert_over, "over"));
    let style = match &*target.verdict {
        "alert" => Style::Bad,
        "missed" => Style::Care,
        "met" => Style::Good,
        _ => Style::Dim,
    };
    vec![
        cell(&target.about),
        cell(target.value.map_or_else(|| "unknown".into(), amount)),
        cell(aim),
        cell(alert.unwrap_or_else(|| "-".into())),
        styled(&target.verdict, style),
        cell(&target.basis),
    ]
}

fn latency((stage, seen): (&String, &LatencyDoc)) -> Vec<Cell> {
    vec![
        cell(stage.replace('_', " ")),
        cell(seen.count.to_string()),
        cell(length(seen.mean_ms)),
        cell(length(seen.p50_ms)),
        cell(length(seen.p95_ms)),
        cell(length(seen.p99_ms)),
    ]
}

//! What was spent, for what, and how the swarm stands to what it should come to.

use super::{Block, Cell, Table, Tone, cell, long, number, toned};
use crate::{
    api::{CostRow, LatencyDoc, ReportDoc, TargetDoc},
    report::{chart, shown},
};

pub(super) fn spending(doc: &ReportDoc) -> Vec<Block> {
    let spent = &doc.spending;
    let Some(attempts) = spent.total.attempts.filter(|n| *n > 0) else {
        return vec![Block::Text("No attempt ended in this time.".into())];
    };
    let waste = &spent.waste;
    let ended = shown::count(usize::try_from(attempts).unwrap_or(usize::MAX), "attempt");
    let mut said = match spent.total.usd {
        Some(_) => format!("{ended} ended and cost {}", shown::cost(&spent.total)),
        None => format!("{ended} ended, and nobody knows what that cost"),
    };
    if let Some(percent) = waste.percent {
        said += &format!(
            "; {} of it ({percent:.1} %) went to results that were not accepted or not merged",
            shown::usd(waste.usd)
        );
    }
    said.push('.');
    let unknown = spent.total.unknown.filter(|n| *n > 0 && *n < attempts);
    if let Some(unknown) = unknown {
        said += &format!(" Of {unknown} of them nobody knows the cost, so the true sum is higher.");
    }
    let mut blocks = vec![Block::Text(said)];
    blocks.extend(chart::spending(doc).map(Block::Chart));
    let causes = waste.by_cause.iter();
    let causes: Vec<_> = causes
        .map(|(cause, dollars)| {
            let cause = cause.replace('_', " ");
            vec![cell(cause), number(shown::usd(*dollars))]
        })
        .collect();
    if !causes.is_empty() {
        blocks.push(Block::Table(Table {
            head: vec!["Spent in vain on attempts", "Cost"],
            rows: causes,
            more: 0,
        }));
    }
    for (what, rows, more) in [
        ("Model", &spent.models, 0),
        ("Worker", &spent.workers, 0),
        ("Task", &spent.tasks, spent.more_tasks),
    ] {
        blocks.push(Block::Table(Table {
            head: vec![
                what, "Cost", "In vain", "Attempts", "Accepted", "Tokens", "Time",
            ],
            rows: rows.iter().map(row).collect(),
            more,
        }));
    }
    blocks
}

fn row(row: &CostRow) -> Vec<Cell> {
    let some = |n: Option<u64>| n.map_or_else(|| number("unknown"), number);
    let key = match row.key.as_str() {
        "" => "the agent's own choice",
        key => key,
    };
    vec![
        cell(key),
        number(shown::cost(row)),
        number(shown::known(row.wasted_usd)),
        some(row.attempts),
        some(row.accepted),
        some(row.tokens),
        number(shown::length((row.minutes * 60_000.0) as u64)),
    ]
}

pub(super) fn targets(doc: &ReportDoc) -> Vec<Block> {
    vec![
        Block::Text(format!(
            "Measured over the last {} before this report was made.",
            shown::length(doc.targets_window_ms)
        )),
        Block::Table(Table {
            head: vec!["Target", "Verdict", "Value", "Aim", "Measured from"],
            rows: doc.targets.iter().map(target).collect(),
            more: 0,
        }),
    ]
}

fn target(target: &TargetDoc) -> Vec<Cell> {
    let amount = |n: f64| match &*target.unit {
        "seconds" => shown::length((n * 1e3) as u64),
        "percent" => format!("{n} %"),
        "usd" => shown::usd(n),
        _ => format!("{n}"),
    };
    let aim = match (target.least, target.most) {
        (Some(least), Some(most)) => format!("{} to {}", amount(least), amount(most)),
        (Some(least), None) => format!("from {}", amount(least)),
        (None, Some(most)) => format!("up to {}", amount(most)),
        (None, None) => "-".into(),
    };
    let tone = match &*target.verdict {
        "alert" => Tone::Bad,
        "missed" => Tone::Care,
        "met" => Tone::Good,
        _ => Tone::Plain,
    };
    vec![
        long(&target.about),
        toned(&target.verdict, tone),
        number(target.value.map_or_else(|| "unknown".into(), amount)),
        cell(aim),
        long(&target.basis),
    ]
}

pub(super) fn latency(doc: &ReportDoc) -> Vec<Block> {
    if doc.latency.is_empty() {
        return Vec::new();
    }
    let row = |(stage, seen): (&String, &LatencyDoc)| {
        vec![
            cell(stage.replace('_', " ")),
            number(seen.count),
            number(shown::length(seen.mean_ms)),
            number(shown::length(seen.p50_ms)),
            number(shown::length(seen.p95_ms)),
            number(shown::length(seen.p99_ms)),
        ]
    };
    vec![Block::Table(Table {
        head: vec!["Stage", "Count", "Mean", "p50", "p95", "p99"],
        rows: doc.latency.iter().map(row).collect(),
        more: 0,
    })]
}

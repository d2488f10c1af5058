//! `skep costs` as text. What is not known says so.

use super::{
    count,
    status::Look,
    table::{Cell, cell, styled, table},
};
use crate::term::{self, Style, escape};
use skep_server::api::{By, CapDoc, CostRow, CostsDoc, PriceRow, PricesDoc, Stamp};
use std::fmt::Write as _;

/// Dollars: cents, and of less than ten of them what is below.
pub(crate) fn usd(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.1 {
        format!("${dollars:.4}")
    } else {
        format!("${dollars:.2}")
    }
}

fn known(dollars: Option<f64>) -> String {
    dollars.map_or_else(|| "unknown".into(), usd)
}

/// A cost that is less than the true one says so.
fn cost(row: &CostRow) -> String {
    match (row.usd, row.unknown) {
        (Some(dollars), Some(1..)) => format!("over {}", usd(dollars)),
        (dollars, _) => known(dollars),
    }
}

/// A cost with tokens in one phrase, for the end of a run; none when nothing is known.
pub(crate) fn spent(row: &CostRow) -> Option<String> {
    row.usd?;
    let mut text = cost(row);
    if let Some(unknown) = row.unknown.filter(|n| *n > 0) {
        let attempts = count(usize::try_from(unknown).unwrap_or(usize::MAX), "attempt");
        let _ = write!(text, " (what {attempts} cost is unknown)");
    }
    Some(text)
}

/// What was spent, and where the caps stand.
pub(crate) fn costs(costs: &CostsDoc, look: Look) -> String {
    if costs.swarm.is_none() {
        return "no plan has been loaded, so nothing was spent\n".into();
    }
    let number = |n: Option<u64>| n.map_or_else(|| "-".into(), |n| n.to_string());
    let row = |row: &CostRow| -> Vec<Cell> {
        let key = match (&*row.key, costs.by) {
            ("", By::Model) => "(no model)",
            ("", By::Role) => "(no role)",
            (key, _) => key,
        };
        vec![
            cell(key),
            cell(cost(row)),
            cell(number(row.tokens)),
            cell(format!("{:.1}", row.minutes)),
            cell(number(row.attempts)),
            cell(number(row.accepted)),
            cell(row.wasted_usd.map_or_else(|| "-".into(), usd)),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = costs.rows.iter().map(row).collect();
    if costs.by != By::Day {
        let mut total = row(&costs.total);
        total[0] = styled("total", Style::Strong);
        rows.push(total);
    }
    let what = costs.by.word().to_uppercase();
    let head = [
        &what, "COST", "TOKENS", "MINUTES", "ATTEMPTS", "ACCEPTED", "WASTED",
    ];
    let mut out = table(&head, &rows, look.width, look.color);
    if let Some(percent) = costs.waste_percent {
        let _ = writeln!(
            out,
            "\n{percent:.1} % of the known cost went to attempts that were not accepted"
        );
    }
    if !costs.caps.is_empty() {
        let rows: Vec<Vec<Cell>> = costs.caps.iter().map(|c| cap(c, look)).collect();
        let head = ["CAP", "SPENT", "RESERVED", "OF", "LEVEL", "NEXT WINDOW"];
        let _ = write!(out, "\n{}", table(&head, &rows, look.width, look.color));
    }
    for refused in &costs.refused {
        let line = format!("{} {}\n", refused.task, escape(&refused.reason));
        out.push_str(&term::wrap(&line, look.width, 2));
    }
    out
}

fn cap(cap: &CapDoc, look: Look) -> Vec<Cell> {
    let shown = |amount: f64| match &*cap.measure {
        "usd" => usd(amount),
        "minutes" => format!("{amount:.1} minutes"),
        _ => format!("{amount:.0} tokens"),
    };
    let style = match &*cap.level {
        "fine" => Style::Plain,
        "alert" => Style::Care,
        _ => Style::Bad,
    };
    let next = |until: &Stamp| format!("in {}", super::length(until.0.since(look.now).0));
    vec![
        cell(&cap.scope),
        cell(shown(cap.spent)),
        cell(shown(cap.reserved)),
        cell(shown(cap.cap)),
        styled(&cap.level, style),
        cell(cap.until.as_ref().map_or_else(|| "-".into(), next)),
    ]
}

/// What models cost.
pub(crate) fn prices(prices: &PricesDoc, look: Look) -> String {
    let row = |m: &PriceRow| -> Vec<Cell> {
        let whence = match (&m.alias_of, &m.date) {
            (Some(of), _) => format!("as {of}"),
            (None, Some(date)) => format!("{date}, {}", m.source),
            (None, None) => "the plan".into(),
        };
        vec![
            cell(&m.model),
            cell(&m.provider),
            cell(&m.tier),
            cell(known(m.input)),
            cell(known(m.cache_read)),
            cell(known(m.cache_write)),
            cell(known(m.output)),
            cell(whence),
        ]
    };
    let rows: Vec<Vec<Cell>> = prices.models.iter().map(row).collect();
    let head = [
        "MODEL",
        "PROVIDER",
        "TIER",
        "INPUT",
        "CACHE READ",
        "CACHE WRITE",
        "OUTPUT",
        "KNOWN FROM",
    ];
    let mut out = table(&head, &rows, look.width, look.color);
    out.push_str(
        "\nfor a million tokens; [models.\"NAME\"] in a plan changes one or adds another\n",
    );
    out
}

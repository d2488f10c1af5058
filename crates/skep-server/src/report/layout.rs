//! What a report says, in which order: sections of facts, tables and charts.

mod cells;
mod money;
mod work;

pub(super) use cells::{Cell, Fit, Tone, cell, code, long, number, toned, whole};

use super::{chart, moment, shown};
use crate::api::{Gravity, ReportDoc, ReportKind};

/// A table. Every row has as many cells as the head.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// So many more there are.
    pub(super) more: usize,
}

/// A part of a section.
#[derive(Debug)]
pub(super) enum Block {
    /// A sentence.
    Text(String),
    /// The figures that people look for first: a name and a value each.
    Figures(Vec<(&'static str, Cell)>),
    Table(Table),
    Chart(chart::Chart),
}

/// A heading, and what stands below it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// The report's title.
pub(super) fn title(doc: &ReportDoc) -> String {
    let of = match doc.kind {
        ReportKind::Run => "a run",
        ReportKind::Hourly => "an hour",
        ReportKind::Daily => "a day",
        ReportKind::Weekly => "a week",
        ReportKind::Window => "some time",
    };
    match &doc.swarm {
        Some(swarm) => format!("{swarm}: report of {of}"),
        None => format!("Report of {of}"),
    }
}

/// Of which time it is.
pub(super) fn span(doc: &ReportDoc) -> String {
    let length = doc.to.0.since(doc.from.0).0;
    format!(
        "{} to {} ({}), {}; made at {}",
        moment(doc, doc.from.0),
        moment(doc, doc.to.0),
        doc.zone,
        shown::length(length),
        moment(doc, doc.made.0),
    )
}

/// All of it. A section with nothing to say is left out.
pub(super) fn sections(doc: &ReportDoc) -> Vec<Section> {
    let all = [
        ("At a glance", glance(doc)),
        ("What to look at next", next(doc)),
        ("What was done", work::done(doc)),
        ("What failed, and why", work::trouble(doc)),
        ("Spending", money::spending(doc)),
        ("Targets", money::targets(doc)),
        ("How long it took", money::latency(doc)),
        ("Workers", work::workers(doc)),
        ("Questions", work::asks(doc)),
        ("Alerts", work::alerts(doc)),
        ("Saved work that is not merged", work::salvage(doc)),
    ];
    let empty = |block: &Block| matches!(block, Block::Table(table) if table.rows.is_empty());
    let all = all.into_iter().map(|(title, mut blocks)| {
        blocks.retain(|block| !empty(block));
        Section { title, blocks }
    });
    all.filter(|section| !section.blocks.is_empty()).collect()
}

fn glance(doc: &ReportDoc) -> Vec<Block> {
    let counted = |name: &str| doc.counts.get(name).copied().unwrap_or_default();
    let tasks: usize = doc.tasks.values().sum();
    let merged = doc.tasks.get("merged").copied().unwrap_or_default();
    let person = ["flagged", "dead"].map(|of| doc.tasks.get(of).copied().unwrap_or_default());
    let person: usize = person.iter().sum();
    let failed: u64 = [
        "attempts_failed",
        "attempts_timed_out",
        "attempts_stale",
        "attempts_crashed",
        "attempts_over_budget",
    ]
    .map(counted)
    .iter()
    .sum();
    let waste = doc.spending.waste.percent;
    let waste = waste.map_or_else(|| "unknown".into(), |percent| format!("{percent:.1} %"));
    let bad = |n: u64| if n > 0 { Tone::Care } else { Tone::Plain };
    let mut figures = vec![
        ("Merged in this time", number(doc.done_count)),
        ("Merged of the plan", cell(format!("{merged} of {tasks}"))),
        (
            "Need a person",
            toned(
                person.to_string(),
                if person > 0 { Tone::Bad } else { Tone::Good },
            ),
        ),
        ("Attempts failed", toned(failed.to_string(), bad(failed))),
        ("Spent", cell(shown::cost(&doc.spending.total))),
        ("Spent in vain", cell(waste)),
        ("At once, at most", number(doc.peak)),
    ];
    if let Some(percent) = doc.utilisation_percent {
        figures.push(("Workers' time used", cell(format!("{percent:.0} %"))));
    }
    let mut blocks = vec![Block::Figures(figures)];
    blocks.extend(chart::work(doc).map(Block::Chart));
    blocks.extend(chart::queue(doc).map(Block::Chart));
    blocks
}

fn next(doc: &ReportDoc) -> Vec<Block> {
    if doc.concerns.is_empty() {
        return vec![Block::Text("Nothing needs a person.".into())];
    }
    let row = |concern: &crate::api::ConcernDoc| {
        let tone = match concern.severity {
            Gravity::Critical => Tone::Bad,
            Gravity::Warning => Tone::Care,
            Gravity::Info => Tone::Plain,
        };
        let remedy = concern.remedies.first();
        vec![
            toned(concern.severity.word(), tone),
            cell(&concern.subject),
            long(&concern.sentence),
            remedy.map_or_else(|| cell("wait"), |r| code(&r.shell)),
        ]
    };
    vec![Block::Table(Table {
        head: vec!["How grave", "Which", "What is the matter", "What mends it"],
        rows: doc.concerns.iter().map(row).collect(),
        more: doc.more_concerns,
    })]
}

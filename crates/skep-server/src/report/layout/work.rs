//! What was done, what failed, who did it, and what waits.

use super::{Block, Cell, Table, Tone, cell, code, long, number, toned, whole};
use crate::{
    api::{DoneDoc, LandedDoc, ReportDoc, TroubleDoc},
    report::{chart, moment, shown},
};

/// A commit as people name it.
fn short(commit: &str) -> Cell {
    code(commit.chars().take(10).collect::<String>())
}

pub(super) fn done(doc: &ReportDoc) -> Vec<Block> {
    if doc.done_count == 0 {
        return vec![Block::Text("Nothing was merged in this time.".into())];
    }
    let dash = || cell("-");
    let row = |done: &DoneDoc| {
        vec![
            cell(&done.task),
            long(&done.mission),
            number(done.wave),
            done.commit.as_deref().map_or_else(dash, short),
            done.files.map_or_else(dash, number),
            number(done.attempts),
            number(shown::length(done.took_ms)),
            number(shown::known(done.usd)),
            whole(moment(doc, done.at.0)),
        ]
    };
    let wave = |landed: &LandedDoc| {
        vec![
            number(landed.wave),
            number(landed.tasks),
            short(&landed.tip),
            landed.at.map_or_else(dash, |at| whole(moment(doc, at.0))),
        ]
    };
    let mut blocks = vec![Block::Table(Table {
        head: vec![
            "Task", "Mission", "Wave", "Commit", "Files", "Tries", "Time", "Cost", "Merged",
        ],
        rows: doc.done.iter().map(row).collect(),
        more: doc.done_count - doc.done.len(),
    })];
    if doc.wave_count > 0 {
        blocks.push(Block::Table(Table {
            head: vec!["Wave", "Tasks merged", "Commit", "Landed"],
            rows: doc.waves.iter().map(wave).collect(),
            more: doc.wave_count - doc.waves.len(),
        }));
    }
    blocks
}

pub(super) fn trouble(doc: &ReportDoc) -> Vec<Block> {
    if doc.trouble_count == 0 {
        return vec![Block::Text("Nothing failed in this time.".into())];
    }
    let row = |trouble: &TroubleDoc| {
        let tone = match trouble.state.as_str() {
            "flagged" | "dead" => Tone::Bad,
            "blocked" | "cancelled" => Tone::Care,
            "merged" => Tone::Good,
            _ => Tone::Plain,
        };
        vec![
            cell(&trouble.task),
            toned(&trouble.state, tone),
            number(trouble.failed),
            number(shown::known(trouble.usd)),
            long(&trouble.why),
        ]
    };
    let mut blocks = vec![Block::Table(Table {
        head: vec!["Task", "Now", "Attempts in vain", "Cost of those", "Why"],
        rows: doc.trouble.iter().map(row).collect(),
        more: doc.trouble_count - doc.trouble.len(),
    })];
    blocks.extend(chart::ends(doc).map(Block::Chart));
    blocks
}

/// What was counted of some kinds, if anything was.
fn counted(doc: &ReportDoc, kinds: &[(&'static str, &str)]) -> Option<Block> {
    let rows = kinds.iter().filter_map(|(about, name)| {
        let n = doc.counts.get(*name)?;
        Some(vec![cell(*about), number(n)])
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    (!rows.is_empty()).then(|| {
        Block::Table(Table {
            head: vec!["What", "How often"],
            rows,
            more: 0,
        })
    })
}

pub(super) fn workers(doc: &ReportDoc) -> Vec<Block> {
    let kinds = [
        ("workers joined", "workers_added"),
        ("of these, policy added", "scale_ups"),
        ("workers left", "workers_gone"),
        ("of these, policy let go", "scale_downs"),
        ("workers replaced after crashes", "workers_replaced"),
        ("workers or agents that did not start", "spawn_failures"),
        ("providers left alone", "provider_parks"),
        ("halts of the whole swarm", "halts"),
    ];
    let chart = chart::workers(doc).map(Block::Chart);
    counted(doc, &kinds).into_iter().chain(chart).collect()
}

pub(super) fn asks(doc: &ReportDoc) -> Vec<Block> {
    let kinds = [
        ("questions of agents", "asks"),
        ("answered by a person", "asks_answered_by_person"),
        ("answered by policy", "asks_answered_by_policy"),
    ];
    let mut blocks: Vec<Block> = counted(doc, &kinds).into_iter().collect();
    if !doc.asks.is_empty() {
        let row = |ask: &crate::api::AskDoc| {
            vec![
                cell(&ask.task),
                long(skep_core::alert::line(&ask.text)),
                whole(moment(doc, ask.until.0)),
                code(format!("skep answer {}", ask.id)),
            ]
        };
        blocks.push(Block::Table(Table {
            head: vec!["Task", "Waits for an answer", "Until", "Answer it with"],
            rows: doc.asks.iter().map(row).collect(),
            more: 0,
        }));
    }
    blocks
}

pub(super) fn alerts(doc: &ReportDoc) -> Vec<Block> {
    let kinds = [
        ("signals on which to act now", "signals_critical"),
        ("signals on which to act soon", "signals_warning"),
        (
            "workers, agents or models that began to do badly",
            "slo_breaches",
        ),
        ("times that much of a cap was spent", "budget_levels"),
    ];
    let mut blocks: Vec<Block> = counted(doc, &kinds).into_iter().collect();
    if !doc.alerts.is_empty() {
        let row = |alert: &crate::api::AlertDoc| {
            let tone = match alert.severity.as_str() {
                "critical" => Tone::Bad,
                "warning" => Tone::Care,
                _ => Tone::Plain,
            };
            vec![
                toned(&alert.severity, tone),
                long(&alert.text),
                long(&alert.todo),
                whole(moment(doc, alert.since.0)),
            ]
        };
        blocks.push(Block::Table(Table {
            head: vec!["How grave", "Raised and not over", "What to do", "Since"],
            rows: doc.alerts.iter().map(row).collect(),
            more: 0,
        }));
    }
    blocks
}

pub(super) fn salvage(doc: &ReportDoc) -> Vec<Block> {
    let Some(saved) = doc.salvage.as_ref().filter(|s| s.unmerged > 0) else {
        return Vec::new();
    };
    let row = |saved: &crate::api::SalvageDoc| {
        vec![
            cell(&saved.task),
            number(saved.files),
            whole(moment(doc, saved.saved.0)),
            code(format!(
                "skep salvage show {}/{}",
                saved.task, saved.attempt
            )),
        ]
    };
    vec![Block::Table(Table {
        head: vec!["Task", "Files", "Saved", "Look at it with"],
        rows: saved.newest.iter().map(row).collect(),
        more: saved.unmerged - saved.newest.len(),
    })]
}

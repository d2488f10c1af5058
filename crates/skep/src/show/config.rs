//! `skep config` as text.

use super::{
    status::Look,
    table::{Cell, cell, styled, table},
};
use crate::term::Style;
use serde_json::Value;
use skep_server::{
    api::ConfigDoc,
    config::Setting,
    plan::layers::{LayerFile, Rank, Stated},
};

/// Every number; those that are not at their default stand out.
pub(crate) fn config(config: &ConfigDoc, look: Look) -> String {
    let row = |s: &Setting| -> Vec<Cell> {
        let changed = s.value != s.default;
        let style = if changed { Style::Strong } else { Style::Plain };
        let default = if changed {
            value(&s.default)
        } else {
            String::new()
        };
        let origin = if s.origin == "default" { "" } else { &s.origin };
        let about = s
            .about
            .split_once(". ")
            .map_or(&*s.about, |(first, _)| first);
        vec![
            cell(&s.key),
            styled(value(&s.value), style),
            cell(origin),
            cell(default),
            cell(about.trim_end_matches('.')),
        ]
    };
    let rows: Vec<Vec<Cell>> = config.settings.iter().map(row).collect();
    let head = ["KEY", "VALUE", "FROM", "DEFAULT", "WHAT IT IS"];
    table(&head, &rows, look.width, look.color)
}

/// The files that are layers, the one that goes before the others first.
pub(crate) fn files(files: &[LayerFile], look: Look) -> String {
    let row = |f: &LayerFile| -> Vec<Cell> {
        let standing = match (f.exists, f.trusted) {
            (false, _) => "not there",
            (true, true) => "in use",
            (true, false) => "only numbers and names: `skep trust` lets it do more",
        };
        vec![
            cell(f.rank.word()),
            cell(f.path.display().to_string()),
            cell(standing),
        ]
    };
    let rows: Vec<Vec<Cell>> = files.iter().rev().map(row).collect();
    table(
        &["LAYER", "FILE", "STANDING"],
        &rows,
        look.width,
        look.color,
    )
}

/// One number in a sentence, and then what each layer says of it.
pub(crate) fn explained(setting: &Setting, said: &[Stated]) -> String {
    let whence = match &*setting.origin {
        "default" => "its default".into(),
        "live" => format!(
            "changed live; `skep config reset {}` brings back {}; the default is {}",
            setting.key,
            value(&setting.configured),
            value(&setting.default)
        ),
        place => format!("from {place}; the default is {}", value(&setting.default)),
    };
    let now = value(&setting.value);
    let mut text = format!("{} is {now} ({whence}). {}\n", setting.key, setting.about);
    for stated in said.iter().rev() {
        let wins = if setting.origin == stated.place && stated.value == now {
            "; this is in force"
        } else {
            ""
        };
        text.push_str(&layer(stated, wins));
    }
    let newer = said.last().filter(|top| {
        let in_force = setting.origin == top.place && value(&setting.configured) == top.value;
        !in_force && top.rank > Rank::Plan && value(&setting.configured) != top.value
    });
    if let Some(top) = newer {
        text.push_str(&format!(
            "{} holds for plans that begin from now on.\n",
            top.place
        ));
    }
    text.push_str(&format!(
        "It can be changed while the swarm runs: `skep config set {} VALUE`.\n",
        setting.key
    ));
    text
}

/// A key that is taken as a plan begins.
pub(crate) fn fixed(key: &str, about: &str, said: &[Stated]) -> String {
    let value = said.last().map_or("not set by any layer", |top| &top.value);
    let mut text = format!("{key}: {value}. {about}\n");
    for (n, stated) in said.iter().rev().enumerate() {
        let wins = if n == 0 {
            "; this goes before the others"
        } else {
            ""
        };
        text.push_str(&layer(stated, wins));
    }
    text.push_str("It is read as a plan begins, and cannot be changed while that runs.\n");
    text
}

fn layer(stated: &Stated, wins: &str) -> String {
    let (rank, place) = (stated.rank.word(), &stated.place);
    format!("- {rank} ({place}): {}{wins}\n", stated.value)
}

/// A value as it would be typed.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

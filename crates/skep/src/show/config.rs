//! `skep config` as text.

use super::{
    status::Look,
    table::{Cell, cell, styled, table},
};
use crate::term::Style;
use serde_json::Value;
use skep_server::{api::ConfigDoc, config::Setting};

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
        let about = s
            .about
            .split_once(". ")
            .map_or(&*s.about, |(first, _)| first);
        vec![
            cell(&s.key),
            styled(value(&s.value), style),
            cell(default),
            cell(about.trim_end_matches('.')),
        ]
    };
    let rows: Vec<Vec<Cell>> = config.settings.iter().map(row).collect();
    let head = ["KEY", "VALUE", "DEFAULT", "WHAT IT IS"];
    table(&head, &rows, look.width, look.color)
}

/// One number in a sentence.
pub(crate) fn explained(setting: &Setting) -> String {
    let whence = if setting.value == setting.default {
        "its default".into()
    } else {
        format!("changed; the default is {}", value(&setting.default))
    };
    format!(
        "{} is {} ({whence}). {}\n",
        setting.key,
        value(&setting.value),
        setting.about
    )
}

/// A value as it would be typed.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

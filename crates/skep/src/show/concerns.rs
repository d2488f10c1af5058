//! What needs a person, as text: each with the command that mends it.

use super::status::Look;
use crate::term::{self, Style, escape, paint};
use skep_server::api::{ConcernDoc, ConcernList, Gravity};
use std::fmt::Write as _;

/// So many are shown under a status.
const BRIEF: usize = 8;

/// How a gravity is painted.
pub(crate) fn tone(severity: Gravity) -> Style {
    match severity {
        Gravity::Critical => Style::Bad,
        Gravity::Warning => Style::Care,
        Gravity::Info => Style::Dim,
    }
}

/// The gravest, each with what most likely mends it; nothing where all is well.
pub(crate) fn brief(list: &ConcernList, look: Look) -> String {
    let mut out = String::new();
    for concern in list.concerns.iter().take(BRIEF) {
        out.push_str(&head(concern, look));
        if let Some(remedy) = concern.remedies.first() {
            let line = format!("            {}\n", escape(&remedy.shell));
            out.push_str(&term::wrap(&line, look.width, 14));
        }
    }
    let more = list.concerns.len().saturating_sub(BRIEF) + list.more;
    if more > 0 {
        let _ = writeln!(out, "and {more} more: `skep concerns`");
    }
    out
}

/// All of them, with everything that mends them.
pub(crate) fn all(list: &ConcernList, look: Look) -> String {
    if list.concerns.is_empty() {
        return "nothing needs you\n".into();
    }
    let mut out = String::new();
    for concern in &list.concerns {
        out.push_str(&head(concern, look));
        for remedy in &concern.remedies {
            let (shell, label) = (escape(&remedy.shell), escape(&remedy.label));
            let label = paint(look.color, Style::Dim, &format!("  # {label}"));
            let line = format!("            {shell}{label}\n");
            out.push_str(&term::wrap(&line, look.width, 14));
        }
    }
    if list.more > 0 {
        let _ = writeln!(out, "and {} more", list.more);
    }
    out
}

fn head(concern: &ConcernDoc, look: Look) -> String {
    let word = format!("{:<10}", concern.severity.word());
    let word = paint(look.color, tone(concern.severity), &word);
    let line = format!("{word}{}\n", escape(&concern.sentence));
    term::wrap(&line, look.width, 10)
}

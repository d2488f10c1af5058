//! Long texts: what the keys do, everything known of something, what mends a concern, an answer, a log.

use super::{Page, row};
use crate::{
    show::{self, count, length},
    term::{self, Style, escape, escape_lines},
    top::{keys::HELP, view::View},
};
use ratatui::layout::Rect;
use skep_server::api::{AskDoc, ConcernDoc, TaskDetail, WorkerDoc};

/// A line with its style.
type Line = (String, Style);

/// The lines from one on.
pub(super) fn show(lines: &[Line], from: usize, area: Rect, page: &mut Page<'_>) {
    let height = usize::from(area.height);
    let from = from.min(lines.len().saturating_sub(height));
    for (n, (text, style)) in (0..area.height).zip(&lines[from..]) {
        let place = row(area, n);
        page.put(place.x, place.y, place.width, text, *style);
    }
}

/// Text that is not ours, wrapped to the screen.
fn wrapped(text: &str, hang: usize, style: Style, area: Rect) -> Vec<Line> {
    let text = escape_lines(text);
    let text = term::wrap(&text, Some(usize::from(area.width)), hang);
    text.lines().map(|line| (line.to_string(), style)).collect()
}

/// A question over the last lines of the screen.
pub(super) fn confirm(question: &str, area: Rect, page: &mut Page<'_>) {
    let mut lines = wrapped(&format!("{question} y/n"), 0, Style::Care, area);
    let most = usize::from(area.height);
    // Its end says which keys answer it.
    let over = lines.len().saturating_sub(most);
    lines.drain(..over);
    let taken = u16::try_from(lines.len()).unwrap_or(area.height);
    let place = Rect {
        y: area.bottom() - taken,
        height: taken,
        ..area
    };
    page.clear(place);
    show(&lines, 0, place, page);
}

pub(super) fn help(area: Rect) -> Vec<Line> {
    let keys = HELP.iter().flat_map(|(keys, does)| {
        let line = format!("{keys:<12} {does}");
        wrapped(&line, 13, Style::Plain, area)
    });
    keys.collect()
}

/// A fact with its name.
fn fact(name: &str, text: &str, area: Rect) -> Vec<Line> {
    if text.is_empty() {
        return Vec::new();
    }
    // Of several lines, those after the first stand under it.
    let text = text.trim_end().replace('\n', &format!("\n{:11}", ""));
    wrapped(&format!("{name:<10} {text}"), 11, Style::Plain, area)
}

pub(super) fn detail(view: &View, name: &str, area: Rect) -> Vec<Line> {
    let mut lines = Vec::new();
    let detail = view.data.detail.as_ref().filter(|d| d.name == name);
    let Some(detail) = detail else {
        return vec![(format!("{}: reading…", escape(name)), Style::Dim)];
    };
    let Some(why) = &detail.why else {
        return vec![(
            format!("nothing is called {} any more", escape(name)),
            Style::Care,
        )];
    };
    let for_so_long = length(view.now.since(why.since.0).0);
    let head = format!("{}  {}, for {for_so_long}", escape(name), why.state);
    lines.push((head, show::tone(&why.state)));
    let reason = why.reason.replace('\n', " ");
    lines.extend(wrapped(&reason, 2, Style::Strong, area));
    lines.push((String::new(), Style::Plain));
    let mut workers = view.data.status.iter().flat_map(|s| &s.workers);
    if let Some(found) = workers.find(|w| w.id == name) {
        lines.extend(worker(found, area));
    }
    if let Some(found) = &detail.task {
        lines.extend(task(found, area));
    }
    lines
}

fn worker(w: &WorkerDoc, area: Rect) -> Vec<Line> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<f64>, unit: &str| {
        value.map_or_else(String::new, |v| format!("{v:.0} {unit}"))
    };
    let facts = [
        ("task", text(&w.current_task)),
        (
            "attempt",
            w.attempt.map_or_else(String::new, |a| a.to_string()),
        ),
        ("role", text(&w.role)),
        ("agent", text(&w.agent)),
        ("model", text(&w.model)),
        (
            "health",
            w.health.map_or_else(String::new, |h| h.to_string()),
        ),
        ("CPU", number(w.cpu_percent, "%")),
        (
            "memory",
            number(w.memory_bytes.map(|b| b as f64 / 1e6), "MB"),
        ),
        ("context", number(w.context_percent, "%")),
        (
            "cost",
            w.cost_usd.map_or_else(String::new, show::costs::usd),
        ),
        ("host", w.host.clone()),
        ("pane", text(&w.pane)),
        ("worktree", text(&w.worktree)),
        ("branch", text(&w.branch)),
    ];
    let facts = facts.iter().flat_map(|(name, text)| fact(name, text, area));
    facts.collect()
}

fn task(detail: &TaskDetail, area: Rect) -> Vec<Line> {
    let task = &detail.task;
    let mut lines = fact("mission", &task.mission, area);
    let more = [
        ("brief", detail.brief.clone()),
        ("depends on", task.depends_on.join(", ")),
        ("wave", format!("{}, priority {}", task.wave, task.priority)),
        ("role", task.role.clone().unwrap_or_default()),
        ("agent", task.agent.clone().unwrap_or_default()),
        ("model", detail.model.clone().unwrap_or_default()),
        ("files", detail.files.join(", ")),
        ("success", detail.success.join("; ")),
        ("note", task.note.clone().unwrap_or_default()),
        ("commit", task.commit.clone().unwrap_or_default()),
    ];
    lines.extend(more.iter().flat_map(|(name, text)| fact(name, text, area)));
    for past in &detail.history {
        let text = format!(
            "{} by {}, {}: {}",
            past.attempt, past.worker, past.outcome, past.reason
        );
        lines.extend(fact("attempt", &text, area));
    }
    if let Some(receipt) = &detail.receipt {
        let text = format!(
            "{} changed, in {}",
            count(receipt.file_count, "file"),
            length(receipt.took_ms)
        );
        lines.extend(fact("receipt", &text, area));
        for check in &receipt.checks {
            lines.extend(fact(
                "check",
                &format!("{} {}", check.name, check.end),
                area,
            ));
        }
    }
    if let Some(failure) = &detail.last_failure {
        lines.extend(fact("output", &failure.output, area));
    }
    lines
}

pub(super) fn mend(concern: &ConcernDoc, area: Rect) -> Vec<Line> {
    let tone = show::concerns::tone(concern.severity);
    let mut lines = wrapped(&concern.sentence, 2, tone, area);
    lines.push((String::new(), Style::Plain));
    for (n, remedy) in (1..).zip(&concern.remedies) {
        let line = format!("{n}  {}: {}", remedy.label, remedy.shell);
        lines.extend(wrapped(&line, 3, Style::Plain, area));
    }
    if concern.remedies.is_empty() {
        lines.push(("it goes on by itself".into(), Style::Dim));
    }
    lines
}

pub(super) fn answer(ask: &AskDoc, typed: &str, area: Rect) -> Vec<Line> {
    let who = format!("{} ({}) asks:", escape(&ask.worker), escape(&ask.task));
    let text = match &ask.tool {
        Some(tool) => format!("may it use {tool}? {}", ask.text),
        None => ask.text.clone(),
    };
    let mut lines = vec![(who, Style::Dim)];
    lines.extend(wrapped(&text, 2, Style::Strong, area));
    for (n, option) in (1..).zip(&ask.options) {
        lines.extend(wrapped(&format!("{n}  {option}"), 3, Style::Plain, area));
    }
    let hint = match (&ask.tool, ask.options.is_empty()) {
        (Some(_), _) => "y allows it, n or a reason denies it",
        (None, true) => "type the answer",
        (None, false) => "type a number, or another answer",
    };
    lines.push((hint.into(), Style::Dim));
    let line = wrapped(&format!("> {typed}_"), 2, Style::Plain, area);
    // What is typed is seen, however long the question is.
    let room = usize::from(area.height).saturating_sub(line.len().min(3));
    lines.truncate(room);
    lines.extend(line);
    lines
}

/// The log from its end, or from so far above it.
pub(super) fn log(view: &View, area: Rect, page: &mut Page<'_>) {
    let Some(name) = &view.log else {
        page.put(area.x, area.y, area.width, "nothing runs", Style::Dim);
        return;
    };
    let log = &view.data.log;
    let attempt = view.data.attempt_of(name).filter(|a| *a == log.attempt);
    let ended = if log.ended { ", ended" } else { "" };
    let above = match view.scroll {
        0 => String::new(),
        n => format!(", {n} lines above its end"),
    };
    let head = match attempt {
        Some(attempt) => format!("{}, attempt {attempt}{ended}{above}", escape(name)),
        None => format!("{}: no output yet", escape(name)),
    };
    page.put(area.x, area.y, area.width, &head, Style::Dim);
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    if attempt.is_none() || body.height == 0 {
        return;
    }
    let wide = usize::from(area.width).max(1);
    let height = usize::from(body.height);
    let end = log
        .lines
        .len()
        .saturating_sub(view.scroll)
        .max(height.min(log.lines.len()));
    // No more lines than fit, each of which takes at least one; those wider than the screen are broken.
    let taken = log.lines[..end].iter().rev().take(height);
    let mut shown: Vec<Line> = Vec::new();
    for line in taken {
        let mut pieces = broken(line, wide);
        pieces.reverse();
        shown.extend(pieces.into_iter().map(|piece| (piece, Style::Plain)));
    }
    shown.truncate(height);
    shown.reverse();
    show(&shown, 0, body, page);
}

/// A line in pieces of at most so many cells.
fn broken(line: &str, wide: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let cell = term::width(c.encode_utf8(&mut [0; 4]));
        if used + cell > wide {
            pieces.push(String::new());
            used = 0;
        }
        used += cell;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

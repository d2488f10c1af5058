//! The panes and what each lists: pure functions from what is known to rows of cells.

use super::data::Data;
use crate::{
    show::{self, costs::usd, length},
    term::{Style, escape},
};
use skep_core::time::Time;
use skep_server::api::{AskDoc, ConcernDoc, CostRow, TaskDoc, WaveDoc, WorkerDoc};

/// One list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Workers,
    Queue,
    Asks,
    Problems,
    Cost,
    Logs,
    Waves,
}

impl Pane {
    /// In the order of their numbers.
    pub(super) const ALL: [Pane; 7] = [
        Pane::Workers,
        Pane::Queue,
        Pane::Asks,
        Pane::Problems,
        Pane::Cost,
        Pane::Logs,
        Pane::Waves,
    ];

    pub(super) fn number(self) -> usize {
        Pane::ALL.iter().position(|p| *p == self).unwrap_or(0)
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Pane::Workers => "Workers",
            Pane::Queue => "Queue",
            Pane::Asks => "Asks",
            Pane::Problems => "Problems",
            Pane::Cost => "Cost",
            Pane::Logs => "Logs",
            Pane::Waves => "Waves",
        }
    }

    /// What is shown where the list is empty.
    pub(super) fn nothing(self) -> &'static str {
        match self {
            Pane::Workers => "no workers",
            Pane::Queue => "no tasks",
            Pane::Asks => "nobody asks anything",
            Pane::Problems => "nothing needs you",
            Pane::Cost => "nothing was spent",
            Pane::Logs => "no output yet",
            Pane::Waves => "no waves",
        }
    }

    /// The columns: each with its name, and whether a narrow screen goes without it. The last takes what room is left.
    pub(super) fn columns(self) -> &'static [(&'static str, bool)] {
        match self {
            Pane::Workers => &[
                ("WORKER", false),
                ("STATE", false),
                ("TASK", false),
                ("HEALTH", true),
                ("CPU", true),
                ("MEMORY", true),
                ("CONTEXT", true),
                ("COST", true),
                ("MODEL", true),
                ("WHY", false),
            ],
            Pane::Queue => &[
                ("TASK", false),
                ("STATE", false),
                ("PRIO", true),
                ("WAVE", true),
                ("FOR", false),
                ("TRIES", true),
                ("WORKER", true),
                ("WHY", false),
            ],
            Pane::Asks => &[
                ("ASK", false),
                ("TASK", true),
                ("WORKER", false),
                ("FOR", true),
                ("LEFT", true),
                ("WHAT", false),
            ],
            Pane::Problems => &[("GRAVITY", false), ("MEND", true), ("WHAT", false)],
            Pane::Cost => &[
                ("OF", false),
                ("COST", false),
                ("WASTED", true),
                ("TOKENS", true),
                ("MINUTES", true),
                ("ATTEMPTS", false),
            ],
            Pane::Logs => &[],
            Pane::Waves => &[("WAVE", false), ("STATE", false), ("TASKS", false)],
        }
    }
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The name of what it is of.
    pub(super) id: String,
    pub(super) cells: Vec<(String, Style)>,
}

impl Row {
    fn new(id: &str, cells: impl IntoIterator<Item = (String, Style)>) -> Row {
        let safe = |(text, style): (String, Style)| (escape(&text).into_owned(), style);
        Row {
            id: id.into(),
            cells: cells.into_iter().map(safe).collect(),
        }
    }

    /// Whether a filter lets it through.
    fn has(&self, filter: &str) -> bool {
        let has = |(text, _): &(String, Style)| text.to_lowercase().contains(filter);
        filter.is_empty() || self.cells.iter().any(has)
    }
}

/// The rows of a pane that a filter lets through.
pub(super) fn rows(pane: Pane, data: &Data, filter: &str, now: Time) -> Vec<Row> {
    let status = data.status.as_ref();
    let mut rows: Vec<Row> = match pane {
        Pane::Workers => status
            .into_iter()
            .flat_map(|s| &s.workers)
            .map(worker)
            .collect(),
        Pane::Queue => data.tasks.iter().map(|t| task(t, now)).collect(),
        Pane::Asks => {
            let asks = data.asks.iter().flat_map(|list| &list.asks);
            asks.map(|a| ask(a, now)).collect()
        }
        Pane::Problems => {
            let concerns = data.concerns.iter().flat_map(|list| &list.concerns);
            concerns.map(concern).collect()
        }
        Pane::Cost => data.costs.iter().flat_map(|c| &c.rows).map(cost).collect(),
        Pane::Waves => status
            .into_iter()
            .flat_map(|s| &s.waves)
            .map(wave)
            .collect(),
        Pane::Logs => Vec::new(),
    };
    let filter = filter.to_lowercase();
    rows.retain(|row| row.has(&filter));
    rows
}

fn plain(text: impl Into<String>) -> (String, Style) {
    (text.into(), Style::Plain)
}

fn known(text: Option<String>) -> (String, Style) {
    plain(text.unwrap_or_else(|| "-".into()))
}

fn state(word: &str) -> (String, Style) {
    (word.into(), show::tone(word))
}

fn worker(w: &WorkerDoc) -> Row {
    let health = w.health.map(|score| {
        let style = match score {
            0..50 => Style::Bad,
            50..80 => Style::Care,
            _ => Style::Plain,
        };
        (score.to_string(), style)
    });
    let cells = [
        plain(&w.id),
        state(&w.status),
        known(w.current_task.clone()),
        health.unwrap_or_else(|| plain("-")),
        known(w.cpu_percent.map(|p| format!("{p:.0} %"))),
        known(w.memory_bytes.map(|b| format!("{} MB", b / 1_000_000))),
        known(w.context_percent.map(|p| format!("{p:.0} %"))),
        known(w.cost_usd.map(usd)),
        known(w.model.clone()),
        plain(w.reason.as_deref().unwrap_or_default()),
    ];
    Row::new(&w.id, cells)
}

fn task(t: &TaskDoc, now: Time) -> Row {
    let cells = [
        plain(&t.id),
        state(&t.state),
        plain(&t.priority),
        plain(t.wave.to_string()),
        plain(length(now.since(t.since.0).0)),
        plain(t.attempts.to_string()),
        known(t.worker.clone()),
        plain(&t.reason),
    ];
    Row::new(&t.id, cells)
}

fn ask(a: &AskDoc, now: Time) -> Row {
    let what = match (&a.answer, &a.tool) {
        (Some(answer), _) => format!("answered: {answer}"),
        (None, Some(tool)) => format!("may it use {tool}? {}", a.text),
        (None, None) => a.text.clone(),
    };
    let style = match a.answer {
        Some(_) => Style::Dim,
        None => Style::Care,
    };
    let cells = [
        plain(&a.id),
        plain(&a.task),
        plain(&a.worker),
        plain(length(now.since(a.since.0).0)),
        plain(length(a.until.0.since(now).0)),
        (what, style),
    ];
    Row::new(&a.id, cells)
}

fn concern(c: &ConcernDoc) -> Row {
    let mends = c.remedies.first();
    let cells = [
        (c.severity.word().into(), show::concerns::tone(c.severity)),
        plain(mends.map_or("", |r| r.shell.as_str())),
        plain(&c.sentence),
    ];
    Row::new(&concern_id(c), cells)
}

/// What a concern is known by from one reading to the next.
pub(super) fn concern_id(c: &ConcernDoc) -> String {
    // All collisions are of the swarm.
    let of = match c.kind.as_str() {
        "collision" => &c.sentence,
        _ => &c.subject,
    };
    format!("{} {of}", c.kind)
}

fn cost(row: &CostRow) -> Row {
    let name = match row.key.as_str() {
        "" => "(none)",
        name => name,
    };
    let unknown = row.unknown.filter(|n| *n > 0);
    let unknown = unknown.map_or(String::new(), |n| format!(", {n} of unknown cost"));
    let attempts = row.attempts.map(|n| {
        let accepted = row.accepted.unwrap_or_default();
        format!("{n}, {accepted} accepted{unknown}")
    });
    let cells = [
        plain(name),
        known(row.usd.map(usd)),
        known(row.wasted_usd.map(usd)),
        known(row.tokens.map(|n| n.to_string())),
        plain(format!("{:.1}", row.minutes)),
        known(attempts),
    ];
    Row::new(&row.key, cells)
}

fn wave(w: &WaveDoc) -> Row {
    let tasks = format!("{}: {}", w.tasks.len(), w.tasks.join(", "));
    let cells = [plain(w.id.to_string()), state(&w.state), plain(tasks)];
    Row::new(&w.id.to_string(), cells)
}

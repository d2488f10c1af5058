//! `skep status`, `skep tasks` and `skep workers` as text.

use super::{
    costs, count, length,
    table::{Cell, cell, styled, table},
    tone,
};
use crate::term::{self, Style, escape, paint};
use skep_core::time::Time;
use skep_server::api::{
    AskDoc, AskList, ConcernList, ConflictDoc, ConflictList, Status, TaskDetail, TaskDoc, TaskList,
    WhyDoc, WorkerDoc, WorkerList,
};
use std::fmt::Write as _;

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) color: bool,
    pub(crate) width: Option<usize>,
    pub(crate) now: Time,
}

/// The swarm at a glance.
pub(crate) fn status(status: &Status, concerns: &ConcernList, look: Look) -> String {
    let Some(swarm) = &status.swarm else {
        return "no plan has been loaded; `skep run PLAN` loads one\n".into();
    };
    let mut out = String::new();
    let word = paint(look.color, tone(&status.status), &status.status);
    let last = status
        .waves
        .iter()
        .map(|w| w.id)
        .max()
        .unwrap_or(status.wave);
    let _ = writeln!(
        out,
        "{}  {word}  wave {} of {last}",
        escape(swarm),
        status.wave
    );
    let some = status.tasks.words().into_iter().filter(|(_, n)| *n > 0);
    let tasks: Vec<String> = some
        .map(|(word, n)| paint(look.color, tone(word), &format!("{n} {word}")))
        .collect();
    let _ = writeln!(
        out,
        "{}: {}",
        count(status.tasks.total(), "task"),
        tasks.join(", ")
    );
    if let Some(cap) = status.budget.cap_usd {
        let spent = status.budget.spent_usd;
        let spent = spent.map_or_else(|| "an unknown part".into(), costs::usd);
        let window = match status.budget.window.as_deref() {
            None | Some("swarm") => String::new(),
            Some(window) => format!(" for the {window}"),
        };
        let _ = write!(out, "budget: {spent} of {}{window} spent", costs::usd(cap));
        if let Some(reserved) = status.budget.reserved_usd.filter(|usd| *usd > 0.0) {
            let _ = write!(out, ", {} reserved", costs::usd(reserved));
        }
        out.push('\n');
    }
    out.push_str(&super::concerns::brief(concerns, look));
    if status.alerts > 0 {
        let _ = writeln!(
            out,
            "{} raised: `skep alerts`",
            count(status.alerts as usize, "alert")
        );
    }
    if !status.workers.is_empty() {
        out.push('\n');
        out.push_str(&worker_table(&status.workers, look));
    }
    out
}

/// Why there are as many workers as there are, and how near the cap the swarm is.
pub(crate) fn size(why: &WhyDoc, look: Look) -> String {
    let line = format!("\nsize: {}\n", escape(&why.reason));
    term::wrap(&line, look.width, 2)
}

/// What agents ask, each with the command that answers it.
pub(crate) fn asks(list: &AskList, look: Look) -> String {
    if list.asks.is_empty() {
        return "nobody asks anything\n".into();
    }
    let one = |ask: &AskDoc| {
        let age = length(look.now.since(ask.since.0).0);
        let left = length(ask.until.0.since(look.now).0);
        let (id, task, worker) = (&ask.id, escape(&ask.task), escape(&ask.worker));
        let head = format!("{id}  {task} on {worker}, since {age}");
        let mut out = paint(look.color, Style::Strong, &head);
        out.push('\n');
        let text = match &ask.tool {
            Some(tool) => format!("may it use {tool}? {}", ask.text),
            None => ask.text.clone(),
        };
        out.push_str(&term::wrap(
            &format!("    {}\n", escape(&text)),
            look.width,
            4,
        ));
        for (n, option) in ask.options.iter().enumerate() {
            let _ = writeln!(out, "      {}  {}", n + 1, escape(option));
        }
        let _ = match (&ask.answer, &ask.tool) {
            (Some(answer), _) => writeln!(out, "    answered: {}", escape(answer)),
            (None, Some(_)) => writeln!(
                out,
                "    skep answer {id} --allow, or --deny; denied by itself in {left}"
            ),
            (None, None) if ask.options.is_empty() => writeln!(
                out,
                "    skep answer {id} TEXT; it decides by itself in {left}"
            ),
            (None, None) => writeln!(
                out,
                "    skep answer {id} --option N, or TEXT; it decides by itself in {left}"
            ),
        };
        out
    };
    list.asks.iter().map(one).collect()
}

/// Conflicts met so far; nothing without any.
pub(crate) fn conflicts(list: &ConflictList, look: Look) -> String {
    let one = |c: &ConflictDoc| {
        let tasks = c.tasks.join(", ");
        let line = format!(
            "conflict in {}: {} ({tasks})\n",
            escape(&c.file),
            escape(&c.description)
        );
        term::wrap(&line, look.width, 2)
    };
    let lines: String = list.conflicts.iter().map(one).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{lines}")
    }
}

/// All workers.
pub(crate) fn workers(list: &WorkerList, look: Look) -> String {
    if list.workers.is_empty() {
        return "no workers\n".into();
    }
    worker_table(&list.workers, look)
}

/// From this width on there is room for how workers did so far.
const WIDE: usize = 120;

fn worker_table(workers: &[WorkerDoc], look: Look) -> String {
    let mut head = vec!["WORKER", "ROLE", "STATE", "TASK", "WHY"];
    // Only where there are any.
    let panes = workers.iter().any(|w| w.pane.is_some());
    if panes {
        head.insert(1, "PANE");
    }
    let told = workers
        .iter()
        .any(|w| w.context_percent.is_some() || w.cost_usd.is_some());
    if told {
        let at = head.len() - 1;
        head.splice(at..at, ["CONTEXT", "COST"]);
    }
    // What of a narrow terminal's line is left belongs to the reason.
    let wide = look.width.is_some_and(|width| width >= WIDE);
    let records = wide && workers.iter().any(|w| w.record.is_some());
    if records {
        let at = head.len() - 1;
        head.splice(at..at, ["ATTEMPTS", "SUCCESS", "PER SUCCESS"]);
    }
    let row = |w: &WorkerDoc| -> Vec<Cell> {
        let mut row = vec![
            cell(&w.id),
            cell(w.role.as_deref().unwrap_or("any")),
            styled(&w.status, tone(&w.status)),
            cell(w.current_task.as_deref().unwrap_or("-")),
            cell(w.reason.as_deref().unwrap_or("")),
        ];
        if told {
            let known = |value: Option<String>| cell(value.unwrap_or_else(|| "-".into()));
            let context = known(w.context_percent.map(|percent| format!("{percent:.0} %")));
            let cost = known(w.cost_usd.map(|usd| format!("${usd:.2}")));
            let at = row.len() - 1;
            row.splice(at..at, [context, cost]);
        }
        if records {
            let record = w.record.as_ref();
            let ended = record.map_or(0, |r| r.succeeded + r.failed);
            let known = |value: Option<String>| cell(value.unwrap_or_else(|| "-".into()));
            let percent = record.and_then(|r| r.success_percent);
            let usd = known(record.and_then(|r| r.usd_per_accepted).map(costs::usd));
            let badly = record.is_some_and(|r| r.breach.is_some());
            let style = if badly { Style::Bad } else { Style::Plain };
            let percent = percent.map_or_else(|| "-".into(), |percent| format!("{percent} %"));
            let success = styled(percent, style);
            let at = row.len() - 1;
            row.splice(at..at, [cell(ended.to_string()), success, usd]);
        }
        if panes {
            row.insert(1, cell(w.pane.as_deref().unwrap_or("-")));
        }
        row
    };
    let rows: Vec<Vec<Cell>> = workers.iter().map(row).collect();
    table(&head, &rows, look.width, look.color)
}

/// Tasks in a list.
pub(crate) fn tasks(list: &TaskList, look: Look) -> String {
    if list.tasks.is_empty() {
        return "no tasks\n".into();
    }
    let row = |t: &TaskDoc| -> Vec<Cell> {
        vec![
            cell(&t.id),
            styled(&t.state, tone(&t.state)),
            cell(&t.priority),
            cell(t.wave.to_string()),
            cell(length(look.now.since(t.since.0).0)),
            cell(&t.reason),
        ]
    };
    let rows: Vec<Vec<Cell>> = list.tasks.iter().map(row).collect();
    table(
        &["TASK", "STATE", "PRIO", "WAVE", "FOR", "WHY"],
        &rows,
        look.width,
        look.color,
    )
}

/// Everything known of a task.
pub(crate) fn task(detail: &TaskDetail, look: Look) -> String {
    let task = &detail.task;
    let mut out = String::new();
    let state = paint(look.color, tone(&task.state), &task.state);
    let head = format!("{}  {state}  {}", task.id, escape(&task.reason));
    let _ = writeln!(out, "{}", term::wrap(&head, look.width, 2));
    let mut fact = |name: &str, text: String| {
        if !text.is_empty() {
            let name = paint(look.color, Style::Dim, &format!("{name:>12}"));
            let line = format!("{name}  {}", escape(&text));
            let _ = writeln!(out, "{}", term::wrap(&line, look.width, 14));
        }
    };
    fact("mission", task.mission.clone());
    fact("brief", detail.brief.clone());
    fact("depends on", task.depends_on.join(", "));
    fact("wave", format!("{}, priority {}", task.wave, task.priority));
    fact("role", task.role.clone().unwrap_or_default());
    fact("agent", task.agent.clone().unwrap_or_default());
    fact("files", detail.files.join(", "));
    for criterion in &detail.success {
        fact("success", criterion.clone());
    }
    fact("note", task.note.clone().unwrap_or_default());
    fact("commit", task.commit.clone().unwrap_or_default());
    for past in &detail.history {
        let text = format!(
            "{} by {}, {}: {}",
            past.attempt, past.worker, past.outcome, past.reason
        );
        fact("attempt", text);
    }
    if let Some(receipt) = &detail.receipt {
        let files = count(receipt.file_count, "file");
        fact(
            "receipt",
            format!("{files} changed, in {}", length(receipt.took_ms)),
        );
        fact("no-op", receipt.no_op.clone().unwrap_or_default());
        for check in &receipt.checks {
            fact("check", format!("{} {}", check.name, check.end));
        }
        fact("outside", receipt.outside_files.join(", "));
        fact("not checked", receipt.not_checked.join("; "));
    }
    out
}

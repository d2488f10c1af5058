//! The end of a run: what became of each task, what needs a person, and where the result is.

use super::{
    costs, count, length,
    status::Look,
    table::{Cell, cell, styled, table},
    tone,
};
use crate::{
    failure::Exit,
    term::{self, Style, escape, paint},
};
use serde::Serialize;
use skep_core::{spec::Landing, state::State, task::TaskState, time::Time, waiting};
use skep_host::git::names;
use skep_server::api::{By, ConflictDoc, ConflictList, CostRow, CostsDoc, TaskDoc, TaskList};
use std::fmt::Write as _;

/// A run's result, as `skep run --json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    schema: u32,
    swarm: String,
    /// The exit code that goes with it.
    exit: u8,
    /// Every task is merged.
    complete: bool,
    /// The branch that the plan builds on.
    target: String,
    /// The branch that holds the result.
    branch: String,
    tip: String,
    /// Whether the target was moved to it.
    landed: bool,
    /// Why the target was not moved, if it should have been.
    landing_note: Option<String>,
    took_ms: u64,
    /// What it cost, as far as is known.
    cost: CostRow,
    tasks: Vec<TaskDoc>,
    conflicts: Vec<ConflictDoc>,
    /// Its report, below the repository's main worktree, once that is written.
    report: Option<String>,
}

impl Summary {
    /// The view of a run that ended; `None` before the first plan.
    pub(crate) fn of(
        state: &State,
        exit: Exit,
        report: Option<String>,
        now: Time,
    ) -> Option<Summary> {
        let swarm = state.swarm()?;
        let landed = swarm.landed.as_ref() == Some(&swarm.tip);
        let end = state.finished().unwrap_or(now);
        Some(Summary {
            schema: skep_server::api::SCHEMA,
            swarm: swarm.spec.name.to_string(),
            exit: exit as u8,
            complete: complete(state),
            target: swarm.target.clone(),
            branch: names::integration(&swarm.spec.name),
            tip: swarm.tip.to_string(),
            landed: landed && swarm.spec.landing == Landing::Main,
            landing_note: waiting::landing(state),
            took_ms: end.since(swarm.since).0,
            cost: CostsDoc::of(state, now, By::Task).total,
            tasks: TaskList::of(state, now).tasks,
            conflicts: ConflictList::of(state).conflicts,
            report,
        })
    }

    /// As text.
    pub(crate) fn render(&self, look: Look) -> String {
        let mut out = self.table(look);
        let merged = self.tasks.iter().filter(|t| t.state == "merged").count();
        let _ = writeln!(
            out,
            "\n{merged} of {} merged in {}",
            count(self.tasks.len(), "task"),
            length(self.took_ms)
        );
        if let Some(spent) = costs::spent(&self.cost) {
            let _ = writeln!(out, "it cost {spent}");
        }
        for conflict in &self.conflicts {
            let line = format!(
                "conflict in {}: {} ({})\n",
                escape(&conflict.file),
                escape(&conflict.description),
                conflict.tasks.join(", ")
            );
            out.push_str(&term::wrap(&line, look.width, 2));
        }
        for task in &self.tasks {
            out.push_str(&attention(task, look));
        }
        out.push_str(&self.result(merged, look));
        if let Some(report) = &self.report {
            let _ = writeln!(out, "the report is\n  {report}");
        }
        out
    }

    fn table(&self, look: Look) -> String {
        let dash = || "-".to_string();
        let row = |t: &TaskDoc| -> Vec<Cell> {
            vec![
                cell(&t.id),
                styled(&t.state, tone(&t.state)),
                cell(t.attempts.to_string()),
                cell(t.took_ms.map_or_else(dash, length)),
                cell(t.files_changed.map_or_else(dash, |n| n.to_string())),
                cell(
                    t.commit
                        .as_deref()
                        .map_or_else(dash, |c| c.chars().take(10).collect()),
                ),
            ]
        };
        let mut rows: Vec<Vec<Cell>> = self.tasks.iter().map(row).collect();
        let mut head = vec!["TASK", "STATE", "TRIES", "TIME", "FILES", "COMMIT"];
        // Only where something is known of it.
        if self.tasks.iter().any(|t| t.cost_usd.is_some()) {
            head.insert(5, "COST");
            for (row, task) in rows.iter_mut().zip(&self.tasks) {
                let cost = task.cost_usd.map_or_else(|| "unknown".into(), costs::usd);
                row.insert(5, cell(cost));
            }
        }
        table(&head, &rows, look.width, look.color)
    }

    fn result(&self, merged: usize, look: Look) -> String {
        let mut out = String::new();
        if let Some(note) = &self.landing_note {
            let note = paint(look.color, Style::Care, &escape(note));
            let _ = writeln!(out, "{}", term::wrap(&note, look.width, 2));
        }
        if merged == 0 {
            return out;
        }
        let (branch, target) = (&self.branch, &self.target);
        if self.landed {
            let _ = writeln!(out, "the result is on {}, and on {branch}", escape(target));
        } else {
            let _ = writeln!(out, "the result is on the branch {branch}");
            let _ = writeln!(out, "  git log --oneline {}..{branch}", escape(target));
            let _ = writeln!(out, "  git diff {}...{branch}", escape(target));
        }
        out
    }
}

/// What a person should do about a task, if anything.
fn attention(task: &TaskDoc, look: Look) -> String {
    let id = &task.id;
    let next = match task.state.as_str() {
        "flagged" | "dead" => format!("skep logs {id}; skep retry {id}"),
        "cancelled" => format!("skep retry {id}"),
        "blocked" => format!("skep why {}", task.fixed_by.as_ref().unwrap_or(id)),
        "waiting" | "ready" => format!("skep why {id}"),
        _ => return String::new(),
    };
    let why = match &task.note {
        Some(note) => escape(note).into_owned(),
        None => escape(&task.reason).into_owned(),
    };
    let state = paint(look.color, tone(&task.state), &task.state);
    let why = term::wrap(&format!("{id} is {state}: {why}"), look.width, 2);
    // A command stays in one piece, so that it can be copied.
    format!("{why}\n  {}\n", paint(look.color, Style::Dim, &next))
}

/// Whether every task is merged.
pub(crate) fn complete(state: &State) -> bool {
    state.count(TaskState::Merged) == state.tasks().len()
}

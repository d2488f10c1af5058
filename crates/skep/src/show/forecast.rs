//! What a plan would do: waves, critical path, who could do what. Nothing is started.

use super::{
    count,
    table::{Cell, cell, table},
};
use crate::term::{Style, escape, paint, wrap};
use serde::Serialize;
use skep_core::spec::{Graph, Plan, Priority, Workers};
use std::{collections::BTreeSet, fmt::Write as _};

/// A plan's shape.
#[derive(Debug, Serialize)]
pub(crate) struct Forecast {
    schema: u32,
    swarm: String,
    workers: Vec<String>,
    waves: Vec<Vec<Planned>>,
    critical_path: Vec<String>,
    /// What a person should know before the plan is run.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Planned {
    id: String,
    priority: Priority,
    depends_on: Vec<String>,
    role: Option<String>,
    agent: String,
    workers: Vec<String>,
}

/// The roles of the workers that a plan asks for; `None` takes any task.
fn roles(plan: &Plan, widest: usize) -> Vec<Option<String>> {
    match &plan.swarm.workers {
        // The fewest; the tasks then say how many more.
        Workers::Between { min, .. } => (0..(*min).max(1)).map(|_| None).collect(),
        Workers::Count(n) => (0..*n).map(|_| None).collect(),
        Workers::PerRole(roles) => roles
            .iter()
            .flat_map(|(r, n)| (0..*n).map(|_| Some(r.clone())))
            .collect(),
        Workers::Auto => {
            let roles: BTreeSet<_> = plan.tasks.iter().map(|t| t.role.clone()).collect();
            if roles.iter().any(Option::is_some) {
                return roles.into_iter().collect();
            }
            let cap = plan.swarm.policy.concurrency.max(1) as usize;
            (0..widest.clamp(1, cap)).map(|_| None).collect()
        }
    }
}

impl Forecast {
    /// The view of a checked plan.
    pub(crate) fn of(plan: &Plan) -> Forecast {
        let find = |id: &skep_core::id::TaskId| plan.tasks.iter().position(|t| t.id == *id);
        let depends: Vec<Vec<usize>> = plan
            .tasks
            .iter()
            .map(|t| t.depends_on.iter().filter_map(find).collect())
            .collect();
        let numbers = Graph {
            edges: depends.clone(),
        }
        .waves();
        let last = numbers.iter().flatten().max().copied().unwrap_or(0);
        let of_wave = |n| (0..plan.tasks.len()).filter(move |i| numbers[*i] == Some(n));
        let waves: Vec<Vec<usize>> = (1..=last).map(|n| of_wave.clone()(n).collect()).collect();
        let widest = waves.iter().map(Vec::len).max().unwrap_or(1);
        let roles = roles(plan, widest);
        let name = |(at, role): (usize, &Option<String>)| match role {
            Some(role) => format!("w{} ({role})", at + 1),
            None => format!("w{}", at + 1),
        };
        let planned = |at: &usize| {
            let task = &plan.tasks[*at];
            // As `claim::suits` has it: only two roles that differ keep a worker from a task.
            let fits = |role: &&Option<String>| match (&task.role, role) {
                (Some(wanted), Some(role)) => wanted == role,
                _ => true,
            };
            let fitting = roles.iter().enumerate().filter(|(_, role)| fits(role));
            Planned {
                id: task.id.to_string(),
                priority: task.priority,
                depends_on: task.depends_on.iter().map(ToString::to_string).collect(),
                role: task.role.clone(),
                agent: task
                    .agent
                    .clone()
                    .unwrap_or_else(|| plan.swarm.agent.clone()),
                workers: fitting.map(|(at, _)| format!("w{}", at + 1)).collect(),
            }
        };
        Forecast {
            schema: skep_server::api::SCHEMA,
            swarm: plan.swarm.name.to_string(),
            workers: roles.iter().enumerate().map(name).collect(),
            critical_path: critical(plan, &depends, &waves),
            waves: waves
                .iter()
                .map(|wave| wave.iter().map(planned).collect())
                .collect(),
            notes: Vec::new(),
        }
    }

    /// Adds what a person should know.
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.into());
    }

    /// Whether the plan itself asks for nobody.
    pub(crate) fn has_no_workers(&self) -> bool {
        self.workers.is_empty()
    }

    /// As text.
    pub(crate) fn render(&self, width: Option<usize>, color: bool) -> String {
        let mut out = String::new();
        let tasks: usize = self.waves.iter().map(Vec::len).sum();
        let _ = writeln!(
            out,
            "{}: {} in {}",
            self.swarm,
            count(tasks, "task"),
            count(self.waves.len(), "wave")
        );
        let workers = match self.workers.as_slice() {
            [] => "none".into(),
            some => some.join(", "),
        };
        let _ = writeln!(out, "workers: {workers}");
        let _ = writeln!(out, "critical path: {}\n", self.critical_path.join(" -> "));
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (at, wave) in self.waves.iter().enumerate() {
            for task in wave {
                rows.push(vec![
                    cell((at + 1).to_string()),
                    cell(&task.id),
                    cell(format!("{:?}", task.priority)),
                    cell(&task.agent),
                    cell(task.workers.join(",")),
                    cell(task.depends_on.join(", ")),
                ]);
            }
        }
        let head = ["WAVE", "TASK", "PRIO", "AGENT", "WORKERS", "AFTER"];
        out.push_str(&table(&head, &rows, width, color));
        out.push('\n');
        for note in &self.notes {
            let note = paint(color, Style::Care, &escape(note));
            out.push_str(&wrap(&format!("{note}\n"), width, 2));
        }
        out.push_str("nothing was started\n");
        out
    }
}

/// The longest chain of dependencies, first task first.
fn critical(plan: &Plan, depends: &[Vec<usize>], waves: &[Vec<usize>]) -> Vec<String> {
    let depth = |at: usize| waves.iter().position(|w| w.contains(&at)).unwrap_or(0);
    let mut path = Vec::new();
    let mut next = waves.last().and_then(|wave| wave.first()).copied();
    while let Some(at) = next {
        path.push(plan.tasks[at].id.to_string());
        next = depends[at].iter().copied().max_by_key(|d| depth(*d));
    }
    path.reverse();
    path
}

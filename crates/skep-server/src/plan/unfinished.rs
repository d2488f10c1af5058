//! What a plan that was imported still lacks before it can run: only a person knows it.

use skep_core::{
    id::TaskId,
    spec::{FaultKind, Plan, Step, check},
};
use std::collections::BTreeSet;

/// What a person must fill in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Tasks of the shell agent that have no command, in the plan's order.
    pub commands: Vec<TaskId>,
    /// Agents that are named and that nobody has described.
    pub agents: BTreeSet<String>,
}

impl Unfinished {
    /// What `plan` lacks.
    #[must_use]
    pub fn of(plan: &Plan) -> Unfinished {
        let mut lacks = Unfinished::default();
        for fault in check(plan) {
            match (&fault.kind, fault.at.get(1)) {
                (FaultKind::ShellWithoutCommand, Some(Step::Index(task))) => {
                    let task = plan.tasks.get(*task);
                    lacks.commands.extend(task.map(|task| task.id.clone()));
                }
                (FaultKind::NoSuchAgent { name, .. }, _) => {
                    lacks.agents.insert(name.clone());
                }
                _ => {}
            }
        }
        lacks
    }
}

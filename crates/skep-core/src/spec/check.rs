//! What makes a plan acceptable. Every fault is found, not only the first, and each names the
//! field it is in, so that the reader of a plan file can point at the text.

mod fault;
mod values;

pub use fault::{Fault, FaultKind, FieldPath, Step};
pub use values::check_label;

use super::{Criterion, Graph, Plan, RelationKind, Workers, cycles};
use crate::{id::TaskId, limits};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

/// The agent that the core itself knows of: it runs what the task says.
const SHELL: &str = "shell";

/// Finds everything that is wrong with `plan`, in the order of the document.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    check_swarm(plan, &mut faults);
    let index = check_ids(plan, &mut faults);
    // Once for all tasks: with 100,000 tasks, once for each would take minutes.
    let roles = worker_roles(plan);
    for (i, _) in plan.tasks.iter().enumerate() {
        check_task(plan, i, &index, &mut faults);
        check_worker_fits(plan, i, &roles, &mut faults);
    }
    check_cycles(plan, &index, &mut faults);
    values::check(plan, &mut faults);
    faults.0.sort_by(|a, b| a.at.cmp(&b.at));
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn swarm(&mut self, key: &'static str, kind: FaultKind) {
        self.0.push(Fault {
            at: Vec::from([Step::Key("swarm"), Step::Key(key)]),
            kind,
        });
    }
    fn task(&mut self, task: usize, rest: &[Step], kind: FaultKind) {
        let mut at = Vec::from([Step::Key("task"), Step::Index(task)]);
        at.extend_from_slice(rest);
        self.0.push(Fault { at, kind });
    }
}

fn check_swarm(plan: &Plan, faults: &mut Faults) {
    let swarm = &plan.swarm;
    let count: u64 = match &swarm.workers {
        Workers::Auto => 1,
        Workers::Between { max, .. } => u64::from(*max),
        Workers::Count(n) => u64::from(*n),
        Workers::PerRole(roles) => roles.values().map(|n| u64::from(*n)).sum(),
    };
    if count > u64::from(limits::WORKERS) {
        faults.swarm("workers", FaultKind::TooManyWorkers(count));
    }
    if let Workers::Between { min, max } = swarm.workers
        && (max < min || max == 0)
    {
        faults.swarm("workers", FaultKind::BadRange { min, max });
    }
    if let Some(target) = &swarm.target
        && !is_branch_name(target)
    {
        faults.swarm("target", FaultKind::BadBranch(target.clone()));
    }
    if !plan.tasks.is_empty() && !agent_exists(plan, &swarm.agent) {
        faults.swarm("agent", no_such_agent(plan, &swarm.agent));
    }
    if plan.tasks.is_empty() {
        faults.0.push(Fault {
            at: Vec::new(),
            kind: FaultKind::NoTasks,
        });
    }
    if plan.tasks.len() > limits::TASKS {
        faults.0.push(Fault {
            at: Vec::new(),
            kind: FaultKind::TooManyTasks(plan.tasks.len()),
        });
    }
}

/// The rules of `git check-ref-format --branch`, less what only old gits allow.
fn is_branch_name(name: &str) -> bool {
    let parts_are_safe = name
        .split('/')
        .all(|p| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock"));
    parts_are_safe
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !matches!(name, "@" | "HEAD")
        && !name.contains("..")
        && !name.contains("@{")
        && !name
            .chars()
            .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
}

fn agent_exists(plan: &Plan, name: &str) -> bool {
    let swarm = &plan.swarm;
    name == SHELL
        || swarm.agents.contains_key(name)
        || swarm.built_in.iter().any(|known| known == name)
}

fn no_such_agent(plan: &Plan, name: &str) -> FaultKind {
    let swarm = &plan.swarm;
    let configured = swarm.agents.keys().filter(|a| !swarm.built_in.contains(a));
    let known = [&SHELL.to_string()]
        .into_iter()
        .chain(&swarm.built_in)
        .chain(configured)
        .cloned()
        .collect();
    FaultKind::NoSuchAgent {
        name: name.into(),
        known,
    }
}

fn check_ids<'p>(plan: &'p Plan, faults: &mut Faults) -> BTreeMap<&'p TaskId, usize> {
    let mut index = BTreeMap::new();
    let mut folded: BTreeMap<String, usize> = BTreeMap::new();
    for (i, task) in plan.tasks.iter().enumerate() {
        let at = [Step::Key("id")];
        if let Some(&first) = index.get(&task.id) {
            faults.task(
                i,
                &at,
                FaultKind::DuplicateId {
                    id: task.id.clone(),
                    first,
                },
            );
            continue;
        }
        if let Some(&first) = folded.get(&task.id.as_str().to_ascii_lowercase()) {
            let other = plan.tasks[first].id.clone();
            faults.task(
                i,
                &at,
                FaultKind::CaseClash {
                    id: task.id.clone(),
                    other,
                    first,
                },
            );
        }
        folded.insert(task.id.as_str().to_ascii_lowercase(), i);
        index.insert(&task.id, i);
    }
    index
}

fn check_task(plan: &Plan, i: usize, index: &BTreeMap<&TaskId, usize>, faults: &mut Faults) {
    let task = &plan.tasks[i];
    if task.depends_on.len() > limits::DEPENDENCIES {
        let kind = FaultKind::TooManyEntries(task.depends_on.len());
        faults.task(i, &[Step::Key("depends_on")], kind);
    }
    let mut seen = BTreeSet::new();
    for (d, id) in task.depends_on.iter().enumerate() {
        let at = [Step::Key("depends_on"), Step::Index(d)];
        if !index.contains_key(id) {
            faults.task(
                i,
                &at,
                FaultKind::MissingTask {
                    id: id.clone(),
                    of: task.id.clone(),
                },
            );
        } else if !seen.insert(id) {
            faults.task(i, &at, FaultKind::RepeatedDependency(id.clone()));
        }
    }
    for relation in task.relations.iter().filter(|r| !index.contains_key(&r.to)) {
        let kind = FaultKind::MissingTask {
            id: relation.to.clone(),
            of: task.id.clone(),
        };
        let key = match relation.kind {
            RelationKind::Parent => "parent",
            RelationKind::Supports => "supports",
            RelationKind::Complements => "complements",
            RelationKind::Peer => "peer",
        };
        faults.task(i, &[Step::Key("relations"), Step::Key(key)], kind);
    }
    for (c, criterion) in task.success.iter().enumerate() {
        if let Criterion::Exists(path) = criterion
            && !is_inside(path)
        {
            let at = [Step::Key("success"), Step::Index(c), Step::Key("exists")];
            faults.task(i, &at, FaultKind::OutsidePath(path.clone()));
        }
    }
    check_agent(plan, i, faults);
}

/// Relative, without `..`, and not inside `.git`.
fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
    !path.starts_with('/')
        && !path.contains('\0')
        && parts
            .clone()
            .next()
            .is_some_and(|first| !first.eq_ignore_ascii_case(".git"))
        && !parts.any(|p| p == "..")
}

fn check_agent(plan: &Plan, i: usize, faults: &mut Faults) {
    let task = &plan.tasks[i];
    let agent = task.agent.as_ref().unwrap_or(&plan.swarm.agent);
    if let Some(own) = &task.agent
        && !agent_exists(plan, own)
    {
        faults.task(i, &[Step::Key("agent")], no_such_agent(plan, own));
    } else if agent == "shell" && task.command.is_none() {
        faults.task(i, &[], FaultKind::ShellWithoutCommand);
    } else if agent != "shell" && task.command.is_some() {
        faults.task(
            i,
            &[Step::Key("command")],
            FaultKind::CommandWithoutShell(agent.clone()),
        );
    }
}

/// The roles that the plan's workers will have, sorted; `None` in the list is a worker that takes any role.
fn worker_roles(plan: &Plan) -> Vec<Option<&String>> {
    match &plan.swarm.workers {
        // As they are needed, so for every role sooner or later.
        Workers::Auto | Workers::Between { .. } => {
            let roles: BTreeSet<Option<&String>> =
                plan.tasks.iter().map(|t| t.role.as_ref()).collect();
            roles.into_iter().collect()
        }
        // None yet: a person adds them, with any role.
        Workers::Count(_) => Vec::from([None]),
        Workers::PerRole(roles) => roles
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(r, _)| Some(r))
            .collect(),
    }
}

fn check_worker_fits(plan: &Plan, i: usize, roles: &[Option<&String>], faults: &mut Faults) {
    let task = &plan.tasks[i];
    // Most tasks want nothing special, and every plan has a worker.
    if task.role.is_none() && task.capabilities.is_empty() {
        return;
    }
    // The roles are sorted: looking up two is quicker than comparing with thousands.
    let found = |role: Option<&String>| roles.binary_search(&role).ok().map(|n| &roles[n]);
    let fitting: Vec<&Option<&String>> = match &task.role {
        None => roles.iter().collect(),
        Some(want) => found(None).into_iter().chain(found(Some(want))).collect(),
    };
    if let Some(role) = &task.role
        && fitting.is_empty()
    {
        let known = roles.iter().flatten().map(|r| (*r).clone()).collect();
        faults.task(
            i,
            &[Step::Key("role")],
            FaultKind::NoSuchRole {
                role: role.clone(),
                known,
            },
        );
        return;
    }
    let abilities = |role: &Option<&String>| {
        role.and_then(|r| plan.swarm.roles.get(r))
            .and_then(|r| r.capabilities.as_ref())
    };
    for (c, capability) in task.capabilities.iter().enumerate() {
        let can = |role: &&Option<&String>| abilities(role).is_none_or(|a| a.contains(capability));
        if !fitting.iter().any(can) {
            let known: BTreeSet<&String> = fitting
                .iter()
                .filter_map(|r| abilities(r))
                .flatten()
                .collect();
            let kind = FaultKind::ImpossibleCapability {
                capability: capability.clone(),
                known: known.into_iter().cloned().collect(),
            };
            faults.task(i, &[Step::Key("capabilities"), Step::Index(c)], kind);
        }
    }
}

fn check_cycles(plan: &Plan, index: &BTreeMap<&TaskId, usize>, faults: &mut Faults) {
    let edges = plan.tasks.iter().map(|t| {
        t.depends_on
            .iter()
            .filter_map(|d| index.get(d).copied())
            .collect()
    });
    for cycle in cycles(&Graph {
        edges: edges.collect(),
    }) {
        let ids = cycle.iter().map(|&n| plan.tasks[n].id.clone()).collect();
        faults.task(cycle[0], &[Step::Key("depends_on")], FaultKind::Cycle(ids));
    }
}

//! Did you mean: the nearest known name to one that does not exist.

use skep_core::{id::TaskId, state::State};

/// How alike two names must be (Jaro-Winkler, 0 to 1) before one is suggested for the other.
const ALIKE: f64 = 0.75;

/// The known name that is most like `name`, if any is like it at all.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (k, strsim::jaro_winkler(&name, &k.to_lowercase())))
        .filter(|(_, alike)| *alike >= ALIKE)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(k, _)| k)
}

/// What to do about a task that does not exist.
#[must_use]
pub fn task_hint(state: &State, name: &str) -> String {
    match nearest(name, state.tasks().iter().map(|t| t.id().as_str())) {
        Some(near) => format!("did you mean {near}?"),
        None if state.tasks().is_empty() => "no plan has been loaded; `skep run PLAN`".into(),
        None => "`skep tasks` lists all of them".into(),
    }
}

/// What to do about a worker that does not exist.
#[must_use]
pub fn worker_hint(state: &State) -> String {
    let known: Vec<String> = state.workers().take(20).map(|w| w.id.to_string()).collect();
    if known.is_empty() {
        "the swarm has no workers; `skep workers add` adds some".into()
    } else {
        format!("there are {}", known.join(", "))
    }
}

/// Whether `id` could be a task's.
pub(crate) fn is_task(state: &State, id: &str) -> Option<TaskId> {
    id.parse().ok().filter(|id| state.task(id).is_some())
}

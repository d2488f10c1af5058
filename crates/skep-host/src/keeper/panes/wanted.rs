//! How the session should look, from the state alone.

use skep_core::{
    attempt::Phase,
    id::{Attempt, WorkerId},
    spec::Host,
    state::State,
    task::TaskState,
    worker::{Worker, WorkerState},
};
use std::collections::BTreeMap;

/// The panes and the status line. Without workers there should be no session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::keeper) struct Wanted {
    pub(super) workers: BTreeMap<WorkerId, Shown>,
    pub(super) counts: String,
}

/// One worker's pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) title: String,
    /// The attempt whose shim runs.
    pub(super) attempt: Option<Attempt>,
}

impl Wanted {
    pub(in crate::keeper) fn is_nothing(&self) -> bool {
        self.workers.is_empty()
    }
}

/// How the session should look when attempts run on `told`, or else where the plan says.
pub(in crate::keeper) fn wanted(state: &State, told: Option<Host>) -> Wanted {
    let host = state.swarm().map(|s| super::host(told, s.spec.host));
    let over = state.finished().is_some() && state.live().len() == 0;
    if host != Some(Host::Tmux) || over {
        return Wanted::default();
    }
    let count = |states: &[TaskState]| states.iter().map(|s| state.count(*s)).sum::<usize>();
    Wanted {
        workers: state.workers().map(|w| (w.id, shown(state, w))).collect(),
        counts: format!(
            "{} running, {} ready, {} merged, {} flagged",
            count(&[TaskState::Running, TaskState::Verifying]),
            count(&[TaskState::Ready]),
            count(&[TaskState::Merged]),
            count(&[TaskState::Flagged, TaskState::Dead]),
        ),
    }
}

fn shown(state: &State, worker: &Worker) -> Shown {
    let live = worker.current.and_then(|attempt| state.attempt(attempt));
    let does = match live {
        Some(live) => live.task.to_string(),
        None => match worker.state(None) {
            WorkerState::Paused => "paused".into(),
            WorkerState::Crashed => "crashed".into(),
            WorkerState::Stopped => "leaving".into(),
            WorkerState::Spawning | WorkerState::Idle | WorkerState::Working => "idle".into(),
        },
    };
    let role = worker.role.as_ref();
    let role = role.map_or_else(String::new, |role| format!(" {role}"));
    Shown {
        title: format!("{}{role}: {does}", worker.id),
        attempt: live
            .filter(|live| live.phase >= Phase::Running)
            .map(|live| live.attempt),
    }
}

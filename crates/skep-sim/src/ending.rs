//! How a world may come to rest: done, or with a reason that only a person can do something about.

use crate::{audit::Kind, world::World};
use skep_core::{
    claim::{self, Held, Unfit},
    state::State,
    task::TaskState,
    time::Time,
    waiting::{self, Waiting},
    worker::WorkerState,
};

impl World {
    /// Nothing more will happen by itself: is that right?
    pub(crate) fn judge_end(&mut self) {
        self.audit_works();
        self.audit_bills();
        let Some(keeper) = &self.keeper else {
            let text = "no keeper lives at the end".to_string();
            return self.audit.fail(Kind::Liveness, "X: a keeper lives", text);
        };
        let (state, now) = (keeper.engine.state(), keeper.time(self.now));
        let mut again = State::default();
        for record in &self.log.records {
            again.apply(record);
        }
        let ended = ending(state, now);
        let same = again == *state;
        if !same {
            let text = "at the end".to_string();
            self.audit
                .fail(Kind::Safety, "VII: replay gives an equal state", text);
        }
        match ended {
            Ok(how) => self.coverage.hit(how),
            Err(text) => self
                .audit
                .fail(Kind::Liveness, "X: progress whenever possible", text),
        }
    }
}

fn ending(state: &State, now: Time) -> Result<&'static str, String> {
    if state.swarm().is_none() {
        return Err("no plan was ever loaded".into());
    }
    if state.finished().is_some() {
        let open = [
            TaskState::Ready,
            TaskState::Running,
            TaskState::Verifying,
            TaskState::Accepted,
        ];
        let left = state.tasks().iter().find(|t| open.contains(&t.state));
        return match left {
            Some(task) => Err(format!("finished, but {} is {}", task.id(), task.state)),
            None => waiting_on_people(state).map(|()| "end: finished"),
        };
    }
    if let Some(halt) = state.halted() {
        return match halt.probe_at {
            None => Ok("end: halted until a person resumes"),
            Some(_) if state.paused() || state.draining() => Ok("end: paused or draining"),
            Some(_) => only_people(state, now).map(|()| "end: stuck until a person acts"),
        };
    }
    if state.paused() || state.draining() {
        return Ok("end: paused or draining");
    }
    if waiting::stuck(state, now).is_none() {
        return Err(format!(
            "at rest without a reason: {}, merge {:?}, {} live",
            state.swarm_state(),
            state.merge().map(|m| &m.step),
            state.live().len()
        ));
    }
    only_people(state, now).map(|()| "end: stuck until a person acts")
}

/// Tasks that wait at the end wait for others that are over, or for people.
fn waiting_on_people(state: &State) -> Result<(), String> {
    for task in state
        .tasks()
        .iter()
        .filter(|t| t.state == TaskState::Blocked)
    {
        // Whom an agent's word blocks on nobody in particular, a person must help.
        let for_person = task.block.as_ref().is_some_and(|b| b.on.is_none());
        let fix = task.held_by().and_then(|id| state.task(id));
        let over = for_person
            || fix.is_some_and(|f| {
                f.state.is_over() && f.state != TaskState::Merged
                    || matches!(f.state, TaskState::Blocked | TaskState::Waiting)
            });
        if !over {
            let fix = fix.map(|f| (f.id(), f.state, &f.spec.depends_on));
            return Err(format!("{} waits for {fix:?} at the end", task.id()));
        }
    }
    for task in state
        .tasks()
        .iter()
        .filter(|t| t.state == TaskState::Waiting)
    {
        let open = |id| state.task(id).is_none_or(|t| t.state != TaskState::Merged);
        if !task.spec.depends_on.iter().any(open) {
            return Err(format!("{} waits for nothing at the end", task.id()));
        }
    }
    Ok(())
}

/// Every ready task's reason is one that only a person can change.
fn only_people(state: &State, now: Time) -> Result<(), String> {
    let mut any = false;
    for task in state.ready() {
        any = true;
        let by_hand = |why: &Unfit| {
            matches!(
                why,
                Unfit::AssignedTo(_) | Unfit::Role(_) | Unfit::Capability(_)
            ) || matches!(
                why,
                Unfit::ModelsFailed(_) | Unfit::Busy(WorkerState::Paused)
            )
        };
        let reason = waiting::task(state, task, now);
        match &reason {
            Waiting::NoWorkers => {}
            // The next window would have come.
            Waiting::Budget(short) if short.until.is_none() => {}
            Waiting::NoWorkerFits(each) if each.iter().all(|(_, why)| by_hand(why)) => {}
            // Whatever else it waits for: once that is over, nobody is there to take it.
            Waiting::Held(Held::Until(_)) | Waiting::Provider(_)
                if state.workers().all(|worker| {
                    let suits = claim::suits(state, task, worker);
                    worker.paused || worker.stopping || suits.is_err_and(|why| by_hand(&why))
                }) => {}
            _ => return Err(format!("{} could go on: {reason}", task.id())),
        }
    }
    if any {
        Ok(())
    } else {
        Err("at rest, and no task is ready".into())
    }
}

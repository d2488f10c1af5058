//! What people and programs ask for.

use super::staff;
use crate::{
    alert::Rule,
    ask,
    attempt::StopWhy,
    event::Event,
    id::{Oid, TaskId, WorkerId},
    limits,
    provider::Provider,
    request::{Command, Refusal},
    spec::{self, Plan, Priority, TaskSpec},
    state::State,
    task::{Origin, Task, TaskState},
    time::{Millis, Time},
    worker::Worker,
};
use alloc::{collections::BTreeSet, format, string::ToString, sync::Arc, vec::Vec};

pub(super) type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, at: Time, command: &Command) -> Decision {
    match command {
        Command::LoadPlan {
            plan,
            digest,
            target,
            base,
            kept,
            again,
        } => {
            let carried = if *kept && !again {
                carried(state, plan)
            } else {
                Vec::new()
            };
            load_plan(state, plan, digest, target, base, carried, *again)
        }
        Command::AddTask { spec } => add_task(state, spec),
        Command::EditTask { spec } => edit_task(state, spec),
        Command::SkipTask { task } => skip_task(state, task),
        Command::CancelTask { task } => cancel_task(state, task),
        Command::RetryTask { task } => retry_task(state, task),
        Command::BoostTask { task, priority } => boost_task(state, task, *priority),
        Command::AssignTask { task, worker } => assign_task(state, task, *worker),
        Command::AddWorkers { count, role } => staff::add(state, *count, role.as_ref()),
        Command::RemoveWorker { worker, now } => staff::remove(state, *worker, *now),
        Command::Scale { mode } => staff::scale(state, *mode),
        Command::PauseWorker { worker } => pause_worker(state, *worker),
        Command::ResumeWorker { worker } => resume_worker(state, *worker),
        Command::RestartWorker { worker } => restart_worker(state, *worker),
        Command::Pause => once(
            !state.paused(),
            Event::SwarmPaused {},
            "the swarm is paused already",
        ),
        Command::Resume => {
            let parked = |p: &Provider| p.parked.as_ref().is_some_and(|p| p.until > at);
            let shut = state.paused() || state.draining() || state.halted().is_some();
            once(
                shut || state.providers().values().any(parked),
                Event::SwarmResumed {},
                "the swarm is not paused, draining or halted, and no provider is parked",
            )
        }
        Command::Drain => once(
            !state.draining(),
            Event::SwarmDraining {},
            "the keeper is draining already",
        ),
        Command::StopAll => stop_all(state),
        Command::SetPolicy { asked, was, policy } => {
            state.swarm().ok_or(Refusal::NoPlan)?;
            let now = state.policy();
            if now != **was {
                return Err(Refusal::OutOfDate);
            }
            once(
                now != **policy,
                Event::PolicyChanged {
                    asked: asked.clone(),
                    policy: policy.clone(),
                },
                "every number is as it was",
            )
        }
        Command::Answer { ask, given } => ask::answer(state, *ask, given),
        Command::SilenceAlerts { rule, lasts } => silence(state, *rule, *lasts, at),
        Command::TestAlerts { route } => test_alerts(state, route.as_deref()),
        Command::SetWorkerModel { worker, model } => {
            let now = find_worker(state, *worker)?;
            once(
                now.model != *model,
                Event::WorkerModelSet {
                    worker: *worker,
                    model: model.clone(),
                },
                "the worker has this model already",
            )
        }
    }
}

fn silence(state: &State, rule: Rule, lasts: Millis, now: Time) -> Decision {
    state.swarm().ok_or(Refusal::NoPlan)?;
    if lasts > limits::SILENCE {
        let most = limits::SILENCE;
        return Err(Refusal::Limit(format!(
            "{lasts} of silence; {most} is the most (`policy.alerts.off` turns a rule off)"
        )));
    }
    let silent = state.alerts().silenced_until(rule);
    once(
        lasts > Millis(0) || silent.is_some_and(|until| until > now),
        Event::AlertsSilenced {
            rule,
            until: now + lasts,
        },
        "alerts of this rule are not silenced",
    )
}

fn test_alerts(state: &State, route: Option<&str>) -> Decision {
    let routes = &state.swarm().ok_or(Refusal::NoPlan)?.spec.routes;
    if let Some(name) = route.filter(|name| routes.iter().all(|r| r.name != **name)) {
        return Err(Refusal::NoSuchRoute(name.into()));
    }
    once(
        !routes.is_empty(),
        Event::AlertTested {
            route: route.map(Into::into),
        },
        "the plan names no route for alerts ([[alerts.route]])",
    )
}

pub(super) fn once(changes: bool, event: Event, otherwise: &str) -> Decision {
    if changes {
        Ok([event].into())
    } else {
        Err(Refusal::NothingToDo(otherwise.to_string()))
    }
}

fn find<'s>(state: &'s State, id: &TaskId) -> Result<&'s Task, Refusal> {
    state
        .task(id)
        .ok_or_else(|| Refusal::NoSuchTask(id.clone()))
}

pub(super) fn find_worker(state: &State, id: WorkerId) -> Result<&Worker, Refusal> {
    state.worker(id).ok_or(Refusal::NoSuchWorker(id))
}

fn wrong(task: &Task, need: &'static str) -> Refusal {
    Refusal::WrongState {
        task: task.id().clone(),
        state: task.state,
        need,
    }
}

fn load_plan(
    state: &State,
    plan: &Plan,
    digest: &str,
    target: &str,
    base: &Oid,
    carried: Vec<(TaskId, Oid)>,
    again: bool,
) -> Decision {
    let faults = spec::check(plan);
    if let Some(first) = faults.first() {
        return Err(Refusal::BadPlan {
            faults: faults.len(),
            first: first.kind.to_string(),
        });
    }
    let open = state.tasks().iter().filter(|t| !t.state.is_over()).count();
    let same = state.swarm().is_some_and(|s| s.digest == digest);
    let shut = state.paused() || state.draining() || state.halted().is_some();
    let mut events = Vec::new();
    if same && open > 0 {
        // The same plan again means: go on.
        return once(
            shut,
            Event::SwarmResumed {},
            "this plan is under way already",
        );
    }
    if same && !again {
        // Who asks for the same plan twice (a run that was killed just before its end, say) wants it done, not
        // done twice.
        return Err(Refusal::NothingToDo("this plan was run already".into()));
    }
    if open > 0 || state.live().len() > 0 || state.merge().is_some() {
        return Err(Refusal::PlanUnderWay { open });
    }
    events.push(Event::PlanLoaded {
        plan: plan.clone().into(),
        digest: digest.into(),
        target: target.into(),
        base: base.clone(),
        carried,
    });
    if shut {
        events.push(Event::SwarmResumed {});
    }
    events.extend(staff::of_plan(state, plan));
    Ok(events)
}

/// What is merged and reads the same is not done again: a plan grows by adding to it.
fn carried(state: &State, plan: &Plan) -> Vec<(TaskId, Oid)> {
    let merged = |spec: &TaskSpec| {
        let task = state.task(&spec.id).filter(|t| *t.spec == *spec)?;
        let commit = task.merged.clone()?;
        (task.state == TaskState::Merged).then(|| (spec.id.clone(), commit))
    };
    plan.tasks.iter().filter_map(merged).collect()
}

/// Checks a task as part of the plan that it would make. Only what the task leads to is looked at, since
/// nothing else can be at fault with it: a thousand tasks may be added one by one.
fn check_with(state: &State, spec: &TaskSpec) -> Result<(), Refusal> {
    let swarm = state.swarm().ok_or(Refusal::NoPlan)?;
    let mut near = neighbours(state, spec);
    let mine = spec::Step::Index(near.len());
    near.push(spec.clone());
    let plan = Plan {
        swarm: swarm.spec.clone(),
        tasks: near,
    };
    let faults = spec::check(&plan);
    let fault = faults
        .into_iter()
        .find(|f| f.at.get(1) == Some(&mine) || is_cycle(&f.kind));
    fault.map_or(Ok(()), |f| {
        Err(Refusal::Fault(format!("task {}: {}", spec.id, f.kind)))
    })
}

/// The other tasks that a fault of `spec` can be with: what it depends on (by way of others too, if some task
/// depends on it: only then can there be a cycle), what it is related to, and one whose id is almost the same.
/// In the plan's order.
fn neighbours(state: &State, spec: &TaskSpec) -> Vec<TaskSpec> {
    let known = state.task(&spec.id).is_some();
    let mut found = BTreeSet::new();
    let mut open: Vec<&TaskId> = spec.depends_on.iter().collect();
    while let Some(id) = open.pop() {
        if let Some(task) = state.task(id)
            && found.insert(task.id())
            && known
        {
            open.extend(task.spec.depends_on.iter().chain(task.held_by()));
        }
    }
    found.extend(spec.relations.iter().map(|r| &r.to));
    // Where workers follow from the tasks' roles, such a task stands for a worker that takes any.
    let any_role = state.tasks().iter().find(|t| t.spec.role.is_none());
    found.extend(any_role.map(Task::id));
    let alike = |id: &TaskId| id.as_str().eq_ignore_ascii_case(spec.id.as_str());
    let others = state.tasks().iter().filter(|t| *t.id() != spec.id);
    // No fix may wait for what it fixes, and nothing for what is blocked on it.
    let with_holds = |t: &Task| {
        let mut spec = (*t.spec).clone();
        spec.depends_on.extend(t.held_by().cloned());
        spec
    };
    others
        .filter(|t| alike(t.id()) || found.contains(t.id()))
        .map(with_holds)
        .collect()
}

fn is_cycle(kind: &spec::FaultKind) -> bool {
    matches!(kind, spec::FaultKind::Cycle(_))
}

fn add_task(state: &State, spec: &Arc<TaskSpec>) -> Decision {
    if state.task(&spec.id).is_some() {
        return Err(Refusal::TaskExists(spec.id.clone()));
    }
    if state.tasks().len() >= limits::TASKS {
        return Err(Refusal::Limit(format!(
            "a swarm holds at most {} tasks",
            limits::TASKS
        )));
    }
    check_with(state, spec)?;
    Ok([Event::TaskAdded {
        spec: spec.clone(),
        origin: Origin::Person,
    }]
    .into())
}

fn edit_task(state: &State, spec: &Arc<TaskSpec>) -> Decision {
    let task = find(state, &spec.id)?;
    // What an agent could not do is often in the text.
    let asks_for_it = task.state == TaskState::Blocked && task.block.is_some();
    let open = matches!(
        task.state,
        TaskState::Waiting
            | TaskState::Ready
            | TaskState::Flagged
            | TaskState::Dead
            | TaskState::Cancelled
    );
    if !open && !asks_for_it {
        return Err(wrong(
            task,
            "only a task that nobody has begun, or that was given up, can be edited",
        ));
    }
    check_with(state, spec)?;
    once(
        *task.spec != **spec,
        Event::TaskEdited { spec: spec.clone() },
        "the task reads so already",
    )
}

fn skip_task(state: &State, id: &TaskId) -> Decision {
    let task = find(state, id)?;
    if !task.state.may_become(TaskState::Merged) || task.state == TaskState::Accepted {
        return Err(wrong(
            task,
            "only a task that is not being worked on can be skipped",
        ));
    }
    if awaited(state, task) {
        return Err(wrong(
            task,
            "it brings in another's work; skip the task it fixes instead",
        ));
    }
    let mut events = close_fixes(state, task)?;
    events.push(Event::TaskSkipped { task: id.clone() });
    Ok(events)
}

/// Whether this is a fix that its task still waits for.
fn awaited(state: &State, task: &Task) -> bool {
    let of = task.fix().and_then(|fix| state.task(&fix.of));
    of.is_some_and(|of| of.state == TaskState::Blocked && of.fixed_by.as_ref() == Some(task.id()))
}

fn cancel_task(state: &State, id: &TaskId) -> Decision {
    let task = find(state, id)?;
    if let Some(attempt) = task.current {
        let already = state
            .attempt(attempt)
            .is_none_or(|l| l.stopping.is_some_and(|s| s.why == StopWhy::TaskCancelled));
        let stop = Event::StopAsked {
            attempt,
            why: StopWhy::TaskCancelled,
            at_once: false,
        };
        return once(!already, stop, "its attempt is being stopped already");
    }
    if state.merge().is_some() && task.state == TaskState::Accepted {
        return Err(wrong(task, "its wave is being merged"));
    }
    if !task.state.may_become(TaskState::Cancelled) {
        return Err(wrong(task, "it is over already"));
    }
    let mut events = close_fixes(state, task)?;
    events.push(Event::TaskCancelled { task: id.clone() });
    Ok(events)
}

/// A task that no longer needs its fix takes it along.
fn close_fixes(state: &State, task: &Task) -> Decision {
    let mut events = Vec::new();
    let mut next = task.fixed_by.as_ref();
    while let Some(fix) = next.take().and_then(|id| state.task(id)) {
        if fix.state == TaskState::Accepted && state.merge().is_some() {
            return Err(wrong(task, "its fix is being merged"));
        }
        if let Some(attempt) = fix.current {
            events.push(Event::StopAsked {
                attempt,
                why: StopWhy::TaskCancelled,
                at_once: false,
            });
        } else if fix.state.may_become(TaskState::Cancelled) {
            events.push(Event::TaskCancelled {
                task: fix.id().clone(),
            });
        }
        next = fix.fixed_by.as_ref();
    }
    Ok(events)
}

fn retry_task(state: &State, id: &TaskId) -> Decision {
    let task = find(state, id)?;
    if task.fix().is_some() && task.state.is_over() && !awaited(state, task) {
        return Err(wrong(task, "the task it fixes no longer waits for it"));
    }
    match task.state {
        TaskState::Flagged | TaskState::Dead | TaskState::Cancelled | TaskState::Blocked => {
            let mut events = if task.state == TaskState::Blocked {
                close_fixes(state, task)?
            } else {
                Vec::new()
            };
            events.push(Event::TaskRequeued { task: id.clone() });
            Ok(events)
        }
        TaskState::Waiting | TaskState::Ready => Err(wrong(task, "it is in the queue already")),
        TaskState::Running | TaskState::Verifying => Err(wrong(
            task,
            "an attempt is under way; `skep cancel` it first",
        )),
        TaskState::Accepted | TaskState::Merged => Err(wrong(task, "it is done already")),
    }
}

fn boost_task(state: &State, id: &TaskId, priority: Option<Priority>) -> Decision {
    let task = find(state, id)?;
    if task.state.is_over() {
        return Err(wrong(task, "it is over"));
    }
    let priority = priority.unwrap_or(Priority::P0);
    let event = Event::TaskBoosted {
        task: id.clone(),
        priority,
    };
    once(
        task.priority != priority,
        event,
        "the task has this priority already",
    )
}

fn assign_task(state: &State, id: &TaskId, worker: Option<WorkerId>) -> Decision {
    let task = find(state, id)?;
    if let Some(worker) = worker
        && find_worker(state, worker)?.stopping
    {
        let why = format!("worker {worker} is leaving and takes no more tasks");
        return Err(Refusal::Fault(why));
    }
    if !matches!(
        task.state,
        TaskState::Waiting | TaskState::Ready | TaskState::Blocked
    ) {
        return Err(wrong(
            task,
            "only a task that nobody has begun can be assigned",
        ));
    }
    let event = Event::TaskAssigned {
        task: id.clone(),
        worker,
    };
    once(
        task.assigned != worker,
        event,
        "the task is assigned so already",
    )
}

fn pause_worker(state: &State, id: WorkerId) -> Decision {
    let worker = find_worker(state, id)?;
    once(
        !worker.paused,
        Event::WorkerPaused { worker: id },
        "the worker is paused already",
    )
}

fn resume_worker(state: &State, id: WorkerId) -> Decision {
    let worker = find_worker(state, id)?;
    let shut = worker.paused || worker.not_before.is_some();
    once(
        shut,
        Event::WorkerResumed { worker: id },
        "the worker is neither paused nor crashed",
    )
}

fn restart_worker(state: &State, id: WorkerId) -> Decision {
    let worker = find_worker(state, id)?;
    let stopped = worker
        .current
        .and_then(|a| stop(state, a, StopWhy::WorkerGone, false));
    Ok(stopped
        .into_iter()
        .chain([Event::WorkerResumed { worker: id }])
        .collect())
}

pub(super) fn stop(
    state: &State,
    attempt: crate::id::Attempt,
    why: StopWhy,
    at_once: bool,
) -> Option<Event> {
    let live = state.attempt(attempt)?;
    let fresh = live.stopping.is_none_or(|s| at_once && !s.at_once);
    // A reason given before stands: a cancelled task stays cancelled even if all is stopped later.
    let why = live.stopping.map_or(why, |s| s.why);
    fresh.then_some(Event::StopAsked {
        attempt,
        why,
        at_once,
    })
}

fn stop_all(state: &State) -> Decision {
    let mut events = Vec::new();
    if !state.draining() {
        events.push(Event::SwarmDraining {});
    }
    events.extend(
        state
            .live()
            .filter_map(|l| stop(state, l.attempt, StopWhy::Interrupted, true)),
    );
    if events.is_empty() {
        return Err(Refusal::NothingToDo(
            "everything is being stopped already".into(),
        ));
    }
    Ok(events)
}

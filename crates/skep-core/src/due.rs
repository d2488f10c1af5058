//! What is due now: the policies that act by themselves, one event at a time.
//!
//! [`next`] is asked again and again until it has nothing more to say; the keeper asks after every request
//! and when [`wake_at`] comes. Each policy is a small function, in the order in which they matter.

use crate::{
    affinity, alert, ask,
    attempt::{Failure, Live, Outcome, StopWhy},
    budget, claim, deadlock,
    event::{Event, Next, WorkerNext},
    forecast, health,
    id::WorkerId,
    limits,
    merge::{MergeStep, Probe, Queued, Severity},
    provider, reputation, retry, routing,
    scale::{self, Mode},
    spec::{Landing, Policy},
    state::State,
    task::TaskState,
    time::Time,
};
use alloc::{boxed::Box, format, vec::Vec};

/// How many crashes in a row of *every* worker halt the swarm (L-5): one round of bad luck is not a storm.
const CRASH_ROUNDS: u32 = 3;

/// The next event that is due, if any.
#[must_use]
pub fn next(state: &State, now: Time) -> Option<Event> {
    state.swarm()?;
    unblocked(state)
        .or_else(|| tasks_ready(state))
        .or_else(|| worker_restored(state, now))
        .or_else(|| budget::next(state, now))
        .or_else(|| overtime(state, now))
        .or_else(|| ask::due(state, now))
        .or_else(|| context_refresh(state))
        .or_else(|| health::next(state, now))
        .or_else(|| halt(state, now))
        .or_else(|| retire(state))
        .or_else(|| deadlock::next(state, now))
        .or_else(|| cap_warning(state))
        .or_else(|| provider::resumed(state, now))
        .or_else(|| reputation::next(state))
        .or_else(|| scale::down::before_claims(state, now))
        .or_else(|| claim(state, now))
        .or_else(|| scale::down::next(state, now))
        .or_else(|| scale::up::next(state, now))
        .or_else(|| forecast::next(state))
        .or_else(|| merge_starts(state))
        .or_else(|| merge_goes_on(state))
        .or_else(|| empty_merge_lands(state))
        .or_else(|| finished(state))
        .or_else(|| alert::next(state, now))
}

/// When something will next be due without anything else happening: now, if it fell due since the last
/// decision (the log was slow). Other moments that have passed are left out: what was due then waits for
/// something else.
#[must_use]
pub fn wake_at(state: &State, now: Time) -> Option<Time> {
    let told = deadlock::tells_at(state).filter(|at| *at > now);
    let looks = forecast::due_at(state, now);
    let moves = moves_at(state, now).into_iter();
    let alerts = alert::wake_at(state, now);
    moves.chain(told).chain(looks).chain(alerts).min()
}

/// The same without what only tells a person something: whether the swarm goes on by itself hangs on this.
pub(crate) fn moves_at(state: &State, now: Time) -> Option<Time> {
    if next(state, now).is_some() {
        return Some(now);
    }
    let workers = state.workers().filter_map(|w| w.not_before);
    let policy = state.policy();
    let attempts = state.live().map(|live| gives_up(live, &policy));
    let probe = state
        .halted()
        .and_then(|h| h.probe_at)
        .filter(|_| state.live().len() == 0);
    workers
        .chain(attempts)
        .chain(health::wake_at(state, now))
        .chain(budget::wake_at(state, now))
        .chain(ask::wake_at(state))
        .chain(deadlock::frees_at(state))
        .chain(probe)
        .chain(state.next_not_before())
        .chain(scale::wake_at(state, now))
        .chain(provider::wake_at(state))
        .filter(|at| *at > now)
        .min()
}

fn tasks_ready(state: &State) -> Option<Event> {
    let tasks: Vec<_> = state.unblocked().map(|t| t.id().clone()).collect();
    (!tasks.is_empty()).then_some(Event::TasksReady { tasks })
}

/// What a task was blocked on has come in: it goes on like any other.
fn unblocked(state: &State) -> Option<Event> {
    let task = state.released()?;
    Some(Event::TaskUnblocked {
        task: task.id().clone(),
    })
}

fn worker_restored(state: &State, now: Time) -> Option<Event> {
    let due = state
        .workers()
        .find(|w| w.not_before.is_some_and(|at| at <= now))?;
    Some(Event::WorkerRestored { worker: due.id })
}

/// L-9: never in the middle of a task.
fn context_refresh(state: &State) -> Option<Event> {
    let most = state.swarm()?.spec.policy.agents.context_percent;
    state.live().filter(|live| !live.refresh).find_map(|live| {
        let percent = state.facts().reading(live.attempt)?.context?;
        (u32::from(percent) > most).then_some(Event::ContextRefreshDeferred {
            attempt: live.attempt,
            percent,
        })
    })
}

/// When the keeper gives an attempt up. While a person is asked, its clock stands still.
fn gives_up(live: &Live, policy: &Policy) -> Time {
    live.give_up + live.waited.moves_by(policy.agents.ask_total)
}

/// An attempt that even its shim's own ceiling did not end: its lease is revoked, so that its task can go on.
/// Should a result come after all, it is fenced and kept.
fn overtime(state: &State, now: Time) -> Option<Event> {
    let policy = state.policy();
    let over = |live: &&Live| gives_up(live, &policy) <= now || health::revoked(live, &policy, now);
    let live = state.live().find(over)?;
    let task = state.task(&live.task)?;
    let why = live.stopping.map_or(StopWhy::Overtime, |s| s.why);
    let (outcome, limit) = match why {
        StopWhy::TaskCancelled => (Outcome::Cancelled, "its ceiling"),
        StopWhy::Stale => (Outcome::Stale, "its silence"),
        StopWhy::OverBudget => (Outcome::OverBudget, "its ceiling"),
        StopWhy::Blocked => (Outcome::Cancelled, "its own word"),
        _ => (Outcome::TimedOut, "its ceiling"),
    };
    let failure = Failure {
        attempt: live.attempt,
        outcome,
        model: live.model.clone(),
        reason: format!("its shim did not end it at {limit}; the lease was revoked"),
        output: Default::default(),
        fault: None,
        usd: None,
        handoff: None,
    };
    Some(Event::AttemptEnded {
        task: live.task.clone(),
        worker: live.worker,
        failure: Box::new(failure),
        next: match why {
            StopWhy::OverBudget => Next::Release,
            _ => retry::next(state, task, live, outcome),
        },
        worker_next: WorkerNext::BackOff(now + policy.backoff),
        spawn_failed: false,
        agent_died: false,
        revoked: true,
        salvage: None,
    })
}

/// L-6: a worker that crashed too often makes room for a new one. Not while the swarm is halted: then it is not
/// the worker.
fn retire(state: &State) -> Option<Event> {
    if state.halted().is_some() {
        return None;
    }
    let worker = retry::worn_out(state)?;
    let successor = new_workers(state, 1).next()?;
    Some(Event::WorkerRetired {
        worker: worker.id,
        successor,
        reason: worker.trouble.clone().unwrap_or_default(),
    })
}

/// L-5: never a respawn storm.
fn halt(state: &State, now: Time) -> Option<Event> {
    if state.halted().is_some() {
        return None;
    }
    let policy = state.policy();
    let storm = state.workers().len() > 0
        && state
            .workers()
            .all(|w| w.crashes >= CRASH_ROUNDS && w.current.is_none());
    let troubled = state.workers().filter(|w| w.trouble.is_some());
    let last = troubled.max_by_key(|w| w.since);
    let last = last.and_then(|w| w.trouble.as_deref()).unwrap_or("unknown");
    let reason = if state.spawn_failures() >= policy.spawn_failures {
        format!(
            "{} spawn failures in a row, the last: {last}",
            state.spawn_failures()
        )
    } else if storm {
        format!("every worker has crashed {CRASH_ROUNDS} times in a row, the last: {last}")
    } else {
        return None;
    };
    Some(Event::SwarmHalted {
        reason,
        probe_at: Some(now + policy.backoff_cap),
    })
}

/// L-7: the warning comes one before the cap.
fn cap_warning(state: &State) -> Option<Event> {
    let cap = state.swarm()?.spec.policy.concurrency as usize;
    // With fewer workers than that nothing could ever be at the cap, unless more are added as tasks ask for them.
    let reachable = state.workers().len() >= cap || state.scale().mode() != Mode::Manual;
    if state.cap_warned() || cap < 2 || state.live().len() + 1 < cap || !reachable {
        return None;
    }
    let text = format!(
        "{} of at most {cap} attempts run; more will queue",
        state.live().len()
    );
    Some(Event::Signal {
        severity: Severity::Warning,
        text,
    })
}

fn claim(state: &State, now: Time) -> Option<Event> {
    claim::open(state, now).ok()?;
    let base = &state.swarm()?.tip;
    let idle = |w: &&crate::worker::Worker| w.state(Some(base)) == crate::worker::WorkerState::Idle;
    let idle: Vec<_> = state.workers().filter(idle).collect();
    if idle.is_empty() {
        return None;
    }
    let (task, worker, choice) = affinity::choose(state, now, &idle)?;
    let reserved = budget::admit(state, task, worker, choice.model.as_deref(), now).ok()?;
    let agent = routing::agent(&state.swarm()?.spec, task);
    Some(Event::Claimed {
        attempt: state.next_attempt(),
        task: task.id().clone(),
        worker,
        agent: agent.into(),
        model: choice.model,
        base: base.clone(),
        give_up: now + claim::give_up_after(state, &task.spec),
        reserved,
        provider: choice.provider,
        route: choice.route,
    })
}

/// W-6: a wave merges when nothing of it is still to be done.
fn merge_starts(state: &State) -> Option<Event> {
    let swarm = state.swarm()?;
    let wave = state.open_wave();
    if state.merge().is_some()
        || state.draining()
        || state.needs_person()
        || state.holding(wave) > 0
    {
        return None;
    }
    let mut queue = Vec::new();
    let mut any = false;
    for task in state.accepted() {
        any = true;
        let Some(accepted) = &task.accepted else {
            continue;
        };
        if let Some(commit) = &accepted.commit {
            queue.push(Queued {
                task: task.id().clone(),
                attempt: accepted.attempt,
                commit: commit.clone(),
                mission: task.spec.mission.clone(),
            });
        }
    }
    // The target's own new commits are worth a merge of their own, so that it can be fast-forwarded.
    let for_target = swarm.spec.landing == Landing::Main && swarm.target_diverged && idle(state);
    (any || for_target).then(|| Event::MergeStarted {
        wave,
        base: swarm.tip.clone(),
        queue,
    })
}

/// A merge that halted because nobody's work was to blame begins another round once a person has resumed: what
/// they mended is looked at anew.
fn merge_goes_on(state: &State) -> Option<Event> {
    let merge = state.merge().filter(|_| !state.needs_person())?;
    let MergeStep::Checking(checking) = &merge.step else {
        return None;
    };
    let over = matches!(checking.probe(), Probe::BaseFails | Probe::Culprit(_));
    over.then(|| Event::MergeRebuilt {
        round: merge.round + 1,
        base: merge.base.clone(),
    })
}

/// A chain without links leaves the tip where it is: there is nothing to check and nothing to move.
fn empty_merge_lands(state: &State) -> Option<Event> {
    let merge = state.merge()?;
    let MergeStep::Landing(chain) = &merge.step else {
        return None;
    };
    let moves = chain.last().is_some_and(|link| link.commit != merge.base);
    (!moves).then(|| landed(state, merge.base.clone()))?
}

/// The event that says that `tip` is now the integration branch's, with all that it merges.
#[must_use]
pub fn landed(state: &State, tip: crate::id::Oid) -> Option<Event> {
    let merge = state.merge()?;
    let MergeStep::Landing(chain) = &merge.step else {
        return None;
    };
    let mut merged = Vec::new();
    for link in chain {
        if let Some(task) = &link.task {
            add_with_origin(state, task, &link.commit, &mut merged);
        }
    }
    // Explicit no-ops have nothing on the branch but are of this wave all the same.
    for task in state
        .accepted()
        .filter(|t| t.accepted.as_ref().is_some_and(|a| a.commit.is_none()))
    {
        add_with_origin(state, task.id(), &tip, &mut merged);
    }
    let swarm = state.swarm()?;
    let passed = !chain.is_empty() || merge.passed.contains(&tip);
    let checked = passed && !swarm.spec.check.is_empty();
    Some(Event::WaveLanded {
        wave: merge.wave,
        tip,
        merged,
        checked,
    })
}

/// A fix brings in the task it fixes, which may be a fix itself.
fn add_with_origin(
    state: &State,
    task: &crate::id::TaskId,
    commit: &crate::id::Oid,
    merged: &mut Vec<(crate::id::TaskId, crate::id::Oid)>,
) {
    let mut next = Some(task.clone());
    while let Some(id) = next.take() {
        let Some(task) = state.task(&id) else { return };
        merged.push((id.clone(), commit.clone()));
        let origin = task.fix().and_then(|fix| state.task(&fix.of));
        next = origin
            .filter(|of| of.state == TaskState::Blocked && of.fixed_by.as_ref() == Some(&id))
            .map(|of| of.id().clone());
    }
}

/// Nothing runs and nothing can.
fn idle(state: &State) -> bool {
    state.live().len() == 0
        && state.merge().is_none()
        && state.unblocked().next().is_none()
        && state.released().is_none()
        && state.ready().next().is_none()
        && state.accepted().next().is_none()
}

fn finished(state: &State) -> Option<Event> {
    let swarm = state.swarm()?;
    // What is owed to hooks is a part of the work.
    if state.finished().is_some() || !idle(state) || !state.hooks_owed().is_empty() {
        return None;
    }
    let landing_open = swarm.spec.landing == Landing::Main
        && swarm.landed.as_ref() != Some(&swarm.tip)
        && swarm.tip != swarm.began_at
        && swarm
            .landing_refused
            .as_ref()
            .is_none_or(|(tip, _)| *tip != swarm.tip);
    (!landing_open).then_some(Event::Finished {})
}

/// The worker ids for `count` new workers.
pub(crate) fn new_workers(state: &State, count: u32) -> impl Iterator<Item = WorkerId> + use<> {
    let first = state.next_worker().0;
    let room = limits::WORKERS.saturating_sub(state.workers().len() as u32);
    (first..).take(count.min(room) as usize).map(WorkerId)
}

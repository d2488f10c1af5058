//! What each event counts. The state is as it was before the event: it still knows since when.

use super::{Count, History, Stage};
use crate::{
    attempt::{Live, Outcome, Phase},
    budget::Charge,
    event::{By, Event, Next, Record},
    id::{Attempt, TaskId},
    merge::Severity,
    state::State,
    task::{FixStrategy, Origin, Past, Task},
};

pub(super) fn see(history: &mut History, before: &State, record: &Record) {
    match &record.event {
        Event::PlanLoaded { plan, carried, .. } => {
            let new = plan.tasks.len().saturating_sub(carried.len());
            history.count(Count::TasksAdded, new as u64);
        }
        Event::TaskAdded { origin, .. } => {
            history.count(Count::TasksAdded, 1);
            if let Origin::Fix(fix) = origin {
                history.count(Count::FixTasks, 1);
                if fix.strategy == FixStrategy::Redo {
                    discard(history, before.task(&fix.of));
                }
            }
        }
        Event::TaskSkipped { task } => {
            history.count(Count::TasksSkipped, 1);
            discard(history, unfixed(before, task));
        }
        Event::TaskCancelled { task } => {
            history.count(Count::TasksCancelled, 1);
            discard(history, unfixed(before, task));
        }
        Event::TaskRequeued { task } => discard(history, unfixed(before, task)),
        Event::Claimed { task, .. } => claimed(history, before.task(task)),
        Event::AttemptStarted { attempt } => {
            phase(history, before.attempt(*attempt), Phase::Running)
        }
        Event::AgentEnded { attempt } => {
            phase(history, before.attempt(*attempt), Phase::Verifying);
        }
        Event::Metered {
            attempt,
            task,
            charge,
            ..
        } => metered(history, before, *attempt, task, charge),
        Event::Checkpointed { .. } => history.count(Count::Checkpoints, 1),
        Event::MemoRecorded { .. } => history.count(Count::Memos, 1),
        Event::Asked { attempt, .. } => {
            history.count(Count::Asks, 1);
            let first = |live: &Live| live.asked == 0 && live.held == 0;
            let first = before.attempt(*attempt).is_some_and(first);
            history.count(Count::Escalations, u64::from(first));
        }
        Event::Answered {
            attempt, number, ..
        } => {
            let by = match record.by {
                By::Policy => Count::PolicyAnswers,
                By::Person(_) | By::Host | By::Agent(_) => Count::PersonAnswers,
            };
            history.count(by, 1);
            let asks = before.attempt(*attempt).map(|live| live.asks.iter());
            let mut asks = asks.into_iter().flatten();
            let open = asks.find(|ask| ask.question.number == *number && ask.reply.is_none());
            if let Some(ask) = open {
                history.time(Stage::Decision, history.at.since(ask.since));
            }
        }
        Event::AttemptAccepted { task, accepted, .. } => {
            ended(history, before, accepted.attempt, Outcome::Succeeded);
            let mut failed = before.task(task).into_iter().flat_map(|t| &t.history);
            if let Some(first) = failed.find(|past| is_failure(past.outcome)) {
                history.time(Stage::Mend, history.at.since(first.ended));
            }
        }
        Event::AttemptEnded {
            failure,
            next,
            spawn_failed,
            ..
        } => {
            ended(history, before, failure.attempt, failure.outcome);
            history.count(Count::SpawnFailures, u64::from(*spawn_failed));
            for what in becomes(*next) {
                history.count(*what, 1);
            }
        }
        Event::AttemptFenced { .. } => history.count(Count::Fenced, 1),
        Event::WaitedTooLong { .. } => history.count(Count::TasksStuck, 1),
        Event::WorkerAdded { why, .. } => {
            history.count(Count::WorkersAdded, 1);
            history.count(Count::ScaledUp, u64::from(why.is_some()));
        }
        Event::WorkerLeaving { why, .. } => {
            history.count(Count::ScaledDown, u64::from(why.is_some()));
        }
        Event::WorkerFailed { .. } => history.count(Count::SpawnFailures, 1),
        Event::WorkerRetired { .. } => {
            history.count(Count::WorkersAdded, 1);
            history.count(Count::WorkersReplaced, 1);
        }
        Event::WorkerGone { .. } => history.count(Count::WorkersGone, 1),
        Event::MergeStarted { queue, .. } => {
            for queued in queue {
                if let Some(task) = before.task(&queued.task) {
                    history.time(Stage::MergeWait, history.at.since(task.since));
                }
            }
        }
        Event::MergeBuilt { conflicts, .. } => {
            history.count(Count::Conflicts, conflicts.len() as u64);
        }
        Event::MergeChecked { passed, .. } => {
            history.count(Count::ChecksFailed, u64::from(!passed));
        }
        Event::LeftOut { fixed_by, .. } => {
            history.count(Count::TasksLeftOut, 1);
            if fixed_by.is_none() {
                history.count(Count::TasksFlagged, 1);
                history.count(Count::Escalations, 1);
            }
        }
        Event::WaveLanded { merged, .. } => {
            history.count(Count::Waves, 1);
            history.count(Count::TasksMerged, merged.len() as u64);
            if let Some(merge) = before.merge() {
                history.time(Stage::Merge, history.at.since(merge.started));
            }
            for task in merged.iter().filter_map(|(id, _)| before.task(id)) {
                history.time(Stage::Lead, history.at.since(task.arrived));
            }
        }
        Event::ProviderParked { .. } => history.count(Count::ProviderParks, 1),
        Event::ProviderResumed { .. } => history.count(Count::ProviderResumes, 1),
        Event::BudgetLevel { .. } => history.count(Count::BudgetLevels, 1),
        Event::SloBreached { .. } => history.count(Count::SloBreaches, 1),
        Event::Signal { severity, .. } => match severity {
            Severity::Critical => history.count(Count::CriticalSignals, 1),
            Severity::Warning => history.count(Count::WarningSignals, 1),
            Severity::Info => {}
        },
        Event::CollisionForeseen { .. } => history.count(Count::Collisions, 1),
        Event::SwarmHalted { .. } => {
            // A halt that tries again says so by the same event.
            history.count(Count::Halts, u64::from(before.halted().is_none()));
        }
        // What only moves a level, or is of no number.
        Event::TaskEdited { .. }
        | Event::TasksReady { .. }
        | Event::TaskBoosted { .. }
        | Event::TaskAssigned { .. }
        | Event::TaskUnblocked { .. }
        | Event::LeaseMoved { .. }
        | Event::HealthChanged { .. }
        | Event::Told { .. }
        | Event::BlockReported { .. }
        | Event::AskClosed { .. }
        | Event::ContextRefreshDeferred { .. }
        | Event::StopAsked { .. }
        | Event::WorkerReady { .. }
        | Event::WorkerRestored { .. }
        | Event::WorkerPaused { .. }
        | Event::WorkerResumed { .. }
        | Event::WorkerModelSet { .. }
        | Event::MergeRebuilt { .. }
        | Event::TargetLanded { .. }
        | Event::TargetRefused { .. }
        | Event::CollisionGone { .. }
        | Event::PolicyChanged { .. }
        | Event::ScaleSet { .. }
        | Event::MemorySeen { .. }
        | Event::SwarmPaused { .. }
        | Event::SwarmResumed { .. }
        | Event::SwarmDraining { .. }
        | Event::AlertRaised { .. }
        | Event::AlertReminded { .. }
        | Event::AlertResolved { .. }
        | Event::AlertsSilenced { .. }
        | Event::AlertTested { .. }
        | Event::AlertSent { .. }
        | Event::AlertDelayed { .. }
        | Event::AlertUndelivered { .. }
        | Event::KeeperRestarted {}
        | Event::DiskSeen { .. }
        | Event::HookRan { .. }
        | Event::Finished { .. } => {}
    }
}

/// Whose numbers an attempt's are: its model's, or its agent's where the agent chooses the model.
fn name_of(live: &Live) -> &str {
    live.model.as_deref().unwrap_or(&live.agent)
}

/// Whether an attempt that ended so says that something went wrong which must be mended.
const fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed | Outcome::TimedOut | Outcome::Stale | Outcome::Crashed
    )
}

fn claimed(history: &mut History, task: Option<&Task>) {
    history.count(Count::Claims, 1);
    let Some(task) = task else { return };
    // One that may not be claimed yet does not wait for a worker.
    let from = task.since.max(task.not_before.unwrap_or_default());
    history.time(Stage::Queue, history.at.since(from));
    match task.history.last() {
        None => history.time(Stage::FirstClaim, history.at.since(task.arrived)),
        Some(last) if matches!(last.outcome, Outcome::Crashed | Outcome::Stale) => {
            history.time(Stage::Recovery, history.at.since(last.ended));
        }
        Some(_) => {}
    }
}

/// An attempt goes on to a phase: what it was in before is over.
fn phase(history: &mut History, live: Option<&Live>, to: Phase) {
    let Some(live) = live.filter(|live| live.phase < to) else {
        return;
    };
    let stage = match live.phase {
        Phase::Claimed => Stage::Start,
        Phase::Running => Stage::Run,
        Phase::Verifying => Stage::Verify,
    };
    let took = history.at.since(live.since);
    history.time_attempt(name_of(live), live.worker, stage, took);
}

fn ended(history: &mut History, before: &State, attempt: Attempt, outcome: Outcome) {
    let Some(live) = before.attempt(attempt) else {
        return;
    };
    let (what, waste) = counts(outcome);
    history.count(what, 1);
    // One that never ran says nothing of how long starting takes.
    if live.phase > Phase::Claimed {
        let stage = match live.phase {
            Phase::Verifying => Stage::Verify,
            Phase::Claimed | Phase::Running => Stage::Run,
        };
        let now = history.at;
        history.time_attempt(name_of(live), live.worker, stage, now.since(live.since));
        let took = now.since(live.age_from);
        history.time_attempt(name_of(live), live.worker, Stage::Attempt, took);
    }
    match live.account.charge.usd {
        Some(usd) => {
            history.count(Count::Priced, 1);
            history.count(Count::Settled, usd.0);
            if let Some(waste) = waste {
                history.count(waste, usd.0);
            }
        }
        None => history.count(Count::Unpriced, 1),
    }
}

/// What was counted of an attempt that is over grows by what comes late.
fn metered(
    history: &mut History,
    before: &State,
    attempt: Attempt,
    task: &TaskId,
    charge: &Charge,
) {
    let past = || {
        let task = before.task(task)?;
        let past = task.history.iter().find(|past| past.attempt == attempt)?;
        let agent = task.spec.agent.as_ref();
        let agent = agent.or(before.swarm().map(|swarm| &swarm.spec.agent));
        let name = past.model.as_ref().or(agent)?;
        Some((name.as_str(), &past.charge, Some(past)))
    };
    let found: Option<(&str, &Charge, Option<&Past>)> = match before.attempt(attempt) {
        Some(live) => Some((name_of(live), &live.account.charge, None)),
        None => past(),
    };
    let Some((name, was, over)) = found else {
        return;
    };
    let more = charge.amounts().less(was.amounts());
    if more.usd.0 > 0 || more.tokens > 0 {
        let name = history.number(name);
        history.each(|bucket| {
            bucket.usd.add(name, more.usd.0);
            bucket.tokens.add(name, more.tokens);
        });
    }
    if let Some(past) = over {
        history.count(Count::Settled, more.usd.0);
        if let (_, Some(waste)) = counts(past.outcome) {
            history.count(waste, more.usd.0);
        }
    }
}

/// Under what an outcome is counted, and what it cost if its result was not accepted (G-9).
const fn counts(outcome: Outcome) -> (Count, Option<Count>) {
    match outcome {
        Outcome::Succeeded => (Count::Succeeded, None),
        Outcome::Failed => (Count::Failed, Some(Count::WasteFailed)),
        Outcome::TimedOut => (Count::TimedOut, Some(Count::WasteTimedOut)),
        Outcome::Stale => (Count::Stale, Some(Count::WasteStale)),
        Outcome::Crashed => (Count::Crashed, Some(Count::WasteCrashed)),
        Outcome::RateLimited => (Count::RateLimited, Some(Count::WasteRateLimited)),
        Outcome::OverBudget => (Count::OverBudget, Some(Count::WasteOverBudget)),
        Outcome::Fenced => (Count::Fenced, Some(Count::WasteFenced)),
        Outcome::Cancelled => (Count::Cancelled, Some(Count::WasteCancelled)),
    }
}

const fn becomes(next: Next) -> &'static [Count] {
    match next {
        Next::RetryFailed | Next::RetryCrashed(_) => &[Count::Retries],
        Next::Release => &[Count::Released],
        Next::Flag => &[Count::TasksFlagged, Count::Escalations],
        Next::DeadLetter | Next::Quarantine => &[Count::TasksDead, Count::Escalations],
        Next::Cancel => &[Count::TasksCancelled],
        Next::Block => &[Count::TasksBlocked],
    }
}

/// A task whose result is not being done again already: that fix task's beginning has counted it.
fn unfixed<'s>(before: &'s State, task: &TaskId) -> Option<&'s Task> {
    let redone = |task: &Task| {
        let fix = task.fixed_by.as_ref().and_then(|id| before.task(id));
        let fix = fix.and_then(Task::fix);
        fix.is_some_and(|fix| fix.strategy == FixStrategy::Redo)
    };
    before.task(task).filter(|task| !redone(task))
}

/// A result that was accepted is not merged after all.
fn discard(history: &mut History, task: Option<&Task>) {
    let Some(task) = task.filter(|task| task.merged.is_none()) else {
        return;
    };
    let Some(accepted) = &task.accepted else {
        return;
    };
    let mut all = task.history.iter();
    let past = all.find(|past| past.attempt == accepted.attempt);
    if let Some(usd) = past.and_then(|past| past.charge.usd) {
        history.count(Count::WasteDiscarded, usd.0);
    }
}

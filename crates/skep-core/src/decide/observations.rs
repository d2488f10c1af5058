//! What hosts see. Every observation may come late, twice, or about something that has long been decided
//! otherwise; then it is refused, or, if work hangs on it, recorded as fenced.

use super::{conflict, hooks, words};
use crate::{
    alert, ask,
    attempt::{End, Failure, Handoff, Live, Outcome, Phase, Report, Saved, StopWhy, Usage},
    budget, due,
    event::{Event, Next, WorkerNext},
    forecast,
    id::{Attempt, Oid, WorkerId},
    judge::{Verdict, judge},
    merge::{Merge, MergeStep, Probe},
    money::Usd,
    provider,
    request::{Observation, Refusal},
    retry, scale,
    state::State,
    task::{Accepted, Task},
    time::{Millis, Time},
};
use alloc::{
    borrow::Cow,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn decide(state: &State, now: Time, observation: &Observation) -> Decision {
    match observation {
        Observation::WorkerReady { worker, base, turn } => {
            worker_ready(state, *worker, base, *turn)
        }
        Observation::WorkerFailed { worker, reason } => worker_failed(state, *worker, reason, now),
        Observation::WorkerGone { worker } => {
            let leaving = state
                .worker(*worker)
                .is_some_and(|w| w.stopping && w.current.is_none());
            known(leaving)?;
            Ok([Event::WorkerGone { worker: *worker }].into())
        }
        Observation::Started { attempt } => {
            let live = state.attempt(*attempt).ok_or(Refusal::Fenced(*attempt))?;
            known(live.phase < Phase::Running)?;
            Ok([Event::AttemptStarted { attempt: *attempt }].into())
        }
        Observation::AgentEnded { attempt } => {
            let live = state.attempt(*attempt).ok_or(Refusal::Fenced(*attempt))?;
            known(live.phase < Phase::Verifying)?;
            Ok([Event::AgentEnded { attempt: *attempt }].into())
        }
        Observation::StartFailed { attempt, reason } => {
            let live = state.attempt(*attempt).ok_or(Refusal::Fenced(*attempt))?;
            let reason = format!("its shim could not be started: {reason}");
            let end = Ending {
                reason,
                spawn_failed: true,
                ..Ending::default()
            };
            Ok(ended(state, now, live, Outcome::Crashed, end))
        }
        Observation::Ended {
            attempt,
            report,
            untouched,
        } => attempt_ended(state, now, *attempt, report, *untouched),
        Observation::Lost {
            attempt,
            reason,
            saved,
        } => lost(state, now, *attempt, reason, saved),
        Observation::Adopted { ages } => adopted(state, now, ages),
        // The engine has taken them in; what they change is for `due`.
        Observation::Vitals { .. } | Observation::Read { .. } => Ok(Vec::new()),
        Observation::Word { attempt, word } => words::decide(state, *attempt, word),
        Observation::Told {
            attempt,
            rung,
            delivered,
        } => {
            let live = state.attempt(*attempt).ok_or(Refusal::Fenced(*attempt))?;
            known(live.told < *rung)?;
            Ok([Event::Told {
                attempt: *attempt,
                rung: *rung,
                delivered: *delivered,
            }]
            .into())
        }
        Observation::Asks {
            attempt,
            last,
            open,
        } => ask::seen(state, *attempt, *last, open),
        Observation::Silent { attempt } => {
            let live = state.attempt(*attempt).ok_or(Refusal::Fenced(*attempt))?;
            known(live.stopping.is_none_or(|s| !s.at_once))?;
            let why = live.stopping.map_or(StopWhy::NoHeartbeat, |s| s.why);
            Ok([Event::StopAsked {
                attempt: *attempt,
                why,
                at_once: true,
            }]
            .into())
        }
        Observation::HookRan { ran } => hooks::decide(state, now, ran),
        Observation::Noticed { severity, text } => Ok([Event::Signal {
            severity: *severity,
            text: text.clone(),
        }]
        .into()),
        Observation::Built {
            wave,
            round,
            chain,
            clashes,
        } => {
            let merge = merging(state, *wave)?;
            known(merge.round == *round && merge.step == MergeStep::Building)?;
            Ok(conflict::built(state, merge, chain, clashes))
        }
        Observation::Checked {
            wave,
            round,
            prefix,
            passed,
            output,
        } => checked(state, now, *wave, *round, *prefix, *passed, output),
        Observation::Landed { wave, tip } => landed(state, *wave, tip),
        Observation::BaseMoved {
            wave,
            actual,
            descends,
        } => base_moved(state, *wave, actual.as_ref(), *descends),
        Observation::MergeFailed { wave, reason } => {
            merging(state, *wave)?;
            known(!state.needs_person())?;
            let reason = format!("wave {wave} cannot be merged: {reason}");
            Ok([Event::SwarmHalted {
                reason,
                probe_at: None,
            }]
            .into())
        }
        // The engine has noted that it was looked.
        Observation::Forecast { met, .. } => Ok(forecast::seen(state, met)),
        Observation::Posted {
            route,
            letters,
            posted,
        } => {
            let event = alert::post::posted(state, route, letters, posted, now);
            Ok(Vec::from([event.ok_or(Refusal::OutOfDate)?]))
        }
        Observation::Restarted => Ok([Event::KeeperRestarted {}].into()),
        Observation::Disk { lacking } => {
            // How much exactly is lacking changes all the time.
            known(state.alerts().disk().is_some() != lacking.is_some())?;
            Ok([Event::DiskSeen {
                lacking: lacking.clone(),
            }]
            .into())
        }
        Observation::Memory { available } => memory(state, *available),
        Observation::TargetLanded { tip } => {
            let swarm = state.swarm().ok_or(Refusal::NoPlan)?;
            known(swarm.landed.as_ref() != Some(tip))?;
            Ok([Event::TargetLanded { tip: tip.clone() }].into())
        }
        Observation::TargetRefused {
            tip,
            reason,
            diverged,
        } => {
            let swarm = state.swarm().ok_or(Refusal::NoPlan)?;
            known(swarm.landing_refused.as_ref().is_none_or(|(t, _)| t != tip))?;
            let (tip, reason, diverged) = (tip.clone(), reason.clone(), *diverged);
            Ok([Event::TargetRefused {
                tip,
                reason,
                diverged,
            }]
            .into())
        }
    }
}

fn known(waited_for: bool) -> Result<(), Refusal> {
    if waited_for {
        Ok(())
    } else {
        Err(Refusal::OutOfDate)
    }
}

/// Only what changes the room for more workers is worth an event: a machine's free memory never stands still.
fn memory(state: &State, available: u64) -> Decision {
    let room = scale::room(state, available).ok_or(Refusal::OutOfDate)?;
    known(state.scale().room() != Some(room))?;
    Ok([Event::MemorySeen { room }].into())
}

fn merging(state: &State, wave: u32) -> Result<&Merge, Refusal> {
    state
        .merge()
        .filter(|m| m.wave == wave)
        .ok_or(Refusal::OutOfDate)
}

/// By how much a lease may differ from what was measured before it is moved: starting takes a moment.
const LEASE_TOLERANCE: Millis = Millis::secs(10);

/// The wall clock may have jumped since the attempts were claimed, by years: their leases are what is left of them,
/// and not the dates that were noted.
fn adopted(state: &State, now: Time, ages: &[(Attempt, Millis)]) -> Decision {
    let moved = ages.iter().filter_map(|(attempt, age)| {
        let live = state.attempt(*attempt)?;
        // As it was given, whatever the policy says by now: its shim was told so, too.
        let whole = live.give_up.since(live.age_from);
        let give_up = now + Millis(whole.0.saturating_sub(age.0));
        let off = give_up.since(live.give_up).max(live.give_up.since(give_up));
        (off > LEASE_TOLERANCE).then_some(Event::LeaseMoved {
            attempt: *attempt,
            give_up,
        })
    });
    let moved: Vec<Event> = moved.collect();
    known(!moved.is_empty())?;
    Ok(moved)
}

fn worker_ready(state: &State, worker: WorkerId, base: &Oid, turn: u32) -> Decision {
    let known_worker = state.worker(worker).ok_or(Refusal::NoSuchWorker(worker))?;
    known(known_worker.current.is_none() && known_worker.turn == turn)?;
    known(known_worker.ready_at.as_ref() != Some(base))?;
    Ok([Event::WorkerReady {
        worker,
        base: base.clone(),
    }]
    .into())
}

fn worker_failed(state: &State, worker: WorkerId, reason: &str, now: Time) -> Decision {
    let w = state.worker(worker).ok_or(Refusal::NoSuchWorker(worker))?;
    known(w.current.is_none() && w.not_before.is_none())?;
    let not_before = now + retry::backoff(&state.policy(), w.crashes, u64::from(worker.0));
    Ok([Event::WorkerFailed {
        worker,
        reason: reason.into(),
        not_before,
    }]
    .into())
}

fn attempt_ended(
    state: &State,
    now: Time,
    attempt: Attempt,
    report: &Report,
    untouched: bool,
) -> Decision {
    let Some(live) = state.attempt(attempt) else {
        return fenced(state, attempt, &report.saved, Some(&report.usage));
    };
    let task = state
        .task(&live.task)
        .ok_or_else(|| Refusal::NoSuchTask(live.task.clone()))?;
    let report = &its_own(state, task, report);
    match judge(&task.spec, report, live.stopping.map(|s| s.why)) {
        Verdict::Success(receipt) => {
            let commit = match &report.saved {
                Saved::Commit(work) if work.file_count > 0 || task.fix().is_some() => {
                    Some(work.commit.clone())
                }
                _ => None,
            };
            let accepted = Accepted {
                attempt,
                commit,
                receipt,
            };
            let mut events: Vec<Event> = budget::settled(state, live, Some(&report.usage))
                .into_iter()
                .collect();
            events.push(Event::AttemptAccepted {
                task: live.task.clone(),
                worker: live.worker,
                accepted: Box::new(accepted),
            });
            if untouched && !state.shares_worktree() {
                events.push(Event::WorkerReady {
                    worker: live.worker,
                    base: live.base.clone(),
                });
            }
            events.extend(probe_passed(state, attempt));
            events.extend(provider::passed(state, live, Outcome::Succeeded));
            Ok(events)
        }
        Verdict::Failure {
            outcome,
            reason,
            output,
            spawn_failed,
        } => {
            let salvage = match &report.saved {
                Saved::Commit(work) => Some(work.commit.clone()),
                Saved::Nothing | Saved::Failed(_) => None,
            };
            let end = Ending {
                reason: because(live, outcome, reason),
                output,
                spawn_failed,
                agent_died: outcome == Outcome::Crashed && died(report),
                salvage,
                usage: Some(report.usage),
                fault: provider::fault(report, outcome),
                usd: report.usage.usd,
                handoff: Handoff::of(report, state.facts().reading(attempt)),
            };
            Ok(ended(state, now, live, outcome, end))
        }
    }
}

/// Of what changed in a shared worktree, all is blamed on the attempt that no other task may have changed.
fn its_own<'r>(state: &State, task: &Task, report: &'r Report) -> Cow<'r, Report> {
    if report.outside.is_empty() {
        return Cow::Borrowed(report);
    }
    let begun = |t: &&Task| t.current.is_some() || !t.history.is_empty();
    let others = state.tasks().iter().filter(|t| t.id() != task.id());
    let theirs: Vec<_> = others.filter(begun).flat_map(|t| &t.spec.files).collect();
    let mut report = report.clone();
    report
        .outside
        .retain(|file| !theirs.iter().any(|glob| glob.matches(file)));
    Cow::Owned(report)
}

/// A late result changes nothing, but is recorded once and its work is kept (Q-6, W-12).
fn fenced(state: &State, attempt: Attempt, saved: &Saved, usage: Option<&Usage>) -> Decision {
    known(attempt < state.next_attempt())?;
    let past = |t: &&crate::task::Task| t.history.iter().any(|p| p.attempt == attempt);
    let task = state.tasks().iter().find(past);
    // A report that was acted on and comes again is not late, only repeated.
    let accepted =
        |t: &&crate::task::Task| t.accepted.as_ref().is_some_and(|a| a.attempt == attempt);
    known(!task.as_ref().is_some_and(accepted))?;
    let revoked = task.is_none_or(|t| {
        let fact = t.history.iter().find(|p| p.attempt == attempt);
        fact.is_some_and(|p| p.revoked)
    });
    let salvage = match saved {
        Saved::Commit(work) => Some(work.commit.clone()),
        Saved::Nothing | Saved::Failed(_) => None,
    };
    // It was settled by what had been seen of it; what it says it used beyond that was spent all the same.
    let past = |t: &'_ Task| t.history.iter().find(|p| p.attempt == attempt).cloned();
    let more = task.and_then(|t| budget::late(state, t, &past(t)?, usage?));
    let mut events: Vec<Event> = more.into_iter().collect();
    if revoked && salvage.is_some() {
        events.push(Event::AttemptFenced {
            attempt,
            task: task.map(|t| t.id().clone()),
            salvage,
        });
    }
    known(!events.is_empty())?;
    Ok(events)
}

fn lost(state: &State, now: Time, attempt: Attempt, reason: &str, saved: &Saved) -> Decision {
    let Some(live) = state.attempt(attempt) else {
        return fenced(state, attempt, saved, None);
    };
    let why = live.stopping.map(|s| s.why);
    let (outcome, reason) = match why {
        Some(StopWhy::TaskCancelled) => (Outcome::Cancelled, "the task was cancelled".into()),
        Some(StopWhy::Interrupted | StopWhy::WorkerGone) => (
            Outcome::Cancelled,
            format!("stopped, and its shim died: {reason}"),
        ),
        Some(StopWhy::Blocked) => (Outcome::Cancelled, "its agent cannot go on".into()),
        Some(StopWhy::Stale) => (
            Outcome::Stale,
            format!("it made no progress and was ended ({reason})"),
        ),
        Some(StopWhy::OverBudget) => (
            Outcome::OverBudget,
            format!("ended for its cost, and its shim died: {reason}"),
        ),
        Some(StopWhy::NoHeartbeat) => (
            Outcome::Crashed,
            format!("its shim was not heard of for too long, and was ended ({reason})"),
        ),
        _ => (Outcome::Crashed, String::from(reason)),
    };
    let salvage = match saved {
        Saved::Commit(work) => Some(work.commit.clone()),
        Saved::Nothing | Saved::Failed(_) => None,
    };
    let end = Ending {
        reason: because(live, outcome, reason),
        salvage,
        ..Ending::default()
    };
    Ok(ended(state, now, live, outcome, end))
}

/// What is known of an attempt's end beside how it ended.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) reason: String,
    pub(super) output: String,
    pub(super) spawn_failed: bool,
    pub(super) agent_died: bool,
    pub(super) salvage: Option<Oid>,
    pub(super) usage: Option<Usage>,
    pub(super) fault: Option<provider::Fault>,
    pub(super) usd: Option<Usd>,
    pub(super) handoff: Option<Box<Handoff>>,
}

/// Whether the agent died by itself. A shim or a machine that died says nothing about the task.
fn died(report: &Report) -> bool {
    let end = report.agent.as_ref().map(|step| &step.end);
    report.cut.is_none() && matches!(end, Some(End::Signalled(_)))
}

/// Why an attempt was stale is in its last checkup, and why it was blocked in its agent's own word.
fn because(live: &Live, outcome: Outcome, reason: String) -> String {
    let blocked = live.stopping.is_some_and(|s| s.why == StopWhy::Blocked);
    if let Some(block) = live.words.block.as_ref().filter(|_| blocked) {
        return format!("{reason}: {}", block.reason);
    }
    match &live.health {
        Some(health) if outcome == Outcome::Stale && !health.reasons.is_empty() => {
            let reasons = health.reasons.iter().map(ToString::to_string);
            let reasons: Vec<String> = reasons.collect();
            format!("{reason}: {}", reasons.join("; "))
        }
        _ => reason,
    }
}

/// The events of an attempt's end without success.
pub(super) fn ended(
    state: &State,
    now: Time,
    live: &Live,
    outcome: Outcome,
    end: Ending,
) -> Vec<Event> {
    let Ending {
        reason,
        output,
        spawn_failed,
        agent_died,
        salvage,
        usage,
        fault,
        usd,
        handoff,
    } = end;
    let policy = state.policy();
    let why = live.stopping.map(|s| s.why);
    let Some(task) = state.task(&live.task) else {
        return Vec::new();
    };
    let metered = budget::settled(state, live, usage.as_ref());
    // Whom nobody serves, nobody refuses.
    let fault = fault.filter(|_| live.provider.is_some());
    let worker = state.worker(live.worker);
    let worker_next = match fault {
        Some(_) => WorkerNext::GoOn,
        None => retry::worker_next(worker, outcome, spawn_failed, live.attempt, &policy, now),
    };
    // Spawn failures in a row say something about the swarm (L-5) and nothing about the tasks they happen to hit;
    // the first of a row counts, so that a task that alone cannot be started does not go round for ever.
    let spawns = spawn_failed && state.spawn_failures() > 0 && why.is_none();
    let costs = why == Some(StopWhy::OverBudget) && outcome == Outcome::OverBudget;
    let next = if spawns || costs {
        Next::Release
    } else if fault.is_some() && why != Some(StopWhy::TaskCancelled) {
        retry::after_refusal(state, task, live)
    } else if agent_died && retry::is_poison(task, live.worker, &policy) {
        Next::Quarantine
    } else {
        retry::next(state, task, live, outcome)
    };
    let charge = match &metered {
        Some(Event::Metered { charge, .. }) => *charge,
        _ => live.account.charge,
    };
    let (next, spent) = budget::afterwards(state, live, charge, next, now);
    let parked = fault.and_then(|fault| provider::after(state, live, fault, &reason, now));
    let reason = retry::because(state, task, live, next, reason, fault.is_some());
    let failure = Failure {
        attempt: live.attempt,
        outcome,
        model: live.model.clone(),
        reason: spent.map_or_else(|| reason.clone(), |spent| format!("{reason}; {spent}")),
        output,
        fault: fault.map(|fault| fault.kind),
        usd,
        handoff,
    };
    let mut events: Vec<Event> = metered.into_iter().collect();
    events.push(Event::AttemptEnded {
        task: live.task.clone(),
        worker: live.worker,
        failure: Box::new(failure),
        next,
        worker_next,
        spawn_failed,
        agent_died,
        revoked: false,
        salvage,
    });
    events.extend(parked);
    if fault.is_none() {
        events.extend(provider::passed(state, live, outcome));
    }
    if state
        .halted()
        .is_some_and(|h| h.probing == Some(live.attempt))
    {
        events.extend(probe_ended(state, live.attempt, worker_next, now));
    }
    events
}

fn probe_passed(state: &State, attempt: Attempt) -> Option<Event> {
    state
        .halted()
        .filter(|h| h.probing == Some(attempt))
        .map(|_| Event::SwarmResumed {})
}

/// A probe that ended in a failure of the task is still a successful probe of the swarm.
fn probe_ended(state: &State, attempt: Attempt, worker: WorkerNext, now: Time) -> Option<Event> {
    if worker == WorkerNext::GoOn {
        return probe_passed(state, attempt);
    }
    let halt = state.halted()?;
    let probe_at = Some(now + state.policy().backoff_cap);
    Some(Event::SwarmHalted {
        reason: halt.reason.clone(),
        probe_at,
    })
}

fn checked(
    state: &State,
    _now: Time,
    wave: u32,
    round: u32,
    prefix: usize,
    passed: bool,
    output: &str,
) -> Decision {
    let merge = merging(state, wave)?;
    known(merge.round == round)?;
    let MergeStep::Checking(checking) = &merge.step else {
        return Err(Refusal::OutOfDate);
    };
    known(checking.probe() == Probe::Check(prefix))?;
    let mut events = Vec::from([Event::MergeChecked {
        round,
        prefix,
        passed,
        output: output.into(),
    }]);
    let mut after = checking.clone();
    after.learn(prefix, passed, output);
    match after.probe() {
        Probe::Check(_) | Probe::Land => {}
        Probe::Culprit(link) => events.extend(conflict::culprit(state, merge, &after, link)),
        Probe::BaseFails => {
            let tail = output.trim_end().lines().last().unwrap_or_default();
            let target = state.swarm().map_or("", |s| s.target.as_str());
            let reason = format!(
                "the integration check fails on {target} itself, before any task's work ({tail}); mend the \
                 branch or `check`, then `skep resume`"
            );
            events.push(Event::SwarmHalted {
                reason,
                probe_at: None,
            });
        }
    }
    Ok(events)
}

fn landed(state: &State, wave: u32, tip: &Oid) -> Decision {
    let merge = merging(state, wave)?;
    let MergeStep::Landing(chain) = &merge.step else {
        return Err(Refusal::OutOfDate);
    };
    known(chain.last().is_some_and(|link| link.commit == *tip))?;
    Ok(due::landed(state, tip.clone()).into_iter().collect())
}

fn base_moved(state: &State, wave: u32, actual: Option<&Oid>, descends: bool) -> Decision {
    let merge = merging(state, wave)?;
    known(actual != Some(&merge.base))?;
    match actual {
        Some(base) if descends => Ok([Event::MergeRebuilt {
            round: merge.round + 1,
            base: base.clone(),
        }]
        .into()),
        _ => {
            known(!state.needs_person())?;
            let reason = format!(
                "the integration branch was {} while the swarm ran; put it back to {} and `skep resume`",
                if actual.is_some() {
                    "moved to a commit without what was merged"
                } else {
                    "deleted"
                },
                merge.base.short(),
            );
            Ok([Event::SwarmHalted {
                reason,
                probe_at: None,
            }]
            .into())
        }
    }
}

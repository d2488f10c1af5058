//! Attempts: claimed, started, stopped, ended; and what that makes of their tasks and workers.

use crate::{
    ask::{Ask, HELD},
    attempt::{Failure, Live, Outcome, Phase, Stopping},
    budget::Account,
    event::{Event, Next, WorkerNext},
    health::{Pace, Rung},
    id::{Attempt, TaskId, WorkerId},
    state::State,
    task::{Accepted, Past, Task, TaskState},
    time::Time,
    word::{Checkpoint, Memo, Words},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

impl State {
    pub(super) fn apply_attempt(&mut self, event: &Event, now: Time) {
        match event {
            Event::Claimed {
                attempt,
                task,
                worker,
                agent,
                model,
                base,
                give_up,
                reserved,
                provider,
                route,
            } => {
                let live = Live {
                    attempt: *attempt,
                    task: task.clone(),
                    worker: *worker,
                    agent: agent.clone(),
                    model: model.clone(),
                    base: base.clone(),
                    claimed: now,
                    age_from: now,
                    phase: Phase::Claimed,
                    since: now,
                    give_up: *give_up,
                    stopping: None,
                    health: None,
                    told: Rung::Fine,
                    account: Account {
                        reserved: *reserved,
                        ..Account::default()
                    },
                    words: Words::default(),
                    provider: provider.clone(),
                    route: route.clone(),
                    asks: Vec::new(),
                    asked: 0,
                    held: 0,
                    refresh: false,
                    waited: Default::default(),
                };
                if let Some(provider) = provider {
                    self.provider_claimed(provider, *attempt);
                }
                if let Some(route) = route {
                    self.shares.count(&route.why);
                }
                self.next.attempt = self.next.attempt.max(attempt.0 + 1);
                self.live.insert(*attempt, live);
                if let Some(swarm) = &self.swarm {
                    self.ledger.begin_attempt(now, &swarm.spec.policy.budget);
                }
                self.with(task, TaskState::Running, now, |t| {
                    t.current = Some(*attempt);
                    t.not_before = None;
                });
                if let Some(ix) = self.index.find(task)
                    && let Some(key) = self.tasks[ix].spec.owner_key.clone()
                {
                    self.index.own(&key, *attempt);
                }
                if let Some(w) = self.workers.get_mut(worker) {
                    (w.current, w.since) = (Some(*attempt), now);
                    w.last = Some(task.clone());
                }
                if let Some(halt) = &mut self.halted {
                    halt.probing = Some(*attempt);
                }
            }
            Event::AttemptStarted { attempt } => self.advance_phase(*attempt, Phase::Running, now),
            Event::AgentEnded { attempt } => {
                self.advance_phase(*attempt, Phase::Verifying, now);
                if let Some(task) = self.live.get(attempt).map(|l| l.task.clone()) {
                    self.with(&task, TaskState::Verifying, now, |_| {});
                }
            }
            Event::LeaseMoved { attempt, give_up } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    // What is counted from a moment before the jump goes on to be as old as it was.
                    let jumped = |at: Time| at.jumped(live.give_up, *give_up);
                    (live.age_from, live.since) = (jumped(live.age_from), jumped(live.since));
                    live.stopping = live.stopping.map(|stop| Stopping {
                        since: jumped(stop.since),
                        ..stop
                    });
                    live.waited.since = live.waited.since.map(jumped);
                    live.asks
                        .iter_mut()
                        .for_each(|ask| ask.since = jumped(ask.since));
                    live.give_up = *give_up;
                }
            }
            Event::HealthChanged { attempt, health } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    if health.rung < live.told {
                        live.told = Rung::Fine;
                    }
                    live.health = Some(health.clone());
                }
            }
            Event::Told { attempt, rung, .. } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.told = *rung;
                }
            }
            Event::Checkpointed {
                attempt,
                text,
                percent,
                ..
            } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.words.checkpoints += 1;
                    live.words.last = Some(Checkpoint {
                        text: text.clone(),
                        percent: *percent,
                        at: now,
                    });
                }
            }
            Event::BlockReported { attempt, block, .. } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.words.block = Some((**block).clone());
                }
            }
            Event::MemoRecorded {
                attempt,
                task,
                worker,
                key,
                value,
                source,
            } => self.memos.push(Memo {
                key: key.clone(),
                value: value.clone(),
                source: source.clone(),
                task: task.clone(),
                attempt: *attempt,
                worker: *worker,
                at: now,
            }),
            Event::Asked { attempt, question } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    match question.number.checked_sub(HELD) {
                        Some(before) => live.held = live.held.max(before.saturating_add(1)),
                        None => live.asked = live.asked.max(question.number),
                    }
                    live.waited.begin(now);
                    live.asks.push(Ask {
                        question: (**question).clone(),
                        since: now,
                        reply: None,
                    });
                }
            }
            Event::Answered {
                attempt,
                number,
                reply,
            } => {
                let live = self.live.get_mut(attempt);
                let asks = live.map(|live| live.asks.iter_mut()).into_iter().flatten();
                for ask in asks.filter(|ask| ask.question.number == *number) {
                    ask.reply = Some(reply.clone());
                }
                self.waits_no_more(*attempt, now);
            }
            Event::AskClosed { attempt, number } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.asks.retain(|ask| ask.question.number != *number);
                }
                self.waits_no_more(*attempt, now);
            }
            Event::ContextRefreshDeferred { attempt, .. } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.refresh = true;
                }
            }
            Event::StopAsked {
                attempt,
                why,
                at_once,
            } => {
                if let Some(live) = self.live.get_mut(attempt) {
                    live.stopping = Some(Stopping {
                        why: *why,
                        at_once: *at_once,
                        since: now,
                    });
                }
            }
            Event::AttemptAccepted {
                task,
                worker,
                accepted,
            } => {
                self.accept(task, *worker, accepted, now);
            }
            Event::AttemptEnded {
                task,
                worker,
                failure,
                next,
                worker_next,
                spawn_failed,
                agent_died,
                revoked,
                ..
            } => {
                // What was cut short says nothing of what its like need.
                let whole = matches!(failure.outcome, Outcome::Failed | Outcome::TimedOut);
                let (charge, took) = self.close_account(failure.attempt, whole, now);
                let past = Past {
                    attempt: failure.attempt,
                    worker: *worker,
                    model: failure.model.clone(),
                    outcome: failure.outcome,
                    ended: now,
                    reason: failure.reason.clone(),
                    charge,
                    took,
                    revoked: *revoked,
                };
                if *spawn_failed || failure.outcome == Outcome::Crashed && failure.fault.is_none() {
                    self.alerts.crashed(now);
                }
                let live = self.live.get(&failure.attempt);
                let block = live.and_then(|live| live.words.block.clone());
                let served = self.ended_for_provider(failure, now);
                self.release(failure.attempt, *worker, false, now);
                self.settle(task, *next, now, |t| {
                    t.history.push(past);
                    t.refused(failure.fault.is_some(), served);
                    // What a provider did helps nobody to do it better. What was there before still does.
                    if failure.fault.is_none() || *next != Next::Release {
                        t.last_failure = Some((**failure).clone());
                    }
                    if *next == Next::Block {
                        t.block = block;
                    }
                    if *agent_died {
                        t.killed.insert(*worker);
                    }
                    if let Some(model) = &failure.model
                        && failure.fault.is_none()
                        && matches!(next, Next::RetryFailed | Next::Flag)
                    {
                        *t.model_failures.entry(model.clone()).or_default() += 1;
                    }
                });
                if *next == Next::Block {
                    // Others that wait for it may now be of a later wave than it was.
                    self.index.rebuild(&mut self.tasks, self.next.wave);
                }
                if *spawn_failed {
                    self.spawn_failures += 1;
                } else if failure.outcome != Outcome::Cancelled {
                    self.spawn_failures = 0;
                }
                if let (Some(w), WorkerNext::BackOff(until)) =
                    (self.workers.get_mut(worker), worker_next)
                {
                    w.crashes += 1;
                    w.lineage += 1;
                    w.not_before = Some(*until);
                    w.trouble = Some(failure.reason.clone());
                }
            }
            Event::AttemptFenced {
                attempt,
                task: Some(task),
                ..
            } => self.edit(task, |t| {
                // Recorded once: what comes again finds it so.
                let past = t.history.iter_mut().find(|p| p.attempt == *attempt);
                if let Some(past) = past {
                    (past.outcome, past.revoked) = (Outcome::Fenced, false);
                }
            }),
            _ => {}
        }
    }

    fn accept(&mut self, task: &TaskId, worker: WorkerId, accepted: &Accepted, now: Time) {
        let model = self
            .live
            .get(&accepted.attempt)
            .and_then(|l| l.model.clone());
        if let (Some(live), Some(ix)) = (self.live.get(&accepted.attempt), self.index.find(task)) {
            let kind = Pace::key(&live.agent, &self.tasks[ix].spec);
            let live = live.clone();
            self.pace(kind, now.since(live.age_from));
            self.provider_seen(&live, Outcome::Succeeded, false, now);
            self.record(&live, Outcome::Succeeded, accepted.receipt.usage.usd, now);
        }
        let (charge, took) = self.close_account(accepted.attempt, true, now);
        let untouched = accepted.commit.is_none() && accepted.receipt.changed_by_checks.is_empty();
        self.release(accepted.attempt, worker, untouched, now);
        self.spawn_failures = 0;
        if let Some(w) = self.workers.get_mut(&worker) {
            (w.crashes, w.lineage, w.trouble) = (0, 0, None);
        }
        self.with(task, TaskState::Accepted, now, |t| {
            t.history.push(Past {
                attempt: accepted.attempt,
                worker,
                model,
                outcome: Outcome::Succeeded,
                ended: now,
                reason: format!("{} files changed", accepted.receipt.file_count),
                charge,
                took,
                revoked: false,
            });
            t.current = None;
            t.accepted = Some(accepted.clone());
        });
    }

    /// What an end without success says of provider and records; returns how many attempts the provider has served.
    fn ended_for_provider(&mut self, failure: &Failure, now: Time) -> u64 {
        let Some(live) = self.live.get(&failure.attempt).cloned() else {
            return 0;
        };
        let fault = failure.fault.is_some();
        self.provider_seen(&live, failure.outcome, fault, now);
        if !fault {
            self.record(&live, failure.outcome, failure.usd, now);
        }
        let provider = live.provider.and_then(|name| self.providers.get(&name));
        provider.map_or(0, |provider| provider.served)
    }

    /// Ends the attempt's hold on its worker and its ownership key.
    fn release(&mut self, attempt: Attempt, worker: WorkerId, untouched: bool, now: Time) {
        self.facts.forget(attempt);
        if let Some(live) = self.live.remove(&attempt) {
            self.provider_released(&live);
            if let Some(ix) = self.index.find(&live.task)
                && let Some(key) = self.tasks[ix].spec.owner_key.clone()
            {
                self.index.disown(&key, attempt);
            }
        }
        let shared = self.shares_worktree();
        if let Some(w) = self.workers.get_mut(&worker)
            && w.current == Some(attempt)
        {
            (w.current, w.since, w.free_since) = (None, now, now);
            if !untouched {
                w.turn += 1;
                // A shared worktree it spoils for its own files only, and whoever is next there cleans those.
                if !shared {
                    w.ready_at = None;
                }
            }
        }
        if let Some(halt) = &mut self.halted
            && halt.probing == Some(attempt)
        {
            halt.probing = None;
        }
        let cap = self.policy().concurrency as usize;
        // Well below it, so that one attempt's end and the next one's start do not warn again.
        if self.live.len() * 2 <= cap {
            self.cap_warned = false;
        }
    }

    fn settle(&mut self, task: &TaskId, next: Next, now: Time, also: impl FnOnce(&mut Task)) {
        let to = match next {
            Next::RetryFailed | Next::RetryCrashed(_) | Next::Release => TaskState::Ready,
            Next::Flag => TaskState::Flagged,
            Next::DeadLetter | Next::Quarantine => TaskState::Dead,
            Next::Cancel => TaskState::Cancelled,
            Next::Block => TaskState::Blocked,
        };
        self.with(task, to, now, |t| {
            also(t);
            t.current = None;
            match next {
                Next::RetryFailed | Next::Flag => t.failures += 1,
                Next::RetryCrashed(at) => {
                    t.crashes += 1;
                    t.not_before = at;
                }
                Next::DeadLetter | Next::Quarantine => t.crashes += 1,
                Next::Release | Next::Cancel | Next::Block => {}
            }
            let reason = t.last_failure.as_ref().map(|f| f.reason.clone());
            match next {
                Next::Flag | Next::DeadLetter => t.note = reason,
                Next::Quarantine => t.note = Some(poison(t, &reason.unwrap_or_default())),
                _ => {}
            }
        });
    }

    /// An attempt's clock goes on when nothing keeps its agent waiting any more.
    fn waits_no_more(&mut self, attempt: Attempt, now: Time) {
        if let Some(live) = self.live.get_mut(&attempt)
            && !live.asks.iter().any(Ask::waits)
        {
            let waited = live.waited.end(now);
            // It was not the agent that was silent.
            self.facts.stood(attempt, waited);
        }
    }

    fn advance_phase(&mut self, attempt: Attempt, phase: Phase, now: Time) {
        if let Some(live) = self.live.get_mut(&attempt)
            && live.phase < phase
        {
            (live.phase, live.since) = (phase, now);
        }
    }
}

/// Why a task is quarantined (L-6).
fn poison(task: &Task, reason: &str) -> String {
    let workers: Vec<String> = task.killed.iter().map(ToString::to_string).collect();
    format!(
        "poison: its agents died under {}, the last: {reason}",
        workers.join(" and ")
    )
}

//! Performing: each action against the fake world, in steps between which the keeper may die. Idempotent,
//! and making no choices.

use crate::{
    hosts::{Folder, FolderState, ShimStep, Worktree},
    keeper::Letter,
    mutant::Mutant,
    world::{Due, World},
};
use skep_core::{
    attempt::{Phase, Saved},
    forecast,
    hook::{About, Ran},
    id::{Attempt, Oid, WorkerId},
    merge::{Clash, Link},
    plan::{self, Action, BuildOrder, Order},
    request::Observation,
};

/// What performers never do two of at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Stop(Attempt),
    Worker(WorkerId),
    Merge,
    Target,
    Forecast,
    Hook(Attempt),
}

/// An action under way, with what its performer was told when it began.
pub(crate) struct Op {
    action: Action,
    key: Key,
    order: Option<Box<Order>>,
    /// With this worker leaves the last that shares a worktree.
    last: bool,
    build: Option<BuildOrder>,
    sights: Option<forecast::Order>,
}

/// How long until an action without a known result is performed again.
const AGAIN: u64 = 20_000;

impl World {
    pub(crate) fn begin(&mut self, action: Action) {
        let key = match &action {
            // Not beside a reset of the same worktree that is still under way.
            Action::Start { .. } | Action::Prepare { .. } | Action::Remove { .. }
                if self.shares() =>
            {
                Key::Worker(WorkerId(0))
            }
            Action::Start { attempt } => Key::Worker(self.worker_of(*attempt)),
            Action::Stop { attempt, .. }
            | Action::Tell { attempt, .. }
            | Action::Answer { attempt, .. } => Key::Stop(*attempt),
            Action::Prepare { worker, .. } | Action::Remove { worker } => Key::Worker(*worker),
            Action::Build { .. } | Action::Check { .. } | Action::Land { .. } => Key::Merge,
            Action::LandTarget { .. } => Key::Target,
            Action::Forecast { .. } => Key::Forecast,
            Action::Hook { owed } => Key::Hook(owed.attempt),
        };
        if self.mutated(Mutant::StopNothing) && matches!(action, Action::Stop { .. }) {
            return;
        }
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let fresh = keeper
            .recent
            .get(&action)
            .is_some_and(|at| now < at + AGAIN);
        if fresh || !keeper.busy.insert(key) {
            return;
        }
        let state = keeper.engine.state();
        let (mut order, mut build, mut sights) = (None, None, None);
        match &action {
            Action::Start { attempt } | Action::Stop { attempt, .. } => {
                order = plan::order(state, *attempt).map(Box::new);
            }
            Action::Forecast { mark } => sights = forecast::order(state, *mark),
            Action::Build { wave, round } => build = plan::build_order(state, *wave, *round),
            _ => {}
        }
        let staying = state.workers().filter(|w| !w.stopping).count();
        let last = state.live().len() == 0 && staying == 0;
        let life = keeper.life;
        let takes = match &action {
            Action::Check { .. } => self.dice.spread(100, 600_000),
            Action::Start { .. } | Action::Stop { .. } => self.dice.of(0..=20),
            _ => self.dice.spread(2, 2_000),
        };
        self.note(|| format!("perform {action:?}"));
        self.coverage.hit(word(&action));
        self.after(
            takes,
            Due::Perform(
                life,
                Box::new(Op {
                    action,
                    key,
                    order,
                    last,
                    build,
                    sights,
                }),
                0,
            ),
        );
    }

    fn worker_of(&self, attempt: Attempt) -> WorkerId {
        let state = self.keeper.as_ref().map(|k| k.engine.state());
        let live = state.and_then(|s| s.attempt(attempt));
        live.map_or(WorkerId(0), |l| l.worker)
    }

    pub(crate) fn perform(&mut self, life: u32, op: Op, step: u8) {
        if self.keeper.as_ref().is_none_or(|k| k.life != life) {
            return;
        }
        if self.faults.crashes(&mut self.dice) {
            return self.crash_keeper("crash: mid action");
        }
        // The first step of some actions leaves the world half done.
        if step == 0 && self.first_half(&op.action) {
            return self.after(5, Due::Perform(life, Box::new(op), 1));
        }
        let seen = self.second_half(&op);
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        keeper.busy.remove(&op.key);
        keeper.recent.insert(op.action.clone(), now);
        if let Some(seen) = seen {
            self.observe_of(seen, Some(op.action));
        }
        self.act();
    }

    fn first_half(&mut self, action: &Action) -> bool {
        let (Action::Prepare { worker, .. } | Action::Remove { worker }) = action else {
            return false;
        };
        let shares = self.shares();
        if shares && matches!(action, Action::Remove { .. }) {
            return true;
        }
        let running = |f: &Folder| matches!(f.state, FolderState::Running { .. });
        let inside = self
            .hosts
            .folders
            .iter()
            .filter(|(_, f)| (shares || f.worker == *worker) && running(f));
        let inside: Vec<Attempt> = inside.map(|(a, _)| *a).collect();
        for attempt in inside {
            self.coverage.hit("orphan: ended before a worktree's reset");
            self.shim_dies(attempt);
        }
        let dirty = self.hosts.worktrees.get(worker).and_then(|w| w.dirty);
        if let Some(attempt) = dirty
            && !self.mutated(Mutant::ForgetSave)
        {
            self.coverage.hit("salvage: dirty worktree saved");
            self.save(attempt);
        }
        true
    }

    fn second_half(&mut self, op: &Op) -> Option<Observation> {
        match &op.action {
            Action::Start { attempt } => self.start(*attempt, op.order.as_deref()?),
            Action::Stop {
                attempt, at_once, ..
            } => self.stop(*attempt, *at_once, op.order.as_deref()?),
            Action::Tell { attempt, rung } => Some(Observation::Told {
                attempt: *attempt,
                rung: *rung,
                delivered: false,
            }),
            // No agent of this world asks by a protocol of its own: the state holds what they ask.
            Action::Answer { .. } => None,
            Action::Prepare { worker, base, turn } => Some(self.prepare(*worker, base, *turn)),
            Action::Remove { worker } if self.shares() => {
                if op.last {
                    self.end_running(|_, _| true);
                    self.clear_files(None);
                    self.audit_sync();
                    self.hosts.shared = None;
                }
                Some(Observation::WorkerGone { worker: *worker })
            }
            Action::Remove { worker } => {
                self.audit_reset(*worker);
                self.hosts.worktrees.remove(worker);
                Some(Observation::WorkerGone { worker: *worker })
            }
            Action::Build { wave, round } => Some(self.build(*wave, *round, op.build.as_ref()?)),
            Action::Check {
                wave,
                round,
                prefix,
                commit,
            } => {
                let unchecked = self.mutated(Mutant::LandUnchecked);
                let passed = unchecked || self.check(commit);
                let output = if passed {
                    String::new()
                } else {
                    "1 test failed".into()
                };
                let (wave, round, prefix) = (*wave, *round, *prefix);
                Some(Observation::Checked {
                    wave,
                    round,
                    prefix,
                    passed,
                    output,
                })
            }
            Action::Land { wave, from, to } => Some(self.land(*wave, from, to)),
            Action::LandTarget { to } => Some(self.land_target(to)),
            Action::Forecast { .. } => Some(self.foresee(op.sights.as_ref()?)),
            Action::Hook { owed } => Some(Observation::HookRan {
                ran: Ran {
                    hook: owed.hook.clone(),
                    on: owed.on,
                    about: About::Attempt(owed.attempt),
                    id: owed.id(),
                    failed: None,
                    refused: false,
                },
            }),
        }
    }

    fn start(&mut self, attempt: Attempt, order: &Order) -> Option<Observation> {
        let doubled = self.mutated(Mutant::StartTwice) && self.dice.chance(300);
        if !doubled && let Some(seen) = self.look_at(attempt) {
            return Some(seen);
        }
        self.end_older(attempt, order);
        self.clear_for(attempt, order);
        if self.faults.start(&mut self.dice) {
            self.coverage.hit("fault: start fails");
            self.seal(attempt, &order.task.id, order.worker, &order.base);
            return Some(Observation::StartFailed {
                attempt,
                reason: "no memory".into(),
            });
        }
        if let Some(tree) = &mut self.hosts.shared {
            tree.begun.insert(attempt);
        }
        let boot = self.hosts.boots;
        let begin = ShimStep::Begin {
            order: Box::new(order.clone()),
            boot,
        };
        let slow = self.dice.spread(1, 1_000);
        self.after(slow, Due::Shim(attempt, begin));
        None
    }

    fn stop(&mut self, attempt: Attempt, at_once: bool, order: &Order) -> Option<Observation> {
        let grace = order.limits.grace.0;
        match self.hosts.folders.get_mut(&attempt) {
            None => self.seal(attempt, &order.task.id, order.worker, &order.base),
            Some(folder) if matches!(folder.state, FolderState::Running { .. }) => {
                if folder.told_to_stop && !at_once {
                    return None;
                }
                folder.told_to_stop = true;
                let heeds = if at_once { 1 } else { self.dice.of(1..=grace) };
                self.coverage.hit(if at_once {
                    "stop: at once"
                } else {
                    "stop: with grace"
                });
                self.after(heeds, Due::Shim(attempt, ShimStep::StopTakesEffect));
                return None;
            }
            Some(_) => {}
        }
        self.look_at(attempt)
    }

    fn prepare(&mut self, worker: WorkerId, base: &Oid, turn: u32) -> Observation {
        if self.faults.prepare(&mut self.dice) {
            self.coverage.hit("fault: worktree fails");
            return Observation::WorkerFailed {
                worker,
                reason: "index.lock exists".into(),
            };
        }
        if self.shares() {
            self.clear_files(None);
            self.audit_sync();
            self.bring_shared(base);
            return Observation::WorkerReady {
                worker,
                base: base.clone(),
                turn,
            };
        }
        self.audit_reset(worker);
        let fresh = Worktree {
            head: base.clone(),
            dirty: None,
        };
        self.hosts.worktrees.insert(worker, fresh);
        Observation::WorkerReady {
            worker,
            base: base.clone(),
            turn,
        }
    }

    fn build(&mut self, wave: u32, round: u32, order: &BuildOrder) -> Observation {
        if self.faults.merge(&mut self.dice) {
            self.coverage.hit("fault: merge fails");
            return Observation::MergeFailed {
                wave,
                reason: "git is not installed".into(),
            };
        }
        if self.repo.integration != order.base {
            return self.moved(wave, &order.base);
        }
        let (mut tip, mut chain, mut clashes) = (order.base.clone(), Vec::new(), Vec::new());
        let mut add = |repo: &mut crate::git::Repo, task: Option<_>, work: &Oid| match repo
            .merge(&tip, work)
        {
            Ok(commit) => {
                tip = commit.clone();
                chain.push(Link {
                    task,
                    commit,
                    remembered: Vec::new(),
                });
            }
            Err(files) => {
                let named = |f: &usize| (crate::git::file_name(*f), "content".to_string());
                clashes.push(Clash {
                    task,
                    files: files.iter().map(named).collect(),
                });
            }
        };
        if order.target.is_some() {
            let target = self.repo.target.clone();
            if !self.repo.descends(&order.base, &target) {
                add(&mut self.repo, None, &target);
            }
        }
        for queued in &order.queue {
            add(&mut self.repo, Some(queued.task.clone()), &queued.commit);
        }
        Observation::Built {
            wave,
            round,
            chain,
            clashes,
        }
    }

    fn check(&mut self, commit: &Oid) -> bool {
        let passes = self.repo.passes(commit);
        if passes && self.faults.flakes(&mut self.dice) {
            self.coverage.hit("fault: check flakes");
            return false;
        }
        if passes {
            self.repo.passed.push(commit.clone());
        }
        passes
    }

    fn land(&mut self, wave: u32, from: &Oid, to: &Oid) -> Observation {
        if self.repo.integration != *to {
            if self.repo.integration != *from && !self.mutated(Mutant::LandBlindly) {
                return self.moved(wave, from);
            }
            self.audit_land(to);
            self.repo.integration = to.clone();
        }
        Observation::Landed {
            wave,
            tip: to.clone(),
        }
    }

    fn moved(&mut self, wave: u32, base: &Oid) -> Observation {
        let actual = self.repo.integration.clone();
        let descends = self.repo.descends(&actual, base);
        Observation::BaseMoved {
            wave,
            actual: Some(actual),
            descends,
        }
    }

    fn land_target(&mut self, to: &Oid) -> Observation {
        let diverged = !self.repo.descends(to, &self.repo.target);
        if diverged || self.faults.target(&mut self.dice) {
            let reason = if diverged {
                "it has commits of its own"
            } else {
                "it is checked out"
            };
            let (tip, reason) = (to.clone(), reason.into());
            return Observation::TargetRefused {
                tip,
                reason,
                diverged,
            };
        }
        self.audit_target(to);
        self.repo.target = to.clone();
        Observation::TargetLanded { tip: to.clone() }
    }

    /// Ends every attempt that runs although nobody holds it any more. Only by what is in the log.
    pub(crate) fn end_orphans(&mut self) {
        let Some(keeper) = self
            .keeper
            .as_ref()
            .filter(|k| k.engine.staged().1.is_empty())
        else {
            return;
        };
        let state = keeper.engine.state();
        let next = state.next_attempt();
        let held: Vec<Attempt> = state.live().map(|l| l.attempt).collect();
        self.end_running(|a, _| a < next && !held.contains(&a));
    }

    /// A claim fences every older attempt of its task and of its worker: none may run beside it.
    /// One that never got a folder may still get it: a spawned shim can be slow.
    fn end_older(&mut self, attempt: Attempt, order: &Order) {
        let state = &self.audit.state;
        let unheld =
            |a: &Attempt| state.attempt(*a).is_none() && !self.hosts.folders.contains_key(a);
        let late: Vec<Attempt> = (1..attempt.0).map(Attempt).filter(unheld).collect();
        for older in late {
            self.coverage.hit("orphan: sealed before it began");
            self.seal(older, &order.task.id, WorkerId(0), &order.base);
        }
        let (task, worker) = (&order.task.id, order.worker);
        let lost = |a: Attempt| {
            let shared = order.shared.as_ref();
            shared.is_some_and(|part| !part.beside.contains(&a))
        };
        self.end_running(|a, f| a < attempt && (f.task == *task || f.worker == worker || lost(a)));
    }

    pub(crate) fn end_running(&mut self, which: impl Fn(Attempt, &Folder) -> bool) {
        let running = |f: &Folder| matches!(f.state, FolderState::Running { .. });
        let folders = self.hosts.folders.iter();
        let orphans = folders.filter(|(a, f)| running(f) && which(**a, f));
        let orphans: Vec<Attempt> = orphans.map(|(a, _)| *a).collect();
        for attempt in orphans {
            self.coverage.hit("orphan: ended");
            self.shim_dies(attempt);
        }
    }

    /// Observes a live attempt whose folder says more than is known of it.
    pub(crate) fn look_for_news(&mut self, attempt: Attempt) {
        let state = self.keeper.as_ref().map(|k| k.engine.state());
        let Some(live) = state.and_then(|s| s.attempt(attempt)) else {
            return;
        };
        let (phase, task, worker) = (live.phase, live.task.clone(), live.worker);
        let base = live.base.clone();
        let seen = match self.look_at(attempt) {
            None if phase > Phase::Claimed => {
                self.seal(attempt, &task, worker, &base);
                let reason = "its folder is gone".into();
                Some(Observation::Lost {
                    attempt,
                    reason,
                    saved: Saved::Nothing,
                })
            }
            Some(Observation::Started { .. }) if phase >= Phase::Running => None,
            Some(Observation::AgentEnded { .. }) if phase >= Phase::Verifying => None,
            seen => seen,
        };
        if let Some(seen) = seen {
            self.observe(seen);
        }
    }

    pub(crate) fn observe(&mut self, seen: Observation) {
        self.observe_of(seen, None);
    }

    /// Sends what was seen to the keeper, late, twice or not at all.
    fn observe_of(&mut self, seen: Observation, of: Option<Action>) {
        let Some(life) = self.keeper.as_ref().map(|k| k.life) else {
            return;
        };
        for late in self.faults.deliveries(&mut self.dice, &mut self.coverage) {
            let letter = Letter::seen(seen.clone(), of.clone());
            self.after(late, Due::Deliver(life, Box::new(letter)));
        }
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Start { .. } => "perform: start",
        Action::Stop { .. } => "perform: stop",
        Action::Prepare { .. } => "perform: prepare",
        Action::Remove { .. } => "perform: remove",
        Action::Tell { .. } => "perform: tell",
        Action::Answer { .. } => "perform: answer",
        Action::Build { .. } => "perform: build",
        Action::Check { .. } => "perform: check",
        Action::Land { .. } => "perform: land",
        Action::LandTarget { .. } => "perform: land target",
        Action::Forecast { .. } => "perform: forecast",
        Action::Hook { .. } => "perform: hook",
    }
}

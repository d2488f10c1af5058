//! Performing: making the world as the plan says. No choices are made here.
//!
//! An action that is under way is not begun again; when it is done, what was seen comes back to the loop as
//! observations. After a restart nothing is under way, so everything still wanted is begun again, and
//! every performer must find that harmless.

mod attempts;
mod merging;
mod ports;
mod runs;
mod vitals;
mod worktrees;

use super::{
    Options,
    inbox::{Handle, Message},
};
use crate::{git::Repo, run::Running, site::Site};
use attempts::StopOrder;
use ports::Ports;
use skep_core::{
    event::{Event, Record},
    health::must_measure,
    id::{Attempt, WorkerId},
    plan::Action,
    request::Observation,
    state::State,
    time::{Millis, Time},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

/// After a performer panicked (a bug), its action is begun again so much later.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// The first pause before an action that was done and is wanted still is begun again; it doubles, up to 256
/// times this.
const FIRST_PAUSE: Millis = Millis(20);

/// What every performer may use.
pub(super) struct World {
    repo: Repo,
    site: Site,
    options: Options,
    handle: Handle,
    runtime: tokio::runtime::Handle,
    /// Attempts whose shims are known to run, with the worker whose worktree they are in.
    running: Mutex<BTreeMap<Attempt, (WorkerId, Arc<Running>)>>,
    /// Workers whose worktrees may hold something that no snapshot has saved.
    unsaved: Mutex<BTreeSet<WorkerId>>,
    ports: Ports,
    gauges: Mutex<vitals::Gauges>,
}

impl World {
    fn running(&self) -> MutexGuard<'_, BTreeMap<Attempt, (WorkerId, Arc<Running>)>> {
        // A panic elsewhere leaves the map whole: every change is one call.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_of(&self, worker: WorkerId) -> Option<(Attempt, Arc<Running>)> {
        let all = self.running();
        let found = all.iter().find(|(_, (w, _))| *w == worker);
        found.map(|(attempt, (_, running))| (*attempt, Arc::clone(running)))
    }

    fn unsaved(&self) -> MutexGuard<'_, BTreeSet<WorkerId>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, seen: Vec<Observation>) {
        self.handle.send(Message::Performed(None, seen));
    }
}

pub(super) struct Performer {
    world: Arc<World>,
    under_way: BTreeSet<Action>,
    /// Actions that were done and may be wanted still: when each may be begun again, and how often it was.
    held_off: BTreeMap<Action, (Time, u32)>,
    /// The last sign of life of each running shim, and when it was first seen.
    beats: BTreeMap<Attempt, (SystemTime, Time)>,
    next_beat: Option<Time>,
    /// A measurement is under way.
    measuring: Arc<AtomicBool>,
}

impl Performer {
    pub(super) fn new(
        repo: Repo,
        site: Site,
        options: Options,
        handle: Handle,
        runtime: tokio::runtime::Handle,
    ) -> io::Result<Performer> {
        let world = World {
            repo,
            site,
            options,
            handle,
            runtime,
            running: Mutex::default(),
            unsaved: Mutex::default(),
            ports: Ports::default(),
            gauges: Mutex::default(),
        };
        let world = Arc::new(world);
        attempts::listen(&world)?;
        Ok(Performer {
            world,
            under_way: BTreeSet::new(),
            held_off: BTreeMap::new(),
            beats: BTreeMap::new(),
            next_beat: None,
            measuring: Arc::default(),
        })
    }

    /// Looks for the attempts that the state says are live, and goes on watching those that run (W-4).
    pub(super) fn adopt(&self, state: &State) -> Vec<Observation> {
        attempts::adopt(&self.world, state)
    }

    /// Shims that have not been heard of for too long. Looks only so often, and only while some run; then, and
    /// when a verdict hangs on it, every attempt is measured, too.
    pub(super) fn silent(&mut self, state: &State, now: Time) -> Vec<Observation> {
        let looks = self.next_beat.is_none_or(|at| at <= now);
        if looks || must_measure(state, now) {
            self.measure(state);
        }
        if self.next_beat.is_some_and(|at| at > now) {
            return Vec::new();
        }
        let some_run = !self.world.running().is_empty();
        self.next_beat = some_run.then(|| now + state.policy().heartbeat);
        attempts::silent(&self.world, state, &mut self.beats, now)
    }

    /// Not on the keeper's own thread: reading what many processes do takes milliseconds.
    fn measure(&self, state: &State) {
        let orders = vitals::orders(&self.world, state);
        if orders.is_empty() || self.measuring.swap(true, Ordering::AcqRel) {
            return;
        }
        let (world, under_way) = (
            Arc::clone(&self.world),
            UnderWay(Arc::clone(&self.measuring)),
        );
        let job = move || {
            let _until_done = under_way;
            vitals::measure(&world, &orders)
        };
        self.spawn(None, Box::new(job));
    }

    /// When to look for silent shims next.
    pub(super) fn next_beat(&self, state: &State, now: Time) -> Option<Time> {
        let some_run = state.live().len() > 0;
        self.next_beat
            .or_else(|| some_run.then(|| now + state.policy().heartbeat))
    }

    /// Begins every action that is not under way. Says when to come back for those that must wait.
    ///
    /// What was done and is wanted still (its result was refused, say) is begun again only after a growing
    /// pause: a state and a world that disagree for long must not make the keeper spin.
    pub(super) fn perform(
        &mut self,
        state: &State,
        actions: Vec<Action>,
        now: Time,
    ) -> Option<Time> {
        self.held_off.retain(|action, _| actions.contains(action));
        let mut back = None;
        for action in actions {
            if self.under_way.contains(&action) || self.worker_is_busy(&action) {
                continue;
            }
            match self.held_off.get(&action) {
                Some((until, _)) if *until > now => {
                    back = Some(back.map_or(*until, |b: Time| b.min(*until)));
                }
                _ if self.begin(state, action.clone()) => {
                    self.under_way.insert(action);
                }
                _ => {}
            }
        }
        self.end_orphans(state);
        back
    }

    /// A worker's worktree is made ready or removed by one performer at a time: a second one would reset it
    /// under the agent that the first let in.
    fn worker_is_busy(&self, action: &Action) -> bool {
        let of = |action: &Action| match action {
            Action::Prepare { worker, .. } | Action::Remove { worker } => Some(*worker),
            _ => None,
        };
        let mine = of(action);
        mine.is_some() && self.under_way.iter().any(|other| of(other) == mine)
    }

    /// An action is done; if it is still wanted it may be begun again, after a pause.
    pub(super) fn done(&mut self, action: &Action, now: Time) {
        self.under_way.remove(action);
        let times = self.held_off.get(action).map_or(0, |(_, times)| *times);
        let pause = FIRST_PAUSE.times(1 << times.min(8));
        self.held_off
            .insert(action.clone(), (now + pause, times + 1));
    }

    /// What was decided is durable.
    pub(super) fn committed(&mut self, state: &State, records: &[Record]) {
        for record in records {
            if let Event::AttemptAccepted { .. } | Event::AttemptEnded { .. } = &record.event {
                self.forget_ended(&record.event);
            }
            merging::learn(&self.world, state, &record.event);
        }
    }

    /// A stop stays under way until its attempt has ended: asking again would change nothing.
    fn forget_ended(&mut self, event: &Event) {
        let ended = match event {
            Event::AttemptAccepted { accepted, .. } => accepted.attempt,
            Event::AttemptEnded { failure, .. } => failure.attempt,
            _ => return,
        };
        self.under_way.retain(|action| match action {
            Action::Start { attempt } | Action::Stop { attempt, .. } => *attempt != ended,
            _ => true,
        });
    }

    /// A shim whose attempt is not live any more (its lease was revoked) is ended; its result will be fenced.
    fn end_orphans(&self, state: &State) {
        for (attempt, (_, running)) in self.world.running().iter() {
            if state.attempt(*attempt).is_none() {
                attempts::end_now(running);
            }
        }
    }

    /// False when the state holds no order for it: then it is not wanted any more.
    fn begin(&self, state: &State, action: Action) -> bool {
        let world = Arc::clone(&self.world);
        let job: Box<dyn FnOnce() -> Vec<Observation> + Send> = match &action {
            Action::Start { attempt } => {
                let Some(order) = skep_core::plan::order(state, *attempt) else {
                    return false;
                };
                Box::new(move || attempts::start(&world, &order))
            }
            Action::Stop {
                attempt,
                why,
                at_once,
            } => {
                let Some(worker) = state.attempt(*attempt).map(|live| live.worker) else {
                    return false;
                };
                let order = StopOrder {
                    attempt: *attempt,
                    worker,
                    why: *why,
                    at_once: *at_once,
                };
                // Stays under way: see `forget_ended`.
                self.spawn(None, Box::new(move || attempts::stop(&world, order)));
                return true;
            }
            Action::Tell { attempt, rung } => {
                let Some(live) = state.attempt(*attempt) else {
                    return false;
                };
                let (attempt, rung) = (*attempt, *rung);
                // An adapter that takes words while its agent runs has a channel of its own to it; none has yet.
                let delivered = skep_agents::speak(&live.agent, rung).is_some();
                Box::new(move || {
                    vec![Observation::Told {
                        attempt,
                        rung,
                        delivered,
                    }]
                })
            }
            Action::Prepare { worker, base, turn } => {
                let Some(order) = worktrees::order(state, *worker, base, *turn) else {
                    return false;
                };
                Box::new(move || worktrees::prepare(&world, &order))
            }
            Action::Remove { worker } => {
                let Some(order) = worktrees::leaving(state, *worker) else {
                    return false;
                };
                Box::new(move || worktrees::remove(&world, &order))
            }
            Action::Build { wave, round } => {
                let Some(order) = merging::build_order(state, *wave, *round) else {
                    return false;
                };
                Box::new(move || merging::build(&world, &order))
            }
            Action::Check {
                wave,
                round,
                prefix,
                commit,
            } => {
                let Some(order) = merging::check_order(state, *wave, *round, *prefix, commit)
                else {
                    return false;
                };
                Box::new(move || merging::check(&world, &order))
            }
            Action::Land { wave, from, to } => {
                let Some(order) = merging::land_order(state, *wave, from, to) else {
                    return false;
                };
                Box::new(move || merging::land(&world, &order))
            }
            Action::LandTarget { to } => {
                let Some(order) = merging::target_order(state, to) else {
                    return false;
                };
                Box::new(move || merging::land_target(&world, &order))
            }
        };
        self.spawn(Some(action), job);
        true
    }

    fn spawn(&self, action: Option<Action>, job: Box<dyn FnOnce() -> Vec<Observation> + Send>) {
        let world = Arc::clone(&self.world);
        // The job's own thread says what was seen: on a busy machine every further hop from thread to thread is
        // a wait of its own.
        self.world.runtime.spawn_blocking(move || {
            match panic::catch_unwind(AssertUnwindSafe(job)) {
                Ok(seen) => world.handle.send(Message::Performed(action, seen)),
                Err(_) => {
                    let handle = world.handle.clone();
                    world.runtime.spawn(async move {
                        tokio::time::sleep(AFTER_PANIC).await;
                        handle.send(Message::Performed(action, Vec::new()));
                    });
                }
            }
        });
    }
}

/// Says when a measurement is over, however it ends.
struct UnderWay(Arc<AtomicBool>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The trace of what follows from an observation: the attempt or the wave it is about.
pub(super) fn trace_of(observation: &Observation) -> String {
    match observation {
        Observation::Started { attempt }
        | Observation::StartFailed { attempt, .. }
        | Observation::AgentEnded { attempt }
        | Observation::Ended { attempt, .. }
        | Observation::Lost { attempt, .. }
        | Observation::Told { attempt, .. }
        | Observation::Silent { attempt } => format!("attempt-{attempt}"),
        Observation::WorkerReady { worker, .. }
        | Observation::WorkerFailed { worker, .. }
        | Observation::WorkerGone { worker } => format!("worker-{worker}"),
        Observation::Built { wave, .. }
        | Observation::Checked { wave, .. }
        | Observation::Landed { wave, .. }
        | Observation::BaseMoved { wave, .. }
        | Observation::MergeFailed { wave, .. } => format!("wave-{wave}"),
        Observation::Vitals { .. } => "health".into(),
        Observation::TargetLanded { .. } | Observation::TargetRefused { .. } => "landing".into(),
    }
}

//! Performing: making the world as the plan says. No choices are made here.
//!
//! An action that is under way is not begun again; when it is done, what was seen comes back to the loop as
//! observations. After a restart nothing is under way, so everything still wanted is begun again, and
//! every performer must find that harmless.

mod attempts;
mod forecast;
mod forgotten;
mod hooks;
mod merging;
mod ports;
mod runs;
mod shared;
mod talks;
mod vitals;
mod worktrees;

use super::{
    Options,
    inbox::{Handle, Held, Message},
    memory,
    panes::{self, Panes},
};
use crate::{
    git::Repo,
    room,
    run::{self, Running, files::Passed},
    site::Site,
};
use attempts::StopOrder;
use ports::Ports;
use skep_core::{
    event::{Event, Record},
    health::must_measure,
    hook::About,
    id::{Attempt, WorkerId},
    plan::Action,
    request::Observation,
    state::State,
    time::{Millis, Time},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// After a performer panicked (a bug), its action is begun again so much later.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// The first pause before an action that was done and is wanted still is begun again; it doubles, up to 256
/// times this.
const FIRST_PAUSE: Millis = Millis(20);

/// How often a full disk is looked at again.
const LOOK_FOR_ROOM: Millis = Millis(500);

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
    /// Those of them whose worktrees could not be saved when it was last tried.
    unsavable: Mutex<BTreeSet<WorkerId>>,
    /// Held by whoever changes the worktree that all share, or lets an attempt into it.
    turn: Mutex<()>,
    /// Runs that performers wait for, by their folders. Held while one is started, so that none begins behind
    /// the back of who ends them all.
    waited: Mutex<BTreeMap<PathBuf, Arc<Running>>>,
    ports: Ports,
    /// The workers' panes, where there are panes.
    panes: Mutex<Option<Panes>>,
    /// What the last performer was short of that others hold.
    short_of: Mutex<Option<String>>,
    gauges: Mutex<vitals::Gauges>,
    /// What is known of whether works merge.
    known: Mutex<forecast::Known>,
}

impl World {
    fn turn(&self) -> MutexGuard<'_, ()> {
        // Whatever a panic left half done in a worktree, the next one there begins by putting it right.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waited(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<Running>>> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn panes(&self) -> MutexGuard<'_, Option<Panes>> {
        self.panes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lacks(&self, what: Option<String>) {
        *self.short_of.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn lacking(&self) -> Option<String> {
        let short_of = self.short_of.lock().unwrap_or_else(PoisonError::into_inner);
        short_of.clone()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Attempt, (WorkerId, Arc<Running>)>> {
        // A panic elsewhere leaves the map whole: every change is one call.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_of(
        &self,
        who: impl Fn(Attempt, WorkerId) -> bool,
    ) -> Option<(Attempt, Arc<Running>)> {
        let all = self.running();
        let found = all.iter().find(|(attempt, (w, _))| who(**attempt, *w));
        found.map(|(attempt, (_, running))| (*attempt, Arc::clone(running)))
    }

    /// The keeper's environment, for the steps of a run: its names, and the values that no file may hold.
    fn handed_on(&self) -> (Vec<String>, Passed) {
        let env = &self.options.env;
        let names = env.iter().map(|(name, _)| name.clone()).collect();
        (names, Passed(env.iter().cloned().collect()))
    }

    fn unsaved(&self) -> MutexGuard<'_, BTreeSet<WorkerId>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsavable(&self) -> MutexGuard<'_, BTreeSet<WorkerId>> {
        self.unsavable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, seen: Vec<Observation>) {
        self.handle.send(Message::Performed(None, seen));
    }
}

/// What became of an action that was to be begun.
enum Begun {
    Yes,
    /// The state holds no order for it: it is not wanted any more.
    NotWanted,
    /// The machine has no thread for it now.
    NoThread(io::Error),
}

pub(super) struct Performer {
    world: Arc<World>,
    under_way: BTreeSet<Action>,
    /// Actions that were done and may be wanted still: when each may be begun again, and how often it was.
    held_off: BTreeMap<Action, (Time, u32)>,
    /// The last sign of life of each running shim, and when it was first seen.
    beats: BTreeMap<Attempt, attempts::Beat>,
    next_beat: Option<Time>,
    /// Attempts that ended since run folders were last pruned; at the start nobody knows, so it is done soon.
    ended: u32,
    memory: memory::Watch,
    /// A measurement is under way.
    measuring: Arc<AtomicBool>,
}

/// After so many attempts old run folders are looked for: a scan costs about as much as an attempt.
const PRUNE_AFTER: u32 = 50;

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
            unsavable: Mutex::default(),
            turn: Mutex::default(),
            waited: Mutex::default(),
            ports: Ports::default(),
            panes: Mutex::default(),
            short_of: Mutex::default(),
            gauges: Mutex::default(),
            known: Mutex::default(),
        };
        let world = Arc::new(world);
        attempts::listen(&world)?;
        Ok(Performer {
            world,
            under_way: BTreeSet::new(),
            held_off: BTreeMap::new(),
            beats: BTreeMap::new(),
            next_beat: None,
            ended: PRUNE_AFTER,
            memory: memory::Watch::default(),
            measuring: Arc::default(),
        })
    }

    /// Looks for the attempts that the state says are live, and goes on watching those that run (W-4). Cleaning
    /// up after many that were lost takes long, so it says again and again that it is `alive`.
    pub(super) fn adopt(&self, state: &State, alive: &mut dyn FnMut()) -> Vec<Observation> {
        self.show(state);
        attempts::adopt(&self.world, state, alive)
    }

    /// Lets people see how it stands, where attempts run in panes (W-2).
    fn show(&self, state: &State) {
        let wanted = panes::wanted(state, self.world.options.host);
        let mut panes = self.world.panes();
        let Some(swarm) = state.swarm().map(|s| &s.spec.name) else {
            return;
        };
        if let Some(other) = panes.take_if(|p| p.swarm != *swarm) {
            other.leave(true);
        }
        if panes.is_none() && !wanted.is_nothing() {
            let program = self.world.options.program.clone();
            // Without a thread for them there are no panes, and everything else goes on.
            *panes = Panes::begin(swarm, program, self.world.handle.clone()).ok();
        }
        if let Some(panes) = &*panes {
            panes.want(wanted);
        }
    }

    /// How long the attempts that run have run.
    pub(super) fn ages(&self) -> Observation {
        let running = self.world.running();
        let age = |running: &Running| running.age().map_or(Millis(0), millis);
        let ages = running.iter().map(|(a, (_, shim))| (*a, age(shim)));
        Observation::Adopted {
            ages: ages.collect(),
        }
    }

    /// Shims that have not been heard of for too long. Looks only so often, and only while some run; then, and
    /// when a verdict hangs on it, every attempt is measured, too.
    pub(super) fn silent(&mut self, state: &State, now: Time) -> Vec<Observation> {
        // A heartbeat that was made shorter holds at once, and not after the longer one.
        let latest = now + state.policy().heartbeat;
        self.next_beat = self.next_beat.map(|at| at.min(latest));
        let looks = self.next_beat.is_none_or(|at| at <= now);
        if looks || must_measure(state, now) {
            self.measure(state);
        }
        if self.next_beat.is_some_and(|at| at > now) {
            return Vec::new();
        }
        let some_run = state.live().len() > 0;
        self.next_beat = some_run.then_some(latest);
        attempts::watch_the_unwatched(&self.world, state);
        attempts::silent(&self.world, state, &mut self.beats, now)
    }

    /// How much memory there is, if that matters now.
    pub(super) fn memory(&mut self, state: &State, now: Time) -> Option<Observation> {
        self.memory.look(state, now)
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

    /// When to look for silent shims, or for memory, next.
    pub(super) fn next_beat(&self, state: &State, now: Time) -> Option<Time> {
        let some_run = state.live().len() > 0;
        let beat = self
            .next_beat
            .or_else(|| some_run.then(|| now + state.policy().heartbeat));
        beat.into_iter().chain(self.memory.next(state, now)).min()
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
        let hurried = self.world.handle.is_hurried();
        let lacking = if actions.is_empty() {
            None
        } else {
            room::lacking(self.world.site.dir())
        };
        let full = lacking.is_some();
        if full {
            back = Some(now + LOOK_FOR_ROOM);
        }
        if actions.is_empty() {
            self.world.lacks(None);
        }
        let held = lacking.or_else(|| self.world.lacking());
        let held = held.map(|why| Held { why, mute: false });
        self.world.handle.hold(held);
        for action in actions {
            // What would be begun could not be written down: it waits. Stopping needs no room, and makes some.
            if full && !matches!(action, Action::Stop { .. }) {
                continue;
            }
            if hurried && runs_commands(&action) {
                continue;
            }
            if self.under_way.contains(&action) || self.must_wait(state, &action) {
                continue;
            }
            match self.held_off.get(&action) {
                Some((until, _)) if *until > now => {
                    back = Some(back.map_or(*until, |b: Time| b.min(*until)));
                }
                _ => match self.begin(state, action.clone()) {
                    Begun::Yes => {
                        self.under_way.insert(action);
                    }
                    Begun::NotWanted => {}
                    Begun::NoThread(error) => {
                        self.world
                            .lacks(Some(format!("no thread can be started: {error}")));
                        let until = self.hold_off(&action, now);
                        back = Some(back.map_or(until, |b: Time| b.min(until)));
                    }
                },
            }
        }
        self.end_orphans(state);
        back
    }

    /// A worker's worktree is made ready or removed by one performer at a time: a second one would reset it
    /// under the agent that the first let in. Of a worktree that all share, by one for all workers.
    fn must_wait(&self, state: &State, action: &Action) -> bool {
        // Works change while they are looked at; a second look waits for the first.
        let looks = |action: &Action| matches!(action, Action::Forecast { .. });
        if looks(action) {
            return self.under_way.iter().any(looks);
        }
        let all = state.shares_worktree();
        let of = |action: &Action| match action {
            Action::Prepare { .. } | Action::Remove { .. } if all => Some(shared::NOBODY),
            Action::Prepare { worker, .. } | Action::Remove { worker } => Some(*worker),
            _ => None,
        };
        let mine = of(action);
        mine.is_some() && self.under_way.iter().any(|other| of(other) == mine)
    }

    /// An action is done; if it is still wanted it may be begun again, after a pause.
    pub(super) fn done(&mut self, action: &Action, now: Time) {
        self.under_way.remove(action);
        self.hold_off(action, now);
    }

    fn hold_off(&mut self, action: &Action, now: Time) -> Time {
        let times = self.held_off.get(action).map_or(0, |(_, times)| *times);
        let pause = FIRST_PAUSE.times(1 << times.min(8));
        self.held_off
            .insert(action.clone(), (now + pause, times + 1));
        now + pause
    }

    /// Everything is to stop now: so do the checks and set-ups that performers wait for (attempts are stopped by
    /// the plan). What they would have said is not known then, and they are begun again another time.
    pub(super) fn hurry(&self) {
        let waited = self.world.waited();
        self.world.handle.hurry(true);
        waited.values().for_each(|r| attempts::end_now(r));
    }

    /// The loop has ended. A keeper that leaves for good leaves nothing running but attempts, and no session
    /// that nobody needs (W-15).
    pub(super) fn leave(&self, state: &State) {
        if let Some(panes) = self.world.panes().take() {
            panes.leave(state.live().len() == 0);
        }
        if state.draining() || self.world.handle.is_hurried() {
            self.hurry();
            let waited = std::mem::take(&mut *self.world.waited());
            let runs = self.world.site.runs();
            // What does not end is found by the next keeper, and by `skep doctor`.
            let _ = run::end_waited_for(&runs, waited.into_iter().collect());
        }
    }

    /// What was decided is durable.
    pub(super) fn committed(&mut self, state: &State, records: &[Record]) {
        for record in records {
            if let Event::AttemptAccepted { .. } | Event::AttemptEnded { .. } = &record.event {
                self.forget_ended(&record.event);
                self.ended += 1;
            }
            merging::learn(&self.world, state, &record.event);
        }
        if self.ended > PRUNE_AFTER {
            self.ended = 0;
            let live = state.live().map(|live| live.attempt).collect();
            let runs = self.world.site.runs();
            let job = move || crate::litter::prune(&runs, &live);
            self.world.runtime.spawn_blocking(job);
        }
        if !records.is_empty() {
            self.show(state);
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

    fn begin(&self, state: &State, action: Action) -> Begun {
        let world = Arc::clone(&self.world);
        let job: Box<dyn FnOnce() -> Vec<Observation> + Send> = match &action {
            Action::Start { attempt } => {
                let Some(order) = skep_core::plan::order(state, *attempt) else {
                    return Begun::NotWanted;
                };
                let calls = hooks::before_attempt(&world, state, &order);
                Box::new(move || {
                    // One that an earlier keeper began is not asked about again.
                    let calls = if attempts::is_begun(&world, order.attempt) {
                        Vec::new()
                    } else {
                        calls
                    };
                    hooks::then(&world, &calls, || attempts::start(&world, &order))
                })
            }
            Action::Stop {
                attempt,
                why,
                at_once,
            } => {
                let Some(worker) = state.attempt(*attempt).map(|live| live.worker) else {
                    return Begun::NotWanted;
                };
                let order = StopOrder {
                    attempt: *attempt,
                    worker,
                    why: *why,
                    at_once: *at_once,
                };
                // Stays under way: see `forget_ended`.
                return self.spawn(None, Box::new(move || attempts::stop(&world, order)));
            }
            Action::Tell { attempt, rung } => {
                if state.attempt(*attempt).is_none() {
                    return Begun::NotWanted;
                }
                let (attempt, rung) = (*attempt, *rung);
                Box::new(move || talks::tell(&world, attempt, rung))
            }
            Action::Answer { attempt, number } => {
                let Some(reply) = talks::reply(state, *attempt, *number) else {
                    return Begun::NotWanted;
                };
                let (attempt, number) = (*attempt, *number);
                Box::new(move || talks::answer(&world, attempt, number, reply))
            }
            Action::Prepare { worker, base, turn } => {
                let Some(order) = worktrees::order(&world, state, *worker, base, *turn) else {
                    return Begun::NotWanted;
                };
                Box::new(move || worktrees::prepare(&world, &order))
            }
            Action::Remove { worker } => {
                let Some(order) = worktrees::leaving(&world, state, *worker) else {
                    return Begun::NotWanted;
                };
                Box::new(move || worktrees::remove(&world, &order))
            }
            Action::Build { wave, round } => {
                let Some(order) = merging::build_order(state, *wave, *round) else {
                    return Begun::NotWanted;
                };
                let calls = hooks::before_merge(&world, state, *wave, *round);
                Box::new(move || hooks::then(&world, &calls, || merging::build(&world, &order)))
            }
            Action::Check {
                wave,
                round,
                prefix,
                commit,
            } => {
                let Some(order) = merging::check_order(state, *wave, *round, *prefix, commit)
                else {
                    return Begun::NotWanted;
                };
                Box::new(move || merging::check(&world, &order))
            }
            Action::Land { wave, from, to } => {
                let Some(order) = merging::land_order(state, *wave, from, to) else {
                    return Begun::NotWanted;
                };
                Box::new(move || merging::land(&world, &order))
            }
            Action::Forecast { mark } => {
                let Some(order) = skep_core::forecast::order(state, *mark) else {
                    return Begun::NotWanted;
                };
                Box::new(move || forecast::look(&world, &order))
            }
            Action::Hook { owed } => {
                let Some(call) = hooks::after(&world, state, owed) else {
                    return Begun::NotWanted;
                };
                Box::new(move || hooks::run(&world, &call).into_iter().collect())
            }
            Action::LandTarget { to } => {
                let Some(order) = merging::target_order(state, to) else {
                    return Begun::NotWanted;
                };
                Box::new(move || merging::land_target(&world, &order))
            }
        };
        self.spawn(Some(action), job)
    }

    fn spawn(
        &self,
        action: Option<Action>,
        job: Box<dyn FnOnce() -> Vec<Observation> + Send>,
    ) -> Begun {
        let world = Arc::clone(&self.world);
        // The job's own thread says what was seen: on a busy machine every further hop from thread to thread is
        // a wait of its own.
        let perform = move || match catch_unwind(AssertUnwindSafe(job)) {
            Ok(seen) => {
                let cut = world.handle.is_hurried() && action.as_ref().is_some_and(runs_commands);
                let seen = if cut { Vec::new() } else { seen };
                let seen = without_the_machines_faults(&world, seen);
                world.handle.send(Message::Performed(action, seen));
            }
            Err(_) => {
                let handle = world.handle.clone();
                world.runtime.spawn(async move {
                    tokio::time::sleep(AFTER_PANIC).await;
                    handle.send(Message::Performed(action, Vec::new()));
                });
            }
        };
        // Not one of the runtime's threads: when none can be started it panics, or lets the job lie.
        match thread::Builder::new().name("perform".into()).spawn(perform) {
            Ok(_) => Begun::Yes,
            Err(error) => Begun::NoThread(error),
        }
    }
}

/// Whether performing it runs commands of the user's and waits for them.
fn runs_commands(action: &Action) -> bool {
    matches!(
        action,
        Action::Prepare { .. } | Action::Remove { .. } | Action::Check { .. } | Action::Hook { .. }
    )
}

/// What failed on a full disk is nobody's fault, nor is a merge that failed for want of processes or descriptors:
/// it is begun again once there is room. (Attempts and worktrees that cannot be begun for want of those count as
/// spawn failures, with their back-off and halt: L-5.)
fn without_the_machines_faults(world: &World, mut seen: Vec<Observation>) -> Vec<Observation> {
    let full = room::lacking(world.site.dir()).is_some();
    seen.retain(|seen| match seen {
        Observation::StartFailed { .. } | Observation::WorkerFailed { .. } => !full,
        Observation::HookRan { ran } => !full || ran.failed.is_none(),
        Observation::MergeFailed { reason, .. } => {
            let scarce = room::is_scarcity(reason);
            if scarce {
                world.lacks(Some(reason.clone()));
            }
            !full && !scarce
        }
        _ => true,
    });
    seen
}

fn millis(length: Duration) -> Millis {
    Millis(length.as_millis().try_into().unwrap_or(u64::MAX))
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
        | Observation::Word { attempt, .. }
        | Observation::Asks { attempt, .. }
        | Observation::Silent { attempt } => format!("attempt-{attempt}"),
        Observation::WorkerReady { worker, .. }
        | Observation::WorkerFailed { worker, .. }
        | Observation::WorkerGone { worker } => format!("worker-{worker}"),
        Observation::Built { wave, .. }
        | Observation::Checked { wave, .. }
        | Observation::Landed { wave, .. }
        | Observation::BaseMoved { wave, .. }
        | Observation::MergeFailed { wave, .. } => format!("wave-{wave}"),
        Observation::Adopted { .. } => "adoption".into(),
        Observation::Read { .. } => "readings".into(),
        Observation::Vitals { .. } => "health".into(),
        Observation::TargetLanded { .. } | Observation::TargetRefused { .. } => "landing".into(),
        Observation::Noticed { .. } | Observation::Disk { .. } => "host".into(),
        Observation::Posted { .. } => "alerts".into(),
        Observation::Restarted => "restart".into(),
        Observation::HookRan { ran } => match ran.about {
            About::Attempt(attempt) => format!("attempt-{attempt}"),
            About::Worker(worker) => format!("worker-{worker}"),
            About::Wave(wave) => format!("wave-{wave}"),
        },
        Observation::Memory { .. } => "memory".into(),
        Observation::Forecast { .. } => "forecast".into(),
    }
}

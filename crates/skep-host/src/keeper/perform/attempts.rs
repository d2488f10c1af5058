//! Attempts: starting, stopping, watching and adopting their shims.

use super::{World, forgotten, runs, shared, talks, worktrees};
use crate::{
    agents,
    git::{self, snapshot::SnapshotSpec},
    keeper::report,
    run::{
        self, Look, Running, Stop,
        files::{RunReport, RunSpec, StepKind, StepSpec},
        talk::Talk,
    },
};
use skep_agents::{Place, launch};
use skep_core::{
    attempt::{Phase, Saved, StopWhy},
    id::{Attempt, WorkerId},
    plan::Order,
    request::Observation,
    spec::Criterion,
    state::State,
    time::{Millis, Time},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tokio::net::UnixDatagram;

/// An attempt's folder.
pub(super) fn folder(world: &World, attempt: Attempt) -> PathBuf {
    world.site.runs().join(format!("a{attempt}"))
}

/// Whether a shim has ever taken it up.
pub(super) fn is_begun(world: &World, attempt: Attempt) -> bool {
    let look = run::look(&folder(world, attempt));
    !matches!(look, Look::Absent | Look::NotStarted)
}

/// The ref that keeps an attempt's work (W-12).
pub(super) fn salvage_ref(order: &Order) -> String {
    format!(
        "refs/skep/salvage/{}/{}/{}",
        order.swarm, order.task.id, order.attempt
    )
}

/// Starts an attempt's shim; if it runs already, or has run, says what is the case.
pub(super) fn start(world: &Arc<World>, order: &Order) -> Vec<Observation> {
    let attempt = order.attempt;
    // Whoever begins next in a shared worktree must find this one among those that run.
    let _turn = order.shared.as_ref().map(|_| world.turn());
    match try_start(world, order) {
        Ok(running) => {
            watch(world, attempt, order.worker, running);
            started(world, attempt)
        }
        Err(reason) if !is_of(&folder(world, attempt), order) => {
            vec![Observation::StartFailed { attempt, reason }]
        }
        Err(reason) => match run::look(&folder(world, attempt)) {
            // It had been started before: by an earlier keeper, or an earlier try.
            Look::Running(running) => {
                watch(world, attempt, order.worker, running);
                started(world, attempt)
            }
            Look::Ended(_) | Look::Lost { .. } => ended(world, attempt),
            Look::Absent | Look::NotStarted => vec![Observation::StartFailed { attempt, reason }],
        },
    }
}

/// It runs, and may have said something before it was known to.
fn started(world: &World, attempt: Attempt) -> Vec<Observation> {
    let mut seen = vec![Observation::Started { attempt }];
    seen.extend(talks::look(world, attempt));
    seen
}

/// Whether what the folder holds is this very attempt's, and not one of the same number that the log forgot.
fn is_of(folder: &Path, order: &Order) -> bool {
    let spec = run::read_spec(folder).ok();
    let snapshot = spec.and_then(|spec| spec.snapshot);
    snapshot.is_none_or(|snapshot| snapshot.reference == salvage_ref(order))
}

fn try_start(world: &World, order: &Order) -> Result<Running, String> {
    let folder = folder(world, order.attempt);
    if let Look::Running(running) = run::look(&folder) {
        return Ok(running);
    }
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    if let Some(part) = &order.shared {
        shared::clear(world, order, part, &folder)?;
    }
    worktrees::begin_fix(world, order)?;
    worktrees::remove_leftovers(world, order)?;
    let spec = spec(world, order, &folder)?;
    let program = &world.options.program;
    let panes = world.panes().clone();
    match panes {
        None => run::start(program, &folder, &spec),
        Some(panes) => {
            let mut placed = None;
            let started = run::start_placed(program, &folder, &spec, |shim| {
                placed = panes.start(order.worker, order.attempt, shim);
                placed
            });
            if let Ok(running) = &started
                && placed.is_some_and(|pid| pid != running.pid())
            {
                panes.without(order.worker);
            }
            started
        }
    }
    .map_err(|e| chain(&e))
}

fn spec(world: &World, order: &Order, folder: &Path) -> Result<RunSpec, String> {
    let worktree = worktrees::of(world, order);
    let prompt_file = folder.join("prompt.md");
    let failure_file = folder.join("previous.txt");
    let result_file = folder.join(crate::run::RESULT);
    fs::write(&prompt_file, &order.prompt).map_err(|e| e.to_string())?;
    let previous = order.previous.as_ref().map_or("", |f| f.output.as_str());
    fs::write(&failure_file, previous).map_err(|e| e.to_string())?;
    if let Some(codes) = order
        .agent_spec
        .as_ref()
        .map(|a| &a.rate_limited_exit)
        .filter(|c| !c.is_empty())
    {
        let text = serde_json::to_vec(codes).map_err(|e| e.to_string())?;
        fs::write(folder.join("rate-limited.json"), text).map_err(|e| e.to_string())?;
    }
    let port_base = world.ports.block(order.worker, order.limits.ports);
    let place = Place {
        worktree: utf8(&worktree)?,
        repo: utf8(world.site.root())?,
        prompt_file: utf8(&prompt_file)?,
        result_file: utf8(&result_file)?,
        failure_file: utf8(&failure_file)?,
        port_base,
    };
    let Agent {
        argv,
        stdin,
        talk,
        env,
    } = agent(world, order, &place)?;
    let (inherit, passed) = world.handed_on();
    let mut steps = vec![StepSpec {
        name: order.agent.clone(),
        kind: StepKind::Agent,
        argv,
        stdin,
        timeout_ms: order.limits.hard_stop.0,
        go_on: false,
        talk,
    }];
    let mut exists = Vec::new();
    for criterion in &order.task.success {
        match criterion {
            Criterion::Run(command) => steps.push(StepSpec {
                name: command.shown(),
                kind: StepKind::Check,
                argv: command.argv(),
                stdin: None,
                timeout_ms: order.limits.criterion.0,
                go_on: true,
                talk: None,
            }),
            Criterion::Exists(path) => exists.push(path.clone()),
            Criterion::Changed(_) | Criterion::Says(_) => {}
        }
    }
    Ok(RunSpec {
        version: 1,
        run: format!("a{}", order.attempt),
        worktree,
        env,
        steps,
        snapshot: Some(snapshot_spec(order)),
        exists,
        ceiling_ms: order.limits.ceiling.0,
        grace_ms: order.limits.grace.0,
        output_bytes: order.limits.output_bytes,
        heartbeat_ms: order.limits.heartbeat.0,
        notify: Some(world.site.notify()),
        inherit,
        passed,
    })
}

/// What of a run is its agent's.
struct Agent {
    argv: Vec<String>,
    stdin: Option<String>,
    talk: Option<Box<Talk>>,
    /// What the run's steps get on top of the keeper's environment; agents may have one of their own.
    env: BTreeMap<String, String>,
}

fn agent(world: &World, order: &Order, place: &Place<'_>) -> Result<Agent, String> {
    // How an agent reports, whatever its PATH.
    let program = utf8(&world.options.program)?;
    let bin = ("SKEP_BIN".to_string(), program.to_string());
    let (launch, talk) = match agents::choose(order)? {
        None => (launch(order, place).map_err(|e| e.to_string())?, None),
        Some(choice) => {
            let keeper = world.options.env.iter().cloned().collect();
            let agents::Prepared { launch, mut talk } =
                agents::prepare(&world.site, order, place, &choice, &keeper, program)?;
            if let Some(env) = &mut talk.env {
                env.extend([bin.clone()]);
            }
            (launch, Some(Box::new(talk)))
        }
    };
    let mut env = launch.env;
    env.extend([bin]);
    if talk.as_ref().is_some_and(|talk| talk.env.is_some()) {
        // Its home and its manners are not for the checks; where they are is.
        env.retain(|name, _| name.starts_with("SKEP_"));
    }
    Ok(Agent {
        argv: launch.argv,
        stdin: launch.stdin.into_text(),
        talk,
        env,
    })
}

fn snapshot_spec(order: &Order) -> SnapshotSpec {
    SnapshotSpec {
        base: order.base.clone(),
        merges: worktrees::merges(order),
        only: order.shared.as_ref().and_then(|part| part.files.clone()),
        reference: salvage_ref(order),
        message: git::message(&order.task.id, order.attempt, &order.task.mission),
        date: order.claimed.0 / 1000,
    }
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str()
        .ok_or_else(|| format!("{} is not UTF-8; move the repository", path.display()))
}

/// The stack of a thread that waits for one shim: it reads some files and calls git, nothing deeper.
const WATCHER_STACK: usize = 256 * 1024;

/// Waits for a shim's end on its pidfd, and reports it. A thread each: it sleeps in the kernel, and an end is
/// noticed at once whatever else the keeper is busy with.
fn watch(world: &Arc<World>, attempt: Attempt, worker: WorkerId, running: Running) -> Arc<Running> {
    let running = Arc::new(running);
    let watched = Arc::clone(&running);
    world.unsaved().insert(worker);
    world
        .running()
        .insert(attempt, (worker, Arc::clone(&running)));
    let watcher = Arc::clone(world);
    let wait = move || {
        let mut running = running;
        loop {
            while !runs::wait(&running, Instant::now() + FOREVER) {}
            // A shim that found another at work leaves at once; then the other is the one to wait for.
            match run::look(&folder(&watcher, attempt)) {
                Look::Running(other) => running = Arc::new(other),
                _ => break,
            }
            watcher
                .running()
                .insert(attempt, (worker, Arc::clone(&running)));
        }
        let seen = ended(&watcher, attempt);
        if seen.iter().any(is_saved) {
            watcher.unsaved().remove(&worker);
        }
        watcher.running().remove(&attempt);
        watcher.tell(seen);
    };
    let thread = thread::Builder::new()
        .name(format!("a{attempt}"))
        .stack_size(WATCHER_STACK);
    if thread.spawn(wait).is_err() {
        // Out of threads: the attempt runs on, bounded by its shim; the next beat looks for it again.
        world.running().remove(&attempt);
    }
    watched
}

/// Longer than any attempt: a wait that ends early is only begun again.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// Whether what the worktree held is on a ref now, or is nothing.
fn is_saved(seen: &Observation) -> bool {
    match seen {
        Observation::Ended { report, .. } => !matches!(report.saved, Saved::Failed(_)),
        Observation::Lost { saved, .. } => !matches!(saved, Saved::Failed(_)),
        _ => false,
    }
}

/// What became of an attempt whose shim runs no more. A shim that died is cleaned up after: survivors are
/// ended, and what the worktree holds is saved before anybody touches it.
pub(super) fn ended(world: &World, attempt: Attempt) -> Vec<Observation> {
    let folder = folder(world, attempt);
    match run::look(&folder) {
        Look::Ended(report) if report.full.is_some() && report.fell_short() => {
            let saved = report
                .snapshot
                .as_ref()
                .map_or(Saved::Nothing, |s| match s {
                    Ok(snapshot) => report::saved(snapshot),
                    Err(why) => Saved::Failed(why.clone()),
                });
            vec![Observation::Lost {
                attempt,
                reason: report.full.unwrap_or_default(),
                saved,
            }]
        }
        Look::Ended(report) => {
            let (limited, untouched) = (rate_limited(&folder), untouched(&report));
            let mut report = report::convert(&report, &limited, &folder.join(crate::run::RESULT));
            shared::forget_earlier(&folder, &mut report.outside);
            // Its last words about itself, of which a keeper that comes late knows nothing yet.
            let mut seen = talks::look(world, attempt);
            seen.push(Observation::Ended {
                attempt,
                report: Box::new(report),
                untouched,
            });
            seen
        }
        Look::Lost { why } => {
            let mut reason = format!("its shim died: {why}");
            match run::sweep(&folder) {
                Ok(0) => {}
                Ok(n) => reason.push_str(&format!("; {n} processes that outlived it were ended")),
                Err(error) => reason.push_str(&format!("; its processes may live on: {error}")),
            }
            // What it had used is used, whatever became of it.
            let mut seen = talks::look(world, attempt);
            seen.push(Observation::Lost {
                attempt,
                reason,
                saved: save_lost(&folder),
            });
            seen
        }
        Look::Absent | Look::NotStarted => vec![Observation::Lost {
            attempt,
            reason: "it was never started".into(),
            saved: Saved::Nothing,
        }],
        Look::Running(_) => Vec::new(),
    }
}

fn save_lost(folder: &Path) -> Saved {
    let Ok(spec) = run::read_spec(folder) else {
        return Saved::Failed("its spec cannot be read".into());
    };
    let Some(snapshot) = &spec.snapshot else {
        return Saved::Nothing;
    };
    match git::snapshot::snapshot(&spec.worktree, snapshot) {
        Ok(snapshot) => report::saved(&snapshot),
        Err(why) => Saved::Failed(why),
    }
}

/// The agent's exit codes that mean "rate limited", from the attempt's own folder.
fn rate_limited(folder: &Path) -> Vec<i32> {
    let text = fs::read(folder.join("rate-limited.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Whether the worktree is as it was before the attempt: nothing saved, nothing changed by checks.
fn untouched(report: &RunReport) -> bool {
    let saved = report.snapshot.as_ref().and_then(|s| s.as_ref().ok());
    // Without a change no ref is written, and HEAD is where it was.
    let nothing = saved.is_some_and(|s| s.file_count == 0 && s.reference.is_none());
    nothing && report.changed_by_checks.is_empty()
}

/// How an attempt is to be stopped.
#[derive(Clone, Copy)]
pub(super) struct StopOrder {
    pub(super) attempt: Attempt,
    pub(super) worker: WorkerId,
    pub(super) why: StopWhy,
    pub(super) at_once: bool,
}

/// A shim that was told to end its attempt at once gets so long before it is killed itself.
const SHIM_GRACE: Duration = Duration::from_secs(15);

/// Asks an attempt's shim to end it.
pub(super) fn stop(world: &Arc<World>, order: StopOrder) -> Vec<Observation> {
    let attempt = order.attempt;
    let running = world.running().get(&attempt).cloned();
    if let Some((_, running)) = running {
        ask_to_stop(&running, order);
        return Vec::new();
    }
    let folder = folder(world, attempt);
    match run::forbid(&folder) {
        // Now no shim can ever start it: it has ended without having begun.
        Ok(true) => ended_unbegun(attempt),
        Ok(false) => match run::look(&folder) {
            Look::Running(running) => {
                let running = watch(world, attempt, order.worker, running);
                ask_to_stop(&running, order);
                Vec::new()
            }
            _ => ended(world, attempt),
        },
        Err(error) => vec![Observation::StartFailed {
            attempt,
            reason: error.to_string(),
        }],
    }
}

/// It may have ended meanwhile; then its end is on its way. A shim that does not answer is killed: its tree
/// ends with it, and what the worktree holds is saved by the keeper.
fn ask_to_stop(running: &Running, order: StopOrder) {
    if order.why == StopWhy::NoHeartbeat {
        let _ = running.kill();
        return;
    }
    let how = if order.at_once {
        Stop::AtOnce
    } else {
        Stop::Gracefully
    };
    let _ = running.stop(how);
    if order.at_once && !runs::wait(running, Instant::now() + SHIM_GRACE) {
        let _ = running.kill();
    }
}

fn ended_unbegun(attempt: Attempt) -> Vec<Observation> {
    let reason = "it was stopped before it was started".into();
    vec![Observation::Lost {
        attempt,
        reason,
        saved: Saved::Nothing,
    }]
}

/// Ends an attempt that nobody waits for any more. Does not wait for it.
pub(super) fn end_now(running: &Running) {
    let _ = running.stop(Stop::AtOnce);
}

/// Attempts for which no watcher could be started are looked for again.
pub(super) fn watch_the_unwatched(world: &Arc<World>, state: &State) {
    for live in state.live() {
        let watched = world.running().contains_key(&live.attempt);
        if watched || live.phase == Phase::Claimed {
            continue;
        }
        if let Look::Running(running) = run::look(&folder(world, live.attempt)) {
            watch(world, live.attempt, live.worker, running);
        } else {
            // It may have ended just now, and its end be on its way: said twice, it is taken once.
            world.tell(ended(world, live.attempt));
        }
    }
}

/// A shim's last sign of life.
pub(super) struct Beat {
    stamp: SystemTime,
    /// When the stamp was first seen, by the keeper's clock.
    seen: Time,
    /// How often it was told to make one, when it was started.
    told: Millis,
}

/// The attempts whose shims have not shown for too long that they live (L-3).
pub(super) fn silent(
    world: &World,
    state: &State,
    beats: &mut BTreeMap<Attempt, Beat>,
    now: Time,
) -> Vec<Observation> {
    let policy = state.policy();
    let running: Vec<Attempt> = world.running().keys().copied().collect();
    beats.retain(|attempt, _| running.contains(attempt));
    let mut seen = Vec::new();
    for attempt in running {
        let folder = folder(world, attempt);
        let Some(stamp) = run::heartbeat(&folder) else {
            continue;
        };
        let last = beats.entry(attempt).or_insert_with(|| {
            let told = run::read_spec(&folder).map_or(policy.heartbeat, |s| Millis(s.heartbeat_ms));
            Beat {
                stamp,
                seen: now,
                told,
            }
        });
        if last.stamp != stamp {
            (last.stamp, last.seen) = (stamp, now);
        } else if now.since(last.seen) > policy.unheard(last.told) {
            seen.push(Observation::Silent { attempt });
        }
    }
    seen
}

/// After a restart: every live attempt's folder says how it stands.
pub(super) fn adopt(
    world: &Arc<World>,
    state: &State,
    alive: &mut dyn FnMut(),
) -> Vec<Observation> {
    let mut seen = Vec::new();
    // Whatever the last keeper saved, this one cannot know: every worktree is looked at before its reset.
    world.unsaved().extend(state.workers().map(|w| w.id));
    forgotten::set_aside(&world.site.runs(), state);
    end_strays(world, state);
    for live in state.live() {
        alive();
        let attempt = live.attempt;
        match run::look(&folder(world, attempt)) {
            Look::Running(running) => {
                watch(world, attempt, live.worker, running);
                seen.extend(started(world, attempt));
                seen.extend(agent_ended(&folder(world, attempt), attempt));
            }
            Look::Ended(_) | Look::Lost { .. } => seen.extend(ended(world, attempt)),
            // Claimed and never begun: the plan still wants it started.
            Look::Absent | Look::NotStarted if live.phase == Phase::Claimed => {}
            Look::Absent | Look::NotStarted => seen.push(Observation::Lost {
                attempt,
                reason: "its folder is gone".into(),
                saved: Saved::Nothing,
            }),
        }
    }
    seen
}

/// Ends shims of attempts that are not live any more: their leases were revoked while no keeper lived to end
/// them. Their results are reported, and will be fenced.
fn end_strays(world: &Arc<World>, state: &State) {
    let Ok(folders) = fs::read_dir(world.site.runs()) else {
        return;
    };
    for entry in folders.flatten() {
        let attempt = forgotten::attempt_of(&entry.path());
        let Some(attempt) = attempt.filter(|a| state.attempt(*a).is_none()) else {
            continue;
        };
        if let Look::Running(running) = run::look(&entry.path())
            && let Some(worker) = worker_of(&entry.path())
        {
            end_now(&running);
            watch(world, attempt, worker, running);
        }
    }
}

fn worker_of(folder: &Path) -> Option<WorkerId> {
    run::read_spec(folder)
        .ok()?
        .env
        .get("SKEP_WORKER")?
        .parse()
        .ok()
}

fn agent_ended(folder: &Path, attempt: Attempt) -> Option<Observation> {
    let progress = run::step_progress(folder).ok()??.progress;
    let saving = matches!(progress.phase, run::Phase::Saving | run::Phase::Reporting);
    let checking = progress
        .begun
        .iter()
        .any(|step| step.kind == StepKind::Check);
    (saving || checking).then_some(Observation::AgentEnded { attempt })
}

/// Listens for shims that say that something changed. What they say is only ever a hint to look.
pub(super) fn listen(world: &Arc<World>) -> io::Result<()> {
    let path = world.site.notify();
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let _inside = world.runtime.enter();
    let socket = UnixDatagram::bind(&path)?;
    let world = Arc::downgrade(world);
    tokio::spawn(async move {
        let mut buffer = [0; 256];
        while let Ok(length) = socket.recv(&mut buffer).await {
            let Some(world) = world.upgrade() else { return };
            let name = String::from_utf8_lossy(&buffer[..length]);
            let Some(number) = name.trim().strip_prefix('a').and_then(|n| n.parse().ok()) else {
                continue;
            };
            let attempt = Attempt(number);
            if world.running().contains_key(&attempt) {
                // First what was said, then that it is over.
                let mut seen = talks::look(&world, attempt);
                seen.extend(agent_ended(&folder(&world, attempt), attempt));
                world.tell(seen);
            }
        }
    });
    Ok(())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

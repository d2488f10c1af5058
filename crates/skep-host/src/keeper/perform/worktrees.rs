//! Workers' worktrees: made ready for the next attempt, and removed. Nothing is reset before what it held
//! is on a ref (W-12).

use super::{World, hooks, runs, shared};
use crate::{
    agents,
    git::{self, Want, names, snapshot::SnapshotSpec},
    room,
    run::files::{RunSpec, StepEnd, StepKind, StepSpec},
};
use skep_core::{
    id::{Attempt, Oid, SwarmName, WorkerId},
    merge::Severity,
    plan::Order,
    request::Observation,
    spec::{Command, Criterion, Moment},
    state::State,
    task::FixStrategy,
    time::Millis,
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long a worktree is waited for whose last attempt is still being ended.
const LEFT_BY: Duration = Duration::from_secs(60);

/// What is needed to make a worker ready.
pub(super) struct PrepareOrder {
    worker: WorkerId,
    turn: u32,
    pub(super) swarm: SwarmName,
    pub(super) base: Oid,
    setup: Vec<Command>,
    setup_timeout: Millis,
    grace: Millis,
    heartbeat: Millis,
    output_bytes: u64,
    ports: u16,
    pub(super) date: u64,
    /// It is about the worktree that all workers share.
    shared: bool,
    /// Hooks that are told of it.
    hooks: Vec<hooks::Call>,
}

/// One of Skep's worktrees.
pub(super) struct Ground {
    /// Its folder's name, which names its runs, too.
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) branch: String,
    /// Whose ports its commands get.
    pub(super) ports: WorkerId,
}

fn own(world: &World, swarm: &SwarmName, worker: WorkerId) -> Ground {
    Ground {
        name: worker.to_string(),
        dir: path(world, worker),
        branch: names::worker(swarm, worker),
        ports: worker,
    }
}

pub(super) fn order(
    world: &World,
    state: &State,
    worker: WorkerId,
    base: &Oid,
    turn: u32,
) -> Option<PrepareOrder> {
    let swarm = state.swarm()?;
    let policy = &swarm.spec.policy;
    Some(PrepareOrder {
        worker,
        turn,
        swarm: swarm.spec.name.clone(),
        base: base.clone(),
        setup: swarm.spec.setup.clone(),
        setup_timeout: policy.setup_timeout,
        grace: policy.grace,
        heartbeat: policy.heartbeat,
        output_bytes: policy.output_bytes,
        ports: policy.ports_per_worktree,
        date: swarm.since.0 / 1000,
        shared: state.shares_worktree(),
        hooks: hooks::of_worktree(world, state, worker, Moment::WorktreeCreated),
    })
}

/// What is needed to remove a worker: as for making it ready, with the commands that tear it down. With the last
/// worker goes the worktree that all shared.
pub(super) fn leaving(world: &World, state: &State, worker: WorkerId) -> Option<PrepareOrder> {
    let swarm = state.swarm()?;
    let order = order(world, state, worker, &swarm.tip, 0)?;
    let last = state.live().len() == 0 && state.workers().all(|w| w.id == worker || w.stopping);
    Some(PrepareOrder {
        setup: swarm.spec.teardown.clone(),
        shared: order.shared && last,
        hooks: if order.shared && !last {
            Vec::new()
        } else {
            hooks::of_worktree(world, state, worker, Moment::Removed)
        },
        ..order
    })
}

/// What is needed to make the worktree that all share ready for an attempt that is to have all of it.
pub(super) fn order_of(order: &Order) -> PrepareOrder {
    let limits = &order.limits;
    PrepareOrder {
        worker: order.worker,
        turn: 0,
        swarm: order.swarm.clone(),
        base: order.base.clone(),
        setup: order.setup.clone(),
        setup_timeout: limits.setup,
        grace: limits.grace,
        heartbeat: limits.heartbeat,
        output_bytes: limits.output_bytes,
        ports: limits.ports,
        date: order.claimed.0 / 1000,
        shared: true,
        // It was made before, and what made it told of it.
        hooks: Vec::new(),
    }
}

/// The worktree of an attempt.
pub(super) fn of(world: &World, order: &Order) -> PathBuf {
    match order.shared {
        Some(_) => shared::ground(world, &order.swarm).dir,
        None => path(world, order.worker),
    }
}

/// A worker's own worktree.
pub(super) fn path(world: &World, worker: WorkerId) -> PathBuf {
    world.site.worktrees().join(worker.to_string())
}

/// The commit whose merge a fix attempt's worktree begins with.
pub(super) fn merges(order: &Order) -> Option<Oid> {
    let fix = order
        .fix
        .as_ref()
        .filter(|fix| fix.strategy == FixStrategy::Resolve)?;
    Some(fix.theirs.clone())
}

/// Leaves the merge that a fix is to resolve in the worktree.
pub(super) fn begin_fix(world: &World, order: &Order) -> Result<(), String> {
    let Some(theirs) = merges(order) else {
        return Ok(());
    };
    let dir = of(world, order);
    world
        .repo
        .begin_fix(&dir, &order.base, &theirs)
        .map(drop)
        .map_err(|e| e.chain())
}

/// What a criterion asks for must be of this attempt's making.
pub(super) fn remove_leftovers(world: &World, order: &Order) -> Result<(), String> {
    let asked = order.task.success.iter().filter_map(|c| match c {
        Criterion::Exists(path) => Some(path.clone()),
        _ => None,
    });
    let asked: Vec<String> = asked.collect();
    if asked.is_empty() {
        return Ok(());
    }
    let dir = path(world, order.worker);
    let removed = world.repo.remove_leftovers(&dir, &asked);
    removed.map(drop).map_err(|e| e.chain())
}

pub(super) fn prepare(world: &World, order: &PrepareOrder) -> Vec<Observation> {
    let worker = order.worker;
    match try_prepare(world, order) {
        Ok(()) => vec![Observation::WorkerReady {
            worker,
            base: order.base.clone(),
            turn: order.turn,
        }],
        Err(reason) => vec![Observation::WorkerFailed { worker, reason }],
    }
}

fn try_prepare(world: &World, order: &PrepareOrder) -> Result<(), String> {
    if order.shared {
        let _turn = world.turn();
        return shared::prepare(world, order);
    }
    let of_worker = |_: Attempt, worker| worker == order.worker;
    wait_until_left(world, of_worker)?;
    save_or_set_aside(world, order)?;
    bring(world, order, &own(world, &order.swarm, order.worker))?;
    world.unsaved().remove(&order.worker);
    Ok(())
}

/// Brings a worktree to the base, set up. Whatever it held is on refs by now.
pub(super) fn bring(world: &World, order: &PrepareOrder, ground: &Ground) -> Result<(), String> {
    let want = Want {
        dir: &ground.dir,
        branch: Some(&ground.branch),
        base: &order.base,
    };
    let prepared = world.repo.prepare(&want).map_err(|e| e.chain())?;
    if prepared.fresh {
        run_commands(world, order, ground, "setup")?;
        // Before it counts as made: if the keeper dies here, it is made and told of once more.
        hooks::tell(world, &order.hooks);
        world.repo.ready(&ground.dir).map_err(|e| e.chain())?;
    }
    Ok(())
}

/// Attempts whose leases were revoked may still be on their way out of the worktree.
pub(super) fn wait_until_left(
    world: &World,
    who: impl Fn(Attempt, WorkerId) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + LEFT_BY;
    while let Some((attempt, running)) = world.running_of(&who) {
        super::attempts::end_now(&running);
        if !runs::wait(&running, deadline) {
            let _ = running.kill();
            return Err(format!(
                "attempt {attempt} is still in its worktree after it was ended"
            ));
        }
        world.running().remove(&attempt);
    }
    Ok(())
}

/// Saves what is left, or, where that fails again, moves the worktree away as it is: its worker is not to wait for
/// the person who looks at it. A full disk or a machine short of something says nothing about the worktree.
fn save_or_set_aside(world: &World, order: &PrepareOrder) -> Result<(), String> {
    let worker = order.worker;
    let Err(why) = save_what_is_left(world, order) else {
        world.unsavable().remove(&worker);
        return Ok(());
    };
    let machine = room::lacking(world.site.dir()).is_some() || room::is_scarcity(&why);
    if machine || world.unsavable().insert(worker) {
        return Err(why);
    }
    let dir = path(world, worker);
    let kept = world.repo.set_aside(&dir, &world.site.kept(), &why);
    let kept = kept.map_err(|e| format!("{why}; nor can it be moved away: {}", e.chain()))?;
    world.unsavable().remove(&worker);
    world.tell(vec![Observation::Noticed {
        severity: Severity::Warning,
        text: format!(
            "what {worker} left could not be saved ({why}); it is kept in {}, and {worker} has a fresh worktree",
            kept.display()
        ),
    }]);
    Ok(())
}

/// What nobody has saved yet: a person's edits, or what a crash of the machine left.
fn save_what_is_left(world: &World, order: &PrepareOrder) -> Result<(), String> {
    let dir = path(world, order.worker);
    if !dir.exists() || !world.unsaved().contains(&order.worker) {
        return Ok(());
    }
    let branch = names::worker(&order.swarm, order.worker);
    let Some(tip) = world.repo.branch_tip(&branch).map_err(|e| e.chain())? else {
        return Ok(());
    };
    let spec = SnapshotSpec {
        base: tip,
        merges: None,
        only: None,
        reference: format!("{}_{}/left", names::salvage_of(&order.swarm), order.worker),
        message: format!(
            "Found in the worktree of {} before it was reset",
            order.worker
        ),
        date: order.date,
    };
    let known = names::salvage_of(&order.swarm);
    git::snapshot::snapshot_once(&dir, &spec, &known).map(drop)
}

pub(super) fn remove(world: &World, order: &PrepareOrder) -> Vec<Observation> {
    let worker = order.worker;
    match try_remove(world, order) {
        Ok(()) => vec![Observation::WorkerGone { worker }],
        // It stays on its way out, and is tried again when something else happens.
        Err(_) => Vec::new(),
    }
}

fn try_remove(world: &World, order: &PrepareOrder) -> Result<(), String> {
    if order.shared {
        let _turn = world.turn();
        shared::remove(world, order)?;
    }
    // One of its own it may have from a plan before.
    let ground = own(world, &order.swarm, order.worker);
    wait_until_left(world, |_, worker| worker == order.worker)?;
    if ground.dir.exists() {
        run_commands(world, order, &ground, "teardown")?;
        world.unsaved().insert(order.worker);
        save_or_set_aside(world, order)?;
        discard(world, &ground)?;
    }
    // Also after a removal that was cut short before this.
    let retired = world.repo.retire_branch(&ground.branch);
    retired.map_err(|e| e.chain())?;
    agents::remove_homes(&world.site, order.worker).map_err(|e| e.to_string())?;
    hooks::tell(world, &order.hooks);
    Ok(())
}

/// Removes a worktree of which everything is on a ref.
pub(super) fn discard(world: &World, ground: &Ground) -> Result<(), String> {
    let Ground { dir, branch, .. } = ground;
    if let Some(tip) = world.repo.branch_tip(branch).map_err(|e| e.chain())? {
        // So bringing it to its own tip loses nothing.
        let want = Want {
            dir,
            branch: Some(branch),
            base: &tip,
        };
        world.repo.prepare(&want).map_err(|e| e.chain())?;
        world
            .repo
            .remove(dir, &[&format!("refs/heads/{branch}")], None)
            .map_err(|e| e.chain())?;
    }
    Ok(())
}

/// Runs set-up or tear-down commands in a worktree, contained and bounded like everything else.
pub(super) fn run_commands(
    world: &World,
    order: &PrepareOrder,
    ground: &Ground,
    what: &str,
) -> Result<(), String> {
    if order.setup.is_empty() {
        return Ok(());
    }
    let step = |command: &Command| StepSpec {
        name: command.shown(),
        kind: StepKind::Setup,
        argv: command.argv(),
        stdin: None,
        timeout_ms: order.setup_timeout.0,
        go_on: false,
        talk: None,
    };
    let dir = ground.dir.clone();
    let (inherit, passed) = world.handed_on();
    let mut env = std::collections::BTreeMap::new();
    let port_base = world.ports.block(ground.ports, order.ports);
    for (name, value) in [
        ("SKEP_SWARM", order.swarm.to_string()),
        ("SKEP_WORKER", ground.name.clone()),
        ("SKEP_WORKTREE", dir.to_string_lossy().into_owned()),
        (
            "SKEP_REPO",
            world.site.root().to_string_lossy().into_owned(),
        ),
        ("SKEP_PORT_BASE", port_base.to_string()),
    ] {
        env.insert(name.into(), value);
    }
    let spec = RunSpec {
        version: 1,
        run: format!("{what}-{}", ground.name),
        worktree: dir,
        env,
        steps: order.setup.iter().map(step).collect(),
        snapshot: None,
        exists: Vec::new(),
        ceiling_ms: order.setup_timeout.times(order.setup.len() as u64).0,
        grace_ms: order.grace.0,
        output_bytes: order.output_bytes,
        heartbeat_ms: order.heartbeat.0,
        notify: None,
        inherit,
        passed,
    };
    let folder = world.site.runs().join(&spec.run);
    let report = runs::finish(world, &folder, &spec)?;
    // The next set-up of this worker is another run.
    let _ = std::fs::remove_dir_all(&folder);
    match report.steps.iter().find(|s| s.end != StepEnd::Exited(0)) {
        None => Ok(()),
        Some(failed) => Err(format!(
            "`{}` {}: {}",
            failed.name,
            failed.end,
            failed.tail.trim_end()
        )),
    }
}

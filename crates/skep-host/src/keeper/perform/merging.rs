//! Merging a wave: building chains, checking commits, moving branches.

use super::{World, runs};
use crate::{
    git::{self, GitError, Land, Merge, names},
    run::files::{RunSpec, StepEnd, StepKind, StepSpec},
};
use skep_core::{
    event::Event,
    id::{Oid, SwarmName},
    merge::{Clash, Link},
    plan,
    request::Observation,
    spec::Command,
    state::State,
    task::FixStrategy,
    time::Millis,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread,
};

/// A chain to build.
pub(super) struct BuildOrder {
    wave: u32,
    round: u32,
    date: u64,
    order: plan::BuildOrder,
}

pub(super) fn build_order(state: &State, wave: u32, round: u32) -> Option<BuildOrder> {
    let order = plan::build_order(state, wave, round)?;
    // The same date in every round: a repeated round makes the same commits.
    let date = state.merge()?.started.0 / 1000;
    Some(BuildOrder {
        wave,
        round,
        date,
        order,
    })
}

pub(super) fn build(world: &World, order: &BuildOrder) -> Vec<Observation> {
    let (wave, round) = (order.wave, order.round);
    match try_build(world, order) {
        Ok((chain, clashes)) => vec![Observation::Built {
            wave,
            round,
            chain,
            clashes,
        }],
        Err(error) => vec![Observation::MergeFailed {
            wave,
            reason: error.chain(),
        }],
    }
}

fn try_build(world: &World, build: &BuildOrder) -> Result<(Vec<Link>, Vec<Clash>), GitError> {
    let (mut chain, mut clashes) = (Vec::new(), Vec::new());
    let mut tip = build.order.base.clone();
    let mut add = |task, theirs: &Oid, message: &str| -> Result<(), GitError> {
        match world.repo.merge(&tip, theirs, message, build.date)? {
            Merge::Clean { commit, remembered } => {
                tip = commit.clone();
                chain.push(Link {
                    task,
                    commit,
                    remembered,
                });
            }
            Merge::AlreadyIn => {
                chain.push(Link {
                    task,
                    commit: tip.clone(),
                    remembered: Vec::new(),
                });
            }
            Merge::Conflict { conflicts, .. } => {
                let files = conflicts
                    .into_iter()
                    .map(|c| (c.path, c.description))
                    .collect();
                clashes.push(Clash { task, files });
            }
        }
        Ok(())
    };
    if let Some(target) = &build.order.target
        && let Some(theirs) = world.repo.branch_tip(target)?
        && !world.repo.is_ancestor(&theirs, &build.order.base)?
    {
        add(None, &theirs, &format!("Merge {target}"))?;
    }
    for queued in &build.order.queue {
        let message = git::message(&queued.task, queued.attempt, &queued.mission);
        add(Some(queued.task.clone()), &queued.commit, &message)?;
    }
    Ok((chain, clashes))
}

/// A commit to check.
pub(super) struct CheckOrder {
    wave: u32,
    round: u32,
    prefix: usize,
    commit: Oid,
    swarm: SwarmName,
    commands: Vec<Command>,
    setup: Vec<Command>,
    timeout: Millis,
    setup_timeout: Millis,
    grace: Millis,
    heartbeat: Millis,
    output_bytes: u64,
}

pub(super) fn check_order(
    state: &State,
    wave: u32,
    round: u32,
    prefix: usize,
    commit: &Oid,
) -> Option<CheckOrder> {
    let spec = &state.swarm()?.spec;
    Some(CheckOrder {
        wave,
        round,
        prefix,
        commit: commit.clone(),
        swarm: spec.name.clone(),
        commands: spec.check.clone(),
        setup: spec.setup.clone(),
        timeout: spec.check_timeout,
        setup_timeout: spec.policy.setup_timeout,
        grace: spec.policy.grace,
        heartbeat: spec.policy.heartbeat,
        output_bytes: spec.policy.output_bytes,
    })
}

pub(super) fn check(world: &World, order: &CheckOrder) -> Vec<Observation> {
    let (wave, round, prefix) = (order.wave, order.round, order.prefix);
    match try_check(world, order) {
        Ok(failure) => {
            let passed = failure.is_none();
            let output = failure.unwrap_or_default();
            vec![Observation::Checked {
                wave,
                round,
                prefix,
                passed,
                output,
            }]
        }
        Err(reason) => vec![Observation::MergeFailed { wave, reason }],
    }
}

/// `None` when the check passes, and else what failed.
fn try_check(world: &World, order: &CheckOrder) -> Result<Option<String>, String> {
    let dir = world.site.worktrees().join("integration");
    let prepared = world
        .repo
        .checkout_detached(&dir, &order.commit)
        .map_err(|e| e.chain())?;
    let step = |kind, timeout: Millis| {
        move |command: &Command| StepSpec {
            name: command.shown(),
            kind,
            argv: command.argv(),
            stdin: None,
            timeout_ms: timeout.0,
            go_on: false,
            talk: None,
        }
    };
    let mut steps: Vec<StepSpec> = Vec::new();
    let mut ceiling = 0;
    if prepared.fresh {
        steps.extend(
            order
                .setup
                .iter()
                .map(step(StepKind::Setup, order.setup_timeout)),
        );
        ceiling += order.setup_timeout.0 * order.setup.len() as u64;
    }
    steps.extend(
        order
            .commands
            .iter()
            .map(step(StepKind::Check, order.timeout)),
    );
    ceiling += order.timeout.0 * order.commands.len() as u64;
    let mut env: std::collections::BTreeMap<_, _> = world.options.env.iter().cloned().collect();
    env.insert("SKEP_SWARM".into(), order.swarm.to_string());
    env.insert("SKEP_WORKTREE".into(), dir.to_string_lossy().into_owned());
    env.insert(
        "SKEP_REPO".into(),
        world.site.root().to_string_lossy().into_owned(),
    );
    // The name says what is checked and how, so that a result found after a crash is this check's.
    let mut how = DefaultHasher::new();
    (&order.commands, order.timeout).hash(&mut how);
    let short = order.commit.short();
    let run = format!(
        "check-{}-{}-{}-{short}-{:x}",
        order.wave,
        order.round,
        order.prefix,
        how.finish()
    );
    let spec = RunSpec {
        version: 1,
        worktree: dir.clone(),
        env,
        steps,
        snapshot: None,
        exists: Vec::new(),
        ceiling_ms: ceiling,
        grace_ms: order.grace.0,
        output_bytes: order.output_bytes,
        heartbeat_ms: order.heartbeat.0,
        notify: None,
        inherit: Vec::new(),
        passed: Default::default(),
        run,
    };
    let report = runs::finish(world, &world.site.runs().join(&spec.run), &spec)?;
    if prepared.fresh && report.steps.iter().any(|s| s.kind == StepKind::Check) {
        world.repo.ready(&dir).map_err(|e| e.chain())?;
    }
    let failed = report.steps.iter().find(|s| s.end != StepEnd::Exited(0));
    let not_begun = report.steps.len() < spec.steps.len();
    Ok(match failed {
        Some(step) => Some(format!("$ {}\n{}\n({})", step.name, step.tail, step.end)),
        None if not_begun => Some("the check was cut short".into()),
        None => None,
    })
}

/// The integration branch to move.
pub(super) struct LandOrder {
    wave: u32,
    swarm: SwarmName,
    from: Oid,
    to: Oid,
}

pub(super) fn land_order(state: &State, wave: u32, from: &Oid, to: &Oid) -> Option<LandOrder> {
    let swarm = state.swarm()?.spec.name.clone();
    Some(LandOrder {
        wave,
        swarm,
        from: from.clone(),
        to: to.clone(),
    })
}

pub(super) fn land(world: &World, order: &LandOrder) -> Vec<Observation> {
    let wave = order.wave;
    let branch = format!("refs/heads/{}", names::integration(&order.swarm));
    let log = format!("skep: land wave {wave}");
    let seen = match world.repo.land(&branch, Some(&order.from), &order.to, &log) {
        Ok(Land::Moved | Land::AlreadyThere) => Observation::Landed {
            wave,
            tip: order.to.clone(),
        },
        Ok(Land::Refused { actual }) => {
            let descends = actual
                .as_ref()
                .is_some_and(|a| world.repo.is_ancestor(&order.from, a).unwrap_or(false));
            Observation::BaseMoved {
                wave,
                actual,
                descends,
            }
        }
        Err(error) => Observation::MergeFailed {
            wave,
            reason: error.chain(),
        },
    };
    vec![seen]
}

/// The target branch to move.
pub(super) struct TargetOrder {
    target: String,
    swarm: SwarmName,
    to: Oid,
}

pub(super) fn target_order(state: &State, to: &Oid) -> Option<TargetOrder> {
    let swarm = state.swarm()?;
    Some(TargetOrder {
        target: swarm.target.clone(),
        swarm: swarm.spec.name.clone(),
        to: to.clone(),
    })
}

pub(super) fn land_target(world: &World, order: &TargetOrder) -> Vec<Observation> {
    let tip = order.to.clone();
    let seen = match try_land_target(world, order) {
        Ok(None) => Observation::TargetLanded { tip },
        Ok(Some((reason, diverged))) => Observation::TargetRefused {
            tip,
            reason,
            diverged,
        },
        Err(error) => Observation::TargetRefused {
            tip,
            reason: error.chain(),
            diverged: false,
        },
    };
    vec![seen]
}

fn try_land_target(world: &World, order: &TargetOrder) -> Result<Option<(String, bool)>, GitError> {
    let Some(now) = world.repo.branch_tip(&order.target)? else {
        return Ok(Some((
            format!("the branch {} is gone", order.target),
            false,
        )));
    };
    if !world.repo.is_ancestor(&now, &order.to)? {
        return Ok(Some((
            format!("{} has new commits of its own", order.target),
            true,
        )));
    }
    let reference = format!("refs/heads/{}", order.target);
    let log = format!("skep: land {}", names::integration(&order.swarm));
    match world.repo.land(&reference, Some(&now), &order.to, &log) {
        Ok(Land::Moved | Land::AlreadyThere) => Ok(None),
        Ok(Land::Refused { .. }) => Ok(Some((format!("{} moved just now", order.target), true))),
        Err(GitError::CheckedOut { path, .. }) => {
            let branch = names::integration(&order.swarm);
            let path = path.display();
            Ok(Some((
                format!("it is checked out at {path}; run `git merge --ff-only {branch}` there"),
                false,
            )))
        }
        Err(error) => Err(error),
    }
}

/// What an accepted fix teaches about its conflicts is remembered for the next merge that meets them (W-7).
pub(super) fn learn(world: &std::sync::Arc<World>, state: &State, event: &Event) {
    let Event::AttemptAccepted { task, accepted, .. } = event else {
        return;
    };
    let fix = state
        .task(task)
        .and_then(|t| t.fix())
        .filter(|f| f.strategy == FixStrategy::Resolve);
    let (Some(fix), Some(resolved)) = (fix, accepted.commit.clone()) else {
        return;
    };
    let (world, theirs) = (std::sync::Arc::clone(world), fix.theirs.clone());
    let folder = super::attempts::folder(&world, accepted.attempt);
    let learn = move || {
        let spec = crate::run::read_spec(&folder).ok();
        if let Some(base) = spec.and_then(|s| s.snapshot).map(|s| s.base) {
            // Remembering is a convenience: without it the conflict is only resolved once more.
            let _ = world.repo.learn(&base, &theirs, &resolved);
        }
    };
    // And so it is when no thread can be started.
    let _ = thread::Builder::new().name("learn".into()).spawn(learn);
}

//! The user's hooks (U-11): contained, bounded, and told as JSON what they are about.
//!
//! Each run has a folder named by its id, so a keeper that comes after one that died finds it at work, or ended, and
//! begins it anew only if it was lost. The folder goes when the run's end is known; what it printed is in `hooks.log`.

use super::{World, runs, worktrees};
use crate::{
    git::names,
    keeper::clock::wall,
    run::{
        self, Look,
        files::{Passed, RunSpec, StepEnd, StepKind, StepReport, StepSpec},
    },
};
use serde_json::{Value, json};
use skep_core::{
    hook::{self, About, Owed, Ran},
    id::WorkerId,
    plan::Order,
    request::Observation,
    spec::{HookSpec, Moment},
    state::State,
    time::Millis,
};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

/// Of the user's environment a hook gets these: who and where they are, and how their desktop is reached. Nothing
/// else, since anything else may be a key.
const PASSED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// The most output kept of one run.
const OUTPUT: u64 = 64 * 1024;
/// How much of it an event holds.
const TAIL: usize = 1024;
/// A log that has grown beyond this is put aside.
const LOG: u64 = 1024 * 1024;
/// Between SIGTERM and SIGKILL, whatever agents get.
const GRACE: Millis = Millis::secs(5);

/// A hook to be run.
pub(super) struct Call {
    name: String,
    spec: HookSpec,
    on: Moment,
    about: About,
    id: String,
    dir: PathBuf,
    facts: Value,
    heartbeat: Millis,
}

/// The hooks of one moment, with what each is told on top of what all are.
fn calls(
    world: &World,
    state: &State,
    on: Moment,
    (about, subject): (About, &str),
    dir: &std::path::Path,
    facts: &Value,
) -> Vec<Call> {
    let Some(swarm) = state.swarm() else {
        return Vec::new();
    };
    let calls = swarm.spec.hooks_on(on).map(|(name, spec)| {
        let id = hook::id(on, subject, name);
        let mut told = json!({
            "schema": 1,
            "id": id,
            "hook": name,
            "on": on.word(),
            "swarm": swarm.spec.name,
            "repository": world.site.root(),
        });
        if let (Some(told), Some(facts)) = (told.as_object_mut(), facts.as_object()) {
            told.extend(facts.clone());
        }
        Call {
            name: name.clone(),
            spec: spec.clone(),
            on,
            about,
            id,
            dir: dir.to_path_buf(),
            facts: told,
            heartbeat: swarm.spec.policy.heartbeat,
        }
    });
    calls.collect()
}

pub(super) fn before_attempt(world: &World, state: &State, order: &Order) -> Vec<Call> {
    let dir = worktrees::of(world, order);
    let facts = json!({
        "attempt": order.attempt,
        "worker": order.worker,
        "agent": order.agent,
        "model": order.model,
        "worktree": dir,
        "base": order.base,
        "task": { "id": order.task.id, "mission": order.task.mission, "role": order.role },
    });
    let about = About::Attempt(order.attempt);
    let subject = format!("a{}", order.attempt);
    calls(
        world,
        state,
        Moment::BeforeAttempt,
        (about, &subject),
        &dir,
        &facts,
    )
}

/// Only before the first round: the others only leave something out.
pub(super) fn before_merge(world: &World, state: &State, wave: u32, round: u32) -> Vec<Call> {
    let (Some(merge), Some(swarm)) = (state.merge(), state.swarm()) else {
        return Vec::new();
    };
    if round > 1 {
        return Vec::new();
    }
    let tasks = merge.queue.iter().map(|queued| {
        json!({ "id": queued.task, "mission": queued.mission, "attempt": queued.attempt, "commit": queued.commit })
    });
    let facts = json!({
        "wave": wave,
        "base": merge.base,
        "branch": names::integration(&swarm.spec.name),
        "tasks": tasks.collect::<Vec<_>>(),
    });
    // Waves are numbered anew with each plan.
    let subject = format!("{wave}-{}", merge.started.0);
    let root = world.site.root();
    calls(
        world,
        state,
        Moment::BeforeMerge,
        (About::Wave(wave), &subject),
        root,
        &facts,
    )
}

/// What a worker's worktree is about: made, or gone.
pub(super) fn of_worktree(world: &World, state: &State, worker: WorkerId, on: Moment) -> Vec<Call> {
    let dir = if state.shares_worktree() {
        world.site.worktrees().join("shared")
    } else {
        worktrees::path(world, worker)
    };
    let facts = json!({ "worker": worker, "worktree": dir });
    let at = if on == Moment::Removed {
        world.site.root()
    } else {
        &dir
    };
    calls(
        world,
        state,
        on,
        (About::Worker(worker), &worker.to_string()),
        at,
        &facts,
    )
}

/// A hook that is owed; none if the plan has it no more.
pub(super) fn after(world: &World, state: &State, owed: &Owed) -> Option<Call> {
    let task = state.task(&owed.task)?;
    let past = task
        .history
        .iter()
        .rev()
        .find(|p| p.attempt == owed.attempt);
    let accepted = task.accepted.as_ref().filter(|a| a.attempt == owed.attempt);
    let facts = json!({
        "attempt": owed.attempt,
        "worker": owed.worker,
        "outcome": past.map(|p| p.outcome),
        "reason": past.map(|p| &p.reason),
        "model": past.and_then(|p| p.model.as_ref()),
        "took_ms": past.map(|p| p.took),
        "commit": accepted.and_then(|a| a.commit.as_ref()),
        "worktree": worktrees::path(world, owed.worker),
        "task": { "id": owed.task, "mission": task.spec.mission, "state": task.state },
    });
    let about = (About::Attempt(owed.attempt), &*format!("a{}", owed.attempt));
    let all = calls(world, state, owed.on, about, world.site.root(), &facts);
    all.into_iter().find(|call| call.name == owed.hook)
}

/// Runs the hooks, and then, unless one refuses, what they come before.
pub(super) fn then(
    world: &World,
    calls: &[Call],
    next: impl FnOnce() -> Vec<Observation>,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    for call in calls {
        let Some(ran) = run(world, call) else {
            // It was cut short, which is no answer: all of it is begun again another time.
            return seen;
        };
        let refused = matches!(&ran, Observation::HookRan { ran } if ran.refused);
        seen.push(ran);
        if refused {
            return seen;
        }
    }
    seen.extend(next());
    seen
}

/// Runs hooks whose end changes nothing.
pub(super) fn tell(world: &World, calls: &[Call]) {
    let seen: Vec<_> = calls.iter().filter_map(|call| run(world, call)).collect();
    if !seen.is_empty() {
        world.tell(seen);
    }
}

/// Runs one hook to its end. `None`: somebody ended it, so nobody knows what it would have said.
pub(super) fn run(world: &World, call: &Call) -> Option<Observation> {
    let folder = world.site.runs().join(format!("hook-{}", call.id));
    let spec = spec(world, call);
    forget_another(&folder, &spec);
    let finished = runs::finish(world, &folder, &spec);
    if world.handle.is_hurried() {
        return None;
    }
    let step = finished.as_ref().map(|report| report.steps.first());
    let failed = match &step {
        Ok(Some(step)) if step.end == StepEnd::Exited(0) => None,
        Ok(Some(step)) => Some(said(step, call.spec.timeout)),
        Ok(None) => Some("it was not begun".into()),
        Err(why) => Some((*why).clone()),
    };
    let output = step.ok().flatten().map_or("", |step| step.tail.as_str());
    // A log that cannot be written takes nobody's hook away.
    let _ = log(world, call, failed.as_deref(), output);
    let _ = fs::remove_dir_all(&folder);
    let refused = failed.is_some() && call.spec.refuses(call.on);
    Some(Observation::HookRan {
        ran: Ran {
            hook: call.name.clone(),
            on: call.on,
            about: call.about,
            id: call.id.clone(),
            failed,
            refused,
        },
    })
}

fn said(step: &StepReport, timeout: Millis) -> String {
    let end = match &step.end {
        StepEnd::TimedOut => format!("it did not end within {timeout}"),
        end => format!("`{}` {end}", step.name),
    };
    let tail = step.tail.trim();
    let cut = tail.len().saturating_sub(TAIL);
    let tail = &tail[tail.ceil_char_boundary(cut)..];
    if tail.is_empty() {
        end
    } else {
        format!("{end}: {tail}")
    }
}

/// A folder of the same name may be of a swarm that the log has forgotten.
fn forget_another(folder: &std::path::Path, spec: &RunSpec) {
    let same = run::read_spec(folder).is_ok_and(|old| old.steps == spec.steps);
    if !same && !matches!(run::look(folder), Look::Running(_)) {
        let _ = fs::remove_dir_all(folder);
    }
}

fn spec(world: &World, call: &Call) -> RunSpec {
    let mut env = BTreeMap::new();
    let root = world.site.root().to_string_lossy().into_owned();
    for (name, value) in [
        ("SKEP_HOOK", call.name.clone()),
        ("SKEP_HOOK_ON", call.on.word().into()),
        ("SKEP_HOOK_ID", call.id.clone()),
        ("SKEP_REPO", root),
    ] {
        env.insert(name.into(), value);
    }
    let kept = world.options.env.iter();
    let kept = kept.filter(|(name, _)| PASSED.contains(&name.as_str()));
    env.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    RunSpec {
        version: 1,
        run: format!("hook-{}", call.id),
        worktree: call.dir.clone(),
        env,
        steps: vec![StepSpec {
            name: call.spec.command.join(" "),
            kind: StepKind::Setup,
            argv: call.spec.command.clone(),
            stdin: Some(format!("{}\n", call.facts)),
            timeout_ms: call.spec.timeout.0,
            go_on: false,
            talk: None,
        }],
        snapshot: None,
        exists: Vec::new(),
        ceiling_ms: call.spec.timeout.0.saturating_add(GRACE.0),
        grace_ms: GRACE.0,
        output_bytes: OUTPUT,
        heartbeat_ms: call.heartbeat.0,
        notify: None,
        inherit: Vec::new(),
        passed: Passed::default(),
    }
}

/// Notes how a run ended, and what it printed.
fn log(world: &World, call: &Call, failed: Option<&str>, output: &str) -> io::Result<()> {
    let path = world.site.hooks_log();
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG) {
        fs::rename(&path, path.with_extension("log.old"))?;
    }
    let mut file = OpenOptions::new();
    let mut file = file.create(true).append(true).mode(0o600).open(&path)?;
    let end = failed.map_or("passed", |_| "failed");
    let mut text = format!("{} {} {end}\n", wall().0, call.id);
    for line in output.lines() {
        text.push_str("  ");
        for c in line.chars() {
            // Who looks at the file must not find the terminal driven by what a hook printed.
            match c.is_control() && c != '\t' {
                true => text.extend(c.escape_unicode()),
                false => text.push(c),
            }
        }
        text.push('\n');
    }
    file.write_all(text.as_bytes())
}

//! Random plans: 1 to 60 tasks, random graphs, roles, owner keys, priorities, with and without worktrees.

use crate::{agents::Character, dice::Dice, git::file_name, world::BEGIN};
use skep_core::{
    id::TaskId,
    money::Usd,
    scale::Mode,
    spec::{
        AgentSpec, Alerts, Budget, Cap, Command, Criterion, Glob, HookSpec, Host, Landing,
        ModelSpec, ModelWish, Moment, OnCap, OnFail, Plan, Policy, Price, Priority, Scaling,
        SwarmSpec, TaskSpec, Tier, Workers, Zone,
    },
    time::{Millis, Time},
};
use std::collections::BTreeMap;

/// What tasks are like, by id; fix tasks are like the task they fix.
pub(crate) type Characters = BTreeMap<TaskId, Character>;

pub(crate) fn plan(dice: &mut Dice, max_tasks: u64) -> (Plan, Characters) {
    let size = match dice.of(0..=19) {
        0 => dice.of(20..=60),
        1..=5 => dice.of(8..=16),
        _ => dice.of(1..=7),
    };
    let size = size.min(max_tasks).max(1);
    let roles = dice.chance(250);
    let mut characters = Characters::new();
    let mut tasks: Vec<TaskSpec> = Vec::new();
    for number in 0..size {
        let id = task_id(number);
        let (spec, character) = task(dice, id, &tasks, roles);
        characters.insert(spec.id.clone(), character);
        tasks.push(spec);
    }
    let swarm = swarm(dice, roles);
    (Plan { swarm, tasks }, characters)
}

pub(crate) fn task_id(number: u64) -> TaskId {
    format!("t{number}")
        .parse()
        .expect("t and a number are a name")
}

/// A task that may depend on any of `before`.
pub(crate) fn task(
    dice: &mut Dice,
    id: TaskId,
    before: &[TaskSpec],
    roles: bool,
) -> (TaskSpec, Character) {
    let character = Character::throw(dice);
    let mut depends_on: Vec<TaskId> = Vec::new();
    for _ in 0..[0, 0, 1, 1, 2, 3][dice.index(6)] {
        if let Some(other) = dice.pick(before)
            && !depends_on.contains(&other.id)
        {
            depends_on.push(other.id.clone());
        }
    }
    let role = roles.then(|| ["back", "front"][dice.index(2)].to_string());
    let globs = character
        .files
        .iter()
        .filter_map(|f| Glob::new(&file_name(*f)).ok());
    let mut success = Vec::new();
    if dice.chance(400) {
        success.push(Criterion::Run(Command::Line("test".into())));
    }
    let shell = dice.chance(300);
    let spec = TaskSpec {
        id,
        mission: "Do it.".into(),
        brief: String::new(),
        success,
        depends_on,
        role,
        category: dice
            .chance(400)
            .then(|| ["db", "ui", "doc"][dice.index(3)].to_string()),
        priority: [
            Priority::P0,
            Priority::P1,
            Priority::P2,
            Priority::P2,
            Priority::P3,
        ][dice.index(5)],
        capabilities: Vec::new(),
        model: dice
            .chance(100)
            .then(|| ModelWish::Required("small".into())),
        agent: shell.then(|| "shell".into()),
        command: shell.then(|| Command::Line("work".into())),
        timebox: dice.chance(200).then(|| Millis::mins(dice.of(1..=60))),
        budget: None,
        files: if dice.chance(700) {
            globs.collect()
        } else {
            Vec::new()
        },
        owner_key: dice
            .chance(200)
            .then(|| ["db", "api"][dice.index(2)].to_string()),
        hazards: Vec::new(),
        complexity: None,
        relations: Vec::new(),
        max_retries: dice.chance(100).then(|| dice.of(0..=3) as u32),
        allow_no_op: dice.chance(300),
    };
    (spec, character)
}

fn swarm(dice: &mut Dice, roles: bool) -> SwarmSpec {
    let workers = match dice.of(0..=9) {
        0 => Workers::Count(0),
        1 | 2 => Workers::Auto,
        3 => {
            let min = dice.of(0..=3) as u32;
            Workers::Between {
                min,
                max: min.max(1) + dice.of(0..=6) as u32,
            }
        }
        4 if roles => Workers::PerRole([("back".into(), 2), ("front".into(), 1)].into()),
        _ if roles => Workers::Auto,
        _ => Workers::Count(dice.of(1..=8) as u32),
    };
    let agent = AgentSpec {
        command: vec!["fake".into()],
        stdin: false,
        env: BTreeMap::new(),
        rate_limited_exit: Vec::new(),
        provider: None,
        protocol: None,
        rules: None,
        permission: None,
        args: Vec::new(),
    };
    let checked = dice.chance(700);
    SwarmSpec {
        name: "sim".parse().expect("sim is a name"),
        target: None,
        landing: if dice.chance(300) {
            Landing::Main
        } else {
            Landing::Branch
        },
        workers,
        agent: "fake".into(),
        model: dice.chance(500).then(|| "small".into()),
        models: vec!["small".into(), "middle".into(), "large".into()],
        catalog: catalog(),
        check: if checked {
            vec![Command::Line("check".into())]
        } else {
            Vec::new()
        },
        check_timeout: Millis::mins(10),
        prompt: None,
        setup: Vec::new(),
        teardown: Vec::new(),
        worktree: dice.chance(800),
        host: Host::default(),
        roles: BTreeMap::new(),
        agents: [("fake".into(), agent)].into(),
        built_in: Vec::new(),
        permission: None,
        routes: Vec::new(),
        hooks: if checked {
            let on = vec![Moment::AfterAttempt, Moment::Failed];
            let hook = HookSpec {
                on,
                command: vec!["tell".into()],
                timeout: HookSpec::TIMEOUT,
                on_fail: OnFail::Refuse,
            };
            [("tell".into(), hook)].into()
        } else {
            BTreeMap::new()
        },
        origins: Default::default(),
        policy: policy(dice),
    }
}

/// Who decides how many workers there are.
pub(crate) fn mode(dice: &mut Dice) -> Mode {
    if dice.chance(400) {
        return Mode::Auto;
    }
    let min = dice.of(0..=4) as u32;
    let max = min + dice.of(0..=4) as u32;
    Mode::Between { min, max }
}

/// What the worlds' priced model costs.
pub(crate) const PRICE: Price = Price {
    input: Usd(10_000_000),
    cache_read: Usd(1_000_000),
    cache_write: Usd(12_500_000),
    output: Usd(20_000_000),
};

fn catalog() -> BTreeMap<String, ModelSpec> {
    let spec = ModelSpec {
        provider: "sim".into(),
        tier: Tier::Default,
        price: Some(PRICE),
    };
    [("small".into(), spec)].into()
}

/// Caps that some attempts reach. The clocks are moved within the first days of every world.
fn budget(dice: &mut Dice) -> Budget {
    if dice.chance(500) {
        return Budget::default();
    }
    let cap = |dice: &mut Dice, share: u64| Cap {
        usd: dice
            .chance(share)
            .then(|| Usd(dice.spread(50_000, 20_000_000))),
        tokens: dice
            .chance(share / 3)
            .then(|| dice.spread(10_000, 2_000_000)),
        minutes: dice.chance(share / 4).then(|| dice.spread(20, 2_000)),
    };
    let hour = 3_600;
    // As in every zone, clocks are moved at a quarter of an hour.
    let after = |hours: u64| Time((BEGIN / 900_000 + hours * 4) * 900_000);
    Budget {
        swarm: cap(dice, 400),
        task: cap(dice, 200),
        worker: cap(dice, 100),
        role: cap(dice, 100),
        day: cap(dice, 300),
        active: cap(dice, 150),
        night: cap(dice, 150),
        subscription: cap(dice, 150),
        subscription_percent: dice.of(50..=100) as u32,
        zone: Zone {
            name: "Sim/Zone".into(),
            first: hour,
            changes: vec![(after(30), 2 * hour), (after(80), hour)],
        },
        on_cap: OnCap::ALL[dice.index(3)],
        interval: Millis::secs(dice.of(10..=120)),
        reserve_usd: Usd(dice.spread(10_000, 1_000_000)),
        ..Budget::default()
    }
}

/// The back-off stays at its default: the audit counts restarts against it.
pub(crate) fn policy(dice: &mut Dice) -> Policy {
    Policy {
        concurrency: dice.of(1..=8) as u32,
        max_retries: dice.of(0..=2) as u32,
        crash_retries: dice.of(0..=4) as u32,
        scaling: Scaling {
            tasks_per_worker: dice.of(1..=3) as u32,
            max_workers: dice.of(2..=12) as u32,
            ..Scaling::default()
        },
        budget: budget(dice),
        // A world that is said again and again what it lacks never comes to rest.
        alerts: Alerts {
            remind: Millis(0),
            ..Alerts::default()
        },
        ..Policy::default()
    }
}

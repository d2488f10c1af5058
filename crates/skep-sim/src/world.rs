//! One world: its clock, its queue of things to come, and the loop that lets them happen.

use crate::{
    audit::{Audit, Failure, Kind},
    coverage::Coverage,
    dice::Dice,
    faults::Faults,
    git::Repo,
    hosts::{Hosts, ShimStep},
    keeper::{Keeper, Letter},
    log::{Append, Log},
    mutant::Mutant,
    people::{Client, People},
    perform::Op,
    plans,
    steady::Month,
    weather::Weather,
};
use skep_core::{
    id::Attempt,
    spec::{Plan, TaskSpec},
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// When every world begins.
pub(crate) const BEGIN: u64 = 1_700_000_000_000;
/// A world that has not come to rest by then never will.
const LONGEST: u64 = 90 * 24 * 3_600_000;
/// Nor one in which so much has happened.
const MOST_STEPS: u64 = 300_000;

/// How to run a world.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most tasks a plan has.
    pub max_tasks: u64,
    /// How likely faults are, in percent of the usual.
    pub faults: u64,
    /// Whether people give commands.
    pub people: bool,
    /// A planted bug.
    pub mutant: Option<Mutant>,
    /// Keep a readable account of everything.
    pub trace: bool,
    /// Run one plan after the other for so many days; 0: one plan, to its end.
    pub days: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_tasks: 60,
            faults: 100,
            people: true,
            mutant: None,
            trace: false,
            days: 0,
        }
    }
}

/// How a world went.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// What happened how often.
    pub coverage: Coverage,
    /// Events in the log.
    pub events: u64,
    /// Simulated time.
    pub sim_ms: u64,
    /// The account, if it was asked for.
    pub trace: Vec<String>,
}

/// Something to come. Whatever a keeper waits for dies with its life.
pub(crate) enum Due {
    BeginKeeper,
    Wake(u32, u64),
    Look(u32),
    Deliver(u32, Box<Letter>),
    Appended(u32, Append),
    Perform(u32, Box<Op>, u8),
    Shim(Attempt, ShimStep),
    Person,
    Resend(usize),
    /// A person answers what an attempt asked, so long after that.
    Reply(Attempt, u64),
    Fault,
    Calm,
    NextPlan,
}

pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    /// Real time: never jumps, unlike the wall clock that keepers read.
    pub(crate) now: u64,
    queue: BTreeMap<(u64, u64), Due>,
    pushed: u64,
    pub(crate) plan: Plan,
    pub(crate) characters: plans::Characters,
    /// Tasks that people may depend on when they add more.
    pub(crate) known: Vec<TaskSpec>,
    pub(crate) log: Log,
    pub(crate) repo: Repo,
    pub(crate) hosts: Hosts,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) lives: u32,
    pub(crate) faults: Faults,
    pub(crate) weather: Weather,
    pub(crate) people: People,
    pub(crate) clients: Vec<Client>,
    pub(crate) audit: Audit,
    pub(crate) coverage: Coverage,
    pub(crate) trace: Vec<String>,
    pub(crate) month: Month,
}

/// Runs the world of a seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    run_month(seed, options).0
}

/// The same, with what came of its plans.
pub(crate) fn run_month(seed: u64, options: &Options) -> (Outcome, Month) {
    let mut world = World::new(seed, *options);
    let ended = catch_unwind(AssertUnwindSafe(|| world.live()));
    if let Err(panic) = ended {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without words");
        world.audit.fail(Kind::Crash, "panic", text.to_string());
    }
    let month = world.month;
    let outcome = Outcome {
        seed,
        failure: world.audit.failure.take(),
        coverage: world.coverage,
        events: world.log.records.len() as u64,
        sim_ms: world.now - BEGIN,
        trace: world.trace,
    };
    (outcome, month)
}

/// Tries the same seed with fewer tasks, faults and people; returns the least options that still fail.
#[must_use]
pub fn shrink(seed: u64, options: &Options) -> Options {
    let fails = |o: &Options| run(seed, o).failure.is_some();
    let mut least = *options;
    for max_tasks in [1, 2, 3, 4, 6, 8, 12, 20, 30] {
        let smaller = Options { max_tasks, ..least };
        if max_tasks < least.max_tasks && fails(&smaller) {
            least = smaller;
            break;
        }
    }
    for faults in [0, 10, 30, 60] {
        let calmer = Options { faults, ..least };
        if faults < least.faults && fails(&calmer) {
            least = calmer;
            break;
        }
    }
    let alone = Options {
        people: false,
        ..least
    };
    if fails(&alone) { alone } else { least }
}

impl World {
    fn new(seed: u64, options: Options) -> World {
        let mut dice = Dice::new(seed);
        let (mut plan, characters) = plans::plan(&mut dice, options.max_tasks);
        let mut weather = Weather::throw(seed, options.faults, options.days);
        weather.equip(&mut plan);
        let known = plan.tasks.clone();
        let faults = Faults::throw(&mut dice, options.faults);
        let audit = Audit::new(&plan);
        World {
            options,
            dice,
            now: BEGIN,
            queue: BTreeMap::new(),
            pushed: 0,
            plan,
            characters,
            known,
            log: Log::default(),
            repo: Repo::new(),
            hosts: Hosts::default(),
            keeper: None,
            lives: 0,
            faults,
            weather,
            people: People::default(),
            clients: Vec::new(),
            audit,
            coverage: Coverage::default(),
            trace: Vec::new(),
            month: Month::default(),
        }
    }

    fn live(&mut self) {
        self.after(0, Due::BeginKeeper);
        let mut most = MOST_STEPS;
        if self.options.days > 0 {
            most = self.options.days.saturating_mul(MOST_STEPS);
            self.faults.steady();
            self.next_plan();
        } else {
            self.load_plan();
            let calm_after = self.dice.spread(60_000, 8 * 3_600_000);
            self.after(calm_after, Due::Calm);
        }
        let (person, fault) = (self.dice.spread(1, 600_000), self.dice.spread(1, 600_000));
        self.after(person, Due::Person);
        self.after(fault, Due::Fault);
        let mut steps = 0;
        while let Some(((at, _), due)) = self.queue.pop_first() {
            self.now = at;
            self.happen(due);
            steps += 1;
            if self.audit.failure.is_some() {
                return;
            }
            if at > BEGIN + LONGEST || steps > most {
                let text = format!("after {steps} steps and {} minutes", (at - BEGIN) / 60_000);
                self.audit.fail(Kind::Liveness, "X: the run ends", text);
                return;
            }
        }
        self.judge_end();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::BeginKeeper => self.begin_keeper(),
            Due::Wake(life, at) => self.wake(life, at),
            Due::Look(life) => self.look(life),
            Due::Deliver(life, letter) => self.deliver(life, *letter),
            Due::Appended(life, fate) => self.appended(life, fate),
            Due::Perform(life, op, step) => self.perform(life, *op, step),
            Due::Shim(attempt, step) => self.shim(attempt, step),
            Due::Person => self.person(),
            Due::Resend(client) => self.send(client),
            Due::Reply(attempt, after) => self.reply(attempt, after),
            Due::Fault => self.fault(),
            Due::Calm => self.calm(),
            Due::NextPlan => self.next_plan(),
        }
    }

    pub(crate) fn after(&mut self, ms: u64, due: Due) {
        self.pushed += 1;
        self.queue.insert((self.now + ms, self.pushed), due);
    }

    pub(crate) fn mutated(&self, mutant: Mutant) -> bool {
        self.options.mutant == Some(mutant)
    }

    /// A line of the account.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.options.trace {
            let ms = self.now - BEGIN;
            let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
            self.trace
                .push(format!("{h:>3}:{m:02}:{s:02}.{:03}  {}", ms % 1000, line()));
        }
    }

    pub(crate) fn add_known(&mut self, spec: &Arc<TaskSpec>) {
        self.known.push((**spec).clone());
    }
}

//! Budgets (S-7): what an attempt is charged, what is set aside for it, and what becomes of it near a cap.
//!
//! **Reserve, meter, settle.** A claim sets amounts aside; it is refused, never failed, if they do not fit under
//! every cap that applies. What the agent says of its use is metered while it runs, and settled when it ends,
//! however that is. What it used is booked at once; what is left of its reservation counts until it ends. An
//! attempt that would pass its reservation with its next metering gets more, if that fits, or what less urgent ones have
//! not spent, and is else ended.
//!
//! **What holds**, after every decision: what is spent of a cap that all attempts share, and what is set aside of
//! it, fit under it together, or nothing is set aside any more (a burst of one attempt takes back what others have
//! not spent). And whoever has used more than was set aside for it is being ended. So the metering by which a cap
//! is passed passes it by no more than what one attempt used since its last metering; from then on all that run
//! are being ended, at once. An attempt that goes on as it did in its last interval passes nothing.
//!
//! **The ladder**, by what is spent of any cap of the whole swarm (not of a task's, a worker's or a role's):
//!
//! | spent | then |
//! |---|---|
//! | 90 % | people are told, once in a window |
//! | 95 % | attempts of P2 and P3 tasks are ended, their work saved; only P0 and P1 begin |
//! | 99 % | only P0 goes on and begins |
//! | 100 %, or nothing more fits | nothing runs until the next window or a higher cap, and people are told |
//!
//! A task that was ended so goes back to the queue, and no retry is counted; one whose own budget is spent is
//! flagged. What is not known counts for nothing under a cap in dollars: caps in tokens and minutes are for that.

mod charge;
mod due;
mod ledger;
mod settle;
mod standing;
mod usual;

pub use charge::{Amounts, Basis, Charge};
pub(crate) use due::{next, wake_at};
pub(crate) use ledger::Owner;
pub use ledger::{Ledger, Told};
pub(crate) use settle::{afterwards, late, settled};
pub use standing::{Measure, Standing, shared, standings};
pub use usual::{Usual, kind};

use crate::{
    attempt::Live,
    claim,
    id::WorkerId,
    money::Usd,
    spec::{OnCap, Price, Priority, catalog},
    state::State,
    task::Task,
    time::{Millis, Time},
    worker::{Worker, WorkerState},
};
use alloc::{format, string::String};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a cap is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All that is spent on the plan.
    Swarm,
    /// A calendar day.
    Day,
    /// A day's active hours.
    Active,
    /// A night.
    Night,
    /// The share of a subscription's window.
    Subscription,
    /// One task.
    Task,
    /// One worker.
    Worker,
    /// The tasks of one role.
    Role,
}

impl Scope {
    /// Those that all attempts share: the ladder is theirs.
    pub const SHARED: [Scope; 5] = [
        Scope::Swarm,
        Scope::Day,
        Scope::Active,
        Scope::Night,
        Scope::Subscription,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Swarm => "swarm",
            Scope::Day => "day",
            Scope::Active => "active",
            Scope::Night => "night",
            Scope::Subscription => "subscription",
            Scope::Task => "task",
            Scope::Worker => "worker",
            Scope::Role => "role",
        }
    }

    /// What it is, before an amount.
    const fn owner(self) -> &'static str {
        match self {
            Scope::Swarm => "the swarm's",
            Scope::Day => "the day's",
            Scope::Active => "the active hours'",
            Scope::Night => "the night's",
            Scope::Subscription => "the subscription's",
            Scope::Task => "the task's own",
            Scope::Worker => "the worker's",
            Scope::Role => "the role's",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How much of a cap is spent: the ladder's rungs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Less than 90 %.
    #[default]
    Fine,
    /// 90 %: people are told.
    Alert,
    /// 95 %: only P0 and P1.
    Critical,
    /// 99 %: only P0.
    Last,
    /// Nothing more.
    Full,
}

impl Level {
    /// The rungs above the ground, each with its percentage.
    pub const RUNGS: [(Level, u64); 4] = [
        (Level::Alert, 90),
        (Level::Critical, 95),
        (Level::Last, 99),
        (Level::Full, 100),
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Level::Fine => "fine",
            Level::Alert => "alert",
            Level::Critical => "critical",
            Level::Last => "last",
            Level::Full => "full",
        }
    }

    /// Whether tasks of a priority may still run.
    #[must_use]
    pub fn spares(self, priority: Priority) -> bool {
        match self {
            Level::Fine | Level::Alert => true,
            Level::Critical => priority <= Priority::P1,
            Level::Last => priority == Priority::P0,
            Level::Full => false,
        }
    }
}

/// What a live attempt has been granted and charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What was set aside for it, in all.
    pub reserved: Amounts,
    /// What it was charged, as of its last metering.
    pub charge: Charge,
    /// How much of that the last metering gave for one interval.
    pub growth: Amounts,
    /// When that was.
    pub metered: Time,
}

/// Why an attempt cannot begin: what a cap leaves is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// Whose cap.
    pub scope: Scope,
    /// On what.
    pub measure: Measure,
    /// The cap.
    pub cap: u64,
    /// What is spent of it.
    pub spent: u64,
    /// What is set aside of it for live attempts.
    pub reserved: u64,
    /// What the attempt would need.
    pub needs: u64,
    /// How far up the ladder the cap is.
    pub level: Level,
    /// When the cap's next window begins, if that would help.
    pub until: Option<Time>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |amount| self.measure.shown(amount);
        write!(
            f,
            "waits for budget: {} of {} {} spent",
            shown(self.spent),
            self.scope.owner(),
            shown(self.cap)
        )?;
        if self.reserved > 0 {
            write!(f, ", {} reserved", shown(self.reserved))?;
        }
        match self.level {
            Level::Full => Ok(()),
            _ if self
                .spent
                .saturating_add(self.reserved)
                .saturating_add(self.needs)
                > self.cap =>
            {
                write!(f, ", needs {}", shown(self.needs))
            }
            Level::Critical => f.write_str(", and from 95 % on only P0 and P1 begin"),
            _ => f.write_str(", and from 99 % on only P0 begins"),
        }
    }
}

/// What the tokens of a model cost, if that is known.
#[must_use]
pub fn price<'s>(state: &'s State, model: Option<&str>) -> Option<&'s Price> {
    let (_, spec) = catalog::find(&state.swarm()?.spec.catalog, model?)?;
    spec.price.as_ref()
}

/// What a live attempt has used.
#[must_use]
pub fn used(live: &Live, now: Time) -> Amounts {
    Amounts {
        time: now.since(live.age_from),
        ..live.account.charge.amounts()
    }
}

/// Whether an attempt may begin, and what is set aside for it. Every cap on spending is checked here.
///
/// # Errors
/// The cap that leaves too little.
pub(crate) fn admit(
    state: &State,
    task: &Task,
    worker: WorkerId,
    model: Option<&str>,
    now: Time,
) -> Result<Amounts, Shortfall> {
    let capped = |budget: &crate::spec::Budget| !budget.is_open() || task.spec.budget.is_some();
    if !state.swarm().is_some_and(|s| capped(&s.spec.policy.budget)) {
        return Ok(nothing());
    }
    let standings = standings(state, task, worker, now);
    let needs = usual::reservation(state, task, model, &standings);
    for standing in &standings {
        standing.admits(task.priority, needs)?;
    }
    Ok(needs)
}

/// Why nothing begins although something could, if that is for want of budget alone and nothing runs that could
/// change it.
#[must_use]
pub fn starved(state: &State, now: Time) -> Option<Shortfall> {
    let spec = &state.swarm()?.spec;
    if state.live().len() > 0 || claim::open(state, now).is_err() {
        return None;
    }
    let capped = !spec.policy.budget.is_open() || state.ready().any(|t| t.spec.budget.is_some());
    if !capped {
        return None;
    }
    let base = &state.swarm()?.tip;
    let idle = |w: &&Worker| w.state(Some(base)) == WorkerState::Idle;
    let mut first: Option<Shortfall> = None;
    for task in state.ready().filter(|t| claim::free(state, t, now).is_ok()) {
        for worker in state.workers().filter(idle) {
            match claim::fits(state, task, worker, now) {
                Ok(_) => return None,
                Err(claim::Unfit::Budget(short)) => first = Some(sooner(first, short)),
                Err(_) => {}
            }
        }
    }
    first
}

/// Of two, the one whose cap has a window that helps, and sooner.
fn sooner(one: Option<Shortfall>, other: Shortfall) -> Shortfall {
    let at = |short: &Shortfall| short.until.unwrap_or(Time(u64::MAX));
    one.filter(|one| at(one) <= at(&other)).unwrap_or(other)
}

/// The same, if a person must act: the cap has no window, or the policy says to ask rather than to sleep.
#[must_use]
pub fn asks(state: &State, now: Time) -> Option<Shortfall> {
    let sleeps = state.swarm()?.spec.policy.budget.on_cap == OnCap::Sleep;
    starved(state, now).filter(|short| short.until.is_none() || !sleeps)
}

/// What a person is to be told when a cap's level has changed.
#[must_use]
pub fn text(standing: &Standing, level: Level) -> String {
    let Some((measure, spent, cap)) = standing.fullest() else {
        return String::new();
    };
    let (spent, cap, whose) = (
        measure.shown(spent),
        measure.shown(cap),
        standing.scope.owner(),
    );
    let of = format!("{spent} of {whose} {cap} spent");
    match level {
        Level::Fine => format!("there is room again: {of}"),
        Level::Alert => format!("over 90 % of the budget: {of}"),
        Level::Critical => format!("over 95 % of the budget, only P0 and P1 go on: {of}"),
        Level::Last => format!("over 99 % of the budget, only P0 goes on: {of}"),
        Level::Full => match standing.window {
            Some(_) => format!(
                "out of budget, nothing begins before the next window or a higher cap: {of}; \
                 `skep config set budget.…` raises it"
            ),
            None => format!(
                "out of budget, nothing begins before a higher cap: {of}; `skep config set budget.…` raises it"
            ),
        },
    }
}

/// A measure of nothing.
const fn nothing() -> Amounts {
    Amounts {
        usd: Usd(0),
        tokens: 0,
        time: Millis(0),
    }
}

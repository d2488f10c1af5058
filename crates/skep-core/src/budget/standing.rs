//! Where a cap stands: what is spent of it, what is set aside, and what that allows.

use super::{Amounts, Level, Scope, Shortfall, nothing, used};
use crate::{
    attempt::Live,
    id::WorkerId,
    money::Usd,
    spec::{Cap, Priority, Span},
    state::State,
    task::Task,
    time::{Millis, Time},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// What a cap is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Money, in millionths of a dollar.
    Usd,
    /// Tokens.
    Tokens,
    /// Minutes, counted in milliseconds.
    Minutes,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 3] = [Measure::Usd, Measure::Tokens, Measure::Minutes];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Measure::Usd => "usd",
            Measure::Tokens => "tokens",
            Measure::Minutes => "minutes",
        }
    }

    /// This one of some amounts.
    #[must_use]
    pub fn of(self, amounts: &Amounts) -> u64 {
        match self {
            Measure::Usd => amounts.usd.0,
            Measure::Tokens => amounts.tokens,
            Measure::Minutes => amounts.time.0,
        }
    }

    pub(super) fn of_mut(self, amounts: &mut Amounts) -> &mut u64 {
        match self {
            Measure::Usd => &mut amounts.usd.0,
            Measure::Tokens => &mut amounts.tokens,
            Measure::Minutes => &mut amounts.time.0,
        }
    }

    /// A cap on it.
    #[must_use]
    pub fn cap(self, cap: &Cap) -> Option<u64> {
        match self {
            Measure::Usd => cap.usd.map(|usd| usd.0),
            Measure::Tokens => cap.tokens,
            Measure::Minutes => cap.minutes.map(|minutes| Millis::mins(minutes).0),
        }
    }

    /// An amount of it as people read it.
    #[must_use]
    pub fn shown(self, amount: u64) -> String {
        match self {
            Measure::Usd => Usd(amount).to_string(),
            Measure::Tokens => format!("{amount} tokens"),
            Measure::Minutes => format!("{} minutes", amount / 60_000),
        }
    }
}

/// Where a cap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose cap.
    pub scope: Scope,
    /// The cap.
    pub cap: Cap,
    /// The window that it is for; `None` for one without windows, and before a subscription's next one begins.
    pub window: Option<Span>,
    /// What is spent, live attempts included.
    pub spent: Amounts,
    /// What is set aside for live attempts and not spent.
    pub held: Amounts,
}

impl Standing {
    /// What is capped, each with what is spent of it and the cap.
    fn measures(&self) -> impl Iterator<Item = (Measure, u64, u64)> {
        let one =
            |measure: Measure| Some((measure, measure.of(&self.spent), measure.cap(&self.cap)?));
        Measure::ALL.into_iter().filter_map(one)
    }

    /// The measure of which the greatest part is spent.
    #[must_use]
    pub fn fullest(&self) -> Option<(Measure, u64, u64)> {
        let part = |(_, spent, cap): &(Measure, u64, u64)| {
            u128::from(*spent) * 1_000_000 / u128::from((*cap).max(1))
        };
        self.measures().max_by_key(part)
    }

    /// How far up the ladder it is.
    #[must_use]
    pub fn level(&self) -> Level {
        let of = |(_, spent, cap): (Measure, u64, u64)| {
            let reached = |(_, percent): &&(Level, u64)| {
                u128::from(spent) * 100 >= u128::from(cap) * u128::from(*percent)
            };
            let last = Level::RUNGS.iter().rev().find(reached);
            last.map_or(Level::Fine, |(level, _)| *level)
        };
        self.measures().map(of).max().unwrap_or_default()
    }

    /// Whether it is the task's own.
    pub(super) fn is_task(&self) -> bool {
        self.scope == Scope::Task
    }

    /// The n-th part of the cap; of what is not capped, there is no end.
    pub(super) fn part(&self, n: u64) -> Amounts {
        self.each(|measure| measure.cap(&self.cap).map(|cap| cap / n))
    }

    /// What is neither spent nor set aside; of what is not capped, there is no end.
    pub(super) fn left(&self) -> Amounts {
        let taken = self.spent.plus(self.held);
        self.each(|measure| {
            let cap = measure.cap(&self.cap)?;
            Some(cap.saturating_sub(measure.of(&taken)))
        })
    }

    fn each(&self, of: impl Fn(Measure) -> Option<u64>) -> Amounts {
        Amounts {
            usd: Usd(of(Measure::Usd).unwrap_or(u64::MAX)),
            tokens: of(Measure::Tokens).unwrap_or(u64::MAX),
            time: Millis(of(Measure::Minutes).unwrap_or(u64::MAX)),
        }
    }

    /// Whether it leaves room for an attempt that needs so much.
    pub(super) fn admits(&self, priority: Priority, needs: Amounts) -> Result<(), Shortfall> {
        let shared = Scope::SHARED.contains(&self.scope);
        let level = self.level();
        let barred = if shared {
            !level.spares(priority)
        } else {
            level == Level::Full
        };
        for (measure, spent, cap) in self.measures() {
            let (held, need) = (measure.of(&self.held), measure.of(&needs));
            let over = spent.saturating_add(held).saturating_add(need) > cap;
            let fullest = self.fullest().is_some_and(|(m, ..)| m == measure);
            if over || (barred && fullest) {
                return Err(Shortfall {
                    scope: self.scope,
                    measure,
                    cap,
                    spent,
                    reserved: held,
                    needs: need,
                    level,
                    // What no window could hold waits for a person.
                    until: self.window.filter(|_| need <= cap).map(|window| window.to),
                });
            }
        }
        Ok(())
    }

    /// Whether so much more may be set aside.
    pub(super) fn allows(&self, more: Amounts) -> bool {
        self.measures().all(|(measure, spent, cap)| {
            let held = measure.of(&self.held);
            let more = measure.of(&more);
            more == 0 || spent.saturating_add(held).saturating_add(more) <= cap
        })
    }

    /// A measure of which more is set aside than is left, and by how much.
    pub(super) fn overdrawn(&self) -> Option<(Measure, u64)> {
        self.measures().find_map(|(measure, spent, cap)| {
            let held = measure.of(&self.held);
            let over = spent.saturating_add(held).saturating_sub(cap).min(held);
            (over > 0).then_some((measure, over))
        })
    }

    /// When it will have been spent to the next rung by the mere passing of time, with so many attempts live.
    pub(super) fn next_rung(&self, live: u64, now: Time) -> Option<Time> {
        let (_, spent, cap) = self.measures().find(|(m, ..)| *m == Measure::Minutes)?;
        let at = |percent: u64| (u128::from(cap) * u128::from(percent)).div_ceil(100) as u64;
        let next = Level::RUNGS
            .iter()
            .map(|(_, percent)| at(*percent))
            .find(|at| *at > spent)?;
        (live > 0).then(|| now + Millis((next - spent).div_ceil(live).max(1)))
    }
}

/// The caps that all attempts share.
#[must_use]
pub fn shared(state: &State, now: Time) -> Vec<Standing> {
    let Some(swarm) = state.swarm() else {
        return Vec::new();
    };
    let (budget, ledger) = (&swarm.spec.policy.budget, state.ledger());
    let mut found = Vec::new();
    for scope in Scope::SHARED {
        let cap = match scope {
            Scope::Day => budget.day,
            Scope::Active => budget.active,
            Scope::Night => budget.night,
            Scope::Subscription => budget.share(),
            _ => budget.swarm,
        };
        if cap.is_open() {
            continue;
        }
        let window = match scope {
            Scope::Day => Some(budget.zone.day(now)),
            Scope::Active => budget.zone.active(now),
            Scope::Night => budget.zone.night(now),
            _ => None,
        };
        if window.is_none() && matches!(scope, Scope::Active | Scope::Night) {
            continue;
        }
        let (booked, window) = match (scope, window) {
            (Scope::Subscription, _) => {
                let last = ledger.subscription().map(|(from, spent)| {
                    let to = from + budget.subscription_window;
                    (Span { from, to }, spent)
                });
                match last.filter(|(span, _)| span.holds(now)) {
                    Some((span, spent)) => (spent, Some(span)),
                    None => (nothing(), None),
                }
            }
            (_, Some(span)) => (ledger.within(span), Some(span)),
            (_, None) => (ledger.swarm(), None),
        };
        let since = window.map_or(Time(0), |window| window.from);
        found.push(standing(state, now, scope, cap, booked, since, |_| true).within(window));
    }
    found
}

/// Every cap that an attempt of a task by a worker counts under.
#[must_use]
pub fn standings(state: &State, task: &Task, worker: WorkerId, now: Time) -> Vec<Standing> {
    let Some(swarm) = state.swarm() else {
        return Vec::new();
    };
    let (budget, ledger) = (&swarm.spec.policy.budget, state.ledger());
    let mut found = shared(state, now);
    let own = Cap {
        usd: task.spec.budget.or(budget.task.usd),
        ..budget.task
    };
    let role = task.spec.role.as_ref();
    let of_task = |live: &Live| live.task == *task.id();
    let of_worker = |live: &Live| live.worker == worker;
    let of_role = |live: &Live| {
        let other = state.task(&live.task);
        other.is_some_and(|other| other.spec.role.as_ref() == role)
    };
    let mut add = |scope, cap: Cap, booked, whose: &dyn Fn(&Live) -> bool| {
        if !cap.is_open() {
            found.push(standing(state, now, scope, cap, booked, Time(0), whose));
        }
    };
    add(Scope::Task, own, ledger.task(task.id()), &of_task);
    add(
        Scope::Worker,
        budget.worker,
        ledger.worker(worker),
        &of_worker,
    );
    add(Scope::Role, budget.role, ledger.role(role), &of_role);
    found
}

/// Adds what live attempts take to what is booked.
fn standing(
    state: &State,
    now: Time,
    scope: Scope,
    cap: Cap,
    booked: Amounts,
    since: Time,
    whose: impl Fn(&Live) -> bool,
) -> Standing {
    let mut standing = Standing {
        scope,
        cap,
        window: None,
        spent: booked,
        held: nothing(),
    };
    for live in state.live().filter(|live| whose(live)) {
        // Money and tokens are booked as they are metered, time only at the end.
        let time = now.since(live.age_from.max(since));
        standing.spent = standing.spent.plus(Amounts { time, ..nothing() });
        standing.held = standing
            .held
            .plus(live.account.reserved.less(used(live, now)));
    }
    standing
}

impl Standing {
    fn within(self, window: Option<Span>) -> Standing {
        Standing { window, ..self }
    }
}

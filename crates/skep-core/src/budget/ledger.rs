//! What has been spent, durably: changed only by [`apply`](crate::state::State::apply), so that replaying the log
//! gives the same sums, and a keeper that dies between two events loses and repeats nothing.
//!
//! Money and tokens are booked when they are metered, at the moment of metering; the time for which an attempt ran
//! is booked when it ends. Windows are not counted one by one: they are sums over quarter hours, in which the days
//! of every time zone begin, so a zone that is changed while the swarm runs forgets nothing.

use super::{Amounts, Level, Scope, usual::Usual};
use crate::{
    id::{TaskId, WorkerId},
    limits,
    spec::{Budget, Cap, Span},
    time::Time,
};
use alloc::{collections::BTreeMap, string::String};
use serde::{Deserialize, Serialize};

/// Every zone's hours begin on one of these.
const SLOT: u64 = 15 * 60_000;
/// So many are kept: three days, of which the longest window takes one.
const SLOTS: u64 = 3 * 24 * 4;

/// What people were told of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How much of it was spent.
    pub level: Level,
    /// In the window that began then; `None` for a cap without windows.
    pub from: Option<Time>,
    /// The cap as it was.
    pub cap: Cap,
}

/// Whose spending it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) task: &'a TaskId,
    pub(crate) worker: WorkerId,
    pub(crate) role: Option<&'a String>,
}

/// What has been spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    swarm: Amounts,
    tasks: BTreeMap<TaskId, Amounts>,
    workers: BTreeMap<WorkerId, Amounts>,
    roles: BTreeMap<String, Amounts>,
    slots: BTreeMap<u64, Amounts>,
    days: BTreeMap<i64, Amounts>,
    subscription: Option<(Time, Amounts)>,
    usual: BTreeMap<String, Usual>,
    told: BTreeMap<Scope, Told>,
}

impl Ledger {
    /// All that was spent on the plan.
    #[must_use]
    pub fn swarm(&self) -> Amounts {
        self.swarm
    }
    /// What was spent on a task since it last began anew.
    #[must_use]
    pub fn task(&self, task: &TaskId) -> Amounts {
        self.tasks.get(task).copied().unwrap_or_default()
    }
    /// What a worker spent on the plan.
    #[must_use]
    pub fn worker(&self, worker: WorkerId) -> Amounts {
        self.workers.get(&worker).copied().unwrap_or_default()
    }
    /// What was spent on tasks of a role; without one, on those that have none.
    #[must_use]
    pub fn role(&self, role: Option<&String>) -> Amounts {
        let name = role.map_or("", String::as_str);
        self.roles.get(name).copied().unwrap_or_default()
    }
    /// What was spent in a window, of which at least the last two days are remembered.
    #[must_use]
    pub fn within(&self, span: Span) -> Amounts {
        let slots = span.from.0 / SLOT..span.to.0.div_ceil(SLOT).max(span.from.0 / SLOT);
        let spent = self.slots.range(slots).map(|(_, spent)| *spent);
        spent.fold(Amounts::default(), Amounts::plus)
    }
    /// What was spent on each day, by the number of days since the first of January 1970.
    #[must_use]
    pub fn days(&self) -> &BTreeMap<i64, Amounts> {
        &self.days
    }
    /// The subscription's window that began last, and what was spent in it.
    #[must_use]
    pub fn subscription(&self) -> Option<(Time, Amounts)> {
        self.subscription
    }
    /// What people were last told of a cap.
    #[must_use]
    pub fn told(&self, scope: Scope) -> Option<&Told> {
        self.told.get(&scope)
    }
    /// Of which caps people were told anything, in the windows that were open then.
    pub(crate) fn all_told(&self) -> impl Iterator<Item = (Scope, &Told)> {
        self.told.iter().map(|(scope, told)| (*scope, told))
    }
    /// Whether some cap left room for nothing more, as far as people were told.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.told.values().any(|told| told.level == Level::Full)
    }
    pub(crate) fn usual(&self, kind: &str) -> Option<&Usual> {
        self.usual.get(kind)
    }

    /// Another plan begins: days go on, what was spent on the last plan is another's.
    pub(crate) fn begin_plan(&mut self) {
        *self = Ledger {
            slots: core::mem::take(&mut self.slots),
            days: core::mem::take(&mut self.days),
            subscription: self.subscription,
            usual: core::mem::take(&mut self.usual),
            ..Ledger::default()
        };
    }

    /// A task begins anew, and its budget with it.
    pub(crate) fn begin_task(&mut self, task: &TaskId) {
        self.tasks.remove(task);
    }

    /// An attempt begins: the first after a subscription's window begins the next one.
    pub(crate) fn begin_attempt(&mut self, now: Time, budget: &Budget) {
        let over = |(from, _): (Time, Amounts)| from + budget.subscription_window <= now;
        if self.subscription.is_none_or(over) {
            self.subscription = Some((now, Amounts::default()));
        }
    }

    /// Money and tokens were spent, as is seen now.
    pub(crate) fn book(&mut self, owner: Owner<'_>, spent: Amounts, now: Time, budget: &Budget) {
        if spent.is_nothing() {
            return;
        }
        self.total(owner, spent);
        add(&mut self.slots, now.0 / SLOT, spent);
        add(&mut self.days, budget.zone.day_number(now), spent);
        if let Some((_, sum)) = &mut self.subscription {
            *sum = sum.plus(spent);
        }
        self.prune(now);
    }

    /// An attempt ran from one moment to another: each window gets the part that is its own.
    pub(crate) fn book_time(&mut self, owner: Owner<'_>, from: Time, to: Time, budget: &Budget) {
        let of = |time| Amounts {
            time,
            ..Amounts::default()
        };
        self.total(owner, of(to.since(from)));
        if let Some((began, sum)) = &mut self.subscription {
            *sum = sum.plus(of(to.since(from.max(*began))));
        }
        // Older ones are not kept.
        let mut at = from.max(Time(to.0.saturating_sub(SLOTS * SLOT)));
        while at < to {
            let end = Time((at.0 / SLOT + 1) * SLOT).min(to);
            add(&mut self.slots, at.0 / SLOT, of(end.since(at)));
            add(
                &mut self.days,
                budget.zone.day_number(at),
                of(end.since(at)),
            );
            at = end;
        }
        self.prune(to);
    }

    fn total(&mut self, owner: Owner<'_>, spent: Amounts) {
        self.swarm = self.swarm.plus(spent);
        add(&mut self.tasks, owner.task.clone(), spent);
        add(&mut self.workers, owner.worker, spent);
        let role = owner.role.cloned().unwrap_or_default();
        add(&mut self.roles, role, spent);
    }

    /// What an attempt of a kind came to, for the next one's reservation.
    pub(crate) fn learn(&mut self, kind: String, spent: Amounts, known: bool) {
        if self.usual.len() < limits::PACES || self.usual.contains_key(&kind) {
            self.usual.entry(kind).or_default().add(spent, known);
        }
    }

    pub(crate) fn tell(&mut self, scope: Scope, told: Told) {
        if told.level == Level::Fine {
            self.told.remove(&scope);
        } else {
            self.told.insert(scope, told);
        }
    }

    fn prune(&mut self, now: Time) {
        let oldest = (now.0 / SLOT).saturating_sub(SLOTS);
        if self
            .slots
            .first_key_value()
            .is_some_and(|(slot, _)| *slot < oldest)
        {
            self.slots = self.slots.split_off(&oldest);
        }
        while self.days.len() > limits::DAYS {
            self.days.pop_first();
        }
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Amounts>, key: K, spent: Amounts) {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(spent);
}

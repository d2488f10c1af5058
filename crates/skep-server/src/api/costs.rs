//! What the swarm has spent: `skep costs`, by task, model, worker, role or day (S-7, G-9).

use super::{SCHEMA, Stamp};
use crate::{models, zones};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    attempt::Outcome,
    budget::{self, Amounts, Charge, Measure, Standing},
    money::Usd,
    spec::{ModelSpec, Span},
    state::State,
    task::TaskState,
    time::{Millis, Time},
    waiting::{self, Waiting},
};
use std::{collections::BTreeMap, str::FromStr};

/// By what spending is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By task.
    #[default]
    Task,
    /// By model.
    Model,
    /// By worker.
    Worker,
    /// By the role of tasks.
    Role,
    /// By day, over all plans.
    Day,
}

impl By {
    /// All of them, with their words.
    pub const ALL: [(&'static str, By); 5] = [
        ("task", By::Task),
        ("model", By::Model),
        ("worker", By::Worker),
        ("role", By::Role),
        ("day", By::Day),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = By::ALL.iter().find(|(_, by)| *by == self);
        found.map_or("task", |(word, _)| word)
    }
}

impl FromStr for By {
    type Err = String;
    fn from_str(text: &str) -> Result<By, String> {
        let found = By::ALL.iter().find(|(word, _)| *word == text);
        found.map(|(_, by)| *by).ok_or_else(|| {
            let words = By::ALL.map(|(word, _)| word).join(", ");
            format!("{text:?} is none of {words}")
        })
    }
}

/// What was spent on the plan under way, and where its caps stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostsDoc {
    /// The document's version.
    pub schema: u32,
    /// The swarm; null before the first plan.
    pub swarm: Option<String>,
    /// By what the rows add up.
    pub by: By,
    /// The rows, those that cost most first; days in order.
    pub rows: Vec<CostRow>,
    /// All of them together. By day, too, this is the plan's.
    pub total: CostRow,
    /// What is set aside for live attempts beyond what they have used; null without caps.
    pub reserved_usd: Option<f64>,
    /// The part of the known cost that went to attempts that were not accepted, in percent (G-9); null while
    /// nothing is known of costs. Those that still run do not count.
    pub waste_percent: Option<f64>,
    /// Where each cap stands that applies now.
    pub caps: Vec<CapDoc>,
    /// Ready tasks that wait for budget, each with what was measured.
    pub refused: Vec<Refused>,
}

/// What one task, model, worker, role or day cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostRow {
    /// Which; empty for what has no model or role.
    pub key: String,
    /// Attempts, live ones included; null by day.
    pub attempts: Option<u64>,
    /// Those that were accepted; null by day.
    pub accepted: Option<u64>,
    /// What is known to have been spent; null when nothing is.
    pub usd: Option<f64>,
    /// Attempts whose cost nobody knows: the true cost is higher. Null by day.
    pub unknown: Option<u64>,
    /// Tokens read and written, as far as is known; null when nothing is.
    pub tokens: Option<u64>,
    /// Minutes for which attempts ran.
    pub minutes: f64,
    /// Spent on attempts that ended without being accepted; null by day and when nothing is known.
    pub wasted_usd: Option<f64>,
}

/// Where a cap stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapDoc {
    /// `swarm`, `day`, `active`, `night` or `subscription`.
    pub scope: String,
    /// On `usd`, `tokens` or `minutes`.
    pub measure: String,
    /// The cap.
    pub cap: f64,
    /// What is spent of it.
    pub spent: f64,
    /// What is set aside of it.
    pub reserved: f64,
    /// `fine`, `alert` (90 %), `critical` (95 %), `last` (99 %) or `full`.
    pub level: String,
    /// When its window began; null for one without.
    pub since: Option<Stamp>,
    /// When its next window begins.
    pub until: Option<Stamp>,
}

/// A task that waits for budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// Which.
    pub task: String,
    /// What was measured, in a sentence.
    pub reason: String,
}

/// What attempts add up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    attempts: u64,
    accepted: u64,
    usd: Option<Usd>,
    unknown: u64,
    tokens: Option<u64>,
    time: Millis,
    wasted: Option<Usd>,
}

impl Sum {
    fn add(&mut self, charge: &Charge, time: Millis, outcome: Option<Outcome>) {
        let plus = |sum: Option<Usd>, more: Option<Usd>| {
            sum.max(more.map(|m| m.plus(sum.unwrap_or_default())))
        };
        self.attempts += 1;
        self.accepted += u64::from(outcome == Some(Outcome::Succeeded));
        self.usd = plus(self.usd, charge.usd);
        self.unknown += u64::from(charge.usd.is_none());
        let tokens = charge
            .tokens()
            .map(|n| n.saturating_add(self.tokens.unwrap_or_default()));
        self.tokens = self.tokens.max(tokens);
        self.time = Millis(self.time.0.saturating_add(time.0));
        if outcome.is_some_and(|outcome| outcome != Outcome::Succeeded) {
            self.wasted = plus(self.wasted, charge.usd);
        }
    }

    fn row(&self, key: String) -> CostRow {
        CostRow {
            key,
            attempts: Some(self.attempts),
            accepted: Some(self.accepted),
            usd: self.usd.map(Usd::dollars),
            unknown: Some(self.unknown),
            tokens: self.tokens,
            minutes: minutes(self.time),
            // Of what is known, nothing was wasted until something was.
            wasted_usd: self.usd.map(|_| self.wasted.unwrap_or_default().dollars()),
        }
    }
}

fn minutes(time: Millis) -> f64 {
    (time.0 / 600) as f64 / 100.0
}

/// What attempts that ended within a span cost, added up: the rows, those that cost most first, and their sum.
pub(super) fn ended_within(state: &State, span: Span, by: By) -> (Vec<CostRow>, CostRow) {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for task in state.tasks() {
        for past in task.history.iter().filter(|past| span.holds(past.ended)) {
            let key = match by {
                By::Task => task.id().to_string(),
                By::Model => past.model.clone().unwrap_or_default(),
                By::Worker => past.worker.to_string(),
                By::Role => task.spec.role.clone().unwrap_or_default(),
                By::Day => zones::day(state.policy().budget.zone.day_number(past.ended)),
            };
            let outcome = Some(past.outcome);
            sums.entry(key)
                .or_default()
                .add(&past.charge, past.took, outcome);
            total.add(&past.charge, past.took, outcome);
        }
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(_, sum)| std::cmp::Reverse((sum.usd, sum.time)));
    let rows = rows.into_iter().map(|(key, sum)| sum.row(key)).collect();
    (rows, total.row(String::new()))
}

impl CostsDoc {
    /// The view of what was spent.
    #[must_use]
    pub fn of(state: &State, now: Time, by: By) -> CostsDoc {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        let (mut total, mut known, mut wasted) = (Sum::default(), 0u64, 0u64);
        let mut count = |key: String, charge: &Charge, time: Millis, outcome: Option<Outcome>| {
            sums.entry(key).or_default().add(charge, time, outcome);
            total.add(charge, time, outcome);
            if let (Some(usd), Some(outcome)) = (charge.usd, outcome) {
                known = known.saturating_add(usd.0);
                if outcome != Outcome::Succeeded {
                    wasted = wasted.saturating_add(usd.0);
                }
            }
        };
        for task in state.tasks() {
            let key = |model: Option<&String>, worker: String| match by {
                By::Task => task.id().to_string(),
                By::Model => model.cloned().unwrap_or_default(),
                By::Worker => worker,
                By::Role => task.spec.role.clone().unwrap_or_default(),
                By::Day => String::new(),
            };
            for past in &task.history {
                let key = key(past.model.as_ref(), past.worker.to_string());
                count(key, &past.charge, past.took, Some(past.outcome));
            }
            if let Some(live) = task.current.and_then(|a| state.attempt(a)) {
                let key = key(live.model.as_ref(), live.worker.to_string());
                count(key, &live.account.charge, now.since(live.age_from), None);
            }
        }
        let rows = match by {
            By::Day => days(state),
            _ => {
                let mut rows: Vec<(Option<Usd>, CostRow)> = sums
                    .into_iter()
                    .map(|(key, sum)| (sum.usd, sum.row(key)))
                    .collect();
                rows.sort_by_key(|(usd, _)| std::cmp::Reverse(*usd));
                rows.into_iter().map(|(_, row)| row).collect()
            }
        };
        let shared = budget::shared(state, now);
        let held = shared.iter().map(|s| s.held.usd).max();
        CostsDoc {
            schema: SCHEMA,
            swarm: state.swarm().map(|s| s.spec.name.to_string()),
            by,
            rows,
            total: total.row(String::new()),
            reserved_usd: held.map(Usd::dollars),
            waste_percent: (known > 0)
                .then(|| (wasted as f64 * 1000.0 / known as f64).round() / 10.0),
            caps: shared.iter().flat_map(CapDoc::of).collect(),
            refused: refused(state, now),
        }
    }
}

fn days(state: &State) -> Vec<CostRow> {
    let row = |(day, spent): (&i64, &Amounts)| CostRow {
        key: zones::day(*day),
        usd: (spent.usd > Usd(0)).then(|| spent.usd.dollars()),
        tokens: (spent.tokens > 0).then_some(spent.tokens),
        minutes: minutes(spent.time),
        ..CostRow::default()
    };
    state.ledger().days().iter().map(row).collect()
}

/// A ready task's reason looks at every worker, so that of thousands only some are listed.
const REFUSED: usize = 100;

fn refused(state: &State, now: Time) -> Vec<Refused> {
    let ready = state.ready().filter(|t| t.state == TaskState::Ready);
    let short = ready.take(REFUSED).filter_map(|task| {
        let waiting = waiting::task(state, task, now);
        matches!(waiting, Waiting::Budget(_)).then(|| Refused {
            task: task.id().to_string(),
            reason: waiting.to_string(),
        })
    });
    short.collect()
}

impl CapDoc {
    fn of(standing: &Standing) -> Vec<CapDoc> {
        let one = |measure: Measure| {
            let cap = measure.cap(&standing.cap)?;
            let shown = |amount: u64| match measure {
                Measure::Usd => Usd(amount).dollars(),
                Measure::Tokens => amount as f64,
                Measure::Minutes => minutes(Millis(amount)),
            };
            let moment = |of: fn(Span) -> Time| standing.window.map(|span| Stamp(of(span)));
            Some(CapDoc {
                scope: standing.scope.to_string(),
                measure: measure.word().into(),
                cap: shown(cap),
                spent: shown(measure.of(&standing.spent)),
                reserved: shown(measure.of(&standing.held)),
                level: standing.level().word().into(),
                since: moment(|span| span.from),
                until: moment(|span| span.to),
            })
        };
        Measure::ALL.into_iter().filter_map(one).collect()
    }
}

/// Money at a glance (SPEC appendix C): of the caps in dollars, the one of which most is spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetDoc {
    /// What is known to have been spent, of the cap's window if there is one; null when nothing is known.
    pub spent_usd: Option<f64>,
    /// What is set aside for live attempts; null without a cap.
    pub reserved_usd: Option<f64>,
    /// The cap; null without one.
    pub cap_usd: Option<f64>,
    /// What the cap is for: `swarm` (the whole plan), `day`, `active`, `night` or `subscription`; null without a cap.
    pub window: Option<String>,
}

impl BudgetDoc {
    /// The view of the cap that matters most.
    #[must_use]
    pub fn of(state: &State, now: Time) -> BudgetDoc {
        let capped = budget::shared(state, now).into_iter();
        let capped = capped.filter_map(|s| Some((s.cap.usd?, s)));
        let part = |(cap, s): &(Usd, Standing)| {
            u128::from(s.spent.usd.0) * 1_000_000 / u128::from(cap.0.max(1))
        };
        // Of several that are equally spent, the first.
        let most = capped.rev().max_by_key(part);
        let known = |spent: Usd| {
            let past = state.tasks().iter().flat_map(|t| &t.history);
            let charges = past.map(|p| &p.charge);
            let live = state.live().map(|l| &l.account.charge);
            let any = spent > Usd(0) || charges.chain(live).any(|c| c.usd.is_some());
            any.then(|| spent.dollars())
        };
        match most {
            Some((cap, standing)) => BudgetDoc {
                spent_usd: known(standing.spent.usd),
                reserved_usd: Some(standing.held.usd.dollars()),
                cap_usd: Some(cap.dollars()),
                window: Some(standing.scope.to_string()),
            },
            None => BudgetDoc {
                spent_usd: known(state.ledger().swarm().usd),
                reserved_usd: None,
                cap_usd: None,
                window: None,
            },
        }
    }
}

/// The prices that are in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PricesDoc {
    /// The document's version.
    pub schema: u32,
    /// Every model, in the order of their names.
    pub models: Vec<PriceRow>,
}

/// What a model costs, in US dollars for a million tokens; null is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceRow {
    /// Its name.
    pub model: String,
    /// The model's own name, if this is another for it.
    pub alias_of: Option<String>,
    /// Who serves it.
    pub provider: String,
    /// `cheap`, `default` or `smart`.
    pub tier: String,
    /// Read anew.
    pub input: Option<f64>,
    /// Read from a cache.
    pub cache_read: Option<f64>,
    /// Read, and written to a cache.
    pub cache_write: Option<f64>,
    /// Written.
    pub output: Option<f64>,
    /// The provider's page, or `plan`.
    pub source: String,
    /// When the page said so; null for what the plan says.
    pub date: Option<String>,
}

impl PricesDoc {
    /// The prices of the plan under way, or, before the first, those that Skep knows.
    #[must_use]
    pub fn of(state: &State) -> PricesDoc {
        let catalog = state.swarm().map_or(models::catalog(), |s| &s.spec.catalog);
        let row = |(name, spec): (&String, &ModelSpec)| {
            let known = models::catalog().get(name) == Some(spec);
            let source = models::source(name).filter(|_| known);
            let usd = |of: fn(&skep_core::spec::Price) -> Usd| {
                spec.price.as_ref().map(|p| of(p).dollars())
            };
            PriceRow {
                model: name.clone(),
                alias_of: source.and_then(|s| s.of.clone()),
                provider: spec.provider.clone(),
                tier: spec.tier.word().into(),
                input: usd(|p| p.input),
                cache_read: usd(|p| p.cache_read),
                cache_write: usd(|p| p.cache_write),
                output: usd(|p| p.output),
                source: source.map_or_else(|| "plan".into(), |s| s.url.clone()),
                date: source.map(|s| s.date.clone()),
            }
        };
        PricesDoc {
            schema: SCHEMA,
            models: catalog.iter().map(row).collect(),
        }
    }
}

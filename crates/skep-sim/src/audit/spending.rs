//! S-7: no cap is exceeded but by what one metering of one attempt brings, and money is neither lost nor made.
//!
//! The claim, exactly, after every decision and for every cap that all attempts share:
//!
//! 1. What is spent and what is set aside fit under the cap together, or nothing is set aside any more.
//! 2. Whoever has used more than was set aside for it is being ended, or at its checks, or its cap is another.
//! 3. So the metering by which a cap is passed passes it by no more than what its one attempt used since its last
//!    metering, less what was left of its reservation; from then on nothing begins, and all that run are being ended.
//!
//! What is spent is added up here anew, from the meterings in the log and nothing else.

use super::{Audit, Kind};
use crate::{hosts::FolderState, world::World};
use skep_core::{
    attempt::{Phase, Usage},
    budget::{self, Amounts, Measure, Scope, Standing},
    event::{Event, Record},
    id::Attempt,
    spec::{Price, catalog},
    state::State,
    time::Time,
};
use std::collections::BTreeMap;

/// What was metered, and what was said to be.
#[derive(Default)]
pub(crate) struct Spending {
    /// Every metering: when, and how much more it brought.
    tally: Vec<(Time, Amounts)>,
    /// The first of the plan under way.
    plan: usize,
    charged: BTreeMap<Attempt, Amounts>,
    /// What its model's tokens cost each attempt.
    prices: BTreeMap<Attempt, Price>,
    /// The most that each attempt's agent has said, as far as anybody could hear it.
    said: BTreeMap<Attempt, Usage>,
    /// Meterings that one attempt may cause: its interval and its raises bound them.
    meterings: BTreeMap<Attempt, (Time, u64)>,
}

impl Spending {
    /// Whether it says more than it had said.
    pub(crate) fn heard(&mut self, attempt: Attempt, usage: &Usage) -> bool {
        let said = self.said.entry(attempt).or_default();
        let was = std::mem::replace(said, said.most(usage));
        was != *said
    }

    fn since(&self, scope: Scope, standing: &Standing) -> Amounts {
        let of_plan = self.tally.iter().skip(self.plan);
        let all = self.tally.iter();
        let within = |at: &Time| standing.window.is_some_and(|span| span.holds(*at));
        match scope {
            Scope::Swarm => of_plan
                .map(|(_, m)| *m)
                .fold(Amounts::default(), Amounts::plus),
            _ => all
                .filter(|(at, _)| within(at))
                .map(|(_, m)| *m)
                .fold(Amounts::default(), Amounts::plus),
        }
    }
}

fn held_and_spent(standing: &Standing, measure: Measure) -> (u64, u64) {
    (measure.of(&standing.held), measure.of(&standing.spent))
}

impl World {
    /// Before the event is applied.
    pub(super) fn audit_spending(&mut self, record: &Record) {
        match &record.event {
            Event::PlanLoaded { .. } => self.audit.spending.plan = self.audit.spending.tally.len(),
            Event::Claimed {
                attempt,
                model,
                reserved,
                ..
            } => {
                let Audit { state, .. } = &self.audit;
                let catalog = state.swarm().map(|swarm| &swarm.spec.catalog);
                let model = catalog.zip(model.as_deref());
                let found = model.and_then(|(catalog, model)| catalog::find(catalog, model));
                if let Some(price) = found.and_then(|(_, spec)| spec.price) {
                    self.audit.spending.prices.insert(*attempt, price);
                }
                let Audit { state, .. } = &self.audit;
                for standing in budget::shared(state, record.at) {
                    for measure in Measure::ALL {
                        let Some(cap) = measure.cap(&standing.cap) else {
                            continue;
                        };
                        let (held, spent) = held_and_spent(&standing, measure);
                        let all = held
                            .saturating_add(spent)
                            .saturating_add(measure.of(reserved));
                        self.audit
                            .unsafe_if(all > cap, "S-7: what is claimed fits", || {
                                format!("{:?} {measure:?}: {all} of {cap}", standing.scope)
                            });
                        if self.audit.failure.is_some() {
                            return;
                        }
                    }
                }
            }
            Event::Metered {
                attempt, charge, ..
            } => self.audit_metering(record, *attempt, charge.amounts()),
            _ => {}
        }
    }

    fn audit_metering(&mut self, record: &Record, attempt: Attempt, now: Amounts) {
        self.coverage.hit(match self.audit.state.attempt(attempt) {
            Some(_) => "money: metered",
            None => "money: metered late",
        });
        let spending = &mut self.audit.spending;
        let was = spending.charged.insert(attempt, now).unwrap_or_default();
        spending.tally.push((record.at, now.less(was)));
        let said = spending.said.get(&attempt).copied().unwrap_or_default();
        let (began, count) = spending.meterings.entry(attempt).or_insert((record.at, 0));
        *count += 1;
        let (minutes, count) = (record.at.since(*began).0 / 60_000, *count);
        let shrinks = was.less(now) != Amounts::default();
        let made = now.usd > most_of(&said, spending.prices.get(&attempt));
        let audit = &mut self.audit;
        audit.unsafe_if(shrinks, "S-7: a charge only grows", || format!("{attempt}"));
        audit.unsafe_if(made, "S-7: nobody is charged what nobody said", || {
            format!("{attempt}: {now:?}, said {said:?}")
        });
        // Ten seconds is the shortest interval of these worlds, and each raise is by half at least.
        audit.unsafe_if(
            count > 60 + minutes * 7,
            "S-7: meterings are bounded",
            || format!("{attempt}: {count} in {minutes} minutes"),
        );
    }

    /// After what one append brought is applied: the claim above.
    pub(super) fn audit_caps(&mut self, at: Time) {
        let state = &self.audit.state;
        let shared = budget::shared(state, at);
        let mut wrong: Option<(&'static str, String)> = None;
        for standing in &shared {
            let own = self.audit.spending.since(standing.scope, standing);
            for measure in [Measure::Usd, Measure::Tokens] {
                let (booked, added) = (measure.of(&standing.spent), measure.of(&own));
                if standing.scope != Scope::Subscription && booked != added {
                    let text = format!(
                        "{:?} {measure:?}: {booked} booked, {added} metered",
                        standing.scope
                    );
                    wrong = wrong.or(Some(("S-7: money is neither lost nor made", text)));
                }
            }
            for measure in Measure::ALL {
                let Some(cap) = measure.cap(&standing.cap) else {
                    continue;
                };
                let (held, spent) = held_and_spent(standing, measure);
                if held > 0 && held.saturating_add(spent) > cap {
                    let text = format!(
                        "{:?} {measure:?}: {spent} + {held} of {cap}",
                        standing.scope
                    );
                    wrong = wrong.or(Some(("S-7: what is set aside fits", text)));
                }
                if spent > cap {
                    self.coverage.hit("money: a cap is passed");
                    let runs = runs_on(state);
                    wrong = wrong.or(runs.map(|attempt| {
                        let text = format!("attempt {attempt}, {:?} {measure:?}", standing.scope);
                        ("S-7: nothing runs on beyond a cap", text)
                    }));
                }
            }
        }
        // The plan's own cap, whatever the keeper made of it.
        let plan = self
            .audit
            .spending
            .tally
            .iter()
            .skip(self.audit.spending.plan);
        let plan = plan
            .map(|(_, more)| more.usd.0)
            .fold(0, u64::saturating_add);
        let cap = self.audit.policy.budget.swarm.usd;
        if let Some(attempt) = runs_on(state).filter(|_| cap.is_some_and(|cap| plan > cap.0)) {
            let text = format!("attempt {attempt}: {plan} of {cap:?}");
            wrong = wrong.or(Some(("S-7: the plan's cap holds", text)));
        }
        let beyond = state.live().find(|live| {
            let used = live.account.charge.amounts();
            let over = used.less(live.account.reserved);
            let capped =
                |m: &Measure| m.of(&over) > 0 && shared.iter().any(|s| m.cap(&s.cap).is_some());
            let runs = live.stopping.is_none() && live.phase < Phase::Verifying;
            runs && Measure::ALL.iter().any(capped)
        });
        let beyond = beyond.map(|live| {
            (
                "S-7: whoever is beyond its reservation is ended",
                format!("{}", live.attempt),
            )
        });
        if let Some((invariant, text)) = wrong.or(beyond) {
            self.audit.fail(Kind::Safety, invariant, text);
        }
    }

    /// At the end: what was accepted is charged what its report says, if that is the most that was heard of it.
    pub(crate) fn audit_bills(&mut self) {
        let mut wrong = None;
        for task in self.audit.state.tasks() {
            for past in &task.history {
                let Some(folder) = self.hosts.folders.get(&past.attempt) else {
                    continue;
                };
                let FolderState::Ended { report, .. } = &folder.state else {
                    continue;
                };
                let accepted = past.outcome == skep_core::attempt::Outcome::Succeeded;
                let missed = past.charge.usage.most(&report.usage) != past.charge.usage;
                if accepted && missed {
                    wrong = Some(format!(
                        "attempt {}: {:?}, said {:?}",
                        past.attempt, past.charge.usage, report.usage
                    ));
                }
            }
        }
        self.audit
            .unsafe_if(wrong.is_some(), "S-7: a report is settled", || {
                wrong.unwrap_or_default()
            });
    }
}

/// The price that these worlds' model has, at most.
fn most_of(said: &Usage, price: Option<&Price>) -> skep_core::money::Usd {
    let priced = budget::Charge::default().with(said, price).usd;
    priced.max(said.usd).unwrap_or_default()
}

fn runs_on(state: &State) -> Option<Attempt> {
    let runs =
        |live: &&skep_core::attempt::Live| live.stopping.is_none() && live.phase < Phase::Verifying;
    state.live().find(runs).map(|live| live.attempt)
}

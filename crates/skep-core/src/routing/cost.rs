//! The model with which a success is cheapest (S-4), by what was measured of it (G-6).
//!
//! What an attempt of this kind costs, divided by how often one succeeds, is what a success costs, retries included.
//! The least of it wins, among models that succeed often enough. How often is a mean that begins at what models of
//! that strength usually do, moves to what this one does with this agent, and then to what it does on this kind of
//! task: one lucky attempt proves nothing. What an attempt costs is measured too; before it is, it is the price of a
//! typical one. A model whose cost nobody knows is never taken for cheap: it is not chosen here.
//!
//! Integers only, so that every machine comes to the same choice.

use super::{Why, agent};
use crate::{
    money::Usd,
    reputation::{self, Record, kind_of},
    spec::{Price, Tier},
    state::State,
    task::Task,
};
use alloc::{string::String, vec::Vec};

/// A probability of one.
const ONE: u64 = 1_000_000;
/// A belief weighs as much as so many attempts.
const WEIGHT: u64 = 4;
/// What an attempt uses, in tokens, where nothing was measured: a median of recorded runs, to a digit.
const TYPICAL: [u64; 4] = [30_000, 400_000, 40_000, 8_000];

/// A model, and what is believed of it.
struct Candidate<'m> {
    model: &'m str,
    chance: u64,
    attempt: Usd,
    tried: u64,
}

impl Candidate<'_> {
    /// What a success costs.
    fn success(&self) -> u128 {
        u128::from(self.attempt.0) * u128::from(ONE) / u128::from(self.chance.max(1))
    }
}

/// The model, of these, from weakest to strongest.
pub(super) fn choose(state: &State, task: &Task, models: &[&str]) -> Option<(String, Why)> {
    let swarm = &state.swarm()?.spec;
    let routing = &swarm.policy.routing;
    let kind = kind_of(&task.spec);
    let agent = agent(swarm, task);
    let known = |model: &&'_ str| -> Option<(u64, Usd, u64)> {
        let spec = swarm.catalog.get(*model)?;
        let of_model = state.reputation(&reputation::model_key(agent, model));
        let of_kind = state.reputation(&reputation::kind_key(&kind, agent, model));
        let chance = mean(of_kind, mean(of_model, usual(spec.tier)));
        let listed = spec.price.as_ref().map(typical);
        let attempt = cost(of_kind).or_else(|| cost(of_model)).or(listed)?;
        Some((chance, attempt, of_kind.map_or(0, Record::judged)))
    };
    let candidates: Vec<Candidate<'_>> = models
        .iter()
        .filter_map(|model| {
            let (chance, attempt, tried) = known(model)?;
            Some(Candidate {
                model,
                chance,
                attempt,
                tried,
            })
        })
        .collect();
    if explores(state.shares().by_cost, routing.explore_percent) {
        let least = candidates.iter().min_by_key(|c| c.tried)?;
        let why = Why::Explore {
            kind: String::from(label(&kind)),
        };
        return Some((least.model.into(), why));
    }
    let floor = u64::from(routing.floor_percent) * (ONE / 100);
    let good = candidates.iter().filter(|c| c.chance >= floor);
    let cheapest = good.min_by_key(|c| c.success());
    let best = cheapest.or_else(|| candidates.iter().max_by_key(|c| c.chance))?;
    let why = Why::Cost {
        kind: String::from(label(&kind)),
        percent: (best.chance / (ONE / 100)) as u32,
        attempt: best.attempt,
    };
    Some((best.model.into(), why))
}

/// A kind's words, for people.
fn label(kind: &str) -> &str {
    if kind.is_empty() { "any task" } else { kind }
}

/// Whether the next attempt is one to learn from: evenly spread, so that it can be told beforehand.
fn explores(decided: u64, percent: u32) -> bool {
    let percent = u64::from(percent.min(100));
    (decided + 1) * percent / 100 > decided * percent / 100
}

/// How often models of a strength succeed, before anything is known of one.
const fn usual(tier: Tier) -> u64 {
    match tier {
        Tier::Cheap => ONE * 65 / 100,
        Tier::Default => ONE * 80 / 100,
        Tier::Smart => ONE * 90 / 100,
    }
}

/// A belief after what was recorded.
fn mean(record: Option<&Record>, before: u64) -> u64 {
    let Some(record) = record else { return before };
    (record.succeeded * ONE + before * WEIGHT) / (record.judged() + WEIGHT)
}

/// What an attempt cost on average, if that was measured.
fn cost(record: Option<&Record>) -> Option<Usd> {
    let record = record?;
    record.usd.0.checked_div(record.priced).map(Usd)
}

fn typical(price: &Price) -> Usd {
    let prices = [
        price.input,
        price.cache_read,
        price.cache_write,
        price.output,
    ];
    let each = prices.iter().zip(TYPICAL);
    let sum: u128 = each
        .map(|(price, tokens)| u128::from(price.0) * u128::from(tokens))
        .sum();
    Usd(u64::try_from(sum / 1_000_000).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // proves: S-4
        #[test]
        fn so_many_attempts_explore_as_was_asked_for(percent in 0u32..=100, n in 0u64..1_000) {
            let explored = (0..n).filter(|n| explores(*n, percent)).count() as u64;
            prop_assert_eq!(explored, n * u64::from(percent) / 100);
        }

        // proves: S-4, G-6
        #[test]
        fn a_belief_lies_between_what_was_believed_and_what_was_seen(
            succeeded in 0u64..500, failed in 0u64..500, before in 0u64..=ONE,
        ) {
            let mut record = Record::default();
            (record.succeeded, record.failed) = (succeeded, failed);
            let after = mean(Some(&record), before);
            let seen = (succeeded * ONE).checked_div(succeeded + failed).unwrap_or(before);
            prop_assert!(after + 1 >= seen.min(before) && after <= seen.max(before) + 1);
        }
    }
}

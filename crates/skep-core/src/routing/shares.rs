//! Shares of cheap, default and smart models, held over time: whoever is furthest behind its share is next.

use super::Why;
use crate::{
    spec::{Routing, Tier},
    state::State,
};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// How many attempts went to models of each strength, of those that shares decided; and how many cost decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// To cheap ones.
    pub cheap: u64,
    /// To default ones.
    pub default: u64,
    /// To smart ones.
    pub smart: u64,
    /// Attempts whose model was found by cost.
    pub by_cost: u64,
}

impl Shares {
    /// Takes an attempt into account.
    pub(crate) fn count(&mut self, why: &Why) {
        match why {
            Why::Share(Tier::Cheap) => self.cheap += 1,
            Why::Share(Tier::Default) => self.default += 1,
            Why::Share(Tier::Smart) => self.smart += 1,
            Why::Cost { .. } | Why::Explore { .. } => self.by_cost += 1,
            _ => {}
        }
    }

    const fn of(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Cheap => self.cheap,
            Tier::Default => self.default,
            Tier::Smart => self.smart,
        }
    }
}

const fn wanted(routing: &Routing, tier: Tier) -> u64 {
    let percent = match tier {
        Tier::Cheap => routing.cheap_percent,
        Tier::Default => routing.default_percent,
        Tier::Smart => routing.smart_percent,
    };
    percent as u64
}

/// The first model of the strength that is furthest behind its share, among those of which there is a model.
pub(super) fn choose(state: &State, models: &[&str]) -> Option<(String, Why)> {
    let swarm = &state.swarm()?.spec;
    let tier_of = |model: &str| swarm.catalog.get(model).map_or(Tier::Default, |m| m.tier);
    let first = |tier| models.iter().find(|m| tier_of(m) == tier).copied();
    let tiers = [Tier::Default, Tier::Cheap, Tier::Smart].map(|tier| (tier, first(tier)));
    let next = furthest_behind(
        state.shares(),
        &swarm.policy.routing,
        tiers
            .iter()
            .filter(|(_, model)| model.is_some())
            .map(|(tier, _)| *tier),
    )?;
    let (_, model) = tiers.into_iter().find(|(tier, _)| *tier == next)?;
    Some((model?.into(), Why::Share(next)))
}

/// Of strengths that tie, the first given.
fn furthest_behind(
    had: &Shares,
    routing: &Routing,
    tiers: impl Iterator<Item = Tier> + Clone,
) -> Option<Tier> {
    let all: u64 = tiers.clone().map(|tier| had.of(tier)).sum();
    let whole: u64 = tiers.clone().map(|tier| wanted(routing, tier)).sum();
    let behind = |tier: Tier| {
        let due = i128::from(wanted(routing, tier)) * (i128::from(all) + 1);
        due - i128::from(had.of(tier)) * i128::from(whole)
    };
    // `max_by_key` takes the last of equals.
    let asked = tiers.filter(|tier| wanted(routing, *tier) > 0);
    asked.fold(None, |best: Option<Tier>, tier| match best {
        Some(best) if behind(best) >= behind(tier) => Some(best),
        _ => Some(tier),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // proves: S-4
        #[test]
        fn shares_are_held_at_every_moment_to_within_an_attempt_or_two(
            cheap in 0u32..=100, default in 1u32..=100, smart in 0u32..=100, n in 1u64..400,
        ) {
            let routing = Routing {
                cheap_percent: cheap, default_percent: default, smart_percent: smart,
                ..Routing::default()
            };
            let tiers = [Tier::Default, Tier::Cheap, Tier::Smart];
            let whole = f64::from(cheap + default + smart);
            let mut had = Shares::default();
            for done in 1..=n {
                let next = furthest_behind(&had, &routing, tiers.into_iter()).unwrap();
                had.count(&Why::Share(next));
                for tier in tiers {
                    let due = wanted(&routing, tier) as f64 / whole * done as f64;
                    let off = (had.of(tier) as f64 - due).abs();
                    prop_assert!(off < 2.0, "{tier:?}: {off} after {done}");
                }
            }
        }
    }
}

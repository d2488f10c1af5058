//! Providers: when each limits, is used up, is down or refuses the login; and plans that use several.

use crate::{
    dice::Dice,
    world::{BEGIN, World},
};
use skep_core::{
    attempt::{Outcome, Said},
    fault::ErrorKind,
    id::Attempt,
    money::Usd,
    spec::{Complexity, ModelSpec, Plan, Price, RouteBy, Tier},
    time::Time,
};

/// The providers there are. The last is that of an agent whose model tells none.
const PROVIDERS: [&str; 3] = ["alpha", "beta", "fake"];
const HOUR: u64 = 3_600_000;

const KINDS: [ErrorKind; 7] = [
    ErrorKind::RateLimit,
    ErrorKind::RateLimit,
    ErrorKind::RateLimit,
    ErrorKind::Quota,
    ErrorKind::Server,
    ErrorKind::Network,
    ErrorKind::Auth,
];

/// A time in which a provider refuses.
#[derive(Clone, Copy, Debug)]
struct Spell {
    provider: usize,
    from: u64,
    until: u64,
    kind: ErrorKind,
    /// Whether it says until when.
    stated: bool,
}

/// How one attempt was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) until: Option<Time>,
}

impl Refusal {
    /// What an agent's protocol says of it.
    pub(crate) fn said(&self) -> Said {
        let outcome = match self.kind {
            ErrorKind::RateLimit | ErrorKind::Quota => Outcome::RateLimited,
            _ => Outcome::Crashed,
        };
        Said::Failed {
            outcome,
            fault: Some(self.kind),
            until: self.until,
            text: self.kind.words().into(),
        }
    }
}

/// All of it, thrown with dice of its own: worlds are otherwise what they would be without.
pub(crate) struct Weather {
    dice: Dice,
    spells: Vec<Spell>,
}

impl Weather {
    pub(crate) fn throw(seed: u64, faults: u64, days: u64) -> Weather {
        let mut dice = Dice::new(seed ^ 0x7072_6f76_6964_6572);
        let mut spells = Vec::new();
        let span = days.max(1) * 24 * HOUR;
        for provider in 0..PROVIDERS.len() {
            for _ in 0..days.max(1) {
                if !dice.chance(4 * faults.min(200)) {
                    continue;
                }
                let from = BEGIN
                    + match days {
                        0 => dice.spread(1, 6 * HOUR),
                        _ => dice.of(0..=span),
                    };
                spells.push(Spell {
                    provider,
                    from,
                    until: from + dice.spread(1_000, 4 * HOUR),
                    kind: KINDS[dice.index(KINDS.len())],
                    stated: dice.chance(500),
                });
            }
        }
        Weather { dice, spells }
    }

    /// Makes a plan one whose models have providers, as often as not.
    pub(crate) fn equip(&mut self, plan: &mut Plan) {
        let dice = &mut self.dice;
        if !dice.chance(600) {
            return;
        }
        let swarm = &mut plan.swarm;
        for (model, provider, tier, price) in [
            ("small", "alpha", Tier::Cheap, 1),
            ("middle", "alpha", Tier::Default, 3),
            ("large", "beta", Tier::Smart, 15),
        ] {
            let each = Usd(price * 1_000_000);
            let price = dice.chance(800).then_some(Price {
                input: each,
                cache_read: each,
                cache_write: each,
                output: each,
            });
            let spec = ModelSpec {
                provider: provider.into(),
                tier,
                price,
            };
            swarm.catalog.insert(model.into(), spec);
        }
        swarm.policy.providers.attempts = dice.of(1..=6) as u32;
        swarm.policy.routing.by = RouteBy::ALL[dice.index(3)];
        if dice.chance(300) {
            swarm.policy.routing.fallback = vec!["large".into(), "middle".into()];
        }
        let complexities = [Some(Complexity::Simple), Some(Complexity::Complex), None];
        for task in &mut plan.tasks {
            task.complexity = complexities[dice.index(3)];
        }
    }

    /// Whether a provider refuses an attempt now.
    fn refuses(&mut self, provider: &str, now: u64) -> Option<Refusal> {
        let number = PROVIDERS.iter().position(|p| *p == provider)?;
        let holds = |s: &&Spell| s.provider == number && s.from <= now && now < s.until;
        let spell = self.spells.iter().find(holds)?;
        // What is down is not down for everybody.
        let lucky =
            matches!(spell.kind, ErrorKind::Server | ErrorKind::Network) && self.dice.chance(100);
        (!lucky).then_some(Refusal {
            kind: spell.kind,
            until: spell.stated.then_some(Time(spell.until)),
        })
    }
}

impl World {
    /// How an attempt's provider refuses it now, if it does.
    pub(crate) fn refusal(&mut self, attempt: Attempt) -> Option<Refusal> {
        let provider = self.audit.state.attempt(attempt)?.provider.clone()?;
        let refusal = self.weather.refuses(&provider, self.now)?;
        self.coverage.hit("provider: refuses an attempt");
        Some(refusal)
    }
}

//! What attempts of one kind usually cost, and what is set aside for the next one.

use super::{Amounts, Standing};
use crate::{
    attempt::Outcome,
    money::Usd,
    spec::{Complexity, TaskSpec},
    state::State,
    task::Task,
    time::Millis,
};
use alloc::{collections::VecDeque, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// So many are remembered of each kind.
const REMEMBERED: usize = 31;
/// Of fewer, nothing is concluded.
const ENOUGH: usize = 5;
/// The part of a cap that a mere guess may take.
const GUESS: u64 = 10;

/// What the last attempts of one kind came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual {
    spent: VecDeque<(Amounts, bool)>,
}

impl Usual {
    pub(crate) fn add(&mut self, spent: Amounts, known: bool) {
        self.spent.push_back((spent, known));
        if self.spent.len() > REMEMBERED {
            self.spent.pop_front();
        }
    }

    /// What nine of ten stay within, once there are enough.
    #[must_use]
    pub fn most(&self) -> Option<Amounts> {
        let of = |read: fn(&Amounts) -> u64| {
            let mut sorted: Vec<u64> = self.spent.iter().map(|(spent, _)| read(spent)).collect();
            sorted.sort_unstable();
            sorted
                .get((sorted.len() * 9).div_ceil(10).saturating_sub(1))
                .copied()
        };
        if self.spent.len() < ENOUGH {
            return None;
        }
        Some(Amounts {
            usd: Usd(of(|spent| spent.usd.0)?),
            tokens: of(|spent| spent.tokens)?,
            time: Millis(of(|spent| spent.time.0)?),
        })
    }

    /// Whether none of enough of them said what it used: their kind never will.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.spent.len() >= ENOUGH && self.spent.iter().all(|(_, known)| !known)
    }
}

/// What is compared with what: the same agent and model on tasks of the same category (or else role) and complexity.
#[must_use]
pub fn kind(agent: &str, model: Option<&str>, task: &TaskSpec) -> String {
    let of = task.category.as_deref().or(task.role.as_deref());
    let complexity = match task.complexity {
        None => "",
        Some(Complexity::Simple) => "simple",
        Some(Complexity::Moderate) => "moderate",
        Some(Complexity::Complex) => "complex",
    };
    let (model, of) = (model.unwrap_or_default(), of.unwrap_or_default());
    format!("{agent}/{model}/{of}/{complexity}")
}

/// What is set aside for an attempt before it begins: what nine of ten of its like stay within; before there are
/// enough of those, what the policy says, but no more than a tenth of any cap. A task whose attempt was ended for
/// its cost gets twice as much the next time, or a whole cap; if it had spent more than that, a person must see to it.
/// Never more than is left of the task's own budget.
pub(super) fn reservation(
    state: &State,
    task: &Task,
    model: Option<&str>,
    standings: &[Standing],
) -> Amounts {
    let Some(swarm) = state.swarm() else {
        return Amounts::default();
    };
    let (policy, budget) = (&swarm.spec.policy, &swarm.spec.policy.budget);
    let agent = task.spec.agent.as_ref().unwrap_or(&swarm.spec.agent);
    let usual = state.ledger().usual(&kind(agent, model, &task.spec));
    let mut wanted = match usual.and_then(Usual::most) {
        Some(most) => most,
        None => {
            let guess = Amounts {
                usd: budget.reserve_usd,
                tokens: budget.reserve_tokens,
                time: task.spec.timebox.unwrap_or(policy.timebox),
            };
            standings
                .iter()
                .fold(guess, |guess, standing| guess.min(standing.part(GUESS)))
        }
    };
    // A command has no model, so it costs nothing that could be known.
    if agent == "shell" || usual.is_some_and(Usual::is_silent) {
        (wanted.usd, wanted.tokens) = (Usd(0), 0);
    }
    let ended = task
        .history
        .iter()
        .filter(|p| p.outcome == Outcome::OverBudget);
    for past in ended {
        let spent = past.charge.amounts();
        let twice = spent.plus(spent);
        let most = standings.iter().fold(twice, |most, s| most.min(s.part(1)));
        wanted = wanted.max(spent.max(most));
    }
    standings
        .iter()
        .filter(|standing| standing.is_task())
        .fold(wanted, |wanted, standing| wanted.min(standing.left()))
}

/// By how much what is set aside for an attempt is raised at a time.
pub(super) fn step(state: &State, reserved: Amounts, growth: Amounts) -> Amounts {
    let budget = &state.policy().budget;
    let least = Amounts {
        usd: Usd(budget.reserve_usd.0 / 4),
        tokens: budget.reserve_tokens / 4,
        time: budget.interval.times(5),
    };
    let half = Amounts {
        usd: Usd(reserved.usd.0 / 2),
        tokens: reserved.tokens / 2,
        time: Millis(reserved.time.0 / 2),
    };
    least.max(half).max(growth)
}

//! What needs a person, or is about to: one list for all eyes, each entry with what mends it.
//!
//! Nothing is judged here. Each concern is a fact that another view tells too; this one puts them together, says how
//! grave each is by one rule, and names the command.

mod money;
mod remedy;
mod swarm;
mod tasks;
mod workers;

pub use remedy::RemedyDoc;

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{state::State, time::Time};

/// So many are listed, the gravest first: a person who has more than this to do begins at the top.
const LISTED: usize = 200;

/// How grave a concern is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// The swarm as a whole does not go on before a person acts.
    Critical,
    /// A part of it does not go on before a person acts, or soon will not.
    Warning,
    /// It goes on by itself; good to know.
    Info,
}

impl Gravity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Gravity::Critical => "critical",
            Gravity::Warning => "warning",
            Gravity::Info => "info",
        }
    }
}

/// What a concern is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The swarm as a whole.
    Swarm,
    /// A task.
    Task,
    /// A worker.
    Worker,
    /// A question or a request for a permission.
    Ask,
    /// An agent.
    Agent,
    /// A model.
    Model,
    /// A provider of models.
    Provider,
    /// A cap on spending.
    Budget,
}

/// One thing that needs a person, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConcernDoc {
    /// How grave it is.
    pub severity: Gravity,
    /// Of which kind: `held`, `halted`, `stuck`, `paused`, `no_keeper`, `landing`, `ask`, `flagged`, `dead`,
    /// `blocked`, `conflict`, `collision`, `crashed`, `unhealthy`, `slo`, `provider` or `budget`.
    pub kind: String,
    /// What it is about.
    pub about: About,
    /// Which one: a task's, worker's, ask's or provider's name, a cap's scope, or the swarm's name.
    pub subject: String,
    /// What is the matter, in a sentence.
    pub sentence: String,
    /// Since when; null where nobody noted it.
    pub since: Option<Stamp>,
    /// What mends it, the likeliest first. Empty where nothing helps but to wait.
    pub remedies: Vec<RemedyDoc>,
}

/// All that needs a person. `GET /api/v1/concerns`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConcernList {
    /// The document's version.
    pub schema: u32,
    /// The concerns, gravest first.
    pub concerns: Vec<ConcernDoc>,
    /// So many more there are.
    pub more: usize,
}

impl ConcernList {
    /// The view of a state. `held` is what keeps the keeper itself from going on, which no state knows.
    #[must_use]
    pub fn of(state: &State, now: Time, held: Option<&str>) -> ConcernList {
        let mut all: Vec<ConcernDoc> = swarm::held(state, held).into_iter().collect();
        all.extend(swarm::concerns(state, now));
        all.extend(tasks::asks(state));
        all.extend(tasks::concerns(state));
        all.extend(workers::concerns(state, now));
        all.extend(workers::records(state));
        all.extend(money::providers(state, now));
        all.extend(money::caps(state, now));
        for concern in &mut all {
            // Agents' words in it may go over lines.
            let words: Vec<&str> = concern.sentence.split_whitespace().collect();
            concern.sentence = words.join(" ");
        }
        // Stable: within a gravity, the order above is that in which a person would look.
        all.sort_by_key(|concern| concern.severity);
        let more = all.len().saturating_sub(LISTED);
        all.truncate(LISTED);
        ConcernList {
            schema: SCHEMA,
            concerns: all,
            more,
        }
    }

    /// The same where no keeper runs, which is a concern while something is left to do.
    #[must_use]
    pub fn unattended(state: &State, now: Time) -> ConcernList {
        let mut list = ConcernList::of(state, now, None);
        if let Some(concern) = swarm::no_keeper(state) {
            list.concerns.insert(0, concern);
        }
        list
    }

    /// How many are of a gravity.
    #[must_use]
    pub fn count(&self, severity: Gravity) -> usize {
        let of = |concern: &&ConcernDoc| concern.severity == severity;
        self.concerns.iter().filter(of).count()
    }
}

/// A concern about the swarm as a whole.
fn of_swarm(state: &State, severity: Gravity, kind: &str, sentence: String) -> ConcernDoc {
    ConcernDoc {
        severity,
        kind: kind.into(),
        about: About::Swarm,
        subject: state
            .swarm()
            .map_or_else(String::new, |s| s.spec.name.to_string()),
        sentence,
        since: None,
        remedies: Vec::new(),
    }
}

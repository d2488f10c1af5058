//! Which model an attempt gets (S-4), and which other when that one failed on the task or its provider takes
//! nothing now (S-5).
//!
//! The model wanted is the first that is named by: the task, if it requires one; the worker; the task, if it prefers
//! one; its role; its complexity ([`Routing`](crate::spec::Routing)); what
//! [`Routing::by`](crate::spec::Routing::by) finds; the swarm. One that failed on the task too often is replaced by the
//! next stronger one, and one whose provider is parked by a fallback, but never one that the task requires.
//!
//! The choice is a function of the state, and its reason goes into the claim's event: a replay agrees, and a person can
//! ask.

mod choose;
mod cost;
mod shares;

pub(crate) use choose::{Left, after_failure};
pub use choose::{left, route};
pub use shares::Shares;

use crate::{
    money::Usd,
    spec::{Complexity, SwarmSpec, Tier},
    task::Task,
};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The model of an attempt, and how it came to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The model.
    pub model: Option<String>,
    /// Who serves it.
    pub provider: Option<String>,
    /// Why it, unless it is just the swarm's.
    pub route: Option<Route>,
}

/// Why an attempt has the model it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Why it was wanted, or the one that it replaces.
    pub why: Why,
    /// The one that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Instead>,
}

/// Why a model was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The task requires it.
    Required,
    /// It is the worker's.
    Worker,
    /// The task prefers it.
    Preferred,
    /// It is the role's.
    Role(String),
    /// It is for tasks of this complexity.
    Complexity(Complexity),
    /// Models of this strength had less than their share.
    Share(Tier),
    /// A success is cheapest with it.
    Cost {
        /// On this kind of task.
        kind: String,
        /// It succeeds so often.
        percent: u32,
        /// One attempt costs so much.
        attempt: Usd,
    },
    /// Too little is known of it on this kind of task.
    Explore {
        /// The kind.
        kind: String,
    },
    /// It is the swarm's.
    Swarm,
}

/// What a model replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// A weaker one that failed on the task too often.
    Failed(String),
    /// One whose provider is parked (S-5).
    Parked {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
    },
}

impl Route {
    /// In words, for `model`.
    #[must_use]
    pub fn told(&self, model: &str) -> String {
        match &self.instead {
            None => alloc::format!("routed to {model}: {}", self.why),
            Some(instead) => alloc::format!("routed to {model}: {instead}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Required => f.write_str("the task requires it"),
            Why::Worker => f.write_str("it is the worker's"),
            Why::Preferred => f.write_str("the task prefers it"),
            Why::Role(role) => write!(f, "it is the model of the role {role:?}"),
            Why::Complexity(complexity) => {
                write!(f, "the task is {}", complexity_word(*complexity))
            }
            Why::Share(tier) => write!(f, "{} models had less than their share", tier_word(*tier)),
            Why::Cost {
                kind,
                percent,
                attempt,
            } => write!(f, "{kind}, {percent} % success at {attempt}"),
            Why::Explore { kind } => write!(f, "{kind}, to learn how it does"),
            Why::Swarm => f.write_str("it is the swarm's"),
        }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instead::Failed(model) => write!(f, "{model} failed on the task too often"),
            Instead::Parked { model, provider } => {
                write!(f, "{provider}, which serves {model}, takes nothing now")
            }
        }
    }
}

pub(crate) const fn complexity_word(complexity: Complexity) -> &'static str {
    match complexity {
        Complexity::Simple => "simple",
        Complexity::Moderate => "moderate",
        Complexity::Complex => "complex",
    }
}

const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Cheap => "cheap",
        Tier::Default => "default",
        Tier::Smart => "smart",
    }
}

/// The agent of a task's attempts.
#[must_use]
pub fn agent<'s>(swarm: &'s SwarmSpec, task: &'s Task) -> &'s str {
    task.spec.agent.as_ref().unwrap_or(&swarm.agent)
}

//! How long attempts of one kind take: the cohort against which slowness is judged (L-4a).

use crate::{spec::TaskSpec, time::Millis};
use alloc::{collections::VecDeque, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// So many are remembered of each kind: enough for a median that follows a change of model or of code.
const REMEMBERED: usize = 31;
/// Of fewer, a median says nothing.
const ENOUGH: usize = 5;

/// How long the last successful attempts of one kind took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    took: VecDeque<Millis>,
}

impl Pace {
    /// What is compared with what: the same agent on the same category of task, or else on the same role.
    #[must_use]
    pub fn key(agent: &str, task: &TaskSpec) -> String {
        let kind = task.category.as_deref().or(task.role.as_deref());
        format!("{agent}/{}", kind.unwrap_or_default())
    }

    /// Takes another one into account.
    pub fn add(&mut self, took: Millis) {
        self.took.push_back(took);
        if self.took.len() > REMEMBERED {
            self.took.pop_front();
        }
    }

    /// The median, once there are enough.
    #[must_use]
    pub fn usual(&self) -> Option<Millis> {
        let mut sorted: Vec<Millis> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        (sorted.len() >= ENOUGH).then(|| sorted[sorted.len() / 2])
    }
}

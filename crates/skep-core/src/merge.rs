//! Merging a wave: what is queued, what was built, and which commit to check next (W-6 to W-8).
//!
//! A merge goes in rounds. A round builds a chain of merge commits on the base, one per queued task, and
//! checks its end. If the check fails, bisection over the chain's prefixes finds the first commit that
//! fails; its task is left out and the next round builds the chain without it. Every round removes one
//! task, so a merge ends. Builds are deterministic: repeating a round gives the same commits.

use crate::{
    id::{Attempt, Oid, TaskId},
    time::Time,
};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Accepted work that is to be merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The task.
    pub task: TaskId,
    /// The attempt that was accepted.
    pub attempt: Attempt,
    /// Its commit.
    pub commit: Oid,
    /// The mission, for the merge commit's message.
    pub mission: String,
}

/// One merge commit of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whose work it merges; `None` for the target branch's own new commits.
    pub task: Option<TaskId>,
    /// The merge commit, or the commit before it when there was nothing to merge.
    pub commit: Oid,
    /// Files whose conflicts were resolved from memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remembered: Vec<String>,
}

/// Work that could not be merged, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// Whose work; `None` for the target branch's own new commits.
    pub task: Option<TaskId>,
    /// The files, each with what is wrong in plain words.
    pub files: Vec<(String, String)>,
}

/// A conflict as people see it (SPEC appendix C).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The file.
    pub file: String,
    /// The workers whose work meets there.
    pub workers: Vec<crate::id::WorkerId>,
    /// The tasks whose work meets there.
    pub tasks: Vec<TaskId>,
    /// How bad.
    pub severity: Severity,
    /// In plain words.
    pub description: String,
}

/// How much something matters (SPEC §0: signal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Act now.
    Critical,
    /// Act soon.
    Warning,
    /// To know.
    Info,
}

/// A merge under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The wave being merged.
    pub wave: u32,
    /// Which round this is, from 1.
    pub round: u32,
    /// What the chain is built on: the integration branch's tip.
    pub base: Oid,
    /// What is left to merge, in order.
    pub queue: Vec<Queued>,
    /// Where the round stands.
    pub step: MergeStep,
    /// Commits that passed the check in any round.
    pub passed: BTreeSet<Oid>,
    /// When the merge began.
    pub started: Time,
}

/// Where a merge's round stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStep {
    /// The chain is being built.
    Building,
    /// Commits of the chain are being checked.
    Checking(Checking),
    /// The branch is being moved to the end of this chain.
    Landing(Vec<Link>),
}

/// A chain under check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checking {
    /// The chain.
    pub chain: Vec<Link>,
    /// The longest prefix known to pass; `None` while not even the base is known to.
    pub good: Option<usize>,
    /// The shortest prefix known to fail.
    pub bad: Option<usize>,
    /// The end of the output of the check that failed at `bad`.
    pub output: String,
}

/// What to do next with a chain under check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Check the commit after so many links; 0 is the base.
    Check(usize),
    /// The whole chain passes.
    Land,
    /// This link (by index) is the first that fails.
    Culprit(usize),
    /// The base itself fails: no task is to blame.
    BaseFails,
}

impl Checking {
    /// The next step of the bisection.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match (self.good, self.bad) {
            (Some(good), None) if good == self.chain.len() => Probe::Land,
            (_, None) => Probe::Check(self.chain.len()),
            (_, Some(0)) => Probe::BaseFails,
            (None, Some(_)) => Probe::Check(0),
            (Some(good), Some(bad)) if bad - good == 1 => Probe::Culprit(good),
            (Some(good), Some(bad)) => Probe::Check(good + (bad - good) / 2),
        }
    }

    /// The commit after `prefix` links.
    #[must_use]
    pub fn commit<'c>(&'c self, base: &'c Oid, prefix: usize) -> &'c Oid {
        if prefix == 0 {
            base
        } else {
            &self.chain[prefix - 1].commit
        }
    }

    /// Takes the result of checking `prefix` links into account. A result that contradicts what is known (a
    /// check that is not deterministic) never widens the range again, so bisection ends.
    pub fn learn(&mut self, prefix: usize, passed: bool, output: &str) {
        if passed {
            if self.bad.is_none_or(|bad| prefix < bad) {
                self.good = Some(self.good.map_or(prefix, |good| good.max(prefix)));
            }
        } else if self.bad.is_none_or(|bad| prefix < bad)
            && self.good.is_none_or(|good| prefix > good)
        {
            self.bad = Some(prefix);
            self.output = output.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::oid;
    use proptest::prelude::*;

    fn chain(n: usize) -> Vec<Link> {
        let link = |i| Link {
            task: None,
            commit: oid(i as u64 + 1),
            remembered: Vec::new(),
        };
        (0..n).map(link).collect()
    }

    proptest! {
        // proves: W-8
        #[test]
        fn bisection_names_the_first_failing_link_in_few_checks(n in 1usize..64, first_bad in 0usize..70, base_known: bool) {
            let mut checking =
                Checking { chain: chain(n), good: base_known.then_some(0), bad: None, output: String::new() };
            let mut checks = 0;
            let end = loop {
                match checking.probe() {
                    Probe::Check(prefix) => {
                        checks += 1;
                        checking.learn(prefix, prefix < first_bad, "");
                    }
                    end => break end,
                }
            };
            let expected = if first_bad > n { Probe::Land }
                else if first_bad == 0 && !base_known { Probe::BaseFails }
                else { Probe::Culprit(first_bad.max(1) - 1) };
            prop_assert_eq!(end, expected);
            prop_assert!(checks <= 2 + n.ilog2() as usize + 1, "{} checks for {}", checks, n);
        }

        #[test]
        fn bisection_ends_even_when_the_check_is_a_coin(n in 1usize..40, coin in prop::collection::vec(any::<bool>(), 200)) {
            let mut checking = Checking { chain: chain(n), good: None, bad: None, output: String::new() };
            let mut coin = coin.into_iter();
            while let Probe::Check(prefix) = checking.probe() {
                let passed = coin.next();
                prop_assert!(passed.is_some(), "bisection did not end");
                checking.learn(prefix, passed == Some(true), "");
            }
        }
    }
}

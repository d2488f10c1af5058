//! Looking whether work in flight merges (W-9). It touches no worktree, no branch and no ref, and what cannot be
//! read is left out: a forecast is a convenience, and another look comes.

use super::{World, worktrees};
use crate::git::{Flight, GitError};
use skep_core::{
    forecast::{Meeting, Order, Sight, Stand},
    id::{Attempt, Oid},
    merge::Severity,
    request::Observation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

/// Files in conflict, each with what is wrong in plain words.
type Files = Vec<(String, String)>;

/// What is known from earlier looks.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What merging two commits gave, for those pairs that the last look met.
    merged: BTreeMap<(Oid, Oid), Files>,
    /// Somebody was told that looking fails; once is enough.
    told: bool,
}

/// A work as a commit, with the paths that it changes; none: too many to be listed.
struct Side {
    attempt: Attempt,
    commit: Oid,
    /// Where it began, if it is in flight.
    base: Option<Oid>,
    files: Option<BTreeSet<String>>,
}

pub(super) fn look(world: &World, order: &Order) -> Vec<Observation> {
    let mut known = world.known.lock().unwrap_or_else(PoisonError::into_inner);
    let mut look = Look {
        world,
        fresh: 0,
        most: order.pairs,
        cut: false,
        merged: BTreeMap::new(),
        failed: None,
    };
    let sides: Vec<Side> = order.works.iter().filter_map(|s| look.side(s)).collect();
    let mut met = Vec::new();
    for (n, ours) in sides.iter().enumerate() {
        // Results do not change: whether they merge with each other the wave's merge will show, soon.
        let Some(base) = &ours.base else { break };
        for theirs in &sides[n + 1..] {
            met.extend(look.pair(&known, ours, theirs));
        }
        if *base != order.tip {
            met.extend(look.tip(&known, ours, &order.tip));
        }
    }
    let mut seen = Vec::new();
    if let Some(error) = look.failed.take_if(|_| !known.told) {
        known.told = true;
        seen.push(Observation::Noticed {
            severity: Severity::Info,
            text: format!(
                "whether work in flight merges cannot be seen: {}",
                error.chain()
            ),
        });
    }
    known.merged = look.merged;
    seen.push(Observation::Forecast {
        mark: order.mark,
        met,
        cut: look.cut,
    });
    seen
}

struct Look<'w> {
    world: &'w World,
    /// Pairs merged in this look, of so many at most.
    fresh: usize,
    most: usize,
    cut: bool,
    merged: BTreeMap<(Oid, Oid), Files>,
    failed: Option<GitError>,
}

impl Look<'_> {
    fn side(&mut self, sight: &Sight) -> Option<Side> {
        let attempt = sight.work.attempt;
        match &sight.stand {
            Stand::Result { commit, files } => Some(Side {
                attempt,
                commit: commit.clone(),
                base: None,
                files: files.as_ref().map(|all| all.iter().cloned().collect()),
            }),
            Stand::InFlight { base, claimed } => {
                if self.world.handle.is_hurried() {
                    self.cut = true;
                    return None;
                }
                let dir = worktrees::path(self.world, sight.work.worker);
                let found = self.world.repo.in_flight(&dir, base, claimed.0 / 1000);
                let Flight { commit, files } = self.well(found)??;
                Some(Side {
                    attempt,
                    commit,
                    base: Some(base.clone()),
                    files: Some(files.into_iter().collect()),
                })
            }
        }
    }

    fn pair(&mut self, known: &Known, ours: &Side, theirs: &Side) -> Option<Meeting> {
        let files = if touch(ours, theirs) {
            let mut files = self.merge(known, &ours.commit, &theirs.commit)?;
            // One that began earlier does not have what was merged since. That is between it and the branch.
            if theirs.base.is_some() && ours.base != theirs.base {
                files.retain(|(file, _)| has(ours, file) && has(theirs, file));
            }
            files
        } else {
            Files::new()
        };
        Some(Meeting {
            ours: ours.attempt,
            theirs: Some(theirs.attempt),
            files,
        })
    }

    fn tip(&mut self, known: &Known, ours: &Side, tip: &Oid) -> Option<Meeting> {
        Some(Meeting {
            ours: ours.attempt,
            theirs: None,
            files: self.merge(known, tip, &ours.commit)?,
        })
    }

    /// `None` when this look has merged enough, or git failed.
    fn merge(&mut self, known: &Known, ours: &Oid, theirs: &Oid) -> Option<Files> {
        let pair = (ours.clone(), theirs.clone());
        let files = match known.merged.get(&pair) {
            Some(files) => files.clone(),
            None if self.fresh >= self.most || self.world.handle.is_hurried() => {
                self.cut = true;
                return None;
            }
            None => {
                self.fresh += 1;
                let found = self.world.repo.forecast(ours, theirs);
                let found = self.well(found)?.into_iter();
                found.map(|c| (c.path, c.description)).collect()
            }
        };
        self.merged.insert(pair, files.clone());
        Some(files)
    }

    /// What went well; the first failure is remembered.
    fn well<T>(&mut self, found: Result<T, GitError>) -> Option<T> {
        let failed = &mut self.failed;
        found.map_err(|error| failed.get_or_insert(error)).ok()
    }
}

/// Whether two works can meet at all: they change a common path, or one has a file where the other has a folder.
fn touch(ours: &Side, theirs: &Side) -> bool {
    let (Some(a), Some(b)) = (&ours.files, &theirs.files) else {
        return true;
    };
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter()
        .any(|file| lies_in(many, file) || is_below(many, file))
}

fn has(side: &Side, file: &str) -> bool {
    let files = side.files.as_ref();
    files.is_none_or(|files| lies_in(files, file) || is_below(files, file))
}

/// Whether the path is one of these, or a folder that holds one.
fn lies_in(files: &BTreeSet<String>, file: &str) -> bool {
    files.contains(file) || {
        let below = format!("{file}/");
        let first = files.range(below.clone()..).next();
        first.is_some_and(|first| first.starts_with(&below))
    }
}

/// Whether the path lies below one of these.
fn is_below(files: &BTreeSet<String>, file: &str) -> bool {
    let folders = file.match_indices('/').map(|(at, _)| &file[..at]);
    folders.into_iter().any(|folder| files.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(files: &[&str]) -> Side {
        Side {
            attempt: Attempt(1),
            commit: "0".repeat(40).parse().unwrap(),
            base: None,
            files: Some(files.iter().map(|f| f.to_string()).collect()),
        }
    }

    // proves: W-9
    #[test]
    fn works_meet_on_a_path_or_where_one_has_a_file_and_the_other_a_folder() {
        let meet = |a: &[&str], b: &[&str]| {
            let (a, b) = (side(a), side(b));
            assert_eq!(touch(&a, &b), touch(&b, &a));
            touch(&a, &b)
        };
        assert!(meet(&["a", "b/c"], &["b/c", "x", "y"]));
        assert!(!meet(&["a", "b/c"], &["b/d", "b"].map(|_| "z")));
        assert!(meet(&["b"], &["b/c", "x", "y"]), "a file and a folder");
        assert!(meet(&["b", "p", "q", "r"], &["b/c/d"]));
        assert!(!meet(&["b"], &["bc", "b-c/d"]));
        let all = Side {
            files: None,
            ..side(&[])
        };
        assert!(touch(&all, &side(&["x"])), "too many to be listed");
    }
}

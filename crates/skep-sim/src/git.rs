//! Fake git: commits as sets of works with file versions, refs with compare-and-set, three-way merges.
//!
//! A *work* is what one agent (or a user) changed in one go. A commit is known by the works it holds and by
//! the version of each file, which is all that merging, conflicts and the integration check need.

use skep_core::id::Oid;
use std::collections::BTreeMap;

/// How many files the fake repository has.
pub(crate) const FILES: usize = 12;

/// The name of a file.
pub(crate) fn file_name(file: usize) -> String {
    format!("f{file}.rs")
}

/// A set of works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Works(Vec<u64>);

impl Works {
    pub(crate) fn add(&mut self, work: u32) {
        let at = work as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (work % 64);
    }
    pub(crate) fn has(&self, work: u32) -> bool {
        let bits = self.0.get(work as usize / 64).copied().unwrap_or(0);
        bits & (1 << (work % 64)) != 0
    }
    pub(crate) fn covers(&self, other: &Works) -> bool {
        let mine = |at| self.0.get(at).copied().unwrap_or(0);
        other
            .0
            .iter()
            .enumerate()
            .all(|(at, bits)| bits & !mine(at) == 0)
    }
    fn join(&mut self, other: &Works) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.0.len() as u32 * 64).filter(|w| self.has(*w))
    }
}

/// Whether a work breaks the integration check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaks {
    No,
    Alone,
    /// Only together with another work of this group.
    With(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) breaks: Breaks,
    pub(crate) mends: Works,
}

#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) works: Works,
    pub(crate) files: [u32; FILES],
    pub(crate) base: Option<Oid>,
}

pub(crate) struct Repo {
    commits: BTreeMap<Oid, Commit>,
    pub(crate) works: Vec<Work>,
    pub(crate) integration: Oid,
    pub(crate) target: Oid,
    /// The ref that holds a work, whatever became of its task.
    pub(crate) saved: BTreeMap<u32, Oid>,
    /// Commits on which the check was seen to pass.
    pub(crate) passed: Vec<Oid>,
}

fn name_of(parts: [&str; 2], number: u64) -> Oid {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in parts[0].bytes().chain(parts[1].bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    let text = format!("{hash:016x}{:024x}", hash.rotate_left(17));
    text.parse()
        .expect("forty hexadecimal digits are an object id")
}

impl Repo {
    pub(crate) fn new() -> Repo {
        let first = name_of(["first", ""], 0);
        let commit = Commit {
            works: Works::default(),
            files: [0; FILES],
            base: None,
        };
        Repo {
            commits: BTreeMap::from([(first.clone(), commit)]),
            works: Vec::new(),
            integration: first.clone(),
            target: first,
            saved: BTreeMap::new(),
            passed: Vec::new(),
        }
    }

    pub(crate) fn commit(&self, oid: &Oid) -> &Commit {
        &self.commits[oid]
    }

    /// A work that exists nowhere yet.
    pub(crate) fn new_work(&mut self, breaks: Breaks, mends: Works) -> u32 {
        self.works.push(Work { breaks, mends });
        self.works.len() as u32 - 1
    }

    /// Commits a work that changes `files` on `base`, bringing in `with` if it is a fix.
    pub(crate) fn write(
        &mut self,
        base: &Oid,
        work: u32,
        files: &[usize],
        with: Option<&Oid>,
    ) -> Oid {
        let mut commit = self.commits[base].clone();
        if let Some(theirs) = with.and_then(|oid| self.commits.get(oid)) {
            let their_base = theirs
                .base
                .as_ref()
                .map_or([0; FILES], |b| self.commits[b].files);
            for ((mine, now), before) in commit.files.iter_mut().zip(theirs.files).zip(their_base) {
                if now != before {
                    *mine = now;
                }
            }
            commit.works.join(&theirs.works);
        }
        commit.works.add(work);
        for file in files {
            commit.files[*file] = work + 1;
        }
        commit.base = Some(base.clone());
        let oid = name_of([base.as_str(), "work"], u64::from(work));
        self.commits.insert(oid.clone(), commit);
        oid
    }

    /// More works that a commit holds: somebody else's, which it should not.
    pub(crate) fn add_works(&mut self, oid: &Oid, works: &[u32]) {
        if let Some(commit) = self.commits.get_mut(oid) {
            works.iter().for_each(|work| commit.works.add(*work));
        }
    }

    /// Merges `work` onto `onto`: the same inputs give the same commit. An error names the files in conflict.
    pub(crate) fn merge(&mut self, onto: &Oid, work: &Oid) -> Result<Oid, Vec<usize>> {
        let (ours, theirs) = (&self.commits[onto], &self.commits[work]);
        if ours.works.covers(&theirs.works) {
            return Ok(onto.clone());
        }
        let mut base = theirs;
        while let Some(earlier) = base.base.as_ref().map(|b| &self.commits[b]) {
            base = earlier;
            if ours.works.covers(&base.works) {
                break;
            }
        }
        let mut merged = ours.clone();
        let mut conflicts = Vec::new();
        for file in 0..FILES {
            let (mine, before, now) = (ours.files[file], base.files[file], theirs.files[file]);
            if now == before || now == mine {
                continue;
            }
            if mine == before {
                merged.files[file] = now;
            } else {
                conflicts.push(file);
            }
        }
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        merged.works.join(&theirs.works);
        merged.base = Some(onto.clone());
        let oid = name_of([onto.as_str(), work.as_str()], 1);
        self.commits.insert(oid.clone(), merged);
        Ok(oid)
    }

    /// Whether `newer` holds everything that `older` holds.
    pub(crate) fn descends(&self, newer: &Oid, older: &Oid) -> bool {
        self.commits[newer].works.covers(&self.commits[older].works)
    }

    /// Whether the integration check passes on a commit.
    pub(crate) fn passes(&self, oid: &Oid) -> bool {
        let here = &self.commits[oid].works;
        let mended = |work| here.iter().any(|m| self.works[m as usize].mends.has(work));
        let mut groups = [0u8; 8];
        for work in here.iter() {
            match self.works[work as usize].breaks {
                Breaks::No => {}
                _ if mended(work) => {}
                Breaks::Alone => return false,
                Breaks::With(group) => groups[usize::from(group % 8)] += 1,
            }
        }
        groups.iter().all(|n| *n < 2)
    }

    /// Whether a work is on a ref: a merge or a salvage.
    pub(crate) fn is_kept(&self, work: u32) -> bool {
        self.saved.contains_key(&work) || self.commits[&self.integration].works.has(work)
    }
}

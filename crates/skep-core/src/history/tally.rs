//! Sums by key, of which most are nothing: only the others take room.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Sums by key, in the order of keys. No sum is kept that is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally<K>(Vec<(K, u64)>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(Vec::new())
    }
}

impl<K: Copy + Ord> Tally<K> {
    /// What there is of a key.
    #[must_use]
    pub fn get(&self, key: K) -> u64 {
        let found = self.0.binary_search_by_key(&key, |(k, _)| *k);
        found.map_or(0, |ix| self.0[ix].1)
    }
    /// What there is of each key of which there is something.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        self.0.iter().copied()
    }
    /// All of it.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.iter().fold(0, |sum, (_, n)| sum.saturating_add(n))
    }
    /// Whether there is nothing of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Of how many keys there is something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, key: K, more: u64) {
        if more == 0 {
            return;
        }
        match self.0.binary_search_by_key(&key, |(k, _)| *k) {
            Ok(ix) => self.0[ix].1 = self.0[ix].1.saturating_add(more),
            Err(ix) => self.0.insert(ix, (key, more)),
        }
    }
    pub(super) fn add_all(&mut self, other: &Tally<K>) {
        for (key, more) in other.iter() {
            self.add(key, more);
        }
    }
}

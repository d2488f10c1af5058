//! The hash chain: every entry's hash covers the one before it, so that one hash vouches for all.
//!
//! It guards against damage, not against an attacker who can write the file and hash anew; sixteen
//! bytes are ample for that and keep a row small.

/// The hash of an entry together with all before it.
pub(crate) type Hash = [u8; 16];

/// What the first entry is chained to.
pub(crate) const GENESIS: Hash = [0; 16];

/// Computes links; keeps its buffer, because one hash over a contiguous text is faster than many updates.
#[derive(Default)]
pub(crate) struct Chain {
    buffer: Vec<u8>,
}

impl Chain {
    /// The hash of an entry that follows the one with hash `prev`. Lengths go in before texts, so that
    /// no two entries read the same.
    pub(crate) fn link(&mut self, prev: &Hash, seq: u64, at: u64, texts: [&str; 3]) -> Hash {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(prev);
        buffer.extend_from_slice(&seq.to_le_bytes());
        buffer.extend_from_slice(&at.to_le_bytes());
        for text in texts {
            buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
            buffer.extend_from_slice(text.as_bytes());
        }
        let hash = short(buffer);
        // One huge entry must not pin its size in memory for the rest of the process's life.
        if buffer.capacity() > 1 << 20 {
            *buffer = Vec::new();
        }
        hash
    }
}

/// The hash of a snapshot: it covers the entry it was folded up to, so a snapshot of another history
/// does not fit.
pub(crate) fn snapshot(tip: &Hash, seq: u64, format: u32, body: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tip);
    hasher.update(&seq.to_le_bytes());
    hasher.update(&format.to_le_bytes());
    hasher.update(body);
    cut(&hasher.finalize())
}

/// The hash of some bytes.
pub(crate) fn short(bytes: &[u8]) -> Hash {
    cut(&blake3::hash(bytes))
}

fn cut(hash: &blake3::Hash) -> Hash {
    let mut short = GENESIS;
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_entry_changes_its_hash() {
        let mut chain = Chain::default();
        let mut seen = std::collections::BTreeSet::new();
        for (prev, seq, at, texts) in [
            (GENESIS, 1, 2, ["a", "b", "c"]),
            ([1; 16], 1, 2, ["a", "b", "c"]),
            (GENESIS, 2, 2, ["a", "b", "c"]),
            (GENESIS, 1, 3, ["a", "b", "c"]),
            (GENESIS, 1, 2, ["ab", "", "c"]),
            (GENESIS, 1, 2, ["a", "bc", ""]),
            (GENESIS, 1, 2, ["a", "b", "c\0"]),
        ] {
            assert!(seen.insert(chain.link(&prev, seq, at, texts)), "{texts:?}");
        }
    }
}

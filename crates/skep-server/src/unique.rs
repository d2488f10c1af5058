//! Names for traces and idempotency keys: different each time, with no meaning.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 32 hexadecimal digits that nobody else has. Not a secret.
#[must_use]
pub fn unique_id() -> String {
    // Each RandomState is seeded from the system's entropy, which is all that is needed here.
    let half = || RandomState::new().build_hasher().finish();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let time = now.map_or(0, |d| d.as_nanos() as u64);
    format!("{:016x}{:016x}", half() ^ time.rotate_left(32), half())
}

//! A block of free ports for each worker, so that two worktrees' servers do not meet (W-13).

use skep_core::id::WorkerId;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

/// Below the range that Linux gives to outgoing connections (32768 and up).
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Which block each worker has. Kept for the keeper's life; found anew by the next.
#[derive(Debug, Default)]
pub(super) struct Ports(Mutex<BTreeMap<WorkerId, u16>>);

impl Ports {
    /// The first of `count` ports that are the worker's own. Free on loopback when they were given out.
    pub(super) fn block(&self, worker: WorkerId, count: u16) -> u16 {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = taken.get(&worker) {
            return *base;
        }
        let count = count.max(1);
        let given: Vec<u16> = taken.values().copied().collect();
        let blocks = (FIRST..LAST - count).step_by(usize::from(count));
        let free = |base: &u16| {
            !given.contains(base)
                && (*base..*base + count)
                    .all(|p| TcpListener::bind((Ipv4Addr::LOCALHOST, p)).is_ok())
        };
        // With every port of the range taken, sharing one is better than not starting.
        let base = blocks.into_iter().find(free).unwrap_or(FIRST);
        taken.insert(worker, base);
        base
    }
}

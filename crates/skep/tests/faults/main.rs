//! Faults of the machine, of git and of people, against the whole program: each ends in recovery or in a clear
//! error, and nothing acknowledged is lost (T-1).
//!
//! Real processes, real git, real SQLite. A test that needs root or a program that is not there says loudly
//! that it was skipped. `SKEP_SEED=N` repeats a storm's moments as far as real time repeats.
// In a test's helpers, too, a surprise is a failure; a skip and a seed must be said.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod clock;
mod deleted;
mod descriptors;
mod disk;
mod log;
mod processes;
mod programs;
mod repository;
mod storm;
mod world;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

/// Says that a test proves nothing on this machine, and how many that makes.
fn skip(test: &str, why: &str) {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    eprintln!("SKIPPED ({count} so far): {test}: {why}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// For the tests that measure or limit what the whole machine has: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A failed test has said what it had to say; the next may go on.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

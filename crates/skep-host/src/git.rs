//! Git, by its command line: worktrees, snapshots, merges without a checkout, refs moved by
//! compare-and-set.

pub mod snapshot;

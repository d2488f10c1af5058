//! Git, by its command line: worktrees, snapshots, merges without a checkout, refs moved by
//! compare-and-set.
//!
//! Every function blocks and may be repeated: after a kill at any instruction of the first time, the
//! second ends the same. The user's checkout, index and hooks are never touched.

mod error;
mod exec;
mod include;
mod land;
mod lock;
pub mod names;
mod place;
mod repo;
mod reset;
pub mod snapshot;
mod tree;
mod worktree;

pub use self::{
    error::{GitError, MIN_VERSION, RepoError, shown},
    include::INCLUDE_FILE,
    land::Land,
    repo::{Head, ObjectFormat, Registered, Repo, STATE_DIR},
    worktree::{Prepared, Want},
};

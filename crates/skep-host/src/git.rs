//! Git, by its command line: worktrees, snapshots, merges without a checkout, refs moved by
//! compare-and-set.
//!
//! Every function blocks and may be repeated: after a kill at any instruction of the first time, the
//! second ends the same. The user's checkout, index and hooks are never touched.

mod aside;
mod error;
mod exec;
mod fix;
mod forecast;
mod ignored;
mod include;
mod land;
mod leftover;
mod lock;
mod merge;
mod message;
pub mod names;
mod part;
mod place;
mod refs;
mod repo;
mod rerere;
mod rescue;
mod reset;
mod salvage;
mod shared;
pub mod snapshot;
mod tree;
mod worktree;

pub use self::{
    aside::{Aside, set_aside_in},
    error::{GitError, MIN_VERSION, RepoError, shown},
    forecast::Flight,
    ignored::ignored_since,
    include::INCLUDE_FILE,
    land::Land,
    merge::{Conflict, ConflictKind, Merge},
    message::{ATTEMPT, MergedAttempt, TASK, message},
    repo::{Head, ObjectFormat, Registered, Repo, STATE_DIR},
    salvage::Salvage,
    shared::{Tidied, Tidy},
    worktree::{Prepared, Want},
};

//! What Skep does to the world: processes, git, and the keeper loop that drives them.
//!
//! Only this crate starts processes, and only through [`command`].

pub mod agents;
pub mod command;
pub mod desktop;
pub mod git;
pub mod keeper;
pub mod litter;
pub mod notify;
pub mod owner;
pub mod pane;
pub mod presence;
pub mod room;
pub mod run;
pub mod shim;
pub mod site;
pub mod tmux;
pub mod token;
pub mod trust;
pub mod watchdog;

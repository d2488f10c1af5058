//! `skep demo`: everything at work, without any account or key.

use crate::{
    args::Context,
    failure::{Exit, Failure},
};

/// Runs a small swarm of scripted agents in a repository of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

// The demo's plan is in `crates/skep/demo`; what it shows is written by another hand, in this function:
// make a repository in a temporary folder, then `run::run` with its plan.
pub(crate) async fn run(_: &Context, _: &Args) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Refused, "the demo is not there yet")
        .hint("`skep init` writes a plan that runs without any key"))
}

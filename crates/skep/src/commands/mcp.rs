//! `skep mcp`: the MCP server, on standard input and output (U-8).

use super::say;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
};
use skep_host::token;
use skep_server::mcp::{self, Owner, Worker};

/// Serves the Model Context Protocol on standard input and output: inside an attempt the tools of its agent, and
/// elsewhere those of the swarm's owner.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ctx: &Context) -> Result<Exit, Failure> {
    // Whoever has a token gets what it is good for, and there is no way to ask for more.
    let served = if std::env::var_os(token::VARIABLE).is_some() {
        let result = std::env::var_os("SKEP_RESULT").map(Into::into);
        mcp::serve_parent(Worker::new(say::speaker()?, result)).await
    } else {
        mcp::serve_parent(Owner::new(Place::find(ctx)?.site)).await
    };
    served.map_err(|error| {
        Failure::usage(error.to_string()).hint(
            "this is for MCP clients: add `skep mcp` to yours as a stdio server, in the repository's folder",
        )
    })?;
    Ok(Exit::Done)
}

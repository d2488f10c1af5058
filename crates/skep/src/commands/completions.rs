//! `skep completions SHELL`.

use crate::{
    args::Cli,
    failure::{Exit, Failure},
    term,
};
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints completions; for bash: `skep completions bash > ~/.local/share/bash-completion/completions/skep`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "skep", &mut text);
    term::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

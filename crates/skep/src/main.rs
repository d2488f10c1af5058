//! The `skep` program: the only place that prints and exits.
#![forbid(unsafe_code)]

mod args;
mod bug;
mod commands;
mod deeds;
mod failure;
mod follow;
mod layers;
mod place;
mod show;
mod signals;
mod term;
mod top;

use std::{ffi::OsString, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Every attempt has a shim for a parent: it must start at once and stay small, so it comes before
    // anything that reads arguments or starts threads.
    if let [_, verb, folder] = &args[..]
        && verb == "shim"
    {
        return skep_host::shim::main(Path::new(folder));
    }
    if let [_, verb, words @ ..] = &args[..]
        && verb == "leash"
    {
        return skep_host::command::leash(words);
    }
    // What a tmux pane shows that no shim runs in; nobody types it.
    if let [_, verb, folder @ ..] = &args[..]
        && verb == "pane"
        && folder.len() < 2
    {
        return skep_host::pane::main(folder.first().map(Path::new));
    }
    bug::explain_panics();
    match args::parse(args).and_then(commands::run) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.say();
            failure.exit.into()
        }
    }
}

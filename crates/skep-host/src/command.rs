//! The only place that starts processes: a command always has an explicit directory.

use std::{ffi::OsStr, path::Path, process::Command};

/// A command that will run in `dir`, with nothing on standard input.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    // Allowed here and nowhere else: see clippy.toml.
    #[allow(clippy::disallowed_methods)]
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(std::process::Stdio::null());
    command
}

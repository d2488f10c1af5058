//! The only place that starts processes: a command always has an explicit directory.

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

/// A command that will run in `dir`, with nothing on standard input.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    // Allowed here and nowhere else: see clippy.toml.
    #[allow(clippy::disallowed_methods)]
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(std::process::Stdio::null());
    command
}

/// The same command on a leash: the kernel kills it when the *thread* that started it ends, by kill -9 of the
/// process too. `program` is run as `program leash PID …` and must then call [`leash`].
#[must_use]
pub fn leashed(program: &Path, command: &Command) -> Command {
    let dir = command.get_current_dir().unwrap_or(Path::new("/"));
    let mut leashed = self::command(program, dir);
    let me = getpid().as_raw_nonzero().to_string();
    leashed.args(["leash", &me]).arg(command.get_program());
    leashed.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => leashed.env(name, value),
            None => leashed.env_remove(name),
        };
    }
    leashed
}

/// Becomes the command in `words`, after the number of the process that holds the leash.
#[must_use]
pub fn leash(words: &[OsString]) -> ExitCode {
    let [holder, program, args @ ..] = words else {
        return ExitCode::FAILURE;
    };
    let holder = holder.to_str().and_then(|n| n.parse().ok());
    let tied = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // One that died before this does not count as dying any more.
    if !tied || getppid() != holder.and_then(Pid::from_raw) {
        return ExitCode::FAILURE;
    }
    #[allow(clippy::disallowed_methods)]
    // In the directory that the one on the leash was started in.
    let mut command = Command::new(program);
    let _ = command.args(args).exec();
    ExitCode::FAILURE
}

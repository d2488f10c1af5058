//! Notifications on the desktop of whoever runs the keeper, by `notify-send`.

use crate::command::command;
use std::{
    io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

/// A notification that is not shown by then is not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// There is no program for it.
    #[error("there is no notify-send on this machine (Debian: libnotify-bin)")]
    NoProgram,
    /// It could not be run.
    #[error("notify-send could not be run: {0}")]
    Run(io::Error),
    /// It failed.
    #[error("notify-send failed; the keeper may not be part of a desktop session")]
    Failed,
    /// It did not end.
    #[error("notify-send did not end")]
    Hangs,
}

impl DesktopError {
    /// Whether trying again would be in vain.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(self, DesktopError::NoProgram)
    }
}

/// Shows a notification. Its texts are never options, and never markup.
///
/// # Errors
/// When it was not shown.
pub fn show(critical: bool, title: &str, text: &str) -> Result<(), DesktopError> {
    let urgency = if critical { "critical" } else { "normal" };
    let mut command = command("notify-send", Path::new("/"));
    command
        .args(["--app-name=Skep", "--urgency", urgency, "--"])
        .args([plain(title), plain(text)])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DesktopError::NoProgram,
        _ => DesktopError::Run(error),
    })?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => return Err(DesktopError::Failed),
            Ok(None) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(DesktopError::Hangs);
            }
            Err(error) => return Err(DesktopError::Run(error)),
        }
    }
}

/// Desktops read a few tags in the text.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

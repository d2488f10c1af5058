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
    let mut command = command("notify-send", Path::new("/"));
    command
        .args(arguments(critical, title, text))
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

/// What `notify-send` is told. What follows `--` is no option, however it begins.
fn arguments(critical: bool, title: &str, text: &str) -> Vec<String> {
    let urgency = if critical { "critical" } else { "normal" };
    // No argument of a program can hold a NUL.
    let whole = |text: &str| text.replace('\0', "");
    // Desktops read a few tags in the text, but none in the title.
    let text = whole(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let options = ["--app-name=Skep", "--urgency", urgency, "--"].map(String::from);
    options.into_iter().chain([whole(title), text]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-6, T-3
    #[test]
    fn no_text_is_an_option_or_markup() {
        let told = arguments(true, "--help & <b>", "-i /x\0 <a href=\"y\">&");
        assert_eq!(
            told[..4],
            ["--app-name=Skep", "--urgency", "critical", "--"]
        );
        assert_eq!(
            told[4..],
            ["--help & <b>", "-i /x &lt;a href=\"y\"&gt;&amp;"]
        );
        assert_eq!(arguments(false, "a", "b")[2], "normal");
    }
}

//! tmux, as far as Skep needs it: one session a swarm, one pane a worker, so that people can watch (W-2).
//!
//! Nothing is ever read from a pane or typed into one, and no process is ended through tmux. Every call is a
//! list of words that no shell sees, with a deadline. Texts are handed over as values of options and never as
//! formats, in which tmux would run what stands in `#(…)`.

mod error;
mod exec;
mod session;
mod watch;
mod words;

pub use error::TmuxError;
pub use session::{Pane, Session};
pub use watch::Watch;
pub use words::PaneCommand;

use crate::site::Site;
use skep_core::id::SwarmName;
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
    time::Duration,
};

/// Names the server's socket: a name as for `tmux -L`, or a path as for `tmux -S`. Without it, the server that
/// `tmux` without options speaks to.
pub const SOCKET: &str = "SKEP_TMUX_SOCKET";

/// The oldest tmux that knows what is used here: options of panes.
pub const OLDEST: (u32, u32) = (3, 0);

/// A call takes a few milliseconds; a server that is busy with a flood of output, more.
const LIMIT: Duration = Duration::from_secs(10);

/// A tmux server, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tmux {
    socket: Vec<OsString>,
}

impl Tmux {
    /// The server on the socket that [`SOCKET`] names with this value.
    #[must_use]
    pub fn on(socket: Option<&OsStr>) -> Tmux {
        let socket = match socket.filter(|s| !s.is_empty()) {
            None => Vec::new(),
            Some(path) if path.as_encoded_bytes().contains(&b'/') => vec!["-S".into(), path.into()],
            Some(name) => vec!["-L".into(), name.into()],
        };
        Tmux { socket }
    }

    /// The server that this process's environment names.
    #[must_use]
    pub fn from_env() -> Tmux {
        Tmux::on(std::env::var_os(SOCKET).as_deref())
    }

    /// The server that these variables name.
    #[must_use]
    pub fn from_vars(vars: &[(String, String)]) -> Tmux {
        let socket = vars.iter().find(|(name, _)| name == SOCKET);
        Tmux::on(socket.map(|(_, value)| value.as_ref()))
    }

    /// A command to this server, without words yet.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = crate::command::command("tmux", Path::new("/"));
        // Inside tmux these would mean the server that happens to be around us.
        command.env_remove("TMUX").env_remove("TMUX_PANE");
        command.args(&self.socket);
        command
    }

    /// The options that name the server, as a person would type them.
    #[must_use]
    pub fn shown(&self) -> String {
        let words = self.socket.iter().map(|w| format!("{} ", w.display()));
        format!("tmux {}", words.collect::<String>())
    }

    /// Which tmux there is.
    ///
    /// # Errors
    /// When there is none, or an older one than [`OLDEST`].
    pub fn check(&self) -> Result<String, TmuxError> {
        let mut command = self.command();
        command.arg("-V");
        let said = exec::run(command, "-V", LIMIT)?;
        let version = said.trim().trim_start_matches("tmux ").to_string();
        match numbers(&version) {
            Some(found) if found < OLDEST => Err(TmuxError::TooOld(version)),
            // A build from between two versions says so in words, and is newer than all of this.
            _ => Ok(version),
        }
    }

    /// Whether a swarm's session can be made, or is there already.
    ///
    /// # Errors
    /// When there is no tmux, or an old one, or the session's name is taken.
    pub fn ready(&self, swarm: &SwarmName, site: &Site) -> Result<(), TmuxError> {
        self.check()?;
        Session::of(self, swarm, site).panes().map(drop)
    }

    /// Makes these calls one after the other, up to the first that fails; nothing else happens in between.
    fn call(&self, calls: &[Call]) -> Result<String, TmuxError> {
        let mut command = self.command();
        for (n, call) in calls.iter().enumerate() {
            if n > 0 {
                command.arg(";");
            }
            command.args(call.0.iter().map(|word| escaped(word)));
        }
        let name = calls.first().and_then(|call| call.0.first());
        let name = name.map(|word| word.to_string_lossy().into_owned());
        exec::run(command, &name.unwrap_or_default(), LIMIT)
    }
}

/// One command with its words.
#[derive(Clone, Debug)]
struct Call(Vec<OsString>);

fn call<const N: usize>(words: [&str; N]) -> Call {
    Call(words.iter().map(OsString::from).collect())
}

impl Call {
    fn and(mut self, words: impl IntoIterator<Item = OsString>) -> Call {
        self.0.extend(words);
        self
    }
}

/// A word as tmux takes it: it would read a `;` at the end as the end of the command.
fn escaped(word: &OsStr) -> OsString {
    match word.as_encoded_bytes().strip_suffix(b";") {
        Some(_) => {
            let mut bytes = word.as_encoded_bytes().to_vec();
            bytes.insert(bytes.len() - 1, b'\\');
            std::os::unix::ffi::OsStringExt::from_vec(bytes)
        }
        None => word.into(),
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_and_unnumbered_builds_are_new() {
        assert_eq!(numbers("3.3a"), Some((3, 3)));
        assert!(numbers("2.9a").unwrap() < OLDEST && numbers("3.0").unwrap() >= OLDEST);
        assert_eq!(numbers("next-3.6"), None);
        assert_eq!(numbers("openbsd-7.4"), None);
    }

    #[test]
    fn a_semicolon_ends_no_command_early() {
        for (word, taken) in [
            ("a;", "a\\;"),
            (";", "\\;"),
            ("a;b", "a;b"),
            ("a\\;", "a\\\\;"),
        ] {
            assert_eq!(escaped(word.as_ref()), taken, "{word}");
        }
    }
}

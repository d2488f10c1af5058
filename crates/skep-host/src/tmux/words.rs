//! What is run in a pane, as words for tmux.

use super::Call;
use crate::run::ShimCommand;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// What is to be run in a pane: words that no shell sees, with this environment and no other.
#[derive(Clone, Debug)]
pub struct PaneCommand {
    words: Vec<OsString>,
    dir: PathBuf,
}

impl PaneCommand {
    /// A run's shim.
    #[must_use]
    pub fn shim(shim: &ShimCommand, dir: &Path) -> PaneCommand {
        // The server's environment is not the shim's.
        let mut words = Vec::from(["env".into(), "-i".into()]);
        for (name, value) in &shim.env {
            let mut word = name.clone();
            word.push("=");
            word.push(value);
            words.push(word);
        }
        if shim.program.as_os_str().as_encoded_bytes().contains(&b'=') {
            // To `env` it would be one more variable.
            words.extend(["sh", "-c", "exec \"$@\"", "sh"].map(OsString::from));
        }
        words.extend([
            shim.program.clone().into(),
            "shim".into(),
            shim.folder.clone().into(),
        ]);
        PaneCommand::new(words, dir)
    }

    /// Shows a run that goes on without its pane, or that there is none.
    #[must_use]
    pub fn view(program: &Path, run: Option<&Path>, dir: &Path) -> PaneCommand {
        // Two words at least: one alone would go to a shell.
        let mut words = Vec::from([program.into(), "pane".into()]);
        words.extend(run.map(Into::into));
        PaneCommand::new(words, dir)
    }

    fn new(words: Vec<OsString>, dir: &Path) -> PaneCommand {
        // A folder is a format to tmux, in which `#` begins something.
        let odd = dir.as_os_str().as_encoded_bytes().contains(&b'#');
        PaneCommand {
            words,
            dir: if odd { "/".into() } else { dir.into() },
        }
    }

    /// The rest of a call that makes a pane for it.
    pub(super) fn end(&self, call: Call) -> Call {
        call.and(["-c".into(), self.dir.clone().into()])
            .and(self.words.iter().cloned())
    }
}

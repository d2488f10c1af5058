//! Failures as people see them: message, cause, hint, exit code.

use crate::term::{self, Style};
use skep_host::{
    git::RepoError,
    keeper::{RequestError, StartError},
    tmux::TmuxError,
};
use skep_server::{api::Problem, client::ClientError, http::socket::BindError};
use std::{error::Error, fmt::Write as _, process::ExitCode};

/// The exit codes (SPEC appendix B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything is merged, or what was asked for is done.
    Done = 0,
    /// Finished with tasks flagged, dead or cancelled.
    Unfinished = 1,
    /// Wrong usage, or a bad plan or config.
    Usage = 2,
    /// Halted, out of budget or refused.
    Refused = 3,
    /// No keeper, or it cannot be reached.
    NoKeeper = 4,
    /// A bug in Skep.
    Bug = 70,
    /// Interrupted by Ctrl-C; the state is kept.
    Interrupted = 130,
    /// Asked to end; the state is kept.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// Already rendered, by somebody who knows better.
    whole: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            whole: false,
        }
    }
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }
    /// A failure that is printed as it is; an empty one says nothing more.
    pub(crate) fn whole(exit: Exit, text: impl Into<String>) -> Failure {
        Failure {
            whole: true,
            ..Failure::new(exit, text)
        }
    }
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
    /// With the error that led to it, and those that led to that.
    pub(crate) fn because(mut self, error: &dyn Error) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last() != Some(&text) && self.message != text {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// What went wrong, and why if that is known, in one line.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![self.message.trim_end()];
        parts.extend(self.causes.iter().map(String::as_str));
        parts.join(": ")
    }

    /// Says it on standard error.
    pub(crate) fn say(&self) {
        let text = self.render(term::color(&std::io::stderr(), None));
        if self.whole {
            // Who rendered it knew how wide the terminal is.
            term::draw(&text);
        } else {
            term::say(&text);
        }
    }

    /// The text for standard error.
    pub(crate) fn render(&self, color: bool) -> String {
        if self.whole {
            return self.message.clone();
        }
        let mut out = String::new();
        let paint = |style, text: &str| term::paint(color, style, text);
        let _ = writeln!(
            out,
            "{} {}",
            paint(Style::Bad, "error:"),
            term::escape(&self.message)
        );
        for cause in &self.causes {
            let _ = writeln!(
                out,
                "  {} {}",
                paint(Style::Dim, "cause:"),
                term::escape(cause)
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(
                out,
                "  {} {}",
                paint(Style::Good, "hint:"),
                term::escape(hint)
            );
        }
        out
    }

    fn with_sources(exit: Exit, error: &dyn Error) -> Failure {
        Failure::new(exit, error.to_string()).because(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::NoKeeper => Failure::new(Exit::NoKeeper, error.to_string())
                .hint("start one with `skep run` (until the plan is done) or `skep up` (for good)"),
            ClientError::Unreachable { .. } => Failure::with_sources(Exit::NoKeeper, &error)
                .hint("if it hangs, `skep doctor` says what is wrong"),
            ClientError::Silent => Failure::new(Exit::NoKeeper, error.to_string())
                .hint("`fg` wakes one that Ctrl-Z suspended; `skep doctor` says more"),
            ClientError::Refused(problem) => (*problem).into(),
            ClientError::NotUnderstood(_) => Failure::with_sources(Exit::NoKeeper, &error)
                .hint("is the keeper of another version? `skep down` and `skep up` replace it"),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let exit = match &*problem.code {
            "no_such_task" | "no_such_worker" | "no_such_name" | "bad_task" | "bad_plan"
            | "bad_command" | "bad_word" | "bad_config" | "task_exists" | "cannot_open" => {
                Exit::Usage
            }
            "keeper_gone" => Exit::NoKeeper,
            "bug" => Exit::Bug,
            _ => Exit::Refused,
        };
        Failure {
            hint: problem.hint,
            ..Failure::new(exit, problem.detail)
        }
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Failure {
        Failure::with_sources(Exit::Usage, &error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        let hint = match &error {
            StartError::Open(cause) => cause.hint(),
            StartError::Site(_, cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
                "free some space and try again; nothing was begun"
            }
            _ => "`skep doctor` says what is wrong and can mend most of it",
        };
        Failure::with_sources(Exit::Refused, &error).hint(hint)
    }
}

impl From<TmuxError> for Failure {
    fn from(error: TmuxError) -> Failure {
        Failure::with_sources(Exit::Refused, &error).hint(error.hint())
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Failure {
        Failure::with_sources(Exit::NoKeeper, &error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Failure {
        Failure::with_sources(Exit::Refused, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do_and_drives_no_terminal() {
        let source = std::io::Error::other("disk \x1b[31mfull");
        let failure = Failure::usage("cannot read pl\x07an.toml")
            .because(&source)
            .hint("free space");
        assert_eq!(
            failure.render(false),
            "error: cannot read pl\\u{7}an.toml\n  cause: disk \\u{1b}[31mfull\n  hint: free space\n"
        );
    }
}

//! Turning a step into a program: everything that can fail for want of memory or sense is done
//! before the fork, so that after it there are only system calls.

use super::sys;
use crate::run::{
    COOKIE,
    files::{RunSpec, StepSpec},
};
use crate::token;
use rustix::{process::setsid, stdio};
use std::{
    collections::BTreeMap,
    ffi::CString,
    fs,
    io::{self, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// How much likelier than others an agent is to be ended when memory runs out: before its shim and its
/// keeper.
const OOM_SCORE: &[u8] = b"300";

/// A step, ready to run.
pub(super) struct Prepared {
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
    dir: CString,
}

/// The program's ends of its standard streams.
pub(super) struct Ends {
    pub(super) stdin: OwnedFd,
    pub(super) output: OwnedFd,
    /// Standard error, where it is not where the output goes.
    pub(super) errors: Option<OwnedFd>,
}

impl Ends {
    pub(super) fn fds(&self) -> impl Iterator<Item = i32> {
        [&self.stdin, &self.output]
            .into_iter()
            .chain(&self.errors)
            .map(AsRawFd::as_raw_fd)
    }
}

/// A step's whole environment: of one that is spoken with, its own and what is handed on to it by name; of any
/// other, the run's.
fn environment<'a>(
    step: &'a StepSpec,
    spec: &'a RunSpec,
    passed: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, &'a str> {
    let own = step
        .talk
        .as_deref()
        .and_then(|talk| Some((&talk.pass, talk.env.as_ref()?)));
    let (names, set) = own.unwrap_or((&spec.inherit, &spec.env));
    let handed = names.iter().filter_map(|name| passed.get_key_value(name));
    handed
        .chain(set)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// Where a start failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Fork = 1,
    Stdio = 2,
    Enter = 3,
    Exec = 4,
}

impl Prepared {
    /// Checks and copies what the program gets.
    pub(super) fn new(
        step: &StepSpec,
        spec: &RunSpec,
        passed: &BTreeMap<String, String>,
        cookie: &str,
        token: Option<&str>,
    ) -> Result<Prepared, String> {
        let env = environment(step, spec, passed);
        let text = |bytes: &[u8], what: &str| {
            CString::new(bytes).map_err(|_| format!("{what} holds a NUL byte"))
        };
        let argv: Vec<_> = step
            .argv
            .iter()
            .map(|arg| text(arg.as_bytes(), "an argument"))
            .collect::<Result<_, _>>()?;
        let program = step
            .argv
            .first()
            .filter(|name| !name.is_empty())
            .ok_or("no program named")?;
        let candidates = if program.contains('/') {
            vec![text(program.as_bytes(), "the program's name")?]
        } else {
            // Only absolute entries: an empty or relative one would let the worktree, which is not
            // to be trusted, decide what `git` is.
            let path = env
                .get("PATH")
                .map_or("/usr/local/bin:/usr/bin:/bin", |path| *path);
            path.split(':')
                .filter(|folder| folder.starts_with('/'))
                .map(|folder| text(format!("{folder}/{program}").as_bytes(), "PATH"))
                .collect::<Result<_, _>>()?
        };
        let own = [(COOKIE, Some(cookie)), (token::VARIABLE, token)];
        let env = env
            .into_iter()
            // Those of a keeper that an agent has started are that agent's own.
            .filter(|(name, _)| own.iter().all(|(mine, _)| name != mine))
            .chain(
                own.iter()
                    .filter_map(|(name, value)| Some((*name, (*value)?))),
            )
            .map(|(name, value)| text(format!("{name}={value}").as_bytes(), name))
            .collect::<Result<_, _>>()?;
        let dir = text(spec.worktree.as_os_str().as_bytes(), "the worktree's path")?;
        Ok(Prepared {
            candidates,
            argv,
            env,
            dir,
        })
    }

    /// Becomes the program, in a session of its own. Returns only with the reason why not.
    pub(super) fn become_it(&self, ends: &Ends, keep: &[i32]) -> (Stage, io::Error) {
        let stdio = || -> io::Result<()> {
            setsid()?;
            stdio::dup2_stdin(&ends.stdin)?;
            stdio::dup2_stdout(&ends.output)?;
            stdio::dup2_stderr(ends.errors.as_ref().unwrap_or(&ends.output))?;
            sys::close_all_but(keep)
        };
        if let Err(fault) = stdio() {
            return (Stage::Stdio, fault);
        }
        if let Err(fault) = rustix::process::chdir(self.dir.as_c_str()) {
            return (Stage::Enter, fault.into());
        }
        let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
        sys::default_signals();
        // As execvp does it: the next folder if it is not in this one, but a program that is there
        // and may not be run is the better news.
        let mut reason = io::Error::from_raw_os_error(libc::ENOENT);
        for program in &self.candidates {
            let Err(fault) = sys::exec(program, &self.argv, &self.env);
            let absent = matches!(fault.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR));
            if !absent {
                reason = fault;
                if reason.raw_os_error() != Some(libc::EACCES) {
                    break;
                }
            }
        }
        (Stage::Exec, reason)
    }
}

/// Says in a sentence why a step did not start.
pub(super) fn explain(
    step: &StepSpec,
    spec: &RunSpec,
    passed: &BTreeMap<String, String>,
    stage: i32,
    errno: i32,
) -> String {
    let fault = io::Error::from_raw_os_error(errno);
    let program = step.argv.first().map_or("", String::as_str);
    let named_path = program.contains('/');
    if stage == Stage::Enter as i32 {
        format!("cannot enter {}: {fault}", spec.worktree.display())
    } else if stage != Stage::Exec as i32 {
        format!("cannot start {program:?}: {fault}")
    } else if errno == libc::ENOENT && named_path && spec.worktree.join(program).exists() {
        format!("cannot start {program:?}: the interpreter that its first line names is not there")
    } else if errno == libc::ENOENT && named_path {
        format!("cannot start {program:?}: there is no such file")
    } else if errno == libc::ENOENT {
        let env = environment(step, spec, passed);
        let path = env.get("PATH").map_or("not set", |path| *path);
        format!("cannot start {program:?}: not found in PATH ({path})")
    } else {
        format!("cannot start {program:?}: {fault}")
    }
}

/// The program's standard input: the text, or nothing. A file in memory, so that neither side ever
/// waits for the other.
pub(super) fn stdin(text: Option<&str>) -> io::Result<OwnedFd> {
    let Some(text) = text else {
        return Ok(fs::File::open("/dev/null")?.into());
    };
    let fd = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = fs::File::from(fd);
    file.write_all(text.as_bytes())?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// Which of these paths exist in the worktree. A symbolic link counts as itself; one that leads out of
/// the worktree leads to nothing.
pub(super) fn existing(worktree: &Path, paths: &[String]) -> Vec<String> {
    let Ok(root) = worktree.canonicalize() else {
        return Vec::new();
    };
    let exists = |path: &&String| {
        let full = root.join(path);
        let Some((parent, name)) = full.parent().zip(full.file_name()) else {
            return false;
        };
        // Nothing of the step is left to change this between the two looks.
        parent.canonicalize().is_ok_and(|parent| {
            parent.starts_with(&root) && parent.join(name).symlink_metadata().is_ok()
        })
    };
    paths.iter().filter(exists).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_is_beneath_the_worktree_exists() {
        let base = tempfile::tempdir().unwrap();
        let tree = base.path().join("tree");
        fs::create_dir_all(tree.join("a")).unwrap();
        fs::write(base.path().join("secret"), "").unwrap();
        fs::write(tree.join("a/file"), "").unwrap();
        symlink("..", tree.join("out")).unwrap();
        symlink("a", tree.join("in")).unwrap();
        symlink("nowhere", tree.join("dangling")).unwrap();
        let asked = [
            "a/file",
            "in/file",
            "dangling",
            "out",
            "a",
            "a/none",
            "out/secret",
            "../secret",
            "a/../../secret",
            "",
            "..",
            "/etc/passwd",
        ];
        let asked = asked.map(String::from);
        assert_eq!(
            existing(&tree, &asked),
            ["a/file", "in/file", "dangling", "out", "a"]
        );
    }
}

//! Running git: every call hardened against the repository's hooks, the user's pager and the
//! environment that started us, and every call with a deadline.

use super::error::{GitError, shown};
use crate::command::command;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a call may take that reads or writes a few objects. Seen: 1 to 50 ms; slow network disks
/// take a hundred times that, and a hanging filter for ever.
pub(crate) const QUICK: Duration = Duration::from_secs(60);
/// How long a call may take that walks or writes a whole worktree.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// The most that a call may print: a list of a million long paths fits.
const OUTPUT_MAX: usize = 256 << 20;
/// How much of git's complaints is kept.
const STDERR_MAX: usize = 16 << 10;
/// The most characters shown of one line of it.
const LINE_MAX: usize = 400;
/// How git's warning begins that it leaves a folder out.
const UNREAD: &[u8] = b"could not open directory";

/// Options of every call. The worktree is untrusted, and the user's settings must not change what
/// a merge gives: hooks, helpers, signing and automatic maintenance are off, results are fixed.
const OPTIONS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.editor=false",
    "core.safecrlf=false",
    // An agent may create `git~1`; on Linux that is a name like any other.
    "core.protectNTFS=false",
    // What Skep acknowledges survives a power cut; one flush for many objects keeps that quick.
    "core.fsync=loose-object,pack,pack-metadata,reference",
    "core.fsyncMethod=batch",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=dirty",
    "protocol.ext.allow=never",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "i18n.commitEncoding=UTF-8",
    "i18n.logOutputEncoding=UTF-8",
    "rerere.enabled=false",
    "merge.conflictStyle=merge",
    "merge.renames=true",
    "merge.renameLimit=7000",
    "merge.directoryRenames=conflict",
    "diff.renameLimit=1000",
    "checkout.workers=0",
    "color.ui=never",
];

/// Who Skep is in commits of its own.
pub(crate) const NAME: &str = "Skep";
/// Where Skep can (not) be reached.
pub(crate) const EMAIL: &str = "skep@localhost";

/// A git call being built.
#[derive(Debug)]
pub(crate) struct Git {
    command: Command,
    dir: PathBuf,
    shown: String,
    limit: Duration,
    input: Vec<u8>,
    lock: Option<File>,
}

/// What a call printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Git {
    /// A call that runs in `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        let mut command = command("git", dir);
        for (name, _) in std::env::vars_os() {
            let keep: [&OsStr; 4] = [
                OsStr::new("GIT_EXEC_PATH"),
                OsStr::new("GIT_CONFIG_GLOBAL"),
                OsStr::new("GIT_CONFIG_SYSTEM"),
                OsStr::new("GIT_CONFIG_NOSYSTEM"),
            ];
            // A hook that starts Skep exports GIT_DIR and GIT_INDEX_FILE: they would redirect us.
            if name.as_encoded_bytes().starts_with(b"GIT_") && !keep.contains(&name.as_os_str()) {
                command.env_remove(&name);
            }
        }
        command
            .env_remove("LANGUAGE")
            .env_remove("SSH_ASKPASS")
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("GIT_PAGER", "cat")
            .env("GIT_EDITOR", "false")
            .env("GIT_ADVICE", "0")
            // Paths that contain `*` or start with `:` are paths, never patterns.
            .env("GIT_LITERAL_PATHSPECS", "1")
            // Replace refs can be made by an agent, and would change what every commit says.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .arg("--no-pager");
        for option in OPTIONS {
            command.arg("-c").arg(option);
        }
        Self {
            command,
            dir: dir.to_path_buf(),
            shown: "git".into(),
            limit: QUICK,
            input: Vec::new(),
            lock: None,
        }
    }

    /// A call on the objects and refs in the git folder `common`, out of reach of any worktree or index.
    pub(crate) fn objects(common: &Path) -> Self {
        Self::new(common)
            .env("GIT_DIR", common)
            .env("GIT_WORK_TREE", "/dev/null")
            .env("GIT_INDEX_FILE", common.join("skep-no-index"))
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }
    /// A `-c` option; only before the first argument.
    pub(crate) fn option(mut self, option: &str) -> Self {
        self.command.arg("-c").arg(option);
        self
    }
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        self.shown.push(' ');
        self.shown.push_str(&shown(arg.as_encoded_bytes()));
        self.command.arg(arg);
        self
    }
    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
    /// Lets git hold a lock of ours as its standard input (an empty file): should we be killed, the
    /// lock stays taken until git ends too.
    pub(crate) fn holding(mut self, lock: File) -> Self {
        self.lock = Some(lock);
        self
    }
    /// Author and committer, and their date in seconds since the epoch.
    pub(crate) fn signed(self, identity: bool, date: u64) -> Self {
        let date = format!("@{date} +0000");
        let dated = self
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        if !identity {
            return dated.option("user.useConfigOnly=true");
        }
        dated
            .env("GIT_AUTHOR_NAME", NAME)
            .env("GIT_AUTHOR_EMAIL", EMAIL)
            .env("GIT_COMMITTER_NAME", NAME)
            .env("GIT_COMMITTER_EMAIL", EMAIL)
    }

    /// The command line as people see it.
    pub(crate) fn text(&self) -> String {
        self.shown.chars().take(400).collect()
    }

    /// Runs it; anything but exit code 0 is an error.
    pub(crate) fn run(self) -> Result<Vec<u8>, GitError> {
        let (text, dir) = (self.text(), self.dir.clone());
        let output = self.output()?;
        output.success(text, dir).map(|o| o.stdout)
    }

    /// Runs it and reads one object id.
    pub(crate) fn oid(self) -> Result<skep_core::id::Oid, GitError> {
        let text = self.text();
        super::error::oid(&text, &self.run()?)
    }

    /// Runs it to its end, whatever that is.
    pub(crate) fn output(mut self) -> Result<Output, GitError> {
        let text = self.text();
        match self.lock.take() {
            _ if !self.input.is_empty() => self.command.stdin(Stdio::piped()),
            Some(lock) => self.command.stdin(lock),
            None => self.command.stdin(Stdio::null()),
        };
        let started = Instant::now();
        let mut child = self
            .command
            .spawn()
            .map_err(GitError::io("start git in", &self.dir))?;
        match converse(&mut child, &self.input, started, self.limit) {
            Ok(Some(output)) => Ok(output),
            Ok(None) => {
                end(&mut child);
                Err(GitError::TimedOut {
                    command: text,
                    dir: self.dir,
                    limit: self.limit,
                })
            }
            Err(source) => {
                end(&mut child);
                Err(GitError::io("talk to git in", &self.dir)(source))
            }
        }
    }
}

impl Output {
    /// The exit code; `None` when a signal ended git.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
    /// Itself, if git ended well.
    pub(crate) fn success(self, command: String, dir: PathBuf) -> Result<Self, GitError> {
        if self.status.success() {
            return Ok(self);
        }
        Err(self.failure(command, dir))
    }
    /// Itself, if git ended well and saw all there is. Of a folder that it cannot read it only warns, and then says
    /// nothing of what is in it: taken for an empty one, that would be lost.
    pub(crate) fn complete(self, command: String, dir: PathBuf) -> Result<Self, GitError> {
        if self.stderr.windows(UNREAD.len()).any(|w| w == UNREAD) {
            return Err(self.failure(command, dir));
        }
        self.success(command, dir)
    }
    /// The error that this output is.
    pub(crate) fn failure(self, command: String, dir: PathBuf) -> GitError {
        let status = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "ended".into(),
        };
        let stderr: Vec<_> = self
            .stderr
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| brief(shown(l)))
            .collect();
        GitError::Failed {
            command,
            dir,
            status,
            stderr: stderr.join("; "),
        }
    }
}

/// A line of git's as a person can read it: a path in it may be thousands of characters long.
fn brief(line: String) -> String {
    let all = line.chars().count();
    if all <= LINE_MAX {
        return line;
    }
    let start = line.chars().take(LINE_MAX / 2);
    start
        .chain(" … ".chars())
        .chain(line.chars().skip(all - LINE_MAX / 2))
        .collect()
}

/// Ends git and whatever it started (filters, helpers): they share its process group.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Already gone is as good.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

/// Feeds `input`, gathers both outputs, waits for the end. `None` when the deadline passes first.
///
/// It is over when git itself has ended: a grandchild that keeps the pipes open is not waited for.
fn converse(
    child: &mut Child,
    input: &[u8],
    started: Instant,
    limit: Duration,
) -> io::Result<Option<Output>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let exit = pidfd_open(pid.ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
    let (mut stdin, mut out, mut err) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut sent, mut ended) = (0, false);
    let mut buffer = vec![0; 64 << 10];
    loop {
        if sent == input.len() {
            stdin = None;
        }
        let mut fds = vec![PollFd::new(&exit, PollFlags::IN)];
        let mut slots = [usize::MAX; 3];
        if let Some(fd) = &out {
            slots[0] = fds.len();
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        if let Some(fd) = &err {
            slots[1] = fds.len();
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        if let Some(fd) = &stdin {
            slots[2] = fds.len();
            fds.push(PollFd::new(fd, PollFlags::OUT));
        }
        let left = if ended {
            Duration::ZERO
        } else {
            limit.saturating_sub(started.elapsed())
        };
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut fds, Some(&wait)) {
            Ok(0) if ended => break,
            Ok(0) => return Ok(None),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |slot: usize| fds.get(slot).is_some_and(|f| !f.revents().is_empty());
        let (exited, can_out, can_err, can_in) =
            (ready(0), ready(slots[0]), ready(slots[1]), ready(slots[2]));
        drop(fds);
        ended |= exited;
        if can_out {
            fill(&mut out, &mut stdout, &mut buffer, OUTPUT_MAX)?;
        }
        if can_err {
            fill(&mut err, &mut stderr, &mut buffer, usize::MAX)?;
            stderr.truncate(STDERR_MAX);
        }
        if can_in && let Some(pipe) = &mut stdin {
            // A pipe that can be written takes at least a page without blocking.
            match pipe.write(&input[sent..input.len().min(sent + 4096)]) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // git stopped reading; its exit code says why.
                Err(_) => sent = input.len(),
            }
        }
        if ended && !can_out && !can_err {
            break;
        }
    }
    let status = child.wait()?;
    Ok(Some(Output {
        status,
        stdout,
        stderr,
    }))
}

/// Reads what is there from `pipe`, and forgets the pipe at its end.
fn fill(
    pipe: &mut Option<impl Read>,
    into: &mut Vec<u8>,
    buffer: &mut [u8],
    max: usize,
) -> io::Result<()> {
    let Some(source) = pipe else { return Ok(()) };
    match source.read(buffer) {
        Ok(0) => *pipe = None,
        Ok(n) if into.len() + n > max => {
            return Err(io::Error::other("git printed more than Skep will hold"));
        }
        Ok(n) => into.extend_from_slice(&buffer[..n]),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
        Err(e) => return Err(e),
    }
    Ok(())
}

/// The NUL-ended records that git prints with `-z`.
pub(crate) fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == 0).filter(|r| !r.is_empty())
}

/// A path from git's bytes.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(OsStr::from_bytes(bytes))
}

/// Bytes for git from a path.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Records for git's standard input with `-z`.
pub(crate) fn joined<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        out.extend_from_slice(item);
        out.push(0);
    }
    out
}

/// `prefix` with `name` behind it, as one argument.
pub(crate) fn glued(prefix: &str, name: impl AsRef<OsStr>) -> OsString {
    let mut out = OsString::from(prefix);
    out.push(name);
    out
}

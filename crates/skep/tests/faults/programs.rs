//! Programs: started as a person would start them, waited for, measured, killed; and filling a disk under them.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

pub(crate) const SKEP: &str = env!("CARGO_BIN_EXE_skep");
/// Far longer than anything takes, even on a busy machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// A program started as a person would start it.
#[allow(clippy::disallowed_methods)] // Tests stand outside.
pub(crate) fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .env_remove("RUST_BACKTRACE");
    command
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Ran {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            out: text(&output.stdout),
            err: text(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// Waits until something holds, and fails loudly if it never does.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    until_or(|| format!("waited in vain: {what}"), holds);
}

/// The same, with more to say then.
#[track_caller]
pub(crate) fn until_or(in_vain: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONGEST, "{}", in_vain());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills a process; true if it was there.
pub(crate) fn kill(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
}

/// A `skep run` that ends with its test.
pub(crate) struct Keeper(pub(crate) Child);

impl Keeper {
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the keeper's end", || {
            status = self.ended();
            status.is_some()
        });
        status.unwrap()
    }

    /// The processor time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Fills the file system that `file` is on, to the last byte.
pub(crate) fn fill(file: &Path) {
    let mut ballast = fs::File::create(file).unwrap();
    for size in [1 << 20, 1 << 12, 1 << 9, 1] {
        let block = vec![0; size];
        while ballast.write_all(&block).is_ok() {}
    }
}

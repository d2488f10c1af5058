//! The small parent of every run: takes the run exclusively, runs its steps contained and bounded,
//! saves what the agent left, and writes `exit.json` as its last act. It outlives its keeper; nothing
//! it started outlives it.
//!
//! One thread, no runtime, a loop around poll: it must be quick to start, cheap to keep, and have
//! nothing in it that could hang. The keeper's side is [`crate::run`].

mod claim;
mod exec;
mod guard;
mod holder;
mod output;
mod report;
mod step;
mod streams;
// Fork, exec and signal sets have no safe form; they are kept in this one module.
#[allow(unsafe_code)]
pub(crate) mod sys;
pub(crate) mod tree;
mod voice;

use crate::{
    git::ignored_since,
    git::snapshot::{Snapshot, changed_since, is_own, snapshot},
    pane::Screen,
    room,
    run::{
        Begun, Phase, Progress, SPEC, cookie,
        files::{Containment, Cut, RunReport, RunSpec, StepKind, StepReport, StepSpec},
        handover, progress,
    },
};
use claim::Claim;
use holder::Mode;
use skep_agents::redact::Secrets;
use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A pane that takes nothing more holds up the end of its run by no more than this.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Exit codes of a shim, for [`Running::reap`](crate::run::Running::reap).
pub mod code {
    /// The run is over and its report written.
    pub const DONE: u8 = 0;
    /// Another shim has or had this run.
    pub const TAKEN: u8 = 81;
    /// The spec cannot be read or understood.
    pub const SPEC: u8 = 82;
    /// The run could not be taken: the folder cannot be written.
    pub const FOLDER: u8 = 83;
    /// The run is over and its report could not be written.
    pub const REPORT: u8 = 84;
    /// Called in a process with several threads, in which a fork would not be safe.
    pub const THREADS: u8 = 85;
    /// What was to be handed over is not there any more: the keeper that started this has ended.
    pub const PASSED: u8 = 86;
}

/// Runs the run in `folder`. The whole life of a process: call it before anything else happens in it,
/// above all before there is a second thread.
#[must_use]
pub fn main(folder: &Path) -> ExitCode {
    main_with(folder, None)
}

/// As [`main`], with containment of the given kind or none. For tests of the fallback on machines that
/// do not need it.
#[must_use]
pub fn main_with(folder: &Path, only: Option<Containment>) -> ExitCode {
    ExitCode::from(run(folder, only))
}

fn run(folder: &Path, only: Option<Containment>) -> u8 {
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() != 1) {
        return code::THREADS;
    }
    // First of all: from here on a stop is an order, not a death.
    sys::block_signals();
    // Whatever leaked from a keeper (a socket, a lock) must not live as long as a run.
    if sys::close_all_but(&[]).is_err() {
        return code::FOLDER;
    }
    // Out of the reach of the keeper's terminal. Refused only to one that is there already.
    let _ = rustix::process::setsid();
    // In a pane it is a session's first, with the pane for a terminal: it shows things there, and lets go of it.
    // Nobody who types there may interrupt a run unawares, or answer what git asks a terminal.
    sys::leave_terminal();
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let spec = fs::read(folder.join(SPEC)).map(|bytes| serde_json::from_slice::<RunSpec>(&bytes));
    let spec = match spec {
        Ok(Ok(spec)) if spec.version == 1 => spec,
        _ => return code::SPEC,
    };
    // Before the run is taken: whoever has it must be able to begin it.
    let Ok(passed) = handover::taken() else {
        return code::PASSED;
    };
    let started = now();
    let claim = match claim::claim(folder, started) {
        Ok(Some(claim)) => claim,
        Ok(None) => return code::TAKEN,
        Err(_) => return code::FOLDER,
    };
    match Shim::new(folder, &spec, passed, claim, only) {
        Ok(shim) => shim.run(started),
        Err(_) => code::FOLDER,
    }
}

/// A run under way.
struct Shim<'a> {
    folder: &'a Path,
    spec: &'a RunSpec,
    /// What was handed over for the steps' environment.
    passed: BTreeMap<String, String>,
    claim: Claim,
    cookie: String,
    /// Ways to hold a step, the best first; one once it has been seen to work.
    modes: Vec<Mode>,
    containment: Containment,
    /// SIGTERM and SIGUSR1, as a descriptor.
    orders: OwnedFd,
    reserve: report::Reserve,
    log: output::Log,
    buffer: Vec<u8>,
    progress: Progress,
    grace: Duration,
    /// When everything is over, and when the running step is asked to end so as to be over by then.
    /// By the clock that never jumps and stands still while the machine sleeps, as its agents do.
    ceiling: Instant,
    ceiling_ask: Instant,
    cut: Option<Cut>,
    at_once: bool,
    survivors: u32,
    /// What the running step knows and nobody may keep.
    secrets: Arc<Secrets>,
    /// What was read, without it.
    clean: Vec<u8>,
    /// What the agent made that git ignores, where that is all.
    ignored: Vec<String>,
    notify: Option<UnixDatagram>,
    /// The pane that this shim runs in, if it runs in one.
    screen: Option<Screen>,
}

impl<'a> Shim<'a> {
    fn new(
        folder: &'a Path,
        spec: &'a RunSpec,
        passed: BTreeMap<String, String>,
        claim: Claim,
        only: Option<Containment>,
    ) -> io::Result<Shim<'a>> {
        let began = Instant::now();
        let (ceiling, grace) = (bounded(spec.ceiling_ms), bounded(spec.grace_ms));
        let mut modes = vec![Mode::UserNamespace, Mode::Subreaper];
        if rustix::process::geteuid().is_root() {
            modes.insert(0, Mode::Namespace);
        }
        modes.retain(|mode| match only {
            None => true,
            Some(Containment::Subreaper) => *mode == Mode::Subreaper,
            Some(Containment::PidNamespace) => *mode != Mode::Subreaper,
        });
        let notify = UnixDatagram::unbound()
            .ok()
            .filter(|s| s.set_nonblocking(true).is_ok());
        let log = output::Log::new(folder, spec.output_bytes);
        let progress = Progress {
            version: 1,
            phase: Phase::Starting,
            begun: Vec::new(),
            log: log.place(),
            holder: None,
            leader: None,
        };
        Ok(Shim {
            folder,
            spec,
            passed,
            claim,
            cookie: cookie(folder)?,
            modes,
            containment: only.unwrap_or(Containment::PidNamespace),
            orders: sys::signal_fd(&[libc::SIGTERM, libc::SIGUSR1])?,
            reserve: report::Reserve::new(folder),
            log,
            buffer: vec![0; output::WRITE],
            progress,
            grace,
            ceiling: began + ceiling,
            ceiling_ask: began + ceiling - grace.min(ceiling / 2),
            cut: None,
            at_once: false,
            survivors: 0,
            secrets: Arc::default(),
            clean: Vec::new(),
            ignored: Vec::new(),
            notify,
            screen: Screen::own(),
        })
    }

    fn run(mut self, started: u64) -> u8 {
        let spec = self.spec;
        let mut steps = Vec::new();
        let mut saved = None;
        let mut exists = Vec::new();
        for step in &spec.steps {
            if self.is_cut() {
                break;
            }
            let began = now();
            let report = self.step(step);
            let failed = !report.went_well();
            steps.push(report);
            if step.kind == StepKind::Agent {
                guard::clean_result(self.folder, &self.secrets);
                (saved, exists) = self.save(saved);
                // Before the checks: what they build is not the agent's.
                self.ignored = ignored(self.spec, &saved, began);
            }
            if failed && !step.go_on {
                break;
            }
        }
        self.finish(started, steps, saved, exists)
    }

    /// Saves what the agent left, and looks for what it was to make.
    fn save(&mut self, earlier: Saved) -> (Saved, Vec<String>) {
        self.note(Phase::Saving);
        let (tree, spec) = (&self.spec.worktree, self.spec);
        let saved = spec
            .snapshot
            .as_ref()
            .map(|wanted| snapshot(tree, wanted))
            .or(earlier);
        let mut exists = exec::existing(tree, &spec.exists);
        if let (Some(Ok(snapshot)), Some(wanted)) = (&saved, &spec.snapshot) {
            exists.retain(|name| is_own(tree, wanted, snapshot, name));
        }
        (saved, exists)
    }

    fn finish(
        mut self,
        started: u64,
        steps: Vec<StepReport>,
        snapshot: Saved,
        exists: Vec<String>,
    ) -> u8 {
        self.note(Phase::Reporting);
        // A run without steps is durable too; and what git may have left behind is ours to end.
        let _ = self.claim.settle();
        if let Some(above) = self.claim.unsettled() {
            let _ = claim::sync_folder(&above);
        }
        tree::end_children(Duration::from_secs(5));
        let changed_by_checks = changed_by_checks(self.spec, &steps, &snapshot);
        let mut report = RunReport {
            version: 1,
            run: self.spec.run.clone(),
            started,
            ended: now(),
            steps,
            snapshot,
            exists,
            changed_by_checks,
            ignored: std::mem::take(&mut self.ignored),
            survivors: self.survivors,
            containment: self.containment,
            cut: self.cut,
            full: None,
        };
        if report.fell_short() {
            report.full = room::lacking(&self.spec.worktree);
        }
        let published = self.reserve.publish(&report);
        self.tell();
        if let Some(mut screen) = self.screen.take() {
            screen.say(&format!("{} is over", self.spec.run));
            screen.finish(LAST_WORDS);
        }
        if published.is_ok() {
            code::DONE
        } else {
            code::REPORT
        }
    }

    /// Whether no further step may begin.
    fn is_cut(&mut self) -> bool {
        self.take_orders();
        if Instant::now() >= self.ceiling_ask {
            self.cut.get_or_insert(Cut::Ceiling);
        }
        self.cut.is_some()
    }

    /// Reads the orders that have come.
    fn take_orders(&mut self) {
        for signal in tree::drain_signals(&self.orders) {
            self.cut.get_or_insert(Cut::Stopped);
            self.at_once |= signal == libc::SIGUSR1.unsigned_abs();
        }
    }

    fn begin_step(&mut self, step: &StepSpec) {
        self.progress.begun.push(Begun {
            name: step.name.clone(),
            kind: step.kind,
            at: now(),
            output_from: self.log.end(),
        });
    }

    /// Writes down where the run stands, and tells who listens. Neither may fail a run.
    fn note(&mut self, phase: Phase) {
        self.progress.phase = phase;
        self.progress.log = self.log.place();
        let _ = progress::write(self.folder, &self.progress);
        self.tell();
    }

    /// Says something in the pane.
    fn say(&mut self, text: &str) {
        if let Some(screen) = &mut self.screen {
            screen.say(text);
        }
    }

    fn tell(&self) {
        if let (Some(socket), Some(place)) = (&self.notify, &self.spec.notify) {
            let _ = socket.send_to(self.spec.run.as_bytes(), place);
        }
    }
}

/// A snapshot, why there is none, or that none was asked for.
type Saved = Option<Result<Snapshot, String>>;

/// A length of time that can be added to any moment: ten years stand for ever.
fn bounded(ms: u64) -> Duration {
    Duration::from_millis(ms.min(10 * 365 * 86_400_000))
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

/// What the agent made that git ignores, where that is all it made.
fn ignored(spec: &RunSpec, saved: &Saved, since: u64) -> Vec<String> {
    match saved {
        Some(Ok(nothing)) if nothing.file_count == 0 => {
            ignored_since(&spec.worktree, since).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// What the checks changed after the work was saved. Not knowing it is not worth an attempt.
fn changed_by_checks(spec: &RunSpec, steps: &[StepReport], saved: &Saved) -> Vec<String> {
    let checked = steps.iter().any(|step| step.kind == StepKind::Check);
    match (saved, &spec.snapshot) {
        (Some(Ok(snapshot)), Some(wanted)) if checked => {
            changed_since(&spec.worktree, wanted, snapshot).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

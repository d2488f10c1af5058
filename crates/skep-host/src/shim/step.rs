//! One step: start its holder, copy its output, keep its deadlines, and see that nothing is left.

use super::{
    Shim,
    exec::{self, Prepared},
    holder::{Holder, Mode, Order, Report},
    output::Tail,
    tree,
};
use crate::pane::Screen;
use crate::run::{
    Phase,
    files::{Containment, Cut, StepEnd, StepKind, StepReport, StepSpec},
    procfs,
};
use crate::token;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use std::{
    io,
    os::fd::OwnedFd,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

/// How long a holder gets to set up. It needs a millisecond.
const READY: Duration = Duration::from_secs(5);
/// How long a disk gets to make the start durable. One under load needs seconds.
const SYNC: Duration = Duration::from_secs(600);
/// How long a holder gets to end its tree after being told to, before it is killed itself: more than
/// it gives its own processes.
const HOLDER: Duration = Duration::from_secs(7);
/// The kernel's buffer between agent and shim, larger than the usual so that bursts do not make them
/// take turns.
const PIPE: usize = 256 * 1024;
/// The most output copied before the clock and the orders are looked at again, and the most copied
/// once everybody who could write it is gone (more than any pipe holds).
const GULP: usize = 4 * PIPE;

/// How hard the step is being pushed to its end, and when that changes.
#[derive(Clone, Copy)]
enum Push {
    /// Not at all.
    Free,
    /// It was sent SIGTERM and is killed then.
    Asked(Instant),
    /// It was killed; its holder is killed then.
    Killed(Instant),
    /// Even its holder was killed; it is left to its fate then.
    Abandoned(Instant),
}

/// Why a step is being pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Timeout,
    Cut,
}

/// A step under way.
struct Watch {
    holder: Holder,
    output: OwnedFd,
    output_open: bool,
    reports_open: bool,
    tail: Tail,
    timeout_at: Instant,
    push: Push,
    why: Option<Why>,
    not_started: Option<(i32, i32)>,
    ended: Option<(i32, i32)>,
}

impl Shim<'_> {
    /// Runs one step to its end, whatever that takes.
    pub(super) fn step(&mut self, step: &StepSpec) -> StepReport {
        let began = Instant::now();
        self.begin_step(step);
        self.say(&format!("{}: {}", self.spec.run, step.name));
        let mut report = StepReport {
            name: step.name.clone(),
            kind: step.kind,
            end: StepEnd::NotStarted(String::new()),
            ms: 0,
            tail: String::new(),
            output_bytes: 0,
        };
        match self.launch(step) {
            Err(why) => report.end = StepEnd::NotStarted(why),
            Ok(mut watch) => {
                self.watch(&mut watch);
                self.survivors += watch.survivors();
                // What a holder that died before its time left to us, its subreaper.
                self.survivors += tree::end_children(HOLDER);
                self.drain(&mut watch);
                report.end = watch.end(step, self);
                report.tail = watch.tail.text();
                report.output_bytes = watch.tail.total();
            }
        }
        self.progress.holder = None;
        self.progress.leader = None;
        report.ms = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        self.say(&format!("{} {}", step.name, report.end));
        report
    }

    /// Gets the step's agent going in the best way that works here.
    fn launch(&mut self, step: &StepSpec) -> Result<Watch, String> {
        let token = match step.kind {
            StepKind::Agent => token::mint(self.folder, &self.spec.run),
            StepKind::Setup | StepKind::Check => Ok(None),
        };
        // Without one the agent can still do its work; it only cannot speak of it.
        let token = token.unwrap_or_else(|fault| {
            self.say(&format!("the agent gets no token: {fault}"));
            None
        });
        let prepared = Prepared::new(step, self.spec, &self.cookie, token.as_deref())?;
        let cannot = |fault: io::Error| format!("cannot start {:?}: {fault}", step.argv[0]);
        let (output, holder) = self.hold(&prepared, step).map_err(cannot)?;
        self.progress.holder =
            procfs::read(holder.pid.as_raw_nonzero().get()).map(|process| process.id);
        self.note(Phase::Step);
        let timeout_at = Instant::now() + super::bounded(step.timeout_ms);
        holder.order(Order::Go);
        Ok(Watch {
            holder,
            output,
            output_open: true,
            reports_open: true,
            tail: Tail::default(),
            timeout_at,
            push: Push::Free,
            why: None,
            not_started: None,
            ended: None,
        })
    }

    /// Starts a holder. The first that gets ready decides the mode for the whole run.
    fn hold(&mut self, prepared: &Prepared, step: &StepSpec) -> io::Result<(OwnedFd, Holder)> {
        let mut fault = io::Error::other("there is no way to hold it");
        while let Some(mode) = self.modes.first().copied() {
            let (output, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            // Only our end: the other is the agent's, which expects to wait.
            fcntl_setfl(&output, OFlags::NONBLOCK)?;
            let _ = fcntl_setpipe_size(&output, PIPE);
            let stdin = exec::stdin(step.stdin.as_deref())?;
            let above = self.claim.unsettled();
            match Holder::start(mode, prepared, above.as_deref(), stdin, theirs) {
                // Meanwhile the holder prepares: the disk and the kernel work at the same time.
                Ok(holder) => match self.claim.settle().and_then(|()| holder.ready(READY)) {
                    Ok(()) => {
                        if above.is_some() {
                            holder.synced(SYNC)?;
                            self.claim.settled();
                        }
                        self.containment = match mode {
                            Mode::Subreaper => Containment::Subreaper,
                            Mode::Namespace | Mode::UserNamespace => Containment::PidNamespace,
                        };
                        self.modes.truncate(1);
                        return Ok((output, holder));
                    }
                    Err(refused) => {
                        fault = refused;
                        holder.kill();
                        tree::end_children(HOLDER);
                    }
                },
                Err(refused) => fault = refused,
            }
            if self.modes.len() == 1 {
                break;
            }
            self.modes.remove(0);
        }
        Err(fault)
    }

    fn watch(&mut self, watch: &mut Watch) {
        let interval = super::bounded(self.spec.heartbeat_ms.max(1));
        let mut beat = Instant::now();
        loop {
            if Instant::now() >= beat {
                self.claim.beat();
                if !self.claim.is_in_place() && !self.at_once {
                    // Its work is still saved, if there is a worktree left.
                    self.cut.get_or_insert(Cut::Stopped);
                    self.at_once = true;
                    self.obey(watch);
                }
                beat = Instant::now() + interval;
            }
            let deadline = self.next_deadline(watch);
            let left = tree::timespec(deadline.min(beat).saturating_duration_since(Instant::now()));
            let [ordered, gone, reported, written] = self.wait(watch, &left);
            if ordered {
                self.take_orders();
                self.obey(watch);
            }
            if reported {
                self.hear(watch);
            }
            if written {
                self.copy(watch);
            }
            if gone {
                self.hear(watch);
                return;
            }
            if Instant::now() >= deadline && !self.push_on(watch) {
                return;
            }
        }
    }

    /// Waits for something to happen, and says what: an order, the holder's end, its report, output.
    fn wait(&mut self, watch: &mut Watch, left: &Timespec) -> [bool; 4] {
        // A pipe whose writers are gone is ready for ever: it is looked at once more and then no longer.
        let mut fds = vec![
            PollFd::new(&self.orders, PollFlags::IN),
            PollFd::new(&watch.holder.pidfd, PollFlags::IN),
        ];
        if watch.reports_open {
            fds.push(PollFd::new(&watch.holder.reports, PollFlags::IN));
        }
        if watch.output_open {
            fds.push(PollFd::new(&watch.output, PollFlags::IN));
        }
        let last = fds.len() - 1;
        let pane = rustix::stdio::stdout();
        if self.screen.as_ref().is_some_and(Screen::waits) {
            fds.push(PollFd::new(&pane, PollFlags::OUT));
        }
        let _ = poll(&mut fds, Some(left));
        let found = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
        let reports = if watch.reports_open {
            found(2)
        } else {
            PollFlags::empty()
        };
        let output = if watch.output_open {
            found(last)
        } else {
            PollFlags::empty()
        };
        let (ordered, gone) = (!found(0).is_empty(), !found(1).is_empty());
        if reports == PollFlags::HUP {
            watch.reports_open = false;
        }
        if let Some(screen) = &mut self.screen {
            screen.flush();
        }
        [ordered, gone, !reports.is_empty(), !output.is_empty()]
    }

    fn next_deadline(&self, watch: &Watch) -> Instant {
        match watch.push {
            Push::Free => watch.timeout_at.min(self.ceiling_ask),
            Push::Asked(at) => at.min(self.ceiling),
            Push::Killed(at) | Push::Abandoned(at) => at,
        }
    }

    /// Takes the next step towards the end; says no when there is none left.
    fn push_on(&mut self, watch: &mut Watch) -> bool {
        match watch.push {
            Push::Free => {
                if self.ceiling_ask <= watch.timeout_at {
                    self.cut.get_or_insert(Cut::Ceiling);
                    watch.why = Some(Why::Cut);
                } else {
                    watch.why = Some(Why::Timeout);
                }
                self.ask(watch);
            }
            Push::Asked(_) => self.kill(watch),
            Push::Killed(_) => {
                watch.holder.kill();
                watch.push = Push::Abandoned(Instant::now() + HOLDER);
            }
            Push::Abandoned(_) => return false,
        }
        true
    }

    /// Does what [`Shim::take_orders`] brought.
    fn obey(&mut self, watch: &mut Watch) {
        if self.cut != Some(Cut::Stopped) && !self.at_once {
            return;
        }
        match watch.push {
            Push::Free | Push::Asked(_) if self.at_once => {
                watch.why.get_or_insert(Why::Cut);
                self.kill(watch);
            }
            Push::Free => {
                watch.why = Some(Why::Cut);
                self.ask(watch);
            }
            _ => {}
        }
    }

    fn ask(&self, watch: &mut Watch) {
        watch.holder.order(Order::Ask);
        watch.push = Push::Asked(Instant::now() + self.grace);
    }

    fn kill(&self, watch: &mut Watch) {
        watch.holder.order(Order::Kill);
        watch.push = Push::Killed(Instant::now() + HOLDER);
    }

    fn hear(&mut self, watch: &mut Watch) {
        while let Some(report) = watch.holder.report() {
            match report {
                Report::NotStarted { stage, errno } => watch.not_started = Some((stage, errno)),
                Report::Ended { status, survivors } => watch.ended = Some((status, survivors)),
                // In a namespace the number means nothing outside.
                Report::Leader { pid } if self.containment == Containment::Subreaper => {
                    self.progress.leader = procfs::read(pid).map(|process| process.id);
                    self.note(Phase::Step);
                }
                Report::Leader { .. }
                | Report::Ready
                | Report::Refused { .. }
                | Report::Synced { .. } => {}
            }
        }
    }

    /// Copies what there is, a gulp at most; says whether there was anything.
    fn copy(&mut self, watch: &mut Watch) {
        let mut copied = 0;
        while copied < GULP && watch.output_open {
            match rustix::io::read(&watch.output, &mut self.buffer[..]) {
                Ok(0) => watch.output_open = false,
                Ok(length) => {
                    copied += length;
                    watch.tail.push(&self.buffer[..length]);
                    if let Some(screen) = &mut self.screen {
                        screen.show(&self.buffer[..length]);
                    }
                    if self.log.write(&self.buffer[..length]) {
                        self.note(Phase::Step);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Copies what is left in the pipe. Nobody of the step writes any more; should somebody else hold
    /// the other end (it can be passed on), that must not keep us.
    fn drain(&mut self, watch: &mut Watch) {
        self.copy(watch);
        watch.output_open = false;
    }
}

impl Watch {
    fn survivors(&self) -> u32 {
        self.ended
            .map_or(0, |(_, survivors)| survivors.unsigned_abs())
    }

    fn end(&self, step: &StepSpec, shim: &Shim<'_>) -> StepEnd {
        match (self.not_started, self.why, self.ended) {
            (Some((stage, errno)), _, _) => {
                StepEnd::NotStarted(exec::explain(step, shim.spec, stage, errno))
            }
            (None, Some(Why::Timeout), _) => StepEnd::TimedOut,
            (None, Some(Why::Cut), _) => StepEnd::Stopped,
            (None, None, Some((status, _))) => {
                let status = ExitStatus::from_raw(status);
                match (status.code(), status.signal()) {
                    (Some(code), _) => StepEnd::Exited(code),
                    (None, signal) => StepEnd::Signalled(signal.unwrap_or(0)),
                }
            }
            // Its holder was killed, and it with its holder: by the kernel for want of memory, or by
            // somebody with the power to.
            (None, None, None) => StepEnd::Signalled(libc::SIGKILL),
        }
    }
}

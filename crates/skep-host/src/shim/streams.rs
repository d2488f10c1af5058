//! The standard streams of a step: waiting for them beside everything else, and copying what comes.

use super::{
    Shim,
    exec::{self, Ends},
    output,
    step::Watch,
    voice::Voice,
};
use crate::{
    pane::Screen,
    run::{Phase, files::StepSpec},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The kernel's buffer between agent and shim, larger than the usual so that bursts do not make them
/// take turns.
const PIPE: usize = 256 * 1024;
/// The most output copied before the clock and the orders are looked at again, and the most copied
/// once everybody who could write it is gone (more than any pipe holds).
const GULP: usize = 4 * PIPE;

/// Our ends. One is gone once nobody is at the other.
pub(super) struct Streams {
    output: Option<OwnedFd>,
    /// Standard error, where it is apart: whoever can write into a dialogue's output can forge what is seen.
    errors: Option<OwnedFd>,
    /// Standard input, where it is held open.
    pub(super) input: Option<OwnedFd>,
}

/// Where something comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Output,
    Errors,
}

/// What has happened.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) ordered: bool,
    pub(super) gone: bool,
    pub(super) reported: bool,
    pub(super) written: bool,
    pub(super) complained: bool,
    pub(super) asked: bool,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Orders,
    Gone,
    Reports,
    Output,
    Errors,
    Input,
    Words,
    Pane,
}

impl Streams {
    /// The streams of a step, ours and its.
    pub(super) fn new(step: &StepSpec) -> io::Result<(Streams, Ends)> {
        let (output, theirs) = from_agent()?;
        let apart = step.talk.as_ref().map(|_| from_agent()).transpose()?;
        let (errors, their_errors) = apart.unzip();
        let held = step.talk.as_ref().is_some_and(|talk| talk.dialogue);
        let (input, stdin) = if held {
            let (theirs, input) = pipe_with(PipeFlags::CLOEXEC)?;
            // Only our end: an agent that does not read must not keep us.
            fcntl_setfl(&input, OFlags::NONBLOCK)?;
            (Some(input), theirs)
        } else {
            (None, exec::stdin(step.stdin.as_deref())?)
        };
        let ends = Ends {
            stdin,
            output: theirs,
            errors: their_errors,
        };
        let output = Some(output);
        Ok((
            Streams {
                output,
                errors,
                input,
            },
            ends,
        ))
    }

    fn end(&mut self, from: From) -> &mut Option<OwnedFd> {
        match from {
            From::Output => &mut self.output,
            From::Errors => &mut self.errors,
        }
    }
}

fn from_agent() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    // Only our end: the other is the agent's, which expects to wait.
    fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    let _ = fcntl_setpipe_size(&ours, PIPE);
    Ok((ours, theirs))
}

impl Shim<'_> {
    /// Waits for something to happen, and says what.
    pub(super) fn wait(&mut self, watch: &mut Watch, left: &Timespec) -> Ready {
        let pane = rustix::stdio::stdout();
        let voice = watch.voice.as_ref();
        // A pipe whose writers are gone is ready for ever: it is looked at once more and then no longer.
        let reports = watch.reports_open.then(|| watch.holder.reports.as_fd());
        let listens = voice.is_none_or(Voice::listens);
        let output = watch.streams.output.as_ref().filter(|_| listens);
        let shows = self.screen.as_ref().is_some_and(Screen::waits);
        let all: [(What, Option<BorrowedFd<'_>>); 8] = [
            (What::Orders, Some(self.orders.as_fd())),
            (What::Gone, Some(watch.holder.pidfd.as_fd())),
            (What::Reports, reports),
            (What::Output, output.map(AsFd::as_fd)),
            (What::Errors, watch.streams.errors.as_ref().map(AsFd::as_fd)),
            (What::Input, voice.and_then(Voice::speaks_to)),
            (What::Words, voice.and_then(Voice::news)),
            (What::Pane, shows.then_some(pane)),
        ];
        let waited: Vec<_> = all
            .iter()
            .filter_map(|(what, fd)| Some((*what, (*fd)?)))
            .collect();
        let mut fds: Vec<PollFd<'_>> = waited
            .iter()
            .map(|(what, fd)| {
                let out = matches!(what, What::Input | What::Pane);
                let flags = if out { PollFlags::OUT } else { PollFlags::IN };
                PollFd::from_borrowed_fd(*fd, flags)
            })
            .collect();
        let _ = poll(&mut fds, Some(left));
        let mut ready = Ready::default();
        let mut hung_up = false;
        for ((what, _), fd) in waited.iter().zip(&fds) {
            let found = fd.revents();
            let is = !found.is_empty();
            match what {
                What::Orders => ready.ordered = is,
                What::Gone => ready.gone = is,
                What::Reports => (ready.reported, hung_up) = (is, found == PollFlags::HUP),
                What::Output => ready.written = is,
                What::Errors => ready.complained = is,
                What::Words => ready.asked = is,
                What::Input | What::Pane => {}
            }
        }
        watch.reports_open &= !hung_up;
        if let Some(screen) = &mut self.screen {
            screen.flush();
        }
        ready
    }

    /// Copies what there is, a gulp at most.
    pub(super) fn copy(&mut self, watch: &mut Watch, from: From) {
        let mut copied = 0;
        while copied < GULP
            && let Some(end) = watch.streams.end(from)
        {
            match rustix::io::read(&*end, &mut self.buffer[..]) {
                Ok(0) => *watch.streams.end(from) = None,
                Ok(length) => {
                    copied += length;
                    self.keep(watch, from, length);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Keeps what was read: in the log, for the tail and for the pane without what is secret, and in the dialogue
    /// what is its, as it is.
    fn keep(&mut self, watch: &mut Watch, from: From, length: usize) {
        let bytes = &self.buffer[..length];
        watch.printed += length as u64;
        let told = match (&mut watch.voice, from) {
            (Some(voice), From::Output) => voice.read(bytes),
            (Some(voice), From::Errors) => voice.read_errors(bytes),
            (None, _) => Vec::new(),
        };
        let flow = watch.flows.of(from);
        flow.push(&self.secrets, bytes, &mut self.clean);
        self.keep_clean(watch, from);
        for line in told {
            self.say_told(&line);
        }
    }

    /// Keeps what is clean by now.
    fn keep_clean(&mut self, watch: &mut Watch, from: From) {
        // Nobody wants to read a protocol.
        if watch.voice.is_none() || from == From::Errors {
            watch.tail.push(&self.clean);
            if let Some(screen) = &mut self.screen {
                screen.show(&self.clean);
            }
        }
        let clean = std::mem::take(&mut self.clean);
        // What stands for a secret can be longer than that was: what is written at once stays bounded.
        for piece in clean.chunks(output::WRITE) {
            if self.log.write(piece) {
                self.note(Phase::Step);
            }
        }
        self.clean = clean;
        self.clean.clear();
    }

    fn say_told(&mut self, line: &str) {
        if let Some(screen) = &mut self.screen {
            screen.show(self.secrets.clean(line).as_bytes());
            screen.show(b"\n");
        }
    }

    /// Copies what is left in the pipes. Nobody of the step writes any more; should somebody else hold
    /// the other end (it can be passed on), that must not keep us.
    pub(super) fn drain(&mut self, watch: &mut Watch) {
        for from in [From::Output, From::Errors] {
            self.copy(watch, from);
            *watch.streams.end(from) = None;
            watch.flows.of(from).end(&self.secrets, &mut self.clean);
            self.keep_clean(watch, from);
        }
    }
}

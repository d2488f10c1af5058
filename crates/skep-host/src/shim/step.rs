//! One step: start its holder, copy its output, keep its deadlines, and see that nothing is left.

use super::{
    Shim,
    exec::{self, Prepared},
    guard::{self, Flows},
    holder::{Holder, Mode, Order, Report},
    output::Tail,
    streams::{From, Streams},
    tree,
    voice::{Amiss, Interrupt, Voice},
};
use crate::run::{
    Phase,
    files::{Containment, Cut, StepEnd, StepKind, StepReport, StepSpec},
    procfs, stand,
};
use crate::token;
use skep_agents::ByUs;
use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a holder gets to set up. It needs a millisecond.
const READY: Duration = Duration::from_secs(5);
/// How long a disk gets to make the start durable. One under load needs seconds.
const SYNC: Duration = Duration::from_secs(600);
/// How long a holder gets to end its tree after being told to, before it is killed itself: more than
/// it gives its own processes.
const HOLDER: Duration = Duration::from_secs(7);
/// How hard the step is being pushed to its end, and when that changes.
#[derive(Clone, Copy)]
enum Push {
    /// Not at all.
    Free,
    /// It was interrupted in its own way and is sent SIGTERM then.
    Interrupted(Instant),
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
    /// It gets nowhere, or is done and does not go.
    Voice,
}

/// A step under way.
pub(super) struct Watch {
    pub(super) holder: Holder,
    pub(super) streams: Streams,
    pub(super) reports_open: bool,
    pub(super) tail: Tail,
    /// Where each stream is, for what is secret in it.
    pub(super) flows: Flows,
    /// How much was printed in all.
    pub(super) printed: u64,
    /// The dialogue with its program, if it is spoken with.
    pub(super) voice: Option<Voice>,
    /// By how much its deadlines are later for questions that the keeper holds; only agents ask any.
    stand: Option<Duration>,
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
            heard: None,
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
                report.output_bytes = watch.printed;
                // The checks have the time that they would have had.
                let stood = watch.stood();
                self.ceiling += stood;
                self.ceiling_ask += stood;
                if let Some(voice) = watch.voice {
                    end_dialogue(voice, &mut report);
                }
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
        self.secrets = Arc::new(guard::secrets(
            self.spec,
            step,
            &self.passed,
            token.as_deref(),
        ));
        let prepared = Prepared::new(
            step,
            self.spec,
            &self.passed,
            &self.cookie,
            token.as_deref(),
        )?;
        let cannot = |fault: io::Error| format!("cannot start {:?}: {fault}", step.argv[0]);
        let (mut streams, holder) = self.hold(&prepared, step).map_err(cannot)?;
        let mut voice = match &step.talk {
            Some(talk) => Some(Voice::new(
                self.folder,
                talk,
                streams.input.take(),
                self.grace,
                Arc::clone(&self.secrets),
            )?),
            None => None,
        };
        self.progress.holder =
            procfs::read(holder.pid.as_raw_nonzero().get()).map(|process| process.id);
        self.note(Phase::Step);
        let timeout_at = Instant::now() + super::bounded(step.timeout_ms);
        holder.order(Order::Go);
        if let Some(voice) = &mut voice {
            voice.flush();
        }
        Ok(Watch {
            holder,
            streams,
            reports_open: true,
            tail: Tail::default(),
            flows: Flows::new(step),
            printed: 0,
            voice,
            stand: (step.kind == StepKind::Agent).then_some(Duration::ZERO),
            timeout_at,
            push: Push::Free,
            why: None,
            not_started: None,
            ended: None,
        })
    }

    /// Starts a holder. The first that gets ready decides the mode for the whole run.
    fn hold(&mut self, prepared: &Prepared, step: &StepSpec) -> io::Result<(Streams, Holder)> {
        let mut fault = io::Error::other("there is no way to hold it");
        while let Some(mode) = self.modes.first().copied() {
            let (streams, theirs) = Streams::new(step)?;
            let above = self.claim.unsettled();
            match Holder::start(mode, prepared, above.as_deref(), theirs) {
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
                        return Ok((streams, holder));
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
                watch.hear_stand(self.folder);
                if !self.claim.is_in_place() && !self.at_once {
                    // Its work is still saved, if there is a worktree left.
                    self.cut.get_or_insert(Cut::Stopped);
                    self.at_once = true;
                    self.obey(watch);
                }
                beat = Instant::now() + interval;
            }
            let deadline = self.next_deadline(watch);
            let looks = watch.voice.as_ref().map(Voice::looks_at);
            let until = deadline.min(beat).min(looks.unwrap_or(beat));
            let left = tree::timespec(until.saturating_duration_since(Instant::now()));
            let ready = self.wait(watch, &left);
            if ready.ordered {
                self.take_orders();
                self.obey(watch);
            }
            if ready.reported {
                self.hear(watch);
            }
            if ready.written {
                self.copy(watch, From::Output);
            }
            if ready.complained {
                self.copy(watch, From::Errors);
            }
            self.converse(watch, ready.asked);
            if ready.gone {
                self.hear(watch);
                return;
            }
            if Instant::now() >= self.next_deadline(watch) {
                watch.hear_stand(self.folder);
            }
            if Instant::now() >= self.next_deadline(watch) && !self.push_on(watch) {
                return;
            }
        }
    }

    /// Says and hears what there is to be said, and sees whether the agent still gets anywhere.
    fn converse(&mut self, watch: &mut Watch, asked: bool) {
        let Some(voice) = &mut watch.voice else {
            return;
        };
        voice.flush();
        if asked {
            voice.hear_words();
        }
        if Instant::now() >= voice.looks_at()
            && let Some(amiss) = voice.look()
            && matches!(watch.push, Push::Free)
        {
            watch.why.get_or_insert(Why::Voice);
            match amiss {
                Amiss::Trouble(trouble) => self.interrupt(watch, Some(ByUs::Trouble(trouble))),
                Amiss::Stays => self.ask(watch),
            }
        }
        if watch.voice.as_mut().is_some_and(Voice::has_news) {
            self.tell();
        }
    }

    fn next_deadline(&self, watch: &Watch) -> Instant {
        // While a person is waited for, the agent's clock stands still.
        let stood = watch.stood();
        match watch.push {
            Push::Free => watch.timeout_at.min(self.ceiling_ask) + stood,
            Push::Interrupted(at) | Push::Asked(at) => at.min(self.ceiling + stood),
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
                self.interrupt(watch, None);
            }
            Push::Interrupted(_) => self.ask(watch),
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
            Push::Free | Push::Interrupted(_) | Push::Asked(_) if self.at_once => {
                watch.why.get_or_insert(Why::Cut);
                if let Some(voice) = &mut watch.voice {
                    voice.ended_for(ByUs::Asked);
                }
                self.kill(watch);
            }
            Push::Free => {
                watch.why = Some(Why::Cut);
                self.interrupt(watch, Some(ByUs::Asked));
            }
            _ => {}
        }
    }

    /// The protocol's way comes before signals: it ends the agent's tools too, and lets it say how far it was.
    fn interrupt(&self, watch: &mut Watch, why: Option<ByUs>) {
        let interrupted = watch.voice.as_mut().map(|voice| voice.interrupt(why));
        match interrupted {
            Some(Interrupt::Said) => {}
            Some(Interrupt::BySignal) => watch.holder.order(Order::Interrupt),
            Some(Interrupt::No) | None => return self.ask(watch),
        }
        watch.push = Push::Interrupted(Instant::now() + self.grace);
    }

    fn ask(&self, watch: &mut Watch) {
        if let Some(voice) = &mut watch.voice {
            voice.hang_up();
        }
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
}

fn end_dialogue(voice: Voice, report: &mut StepReport) {
    let heard = voice.end();
    if report.tail.is_empty() {
        // What it printed was for the dialogue; this was for people.
        report.tail.clone_from(&heard.summary.said);
    }
    report.heard = Some(Box::new(heard));
}

impl Watch {
    /// For how long its deadlines have stood still. The keeper knows of the dialogue's questions, too.
    fn stood(&self) -> Duration {
        let voice = self.voice.as_ref().map_or(Duration::ZERO, Voice::stood);
        voice.max(self.stand.unwrap_or_default())
    }

    fn hear_stand(&mut self, folder: &Path) {
        if let Some(stand) = &mut self.stand {
            *stand = super::bounded(stand::heard_ms(folder));
        }
    }

    fn survivors(&self) -> u32 {
        self.ended
            .map_or(0, |(_, survivors)| survivors.unsigned_abs())
    }

    fn end(&self, step: &StepSpec, shim: &Shim<'_>) -> StepEnd {
        match (self.not_started, self.why, self.ended) {
            (Some((stage, errno)), _, _) => {
                StepEnd::NotStarted(exec::explain(step, shim.spec, &shim.passed, stage, errno))
            }
            (None, Some(Why::Timeout), _) => StepEnd::TimedOut,
            (None, Some(Why::Cut | Why::Voice), _) => StepEnd::Stopped,
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

//! The loop itself: take what has come, decide it all, append once, answer, perform, wait.

use super::{
    Ended,
    clock::Clock,
    codec::encode,
    fold, guard,
    inbox::{Handle, Held, Message},
    perform::Performer,
    pulse::Pulse,
};
use crate::room;
use skep_core::{
    engine::Engine,
    event::By,
    request::{Answer, Command, Observation, Refusal, Request, What},
    time::Time,
};
use skep_store::{AppendError, Log};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The most messages decided before one append: bounds how long the first of them waits.
const GROUP: usize = 1_024;
/// Without anything due the loop still looks around so often, as a safety net for a missed wake-up.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);
/// After an append that failed for want of space, the loop tries again so often.
const RETRY_APPEND: Duration = Duration::from_millis(500);

/// Who waits, and for what.
pub(super) type Waiting = (
    oneshot::Sender<Result<Answer, Refusal>>,
    Result<Answer, Refusal>,
);

pub(super) struct Turns {
    pub(super) engine: Engine,
    pub(super) log: Box<dyn Log>,
    pub(super) clock: Clock,
    /// The moment of the log's last event when the keeper started.
    pub(super) last: Time,
    /// The entry of the last snapshot that was saved or tried.
    pub(super) saved: u64,
    /// None for a keeper at rest.
    pub(super) performer: Option<Performer>,
    pub(super) handle: Handle,
    /// Answers that wait for the append.
    pub(super) waiting: Vec<Waiting>,
    /// None for a keeper at rest, too.
    pub(super) pulse: Option<Pulse>,
}

impl Turns {
    /// Runs until told to stop, or until the log can no longer be trusted.
    pub(super) fn run(&mut self, inbox: &Receiver<Message>) -> Result<(), Ended> {
        let (state, pulse) = (self.engine.state(), &mut self.pulse);
        let seen = self.performer.as_mut().map(|performer| {
            performer.adopt(state, &mut || {
                if let Some(pulse) = pulse {
                    let _ = pulse.beat();
                }
            })
        });
        // What happened while no keeper lived is taken in at the log's own last moment: at today's, leases of
        // attempts that had long ended would count as overrun before their results were looked at.
        for observation in seen.into_iter().flatten() {
            self.observe(self.last, observation);
        }
        let now = self.clock.now();
        if let Some(ages) = self.performer.as_ref().map(Performer::ages) {
            self.observe(now, ages);
        }
        self.look_at_memory(now);
        self.tick(now);
        loop {
            self.commit()?;
            let wake = self.perform();
            let Some(first) = self.wait(inbox, wake)? else {
                return Ok(());
            };
            let now = self.clock.now();
            // Before what has come is decided: it may ask for workers.
            self.look_at_memory(now);
            let mut next = first;
            for _ in 0..GROUP {
                match next.take() {
                    Some(Message::Stop) => return self.commit(),
                    Some(message) => self.take(now, message),
                    None => {}
                }
                match inbox.try_recv() {
                    Ok(message) => next = Some(message),
                    Err(_) => break,
                }
            }
            if let Some(message) = next {
                // The group is full; this one was already received and must not be dropped.
                if matches!(message, Message::Stop) {
                    return self.commit();
                }
                self.take(now, message);
            }
            let state = self.engine.state();
            let silent = self.performer.as_mut().map(|p| p.silent(state, now));
            for observation in silent.into_iter().flatten() {
                self.observe(now, observation);
            }
            self.tick(now);
        }
    }

    /// `None` when everyone who could send is gone. A beat wakes the thread and nothing else: it is no turn.
    fn wait(
        &mut self,
        inbox: &Receiver<Message>,
        wake: Option<Time>,
    ) -> Result<Option<Option<Message>>, Ended> {
        let sleep = wake.map_or(LONGEST_SLEEP, |at| at.since(self.clock.now()).std());
        let until = Instant::now() + sleep.min(LONGEST_SLEEP);
        loop {
            let mut left = until.saturating_duration_since(Instant::now());
            if let Some(pulse) = &mut self.pulse {
                pulse.beat()?;
                left = left.min(pulse.left());
            }
            match inbox.recv_timeout(left) {
                Ok(message) => return Ok(Some(Some(message))),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(RecvTimeoutError::Timeout) => return Ok(Some(None)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    fn take(&mut self, now: Time, message: Message) {
        match message {
            Message::Request(mut request, reply) => {
                if let What::Observation(seen) = &mut request.what {
                    guard::clean(self.handle.secrets(), seen);
                }
                let answer = self.engine.decide(now, &request);
                match request.what {
                    What::Command(Command::StopAll) => {
                        if let Some(performer) = &self.performer {
                            performer.hurry();
                        }
                    }
                    What::Command(Command::Resume | Command::LoadPlan { .. }) if answer.is_ok() => {
                        self.handle.hurry(false);
                    }
                    _ => {}
                }
                self.waiting.push((reply, answer));
            }
            Message::Performed(action, seen) => {
                if let (Some(action), Some(performer)) = (action, &mut self.performer) {
                    performer.done(&action, now);
                }
                for observation in seen {
                    self.observe(now, observation);
                }
            }
            Message::Query(query) => {
                // A question is answered from what is durable.
                if self.commit().is_ok() {
                    query(self.engine.state(), now);
                }
            }
            Message::Stop => {}
        }
    }

    fn observe(&mut self, now: Time, mut observation: Observation) {
        guard::clean(self.handle.secrets(), &mut observation);
        let trace = super::perform::trace_of(&observation);
        let what = What::Observation(observation);
        let request = Request {
            key: None,
            trace,
            by: By::Host,
            what,
        };
        // A refused observation is out of date: nothing to do, and nobody to tell.
        let _ = self.engine.decide(now, &request);
    }

    fn look_at_memory(&mut self, now: Time) {
        let state = self.engine.state();
        let seen = self.performer.as_mut().and_then(|p| p.memory(state, now));
        if let Some(observation) = seen {
            self.observe(now, observation);
        }
    }

    fn tick(&mut self, now: Time) {
        let request = Request {
            key: None,
            trace: "tick".into(),
            by: By::Policy,
            what: What::Tick,
        };
        let _ = self.engine.decide(now, &request);
    }

    /// Makes what is staged durable, then answers and publishes. While the disk is full nothing is
    /// acknowledged and nothing is begun; the loop waits for room. Any other failure ends the keeper: the
    /// next one folds what the log really holds.
    fn commit(&mut self) -> Result<(), Ended> {
        loop {
            let (expected, staged) = self.engine.staged();
            if staged.is_empty() {
                break;
            }
            let entries: Vec<_> = staged.iter().map(encode).collect();
            match self.log.append(expected, &entries) {
                Ok(_) => {
                    let records = self.engine.committed();
                    if let Some(performer) = &mut self.performer {
                        performer.committed(self.engine.state(), &records);
                    }
                    self.handle.publish(Arc::new(records));
                    break;
                }
                Err(full @ AppendError::Full { .. }) if self.log_is_at(expected) => {
                    if let Some(pulse) = &mut self.pulse {
                        pulse.beat()?;
                    }
                    let why = room::lacking(self.handle.site().dir());
                    let why = why.unwrap_or_else(|| full.to_string());
                    self.handle.hold(Some(Held { why, mute: true }));
                    std::thread::sleep(RETRY_APPEND);
                }
                Err(error) => {
                    self.waiting.clear();
                    return Err(Ended(format!(
                        "the log does not take entries any more: {error}"
                    )));
                }
            }
        }
        if self.handle.held().is_some_and(|held| held.mute) {
            self.handle.hold(None);
        }
        for (reply, answer) in self.waiting.drain(..) {
            // Whoever asked may have left.
            let _ = reply.send(answer);
        }
        // A deleted folder takes no entries either, but nobody might have any for a long time; and meanwhile
        // another keeper could be started in its place.
        self.log
            .in_place()
            .map_err(|damage| Ended(format!("the log is not in its place any more: {damage}")))?;
        self.snapshot()
    }

    /// Saves the state now and then, so that the next keeper need not fold the whole log. The log does without
    /// one that cannot be written.
    fn snapshot(&mut self) -> Result<(), Ended> {
        let state = self.engine.state();
        if !fold::is_due(state, self.saved) {
            return Ok(());
        }
        self.saved = state.seq();
        let last = self.clock.now();
        if let Err(error) = fold::save(&mut *self.log, state, last)
            && !self.log_is_at(self.saved)
        {
            return Err(Ended(format!("the log cannot be read any more: {error}")));
        }
        Ok(())
    }

    /// Whether the log, read anew, ends at `seq`: then a failed append left nothing behind.
    fn log_is_at(&mut self, seq: u64) -> bool {
        let read = self
            .log
            .load(seq, &mut |_| std::ops::ControlFlow::Continue(()));
        read.is_ok() && self.log.head() == seq
    }

    fn perform(&mut self) -> Option<Time> {
        let performer = self.performer.as_mut()?;
        let now = self.clock.now();
        let steps = self.engine.plan(now);
        let back = performer.perform(self.engine.state(), steps.actions, now);
        let beat = performer.next_beat(self.engine.state(), now);
        steps.wake_at.into_iter().chain(beat).chain(back).min()
    }
}

//! Following a run to its end: events in, progress out, and what Ctrl-C means.
//!
//! The state is folded from the keeper's own events, so what is shown here is what the keeper knows.

use crate::{
    failure::{Exit, Failure},
    place::{Hosted, Place, now},
    show::{count, progress::Progress},
    signals::{Signals, Wish},
};
use skep_core::{event::Record, state::State, time::Time, waiting};
use skep_host::presence::WatchdogLock;
use skep_server::{
    api::CommandDoc,
    client::{ClientError, Events},
};
use std::time::{Duration, Instant};

/// How often the block on a terminal is drawn when nothing happens.
const REDRAW: Duration = Duration::from_millis(500);
/// A swarm that only a person can get going again is left after so long, unless a person paused it.
const STUCK: Duration = Duration::from_secs(10);

/// A keeper that died is replaced by its watchdog within this time, most often at once.
const REPLACED: Duration = Duration::from_secs(20);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing is left to do.
    Finished,
    /// Halted until a person acts.
    Halted,
    /// Nothing moves until a person acts, and nothing was halted.
    Stuck,
    /// Attempts have ended and nothing is claimed: somebody drained it.
    Drained,
    /// A person left.
    Left(Exit),
    /// The keeper is gone.
    Gone,
}

/// A run being followed.
pub(crate) struct Follow<'p> {
    place: &'p Place,
    /// The keeper, if it is in this process: Ctrl-C then steers it, and else only leaves it.
    hosted: Option<&'p Hosted>,
    events: Events,
    /// Before this event the run has not begun, so it cannot have ended.
    until: u64,
    progress: Progress,
    state: State,
    signals: Signals,
    interrupts: u32,
    stuck: Option<(Time, String)>,
    held: bool,
}

impl<'p> Follow<'p> {
    /// Begins with what happens after `state`.
    pub(crate) async fn begin(
        place: &'p Place,
        hosted: Option<&'p Hosted>,
        state: State,
        until: u64,
        progress: Progress,
        signals: Signals,
    ) -> Result<Follow<'p>, Failure> {
        let events = place.client.events(state.seq(), true).await?;
        let (interrupts, stuck) = (0, None);
        Ok(Follow {
            place,
            hosted,
            events,
            until,
            progress,
            state,
            signals,
            interrupts,
            stuck,
            held: false,
        })
    }

    /// Follows until the end, and returns the state then.
    pub(crate) async fn until_end(mut self) -> Result<(End, State), Failure> {
        let mut tick = tokio::time::interval(REDRAW);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = loop {
            if let Some(end) = self.ended() {
                break end;
            }
            tokio::select! {
                biased;
                wish = self.signals.next() => if let Some(end) = self.wished(wish).await {
                    break end;
                },
                event = self.events.next() => match event {
                    Ok(Some(event)) => self.happened(&event.into()),
                    // Asked for again it would be understood no better.
                    Err(error @ ClientError::NotUnderstood(_)) => {
                        self.progress.end();
                        return Err(self.not_understood(error));
                    }
                    Ok(None) | Err(_) => if !self.reconnect().await {
                        break End::Gone;
                    },
                },
                () = closed(self.hosted) => break End::Gone,
                _ = tick.tick() => self.looked(),
            }
        };
        if matches!(end, End::Left(_)) && (1..3).contains(&self.interrupts) {
            self.progress.note("everything is kept; `skep run` goes on");
        }
        self.progress.end();
        if end == End::Gone
            && let Some(hosted) = self.hosted
            && let Err(error) = hosted.keeper.closed().await
        {
            // Its folder may be going away at this moment, so nothing more is promised than holds then, too.
            let hint = "running attempts live on, unless their folders are gone; `skep run` goes on with the plan, \
                        or says what is wrong";
            return Err(Failure::new(Exit::Refused, "the keeper has ended")
                .because(&error)
                .hint(hint));
        }
        Ok((end, self.state))
    }

    /// Takes the events up again where they broke off; false when there is no keeper any more. One that died is
    /// replaced while a watchdog lives, and that is worth waiting for.
    async fn reconnect(&mut self) -> bool {
        let began = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Ok(events) = self.place.client.events(self.state.seq(), true).await {
                self.events = events;
                return true;
            }
            let watched = self.hosted.is_none() && WatchdogLock::is_held(&self.place.site);
            if !watched || began.elapsed() > REPLACED {
                return false;
            }
        }
    }

    /// Without the event the state is not known any more, and so neither what to show nor when it ends.
    fn not_understood(&self, error: ClientError) -> Failure {
        let seq = self.state.seq() + 1;
        let hint = if self.hosted.is_some() {
            "running attempts live on; `skep run` goes on, and `skep doctor` looks at the log"
        } else {
            "the keeper goes on: `skep status` shows it, `skep down` ends it; is it of another version?"
        };
        let what = format!("event {seq} cannot be read, so this run is no longer followed");
        Failure::new(Exit::NoKeeper, what)
            .because(&error)
            .hint(hint)
    }

    fn happened(&mut self, record: &Record) {
        // A record that was seen already can only come from a keeper that misbehaves.
        if record.seq != self.state.seq() + 1 {
            return;
        }
        self.state.apply(record);
        self.progress.record(record, &self.state);
        self.progress.draw(&self.state, now());
    }

    fn looked(&mut self) {
        if let Some(hosted) = self.hosted {
            let held = hosted.keeper.handle().held();
            match (&held, self.held) {
                (Some(held), false) => self
                    .progress
                    .note(&format!("{}; it goes on by itself", held.why)),
                (None, true) => self.progress.note("there is room again"),
                _ => {}
            }
            self.held = held.is_some();
        }
        if self.state.seq() < self.until {
            return;
        }
        let now = now();
        match (waiting::stuck(&self.state, now), &self.stuck) {
            (Some(why), None) => self.stuck = Some((now, why)),
            (Some(why), Some((since, said))) if *said == why => {
                // Said once, and only if it lasts: between two events a swarm may look stuck.
                if now.since(*since).0 / 1_000 == 2 {
                    self.progress.note(&format!("nothing moves: {why}"));
                    self.stuck = Some((Time(since.0.saturating_sub(1_000)), why));
                }
            }
            (Some(why), Some(_)) => self.stuck = Some((now, why)),
            (None, _) => self.stuck = None,
        }
        self.progress.draw(&self.state, now);
    }

    fn ended(&self) -> Option<End> {
        let state = &self.state;
        if state.seq() < self.until {
            return None;
        }
        let quiet = state.live().len() == 0;
        if state.finished().is_some() {
            return Some(End::Finished);
        }
        // In a hurry no check runs any more, so a merge under way waits for the next run.
        let hurried = |hosted: &Hosted| hosted.keeper.handle().is_hurried();
        let hurried = self.interrupts > 1 || self.hosted.is_some_and(hurried);
        if state.draining() && quiet && (state.merge().is_none() || hurried) {
            let left = End::Left(Exit::Interrupted);
            return Some(if self.interrupts > 0 {
                left
            } else {
                End::Drained
            });
        }
        if state.halted().is_some() && quiet {
            return Some(End::Halted);
        }
        let long = |(since, _): &(Time, String)| now().since(*since).0 > STUCK.as_millis() as u64;
        let waits_for_workers = state.workers().len() == 0;
        let stuck = self.stuck.as_ref().is_some_and(long);
        (stuck && !state.paused() && !waits_for_workers).then_some(End::Stuck)
    }

    async fn wished(&mut self, wish: Wish) -> Option<End> {
        if self.hosted.is_none() {
            self.progress
                .note("left; the keeper goes on: `skep status` shows it, `skep down` ends it");
            return Some(End::Left(exit_of(wish)));
        }
        let live = count(self.state.live().len(), "attempt");
        if wish == Wish::Terminate {
            self.send(&CommandDoc::Drain).await;
            self.progress.note(&format!(
                "ending; {live} live on, and `skep run` goes on with them"
            ));
            return Some(End::Left(Exit::Terminated));
        }
        self.interrupts += 1;
        match self.interrupts {
            1 => {
                self.progress.note(&format!(
                    "claiming nothing more; {live} to end. Ctrl-C again ends them now and saves their work"
                ));
                self.send(&CommandDoc::Drain).await;
                None
            }
            2 => {
                self.progress
                    .note("ending every attempt and saving its work. Ctrl-C again leaves at once");
                self.send(&CommandDoc::StopAll).await;
                None
            }
            _ => {
                self.progress.note(&format!(
                    "left; {live} live on, and `skep run` goes on with them"
                ));
                Some(End::Left(Exit::Interrupted))
            }
        }
    }

    async fn send(&mut self, command: &CommandDoc) {
        // Refused means that it is so already; anything else shows as the end of the events.
        let _ = self
            .place
            .client
            .command(command, &skep_server::unique_id())
            .await;
    }
}

fn exit_of(wish: Wish) -> Exit {
    match wish {
        Wish::Interrupt => Exit::Interrupted,
        Wish::Terminate => Exit::Terminated,
    }
}

/// Resolves when the keeper in this process has ended; never without one.
async fn closed(hosted: Option<&Hosted>) {
    match hosted {
        Some(hosted) => {
            let _ = hosted.keeper.closed().await;
        }
        None => std::future::pending().await,
    }
}

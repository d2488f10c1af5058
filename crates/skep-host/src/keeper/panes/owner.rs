//! The one who owns a swarm's panes: compares what there is with what is wanted, a step at a time.

use super::{Wanted, tell};
use crate::{
    keeper::inbox::Handle,
    run::ShimCommand,
    tmux::{Pane, PaneCommand, Session, TmuxError, Watch},
};
use skep_core::{
    id::{Attempt, WorkerId},
    merge::Severity,
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Titles and counts change with every event; people see no more than so many changes.
const BREATH: Duration = Duration::from_millis(100);
/// So many losses or failures in a row are met at once; then comes the first pause, which doubles.
const AT_ONCE: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A loss after so long without one is the first again.
const CALM: Duration = Duration::from_secs(60);
/// tmux notes a process's end some milliseconds after the kernel does.
const NOTES: Duration = Duration::from_millis(10);
const TRIES: u32 = 20;

/// What is known of a worker's pane.
struct Known {
    id: String,
    dead: bool,
    shown: Option<u64>,
    title: String,
}

pub(super) struct Owner {
    session: Session,
    program: PathBuf,
    handle: Handle,
    hint: Arc<dyn Fn() + Send + Sync>,
    wanted: Wanted,
    /// None: nobody has looked yet.
    known: Option<BTreeMap<WorkerId, Known>>,
    counts: String,
    watch: Option<Watch>,
    /// The next step is due then; none: everything is as it should be.
    due: Option<Instant>,
    /// Look before the next step.
    look: bool,
    /// Until then tmux is left alone: it failed, or what was made is lost again and again.
    rest_until: Option<Instant>,
    trouble: u32,
    last_trouble: Option<Instant>,
    said: String,
}

impl Owner {
    pub(super) fn new(
        session: Session,
        program: PathBuf,
        handle: Handle,
        hint: impl Fn() + Send + Sync + 'static,
    ) -> Owner {
        Owner {
            session,
            program,
            handle,
            hint: Arc::new(hint),
            wanted: Wanted::default(),
            known: None,
            counts: String::new(),
            watch: None,
            due: None,
            look: true,
            rest_until: None,
            trouble: 0,
            last_trouble: None,
            said: String::new(),
        }
    }

    /// How long until the next step; none when nothing is to be done.
    pub(super) fn pause(&self) -> Option<Duration> {
        let due = self
            .rest_until
            .max(self.due)
            .filter(|_| self.due.is_some())?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn soon(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + BREATH);
    }

    pub(super) fn want(&mut self, wanted: Wanted) {
        if self.wanted != wanted {
            // What there was before is not lost but taken away.
            self.wanted = wanted;
            self.soon();
        }
    }

    pub(super) fn hint(&mut self) {
        self.look = true;
        self.soon();
    }

    /// Starts a shim in its worker's pane; none if it must be started without.
    pub(super) fn start(
        &mut self,
        worker: WorkerId,
        attempt: Attempt,
        shim: &ShimCommand,
    ) -> Option<u32> {
        if self.rest_until.is_some_and(|until| until > Instant::now()) {
            return None;
        }
        let command = PaneCommand::shim(shim, &self.worktree(worker));
        match self.run_in_pane(worker, &command) {
            Ok(pid) => {
                if let Some(known) = self.known.iter_mut().flatten().find(|(w, _)| **w == worker) {
                    // Written to the pane itself with its title.
                    (known.1.dead, known.1.shown) = (false, Some(attempt.0));
                    known.1.title.clear();
                }
                self.soon();
                Some(pid)
            }
            Err(error) => {
                self.failed(
                    &error,
                    &format!("attempt {attempt} of {worker} runs without a pane"),
                );
                None
            }
        }
    }

    /// What runs does not run in its pane: it is to be shown there.
    pub(super) fn without(&mut self, worker: WorkerId) {
        if let Some(pane) = self.known.get_or_insert_default().get_mut(&worker) {
            pane.shown = None;
        }
        self.hint();
    }

    fn worktree(&self, worker: WorkerId) -> PathBuf {
        self.handle.site().worktrees().join(worker.to_string())
    }

    /// Runs a command in a worker's pane, which may have to be made.
    fn run_in_pane(&mut self, worker: WorkerId, command: &PaneCommand) -> Result<u32, TmuxError> {
        if self.known.is_none() {
            self.look()?;
        }
        if let Some(id) = self.pane_of(worker) {
            for tried in 0..TRIES {
                match self.session.reuse(&id, command) {
                    Err(TmuxError::Refused { said, .. }) if said.ends_with("still active") => {
                        if tried + 1 < TRIES {
                            thread::sleep(NOTES);
                        }
                    }
                    Err(TmuxError::Refused { .. }) => break,
                    done => return done,
                }
            }
            // It is gone, or somebody else is at work in it.
            self.look()?;
            if let Some(id) = self.pane_of(worker) {
                self.forget(worker);
                self.session.close(&id, worker)?;
            }
        }
        self.open(worker, command)
    }

    fn pane_of(&self, worker: WorkerId) -> Option<String> {
        Some(self.known.as_ref()?.get(&worker)?.id.clone())
    }

    fn forget(&mut self, worker: WorkerId) {
        if let Some(known) = &mut self.known {
            known.remove(&worker);
        }
    }

    fn open(&mut self, worker: WorkerId, command: &PaneCommand) -> Result<u32, TmuxError> {
        let mut panes = self.there()?;
        let made = match self.session.open(&panes, worker, command) {
            // It went between the look and the making: once more, from what is there now.
            Err(TmuxError::Refused { .. }) if !panes.is_empty() => {
                panes = self.there()?;
                self.session.open(&panes, worker, command)
            }
            made => made,
        };
        let (id, pid) = made?;
        let pane = Known {
            id,
            dead: false,
            shown: None,
            title: String::new(),
        };
        self.known.get_or_insert_default().insert(worker, pane);
        if panes.is_empty() {
            self.counts.clear();
            self.watch = None;
        }
        self.watch()?;
        self.publish();
        Ok(pid)
    }

    /// What there is. That all of it is gone is told before a new session hides it.
    fn there(&mut self) -> Result<Vec<Pane>, TmuxError> {
        let panes = self.session.panes()?;
        if panes.is_none() && self.known.as_ref().is_some_and(|known| !known.is_empty()) {
            self.look()?;
        }
        Ok(panes.unwrap_or_default())
    }

    fn watch(&mut self) -> Result<(), TmuxError> {
        if self.watch.is_none() {
            let hint = Arc::clone(&self.hint);
            let watch = Watch::begin(
                &self.program,
                self.session.tmux(),
                self.session.name(),
                move || hint(),
            );
            self.watch = Some(watch?);
            // What went before it was attached, it cannot say.
            (self.look, self.due) = (true, Some(Instant::now() + BREATH));
        }
        Ok(())
    }

    /// One step towards what is wanted.
    pub(super) fn step(&mut self) {
        self.due = None;
        self.rest_until = None;
        match self.towards() {
            Ok(false) => self.said.clear(),
            Ok(true) => self.due = Some(Instant::now()),
            Err(error) => {
                self.failed(&error, "attempts go on without panes");
                self.look = true;
                self.due = self.rest_until;
            }
        }
    }

    /// Does the first thing that is not as it should be; says whether there may be more.
    fn towards(&mut self) -> Result<bool, TmuxError> {
        if self.wanted.is_nothing() {
            self.retire()?;
            return Ok(false);
        }
        if self.look || self.known.is_none() {
            if self.look()? > 0 && self.rest() {
                self.due = self.rest_until;
                return Ok(false);
            }
            return Ok(true);
        }
        let known = self.known.get_or_insert_default();
        let surplus = known.keys().find(|w| !self.wanted.workers.contains_key(w));
        if let Some(worker) = surplus.copied() {
            if let Some(pane) = known.remove(&worker) {
                self.session.close(&pane.id, worker)?;
            }
            self.publish();
            return Ok(true);
        }
        let missing = self
            .wanted
            .workers
            .iter()
            .find(|(w, _)| !known.contains_key(w));
        if let Some((worker, shown)) = missing.map(|(w, s)| (*w, s.clone())) {
            let command = self.view(worker, shown.attempt);
            self.open(worker, &command)?;
            self.showing(worker, shown.attempt);
            return Ok(true);
        }
        let blank = self.wanted.workers.iter().find(|(w, shown)| {
            let pane = known.get(w);
            pane.is_some_and(|p| p.dead && shown.attempt.is_some_and(|a| p.shown != Some(a.0)))
        });
        if let Some((worker, shown)) = blank.map(|(w, s)| (*w, s.clone())) {
            let command = self.view(worker, shown.attempt);
            self.run_in_pane(worker, &command)?;
            self.showing(worker, shown.attempt);
            return Ok(true);
        }
        self.label()?;
        if self.watch.take_if(|watch| watch.has_ended()).is_some() && self.rest() {
            self.due = self.rest_until;
            return Ok(false);
        }
        self.watch()?;
        Ok(false)
    }

    fn view(&self, worker: WorkerId, attempt: Option<Attempt>) -> PaneCommand {
        let site = self.handle.site();
        let run = attempt.map(|a| site.runs().join(format!("a{a}")));
        PaneCommand::view(&self.program, run.as_deref(), &self.worktree(worker))
    }

    fn showing(&mut self, worker: WorkerId, attempt: Option<Attempt>) {
        if let Some(pane) = self.known.get_or_insert_default().get_mut(&worker) {
            (pane.dead, pane.shown) = (false, attempt.map(|a| a.0));
            pane.title.clear();
        }
    }

    /// Sets the titles that are not right, and the counts.
    fn label(&mut self) -> Result<(), TmuxError> {
        let known = self.known.get_or_insert_default();
        let (mut titles, mut shown) = (Vec::new(), Vec::new());
        for (worker, wanted) in &self.wanted.workers {
            if let Some(pane) = known.get(worker).filter(|p| p.title != wanted.title) {
                titles.push((&*pane.id, wanted.title.clone()));
                shown.extend(pane.shown.map(|attempt| (&*pane.id, attempt)));
            }
        }
        let counts = Some(&*self.wanted.counts).filter(|c| *c != self.counts);
        let done = self.session.label(&titles, &shown, counts);
        if let Err(TmuxError::Refused { .. }) = done {
            // One of them went: whoever looks sees which.
            (self.look, self.due) = (true, Some(Instant::now() + BREATH));
            return Ok(());
        }
        done?;
        for (worker, pane) in known {
            if let Some(wanted) = self.wanted.workers.get(worker) {
                pane.title.clone_from(&wanted.title);
            }
        }
        self.counts.clone_from(&self.wanted.counts);
        Ok(())
    }

    /// Looks at what there is; says how many losses that showed, and tells of them.
    fn look(&mut self) -> Result<usize, TmuxError> {
        self.look = false;
        let panes = self.session.panes()?;
        let first = self.known.is_none();
        let before = self.known.take().unwrap_or_default();
        let Some(panes) = panes else {
            self.known = Some(BTreeMap::new());
            self.watch = None;
            self.publish();
            if before.is_empty() {
                return Ok(0);
            }
            let name = self.session.name();
            let text = format!("the tmux session {name} is gone and is made again; attempts go on");
            tell(&self.handle, Severity::Warning, text);
            return Ok(1);
        };
        if first {
            // It may have been left to its last viewer.
            self.session.end_unwatched(false)?;
        }
        let mut known: BTreeMap<WorkerId, Known> = BTreeMap::new();
        for pane in panes {
            let Some(worker) = pane.worker else { continue };
            let title = before.get(&worker).filter(|p| p.id == pane.id);
            let title = title.map_or_else(String::new, |p| p.title.clone());
            let (dead, shown) = (pane.dead, pane.shown);
            let shown = before.get(&worker).map_or(shown, |p| p.shown);
            known.insert(
                worker,
                Known {
                    id: pane.id,
                    dead,
                    shown,
                    title,
                },
            );
        }
        let lost = before.keys().filter(|w| !known.contains_key(w));
        let lost: Vec<String> = lost.map(ToString::to_string).collect();
        self.known = Some(known);
        self.publish();
        if !lost.is_empty() {
            let text = format!(
                "the pane of {} is gone and is made again; attempts go on",
                lost.join(", ")
            );
            tell(&self.handle, Severity::Warning, text);
        }
        Ok(lost.len())
    }

    fn publish(&self) {
        let panes = self.known.iter().flatten();
        let panes = panes.map(|(worker, pane)| (*worker, pane.id.clone()));
        self.handle.panes.set(panes.collect());
    }

    /// Rests if this is not the first trouble for a while; says whether.
    fn rest(&mut self) -> bool {
        let now = Instant::now();
        if self
            .last_trouble
            .is_none_or(|at| now - at > CALM + LONGEST_PAUSE)
        {
            self.trouble = 0;
        }
        self.last_trouble = Some(now);
        self.trouble += 1;
        let Some(doublings) = self.trouble.checked_sub(AT_ONCE + 1) else {
            return false;
        };
        let pause = FIRST_PAUSE * (1 << doublings.min(6));
        self.rest_until = Some(now + pause.min(LONGEST_PAUSE));
        true
    }

    fn failed(&mut self, error: &TmuxError, so: &str) {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        self.say(format!("{error}{}; {so}", cause.unwrap_or_default()));
        if !self.rest() {
            self.rest_until = Some(Instant::now() + FIRST_PAUSE);
        }
        self.soon();
    }

    /// Says something once, however long it lasts.
    fn say(&mut self, text: String) {
        if self.said != text {
            tell(&self.handle, Severity::Warning, text.clone());
            self.said = text;
        }
    }

    /// Puts the session away, now or with its last viewer.
    fn retire(&mut self) -> Result<(), TmuxError> {
        self.watch = None;
        self.known = None;
        self.handle.panes.set(BTreeMap::new());
        if self.session.panes()?.is_none() {
            return Ok(());
        }
        if self.session.viewers()? > 0 {
            return self.session.end_unwatched(true);
        }
        self.session.end()
    }

    /// The keeper ends. What still runs in panes needs them; else they go.
    pub(super) fn leave(&mut self, over: bool) {
        self.watch = None;
        if over {
            // What cannot be put away now, `skep clean` and `skep doctor` find.
            let _ = self.retire();
        }
    }
}

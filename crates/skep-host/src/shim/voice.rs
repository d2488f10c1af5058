//! The shim's side of a dialogue: what the agent prints goes in, what is to be said goes out, and neither ever
//! waits for the other. What was heard is written down for keepers; what they have to say comes as files.

use super::now;
use crate::{
    pane,
    run::talk::{Asking, Heard, Talk, Word, make_words, read_word},
};
use rustix::io::Errno;
use skep_agents::{
    ByUs, Dialogue, Health, Patience, Say, Seen, Trouble, Until, health, redact::Secrets,
};
use skep_core::time::{Millis, Time};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// An agent that asks and asks and does not listen is not read any more from here on, until it does.
const UNHEARD: usize = 8 * 1024 * 1024;
/// Words of keepers that are read; an attempt has a few.
const WORDS_MAX: usize = 10_000;
/// Whether an agent still gets anywhere is looked at so often.
const LOOK_MIN: Duration = Duration::from_millis(25);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// One agent that is spoken with.
pub(super) struct Voice {
    folder: PathBuf,
    words: PathBuf,
    /// Becomes readable when a keeper has something to say.
    news: Option<OwnedFd>,
    dialogue: Dialogue,
    stdin: Option<OwnedFd>,
    pending: Vec<u8>,
    heard: Heard,
    taken: BTreeSet<OsString>,
    patience: Patience,
    look: Duration,
    looked: Instant,
    metering: Duration,
    written: Instant,
    unwritten: bool,
    fresh: bool,
    seen: Instant,
    done: Option<Instant>,
    /// How long it may stay after that.
    grace: Duration,
    asks: Clock,
    interrupt_by_signal: bool,
    /// What is not written down.
    secrets: Arc<Secrets>,
}

/// Why an agent should be ended.
pub(super) enum Amiss {
    /// It gets nowhere.
    Trouble(Trouble),
    /// It is done, and does not go.
    Stays,
}

/// How an agent can be interrupted.
pub(super) enum Interrupt {
    /// It was, by its protocol.
    Said,
    /// A signal does it.
    BySignal,
    /// Not at all, or it need not be: only its process is still there.
    No,
}

/// For how long a person was waited for.
struct Clock {
    since: Option<Instant>,
    waited: Duration,
    most: Duration,
}

impl Clock {
    fn so_far(&self, now: Instant) -> Duration {
        let open = self.since.map_or(Duration::ZERO, |since| now - since);
        (self.waited + open).min(self.most)
    }

    fn turn(&mut self, asks: bool, now: Instant) {
        match (self.since, asks) {
            (None, true) => self.since = Some(now),
            (Some(since), false) => {
                self.waited += now - since;
                self.since = None;
            }
            _ => {}
        }
    }
}

impl Voice {
    /// Begins the dialogue with an agent that is about to start. `stdin` is our end of its standard input.
    pub(super) fn new(
        folder: &Path,
        talk: &Talk,
        stdin: Option<OwnedFd>,
        grace: Duration,
        secrets: Arc<Secrets>,
    ) -> Result<Voice, String> {
        let dialogue = talk.begin()?;
        let words = make_words(folder).map_err(|e| format!("cannot make a folder: {e}"))?;
        // Without it, words are looked for now and then.
        let news = pane::appearing(&words).ok();
        let now = Instant::now();
        let patience = Patience::from(talk.patience);
        let least = patience.first.min(patience.reply).min(patience.tool);
        Ok(Voice {
            folder: folder.to_path_buf(),
            words,
            news,
            dialogue,
            stdin,
            pending: Vec::new(),
            heard: Heard {
                resumed: talk.resume.is_some(),
                ..Heard::default()
            },
            taken: BTreeSet::new(),
            patience,
            look: Duration::from_millis(least.0 / 4).clamp(LOOK_MIN, LOOK_MAX),
            looked: now,
            metering: super::bounded(talk.metering_ms),
            written: now,
            unwritten: false,
            fresh: false,
            seen: now,
            done: None,
            grace,
            asks: Clock {
                since: None,
                waited: Duration::ZERO,
                most: super::bounded(talk.ask_total_ms),
            },
            interrupt_by_signal: talk.interrupt_by_signal,
            secrets,
        })
    }

    /// Where to wait for room, if something waits to be said.
    pub(super) fn speaks_to(&self) -> Option<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        let stdin = self.stdin.as_ref().filter(|_| !self.pending.is_empty())?;
        Some(stdin.as_fd())
    }

    /// Where to wait for keepers' words.
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        self.news.as_ref().map(AsFd::as_fd)
    }

    /// Whether more of its output may be read: one that never listens could make us keep anything.
    pub(super) fn listens(&self) -> bool {
        self.pending.len() < UNHEARD
    }

    /// Reads what the agent printed on its standard output. Gives what a person may like to see of it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        let seen = self.dialogue.read(bytes);
        self.take(seen)
    }

    /// Reads what it printed on its standard error.
    pub(super) fn read_errors(&mut self, bytes: &[u8]) -> Vec<String> {
        let seen = self.dialogue.read_errors(bytes);
        // Nothing else must follow from it, not even that something was heard.
        if seen.is_empty() {
            return Vec::new();
        }
        self.take(seen)
    }

    /// Everything of the agent's is over.
    pub(super) fn end(mut self) -> Heard {
        let seen = self.dialogue.end();
        self.take(seen);
        self.heard.summary.clone_from(self.dialogue.summary());
        // Who is gone waits for nobody.
        self.heard.asks.clear();
        self.heard.waits_until = None;
        self.heard.clean(&self.secrets);
        let _ = self.heard.write(&self.folder);
        self.heard
    }

    /// Writes what waits to be said, as far as the agent takes it.
    pub(super) fn flush(&mut self) {
        self.pending.extend(self.dialogue.to_write());
        let mut written = 0;
        while let Some(stdin) = &self.stdin
            && written < self.pending.len()
        {
            match rustix::io::write(stdin, &self.pending[written..]) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // It has closed its end: it hears nothing any more.
                Err(_) => self.stdin = None,
            }
        }
        self.pending.drain(..written);
        if self.stdin.is_none() {
            self.pending.clear();
        } else if self.done.is_some() && self.pending.is_empty() {
            // Its turn is over and nothing is to be said: now it ends by itself.
            self.stdin = None;
        }
    }

    fn take(&mut self, seen: Vec<Seen>) -> Vec<String> {
        let mut shown = Vec::new();
        let (now, at) = (Instant::now(), Time(now()));
        let mut urgent = false;
        for one in seen {
            self.seen = now;
            self.unwritten = true;
            match one {
                Seen::Question { id, text, options } => {
                    shown.push(format!("? {text}"));
                    self.ask(id, None, text, options, at);
                    urgent = true;
                }
                Seen::PermissionAsked { id, tool, text } => {
                    shown.push(format!("? {tool}: {text}"));
                    self.ask(id, Some(tool), text, Vec::new(), at);
                    urgent = true;
                }
                Seen::Settled { .. } => urgent = true,
                Seen::RateLimited { until, text } => {
                    shown.push(format!("! {text}"));
                    self.heard.limited_until = until.map(|until: Until| until.at(at).0);
                    urgent = true;
                }
                Seen::Retrying { wait, fault, .. } => {
                    shown.push(format!("! tries again: {}", fault.text));
                    self.heard.waits_until = wait.map(|wait| (at + wait).0);
                    urgent = true;
                }
                Seen::Done { text, .. } => {
                    shown.push(text);
                    self.done = Some(now);
                    urgent = true;
                }
                Seen::TurnBegan => self.done = None,
                Seen::Started { .. } => urgent = true,
                Seen::Said { text } => shown.push(text),
                Seen::ToolBegan { name, .. } => shown.push(format!("> {name}")),
                Seen::Error(fault) => shown.push(format!("! {}", fault.text)),
                Seen::Progress
                | Seen::Writing
                | Seen::ToolEnded { .. }
                | Seen::Usage { .. }
                | Seen::Cost { .. }
                | Seen::Context { .. } => {}
            }
        }
        let summary = self.dialogue.summary();
        // An agent that said it was done, and then that it tries again, is not done.
        if summary.done.is_none() {
            self.done = None;
        }
        if summary.waits.is_none() {
            self.heard.waits_until = None;
        }
        if summary.limited.is_none() {
            self.heard.limited_until = None;
        }
        self.heard.asks.retain(|ask| summary.asks.contains(&ask.id));
        self.asks.turn(!summary.asks.is_empty(), now);
        self.flush();
        if urgent {
            self.write();
        }
        shown
    }

    fn ask(
        &mut self,
        id: String,
        tool: Option<String>,
        text: String,
        options: Vec<String>,
        at: Time,
    ) {
        // Said again under the same name, it is the same question.
        if self.heard.asks.iter().any(|ask| ask.id == id) {
            return;
        }
        self.heard.asked = self.heard.asked.saturating_add(1);
        self.heard.asks.push(Asking {
            number: self.heard.asked,
            id,
            tool,
            text,
            options,
            since: at.0,
        });
    }

    /// Hears what keepers have left to be said, each word once.
    pub(super) fn hear_words(&mut self) {
        if let Some(news) = &self.news {
            pane::drain(news);
        }
        let mut fresh: Vec<OsString> = fs::read_dir(&self.words)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| !self.taken.contains(name))
            .collect();
        fresh.sort();
        for name in fresh {
            if self.taken.len() >= WORDS_MAX {
                return;
            }
            let word = read_word(&self.words.join(&name));
            self.taken.insert(name);
            if let Some(word) = word {
                self.say_word(word);
            }
        }
    }

    fn say_word(&mut self, word: Word) {
        let say = match word {
            Word::Answer { ask, answer } => {
                let Some(asking) = self.heard.asks.iter().find(|a| a.number == ask) else {
                    return;
                };
                let id = asking.id.clone();
                Say::Answer { id, answer }
            }
            Word::Nudge { text, .. } => Say::Nudge(text),
        };
        match self.dialogue.say(&say) {
            Ok(seen) => {
                self.take(seen);
            }
            Err(_) => {
                // Nobody waits for it any more, whatever we thought.
                if let Say::Answer { id, .. } = say {
                    self.heard.asks.retain(|ask| ask.id != id);
                    self.write();
                }
            }
        }
    }

    /// Interrupts the agent by its protocol, before any signal.
    pub(super) fn interrupt(&mut self, why: Option<ByUs>) -> Interrupt {
        let is_done = self.done.is_some();
        if !is_done && self.heard.by_us.is_none() {
            self.heard.by_us = why;
        }
        if is_done {
            return Interrupt::No;
        }
        match self.dialogue.say(&Say::Interrupt) {
            Ok(seen) => {
                self.take(seen);
                Interrupt::Said
            }
            Err(_) if self.interrupt_by_signal => Interrupt::BySignal,
            Err(_) => Interrupt::No,
        }
    }

    /// Nothing more is said.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
        self.pending.clear();
    }

    /// The host ends the agent, for this reason.
    pub(super) fn ended_for(&mut self, why: ByUs) {
        if self.done.is_none() {
            self.heard.by_us.get_or_insert(why);
        }
    }

    /// Looks whether the agent gets anywhere, and why it should be ended, if it should.
    pub(super) fn look(&mut self) -> Option<Amiss> {
        let now = Instant::now();
        self.looked = now;
        if self.news.is_none() {
            self.hear_words();
        }
        if self.unwritten && now >= self.written + self.metering {
            self.write();
        }
        let silent = Millis(u64::try_from((now - self.seen).as_millis()).unwrap_or(u64::MAX));
        match health(self.dialogue.summary(), silent, &self.patience) {
            Health::Trouble(trouble) => Some(Amiss::Trouble(trouble)),
            Health::Done => self
                .done
                .filter(|done| now >= *done + self.grace)
                .map(|_| Amiss::Stays),
            Health::Fine | Health::Asks => None,
        }
    }

    /// When to look next.
    pub(super) fn looks_at(&self) -> Instant {
        let look = self.looked + self.look;
        let meter = self.unwritten.then(|| self.written + self.metering);
        let goes = self.done.map(|done| done + self.grace);
        // What was due before the last look was seen to then.
        let due = [meter, goes]
            .into_iter()
            .flatten()
            .filter(|at| *at > self.looked);
        due.fold(look, Instant::min)
    }

    /// By how much the agent's deadlines are moved: a person was waited for, not the agent.
    pub(super) fn stood(&self) -> Duration {
        self.asks.so_far(Instant::now())
    }

    /// Whether something was written down since this was asked last: then keepers are told.
    pub(super) fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    fn write(&mut self) {
        self.heard.summary.clone_from(self.dialogue.summary());
        self.unwritten = false;
        self.written = Instant::now();
        // The dialogue goes on with what was really said.
        let mut clean = self.heard.clone();
        clean.clean(&self.secrets);
        // Measured again soon; a disk that is full must not stop the agent.
        self.fresh |= clean.write(&self.folder).is_ok();
    }
}

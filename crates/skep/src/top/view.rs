//! What the screen shows, and what news make of it. Pure: time is told, and what is to be done is returned.

use super::{
    data::{Data, Link, Needs, News},
    pane::{self, Pane, Row},
};
use skep_core::time::Time;
use skep_server::api::{AskDoc, By, CommandDoc, ConcernDoc};

/// What has the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Mode {
    /// The list.
    #[default]
    List,
    /// What the list is filtered by is being typed.
    Filter,
    /// What the keys do.
    Help,
    /// Everything known of one task or worker, by name.
    Detail(String),
    /// What mends a concern; one of its remedies can be chosen.
    Mend(Box<ConcernDoc>),
    /// The answer to an ask is being typed.
    Answer(Box<AskDoc>, String),
    /// Something that would not be undone waits for a yes.
    Confirm(Box<Deed>),
}

/// A command, with what to say before and after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deed {
    pub(super) command: CommandDoc,
    /// The question.
    pub(super) ask: String,
    /// What a person is told once it is done.
    pub(super) done: String,
}

/// What is to be done outside of the view.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// The person has seen enough.
    Leave,
    /// The shell is to have the terminal for a while.
    Suspend,
    /// Everything is to be drawn anew.
    Redraw,
    /// A command is to be sent, and its end told with these words.
    Send(CommandDoc, String),
    /// The same; and the second, if what the first asks for is so already.
    Toggle(Box<[(CommandDoc, String); 2]>),
}

/// The last thing said below the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) bad: bool,
}

#[derive(Clone, Debug, Default)]
struct Cursor {
    at: usize,
    /// The row is followed by its name while the list moves under it.
    id: Option<String>,
}

/// The screen's state.
#[derive(Debug)]
pub(super) struct View {
    pub(super) data: Data,
    pub(super) pane: Pane,
    pub(super) mode: Mode,
    pub(super) filter: String,
    pub(super) said: Option<Said>,
    pub(super) by: By,
    /// Whose output the pane of logs shows.
    pub(super) log: Option<String>,
    /// Whether a person chose it.
    pub(super) log_is_chosen: bool,
    /// How far down a long text is shown from; of a log, how far above its end.
    pub(super) scroll: usize,
    pub(super) now: Time,
    cursors: [Cursor; Pane::ALL.len()],
}

impl View {
    pub(super) fn new(now: Time) -> View {
        View {
            data: Data::default(),
            pane: Pane::Workers,
            mode: Mode::List,
            filter: String::new(),
            said: None,
            by: By::Task,
            log: None,
            log_is_chosen: false,
            scroll: 0,
            now,
            cursors: Default::default(),
        }
    }

    /// Takes in what was read.
    pub(super) fn news(&mut self, news: News, now: Time) {
        self.now = now;
        if let News::Done(result) = &news {
            self.said = Some(match result {
                Ok(text) => Said {
                    text: text.clone(),
                    bad: false,
                },
                Err(text) => Said {
                    text: text.clone(),
                    bad: true,
                },
            });
        }
        self.data.take(news);
        // The list may have moved under the cursor; one that is still to be read has not.
        let rows = self.rows();
        if !rows.is_empty() {
            let at = self.index(&rows);
            self.put(at, &rows);
        }
        let first = || {
            let workers = self.data.status.as_ref()?.workers.iter();
            let mut busy = workers.filter(|w| w.attempt.is_some());
            busy.next().map(|w| w.id.clone())
        };
        // What nobody chose is somebody who is at work.
        let idle = |name: &String| self.data.attempt_of(name).is_none();
        if !self.log_is_chosen && self.log.as_ref().is_none_or(idle) {
            self.log = first().or_else(|| self.log.take());
        }
    }

    /// What has to be read for what is shown now.
    pub(super) fn needs(&self) -> Needs {
        let detail = match &self.mode {
            Mode::Detail(name) => Some(name.clone()),
            // A task that nobody is at has its last attempt in its history.
            _ if self.pane == Pane::Logs => self.log.clone(),
            _ => None,
        };
        Needs {
            tasks: self.pane == Pane::Queue,
            asks: self.pane == Pane::Asks,
            costs: (self.pane == Pane::Cost).then_some(self.by),
            detail,
            log: self
                .log
                .as_ref()
                .filter(|_| self.pane == Pane::Logs)
                .and_then(|name| self.data.attempt_of(name)),
        }
    }

    /// Whether what is shown ages by itself.
    pub(super) fn ages(&self) -> bool {
        self.data.link == Link::Kept && self.data.moves()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        pane::rows(self.pane, &self.data, &self.filter, self.now)
    }

    /// Where the cursor is among the rows.
    pub(super) fn index(&self, rows: &[Row]) -> usize {
        let cursor = &self.cursors[self.pane.number()];
        let named = |id: &String| rows.iter().position(|row| row.id == *id);
        let found = cursor.id.as_ref().and_then(named);
        found.unwrap_or(cursor.at).min(rows.len().saturating_sub(1))
    }

    pub(super) fn put(&mut self, at: usize, rows: &[Row]) {
        let id = rows.get(at).map(|row| row.id.clone());
        self.cursors[self.pane.number()] = Cursor { at, id };
    }

    /// Puts the cursor of another pane on what will be there.
    pub(super) fn go_to(&mut self, pane: Pane, id: String) {
        self.show(pane);
        self.cursors[pane.number()] = Cursor {
            at: 0,
            id: Some(id),
        };
    }

    /// The name of the row under the cursor.
    pub(super) fn chosen(&self) -> Option<String> {
        let rows = self.rows();
        rows.get(self.index(&rows)).map(|row| row.id.clone())
    }

    /// The task or worker under the cursor.
    pub(super) fn named(&self) -> Option<String> {
        match self.pane {
            Pane::Workers | Pane::Queue => self.chosen(),
            Pane::Asks => self.ask().map(|ask| ask.task.clone()),
            Pane::Cost if matches!(self.by, By::Task | By::Worker) => self.chosen(),
            Pane::Logs => self.log.clone(),
            Pane::Problems => {
                use skep_server::api::About::{Task, Worker};
                let concern = self.concern()?;
                matches!(concern.about, Task | Worker).then(|| concern.subject.clone())
            }
            Pane::Cost | Pane::Waves => None,
        }
    }

    /// The task under the cursor, or the one that the worker there is at.
    pub(super) fn task(&self) -> Option<String> {
        let name = self.named()?;
        let workers = self.data.status.iter().flat_map(|s| &s.workers);
        let mut workers = workers.filter(|w| w.id == name);
        match workers.next() {
            Some(worker) => worker.current_task.clone(),
            None => Some(name),
        }
    }

    pub(super) fn ask(&self) -> Option<&AskDoc> {
        let id = self.chosen()?;
        let mut asks = self.data.asks.iter().flat_map(|list| &list.asks);
        asks.find(|ask| ask.id == id)
    }

    pub(super) fn concern(&self) -> Option<&ConcernDoc> {
        let id = self.chosen()?;
        let mut concerns = self.data.concerns.iter().flat_map(|list| &list.concerns);
        concerns.find(|concern| pane::concern_id(concern) == id)
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.said = Some(Said {
            text: text.into(),
            bad: false,
        });
    }

    pub(super) fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.mode = Mode::List;
        self.filter.clear();
        self.scroll = 0;
    }
}

//! What a key does.

use super::{
    pane::Pane,
    view::{Deed, Effect, Mode, View},
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use skep_core::time::Time;
use skep_server::api::{By, CommandDoc};

/// So many rows are a page.
const PAGE: isize = 10;

/// The keys, as `?` shows them.
pub(super) const HELP: &[(&str, &str)] = &[
    (
        "1-7, Tab",
        "workers, queue, asks, problems, cost, logs, waves",
    ),
    (
        "p  $  l",
        "problems; cost; the log of what is under the cursor",
    ),
    (
        "j k, arrows",
        "down, up; g G to the ends, PgDn PgUp by pages",
    ),
    (
        "Enter",
        "open: the log of a task or worker, the answer to an ask, what mends a problem",
    ),
    ("d", "why: everything known of the task or worker"),
    ("r", "retry the task, restart the worker, mend the problem"),
    ("x", "give the task up"),
    ("Space", "pause or resume the worker"),
    ("P", "pause or resume the swarm"),
    ("y n", "allow or deny what an ask wants to do"),
    ("b", "in cost: by task, model, worker, role, day"),
    ("/", "show only rows that contain a text; Esc shows all"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "back to the shell; `fg` comes back"),
    ("q, Ctrl-C", "leave; the swarm goes on"),
];

impl View {
    /// Takes in a key.
    pub(super) fn key(&mut self, key: KeyEvent, now: Time) -> Option<Effect> {
        self.now = now;
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Some(Effect::Leave),
                KeyCode::Char('z') => Some(Effect::Suspend),
                KeyCode::Char('l') => Some(Effect::Redraw),
                _ => None,
            };
        }
        self.said = None;
        match std::mem::take(&mut self.mode) {
            Mode::List => self.in_list(key.code),
            Mode::Filter => {
                self.in_filter(key.code);
                None
            }
            Mode::Help => {
                self.in_text(Mode::Help, key.code);
                None
            }
            Mode::Detail(name) => {
                self.in_text(Mode::Detail(name), key.code);
                None
            }
            Mode::Mend(concern) => {
                let chosen = match key.code {
                    KeyCode::Char(c @ '1'..='9') => c as usize - '1' as usize,
                    _ => return None,
                };
                let remedy = concern.remedies.get(chosen)?;
                match &remedy.command {
                    Some(command) => {
                        let done = format!("{}: {}", concern.subject, remedy.label);
                        return Some(Effect::Send(command.clone(), done));
                    }
                    None if concern.kind == "ask" => {
                        self.show(Pane::Asks);
                        self.say("Enter answers it");
                    }
                    None => self.say(format!("type: {}", remedy.shell)),
                }
                None
            }
            Mode::Answer(ask, text) => self.in_answer(*ask, text, key.code),
            Mode::Confirm(deed) => match key.code {
                KeyCode::Char('y' | 'Y') => Some(Effect::Send(deed.command, deed.done)),
                _ => {
                    self.say("nothing was done");
                    None
                }
            },
        }
    }

    fn in_list(&mut self, code: KeyCode) -> Option<Effect> {
        match code {
            KeyCode::Char('q') => return Some(Effect::Leave),
            KeyCode::Char('?') => self.read(Mode::Help),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('p') => self.show(Pane::Problems),
            KeyCode::Char('$') => self.show(Pane::Cost),
            KeyCode::Tab => self.step(1),
            KeyCode::BackTab => self.step(Pane::ALL.len() - 1),
            KeyCode::Char(c @ '1'..='9') => {
                if let Some(pane) = Pane::ALL.get(c as usize - '1' as usize) {
                    self.show(*pane);
                }
            }
            KeyCode::Char('j') | KeyCode::Down => self.go(1),
            KeyCode::Char('k') | KeyCode::Up => self.go(-1),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::Char('g') | KeyCode::Home => self.go(-isize::MAX),
            KeyCode::Char('G') | KeyCode::End => self.go(isize::MAX),
            KeyCode::Enter => self.open(),
            KeyCode::Char('l') => self.open_log(),
            KeyCode::Char('d') => match self.named() {
                Some(name) => self.read(Mode::Detail(name)),
                None => self.open(),
            },
            KeyCode::Char('r') => self.mend(),
            KeyCode::Char('x') => {
                if let Some(task) = self.task() {
                    self.confirm(
                        CommandDoc::CancelTask { task: task.clone() },
                        format!("Give {task} up? Its attempt is stopped, its work saved."),
                        format!("{task} is given up"),
                    );
                }
            }
            KeyCode::Char(' ') => return self.rest_worker(),
            KeyCode::Char('P') => return self.rest_swarm(),
            KeyCode::Char(c @ ('y' | 'n')) if self.pane == Pane::Asks => {
                return self.permit(c == 'y');
            }
            KeyCode::Char('b') if self.pane == Pane::Cost => {
                let at = By::ALL.iter().position(|(_, by)| *by == self.by);
                let next = at.map_or(0, |at| (at + 1) % By::ALL.len());
                self.by = By::ALL[next].1;
            }
            _ => {}
        }
        None
    }

    /// A text of its own begins at its top.
    fn read(&mut self, mode: Mode) {
        self.scroll = 0;
        self.mode = mode;
    }

    fn step(&mut self, by: usize) {
        let next = (self.pane.number() + by) % Pane::ALL.len();
        self.show(Pane::ALL[next]);
    }

    fn go(&mut self, by: isize) {
        if self.pane == Pane::Logs {
            // Counted from the end, where news come.
            self.scroll = moved(self.scroll, by.saturating_neg()).min(self.data.log.lines.len());
            return;
        }
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        let at = moved(self.index(&rows), by).min(last);
        self.put(at, &rows);
    }

    fn in_text(&mut self, mode: Mode, code: KeyCode) {
        let by = match code {
            KeyCode::Char('j') | KeyCode::Down => 1,
            KeyCode::Char('k') | KeyCode::Up => -1,
            KeyCode::PageDown | KeyCode::Char(' ') => PAGE,
            KeyCode::PageUp => -PAGE,
            KeyCode::Char('g') | KeyCode::Home => -isize::MAX,
            _ => {
                self.scroll = 0;
                return;
            }
        };
        self.scroll = moved(self.scroll, by).min(TEXT);
        self.mode = mode;
    }

    fn in_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => return,
            KeyCode::Esc => {
                self.filter.clear();
                return;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.len() < TYPED => self.filter.push(c),
            _ => {}
        }
        self.mode = Mode::Filter;
    }

    fn open(&mut self) {
        match self.pane {
            Pane::Workers | Pane::Queue | Pane::Cost => self.open_log(),
            Pane::Asks => {
                if let Some(ask) = self.ask().filter(|ask| ask.answer.is_none()) {
                    self.mode = Mode::Answer(Box::new(ask.clone()), String::new());
                }
            }
            Pane::Problems => {
                if let Some(concern) = self.concern() {
                    self.mode = Mode::Mend(Box::new(concern.clone()));
                }
            }
            Pane::Logs => self.scroll = 0,
            Pane::Waves => {
                if let Some(wave) = self.chosen() {
                    let waves = self.data.status.iter().flat_map(|s| &s.waves);
                    let mut named = waves.filter(|w| w.id.to_string() == wave);
                    let first = named.next().and_then(|w| w.tasks.first().cloned());
                    if let Some(name) = first {
                        self.go_to(Pane::Queue, name);
                    }
                }
            }
        }
    }

    fn open_log(&mut self) {
        if let Some(name) = self.named() {
            self.show(Pane::Logs);
            (self.log, self.log_is_chosen) = (Some(name), true);
            self.data.log = super::data::Log::default();
        }
    }

    fn mend(&mut self) {
        if self.pane == Pane::Problems {
            return self.open();
        }
        let Some(name) = self.named() else { return };
        let mut workers = self.data.status.iter().flat_map(|s| &s.workers);
        if workers.any(|w| w.id == name) {
            let worker = name.clone();
            self.confirm(
                CommandDoc::RestartWorker { worker },
                format!("Restart {name}? Its attempt is stopped, its work saved."),
                format!("{name} begins afresh"),
            );
        } else {
            let task = name.clone();
            self.confirm(
                CommandDoc::RetryTask { task },
                format!("Begin {name} anew?"),
                format!("{name} begins anew"),
            );
        }
    }

    fn confirm(&mut self, command: CommandDoc, ask: String, done: String) {
        self.mode = Mode::Confirm(Box::new(Deed { command, ask, done }));
    }

    fn rest_worker(&mut self) -> Option<Effect> {
        let name = self.named().filter(|_| self.pane == Pane::Workers)?;
        let mut workers = self.data.status.iter().flat_map(|s| &s.workers);
        let worker = workers.find(|w| w.id == name)?;
        let pause = CommandDoc::PauseWorker {
            worker: name.clone(),
        };
        let resume = CommandDoc::ResumeWorker {
            worker: name.clone(),
        };
        let pause = (pause, format!("{name} takes no more tasks"));
        let resume = (resume, format!("{name} takes tasks again"));
        let rests = worker.paused || worker.status == "crashed";
        let both = match rests {
            true => [resume, pause],
            false => [pause, resume],
        };
        Some(Effect::Toggle(Box::new(both)))
    }

    fn rest_swarm(&mut self) -> Option<Effect> {
        let status = self.data.status.as_ref()?;
        let pause = (CommandDoc::Pause, "paused: nothing more is claimed".into());
        let resume = (CommandDoc::Resume, "resumed".into());
        // What the screen shows may be a moment old.
        let both = match status.status.as_str() {
            "paused" | "halted" | "draining" => [resume, pause],
            _ => [pause, resume],
        };
        Some(Effect::Toggle(Box::new(both)))
    }

    /// Allows or denies what the ask under the cursor wants to do.
    fn permit(&mut self, allow: bool) -> Option<Effect> {
        let ask = self.ask()?;
        if ask.answer.is_some() || (allow && ask.tool.is_none()) {
            self.say("a question takes an answer: Enter gives one");
            return None;
        }
        let word = if allow { "allowed" } else { "denied" };
        let done = format!("ask {} is {word}", ask.id);
        Some(Effect::Send(answer(&ask.id, None, None, Some(allow)), done))
    }

    fn in_answer(
        &mut self,
        ask: skep_server::api::AskDoc,
        mut text: String,
        code: KeyCode,
    ) -> Option<Effect> {
        match code {
            KeyCode::Esc => return None,
            KeyCode::Enter if !text.trim().is_empty() => {
                let done = format!("ask {} is answered", ask.id);
                let option = text.trim().parse::<u32>().ok();
                let option = option.filter(|n| (1..=ask.options.len()).contains(&(*n as usize)));
                let given = option.is_none().then_some(text.as_str());
                let command = match (&ask.tool, text.trim()) {
                    (Some(_), "y" | "yes") => answer(&ask.id, None, None, Some(true)),
                    (Some(_), "n" | "no") => answer(&ask.id, None, None, Some(false)),
                    // Whatever else is said to a permission is why not.
                    (Some(_), _) => answer(&ask.id, Some(&text), None, Some(false)),
                    (None, _) => answer(&ask.id, given, option, None),
                };
                return Some(Effect::Send(command, done));
            }
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(c) if text.len() < TYPED => text.push(c),
            _ => {}
        }
        self.mode = Mode::Answer(Box::new(ask), text);
        None
    }
}

/// The most that can be typed, and the most lines that a text can have.
const TYPED: usize = 4096;
const TEXT: usize = 10_000;

fn moved(at: usize, by: isize) -> usize {
    if by < 0 {
        at.saturating_sub(by.unsigned_abs())
    } else {
        at.saturating_add(by.unsigned_abs())
    }
}

fn answer(ask: &str, text: Option<&str>, option: Option<u32>, allow: Option<bool>) -> CommandDoc {
    CommandDoc::Answer {
        ask: ask.into(),
        text: text.map(Into::into),
        option,
        allow: allow == Some(true),
        deny: allow == Some(false),
    }
}

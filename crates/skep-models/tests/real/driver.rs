//! A host in small: it keeps the contract of `skep_agents`, with plain processes, and says how it ended.

use crate::world::World;
use skep_agents::{
    Adapter, AgentEnd, Answer, ByUs, Cancel, Dialogue, Exit, Health, Patience, Say, Seen, Stdin,
    Summary, Trouble, health, verdict,
};
use skep_core::{attempt::End, time::Millis};
use skep_models::Asked;
use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

/// How often the agent's health is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long an agent may take to do what it is told, before signals and before the end of its tree.
const GRACE: Duration = Duration::from_secs(10);
/// The end of any run, whatever the agent does. A machine that is busy starts some of them in half a minute.
const MOST: Duration = Duration::from_secs(180);

/// What the test does with an agent while it runs.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    /// Interrupt it once this file is in its worktree.
    pub(crate) interrupt_at: Option<&'static str>,
    /// What permission prompts are answered.
    pub(crate) answer: Option<Answer>,
}

/// How long agents may get nowhere here. Much shorter than for real models: this one answers at once.
const PATIENCE: Patience = Patience {
    first: Millis(12_000),
    reply: Millis(12_000),
    tool: Millis(60_000),
    retries: 2,
};

/// How a run went.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) end: AgentEnd,
    pub(crate) exit: Exit,
    pub(crate) summary: Summary,
    pub(crate) seen: Vec<Seen>,
    /// What it printed, and what of that was not for us.
    pub(crate) printed: String,
    /// See there.
    pub(crate) aside: String,
    /// When its model was asked, and what for.
    pub(crate) asked: Vec<String>,
    /// What of its tree was left once it had ended.
    pub(crate) left: Vec<String>,
}

struct Agent<'w> {
    world: &'w World,
    cancel: Option<Cancel>,
    child: Child,
    dialogue: Dialogue,
    /// To the agent's standard input; none once that is closed.
    input: Option<Sender<Vec<u8>>>,
    output: Receiver<Vec<u8>>,
    seen: Vec<Seen>,
    printed: Vec<u8>,
    by_us: Option<ByUs>,
    begun: Instant,
    last: Instant,
    done: Option<Instant>,
    interrupted: Option<Instant>,
    signalled: bool,
}

/// Runs the world's agent once, from its launch to its verdict.
pub(crate) fn run(world: &World, plan: &Plan) -> Run {
    let mut agent = Agent::start(world);
    agent.write();
    while agent.step(plan) {}
    let status = agent.child.wait().unwrap();
    let left = world.processes();
    world.end_all();
    let exit = Exit {
        end: end_of(status),
        by_us: agent.by_us,
    };
    let summary = agent.dialogue.summary().clone();
    Run {
        end: verdict(&summary, &exit),
        exit,
        summary,
        seen: agent.seen,
        printed: String::from_utf8_lossy(&agent.printed).into_owned(),
        aside: world.said_aside(),
        asked: world.asked().iter().map(told).collect(),
        left: left.into_iter().map(|(_, name)| name).collect(),
    }
}

fn told(asked: &Asked) -> String {
    let at = asked.at.as_millis();
    format!(
        "{at} ms {:?}, {} marks, {}",
        asked.got, asked.marks, asked.model
    )
}

impl<'w> Agent<'w> {
    fn start(world: &'w World) -> Agent<'w> {
        let (place, settings) = (world.place(), world.settings());
        let adapter = world.adapter();
        let launch = adapter.launch(&world.order, &place, &settings).unwrap();
        for file in &launch.files {
            world.write(&file.path, &file.content);
        }
        let mut command = command(&launch.argv[0], &world.repo());
        command.args(&launch.argv[1..]).env_clear();
        for name in &launch.pass {
            // Proxies are the world's; toolchains and locales are nobody's secret.
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(&launch.env).envs(world.around());
        let stdin = match launch.stdin {
            Stdin::Empty => Stdio::null(),
            Stdin::Text(_) | Stdin::Dialogue => Stdio::piped(),
        };
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(world.stderr())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().map(writer);
        if let Stdin::Text(text) = launch.stdin
            && let Some(input) = input.take()
        {
            input.send(text.into_bytes()).unwrap();
        }
        let output = reader(child.stdout.take().unwrap());
        let dialogue = adapter.dialogue(&world.order, &place, &settings);
        let now = Instant::now();
        Agent {
            world,
            cancel: adapter.about().map(|about| about.can.cancel),
            child,
            dialogue,
            input,
            output,
            seen: Vec::new(),
            printed: Vec::new(),
            by_us: None,
            begun: now,
            last: now,
            done: None,
            interrupted: None,
            signalled: false,
        }
    }

    /// Reads what comes, or sees that nothing does; whether there can be more.
    fn step(&mut self, plan: &Plan) -> bool {
        match self.output.recv_timeout(TICK) {
            Ok(bytes) => {
                self.printed.extend_from_slice(&bytes);
                let seen = self.dialogue.read(&bytes);
                self.saw(seen, plan);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let seen = self.dialogue.end();
                self.saw(seen, plan);
                return false;
            }
        }
        if let Some(file) = plan.interrupt_at
            && self.interrupted.is_none()
            && self.world.repo().join(file).exists()
        {
            self.stop(ByUs::Asked);
        }
        if self.interrupted.is_none()
            && let Some(trouble) = self.trouble()
        {
            self.stop(ByUs::Trouble(trouble));
        }
        self.insist();
        if self.begun.elapsed() > MOST {
            // Its output ends with it, and so does this.
            self.world.end_all();
        }
        true
    }

    fn saw(&mut self, seen: Vec<Seen>, plan: &Plan) {
        self.write();
        for one in seen {
            self.last = Instant::now();
            match (&one, &plan.answer) {
                (Seen::PermissionAsked { id, .. }, Some(answer)) => {
                    let (id, answer) = (id.clone(), answer.clone());
                    let more = self.dialogue.say(&Say::Answer { id, answer }).unwrap();
                    self.seen.extend(more);
                    self.write();
                }
                (Seen::TurnBegan, _) => self.done = None,
                (Seen::Done { .. }, _) => {
                    self.done = Some(Instant::now());
                    self.input = None;
                }
                _ => {}
            }
            self.seen.push(one);
        }
    }

    fn write(&mut self) {
        let bytes = self.dialogue.to_write();
        if let (false, Some(input)) = (bytes.is_empty(), &self.input) {
            // It has ended: its output says so, too.
            let _ = input.send(bytes);
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        // Here it is known that the model was asked, so a slow start is not taken for a silent model.
        let asked = self.world.last_asked();
        let silent = match asked {
            None if self.dialogue.summary().seen == 0 => return None,
            None => Duration::ZERO,
            Some(ago) => self.last.elapsed().min(ago),
        };
        let silent = Millis(silent.as_millis().try_into().unwrap());
        match health(self.dialogue.summary(), silent, &PATIENCE) {
            Health::Trouble(trouble) => Some(trouble),
            Health::Fine | Health::Asks | Health::Done => None,
        }
    }

    /// By the protocol first; an agent that has no words for it gets the signal.
    fn stop(&mut self, why: ByUs) {
        self.by_us = Some(why);
        self.interrupted = Some(Instant::now());
        match self.dialogue.say(&Say::Interrupt) {
            Ok(seen) => {
                self.seen.extend(seen);
                self.write();
            }
            Err(_) => {
                self.input = None;
                self.signal();
            }
        }
    }

    /// An agent that does not end though it was told to, or though it is done.
    fn insist(&mut self) {
        let for_long = |since: Option<Instant>, most| since.is_some_and(|at| at.elapsed() > most);
        if for_long(self.interrupted, GRACE) && !self.signalled {
            self.input = None;
            self.signal();
        }
        if for_long(self.interrupted, GRACE * 2) || for_long(self.done, GRACE) {
            self.world.end_all();
        }
    }

    fn signal(&mut self) {
        self.signalled = true;
        let signal = match self.cancel {
            Some(Cancel::Interrupt) => rustix::process::Signal::INT,
            _ => rustix::process::Signal::TERM,
        };
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            // Not waited for yet, so the number is still its own.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

#[allow(clippy::disallowed_methods)] // The directory is chosen here.
pub(crate) fn command(program: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// Writing waits for the agent to read, so it has a thread of its own. It ends with its sender.
fn writer(mut stdin: ChildStdin) -> Sender<Vec<u8>> {
    let (to, from) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in from {
            if stdin
                .write_all(&bytes)
                .and_then(|()| stdin.flush())
                .is_err()
            {
                return;
            }
        }
    });
    to
}

fn reader(mut stdout: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, from) = mpsc::channel();
    thread::spawn(move || {
        let mut piece = [0; 65_536];
        while let Ok(n @ 1..) = stdout.read(&mut piece) {
            if to.send(piece[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    from
}

/// The adapter of this name; aider's is its rules.
pub(crate) fn adapter(name: &str) -> Adapter {
    Adapter::named(name).unwrap_or_else(|| {
        use skep_agents::command::{AIDER, Rules};
        Adapter::Command(Rules::parse(AIDER).unwrap())
    })
}

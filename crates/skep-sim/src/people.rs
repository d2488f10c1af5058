//! People: commands at random, each under a key, sent again until there is an answer, now and then twice.

use crate::{
    keeper::Letter,
    mutant::Mutant,
    plans,
    world::{BEGIN, Due, World},
};
use skep_core::{
    event::By,
    id::{TaskId, WorkerId},
    request::{Answer, Command, Observation, Refusal, Request, What},
    spec::Priority,
};
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct People {
    pub(crate) added: u64,
    gave_up_commanding: bool,
}

/// One command and who waits for its answer.
pub(crate) struct Client {
    pub(crate) key: String,
    command: Command,
    tries: u32,
    pub(crate) done: bool,
}

/// A client that has no answer sends again after this.
const PATIENCE: u64 = 20_000;

impl World {
    pub(crate) fn load_plan(&mut self) {
        let command = Command::LoadPlan {
            plan: Box::new(self.audit.shown(self.options.mutant, &self.plan)),
            digest: "one".into(),
            target: "main".into(),
            base: self.repo.integration.clone(),
            kept: false,
            again: false,
        };
        self.command(command);
        if self.dice.chance(200) {
            self.coverage.hit("people: load the plan twice");
            let again = self.clients.last().map(|c| c.command.clone());
            if let Some(command) = again {
                self.command(command);
            }
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        let key = format!("k{}", self.clients.len());
        self.note(|| format!("{key}: {}", brief(&command)));
        self.clients.push(Client {
            key,
            command,
            tries: 0,
            done: false,
        });
        let client = self.clients.len() - 1;
        self.send(client);
        if self.dice.chance(150) {
            self.coverage.hit("people: send a command twice");
            let later = self.dice.spread(1, 60_000);
            self.after(later, Due::Deliver(0, Box::new(self.letter(client))));
        }
    }

    fn letter(&self, client: usize) -> Letter {
        let c = &self.clients[client];
        let key = (!self.mutated(Mutant::ForgetKeys)).then(|| c.key.clone());
        let request = Request {
            key,
            trace: c.key.clone(),
            by: By::Person("ada".into()),
            what: What::Command(c.command.clone()),
        };
        Letter {
            request,
            client: Some(client),
            of: None,
        }
    }

    pub(crate) fn send(&mut self, client: usize) {
        let c = &mut self.clients[client];
        if c.done {
            return;
        }
        c.tries += 1;
        if c.tries > 1 {
            self.coverage.hit("people: send again");
        }
        let late = self.dice.of(0..=3);
        self.after(late, Due::Deliver(0, Box::new(self.letter(client))));
        self.after(PATIENCE, Due::Resend(client));
    }

    pub(crate) fn answered(&mut self, client: usize, answer: Result<Answer, Refusal>) {
        self.clients[client].done = true;
        let key = self.clients[client].key.clone();
        match answer {
            Ok(answer) => {
                self.coverage.hit(if answer.repeated {
                    "answer: repeated"
                } else {
                    "answer: new"
                });
                self.audit_answer(&key, &answer);
            }
            Err(refusal) => self.note(|| format!("{key} is refused: {refusal}")),
        }
    }

    /// Somebody does something.
    pub(crate) fn person(&mut self) {
        if self.people.gave_up_commanding || !self.options.people {
            return;
        }
        if self.keeper.is_some() && self.now > BEGIN + 1_000 {
            let command = self.some_command();
            if let Some(command) = command {
                self.coverage.hit(word(&command));
                self.command(command);
            }
        }
        self.see_memory();
        let later = self.dice.spread(2_000, 3_600_000);
        self.after(later, Due::Person);
    }

    /// A machine that people work at has now more memory free and now less.
    fn see_memory(&mut self) {
        let each = self.plan.swarm.policy.scaling.memory_per_worker;
        let available = each * self.dice.of(0..=9);
        let seen = Letter::seen(Observation::Memory { available }, None);
        if let Some(life) = self.keeper.as_ref().map(|k| k.life) {
            self.after(1, Due::Deliver(life, Box::new(seen)));
        }
    }

    /// When the faults end, most people also undo what would keep the swarm from going on, and then leave.
    pub(crate) fn goodwill(&mut self) {
        self.people.gave_up_commanding = true;
        if !self.dice.chance(800) {
            return;
        }
        let state = &self.audit.state;
        let mut commands = Vec::new();
        if state.workers().all(|w| w.stopping) {
            commands.push(Command::AddWorkers {
                count: 2,
                role: None,
            });
        }
        for worker in state.workers().filter(|w| w.paused) {
            commands.push(Command::ResumeWorker { worker: worker.id });
        }
        for task in state.tasks().iter().filter(|t| t.assigned.is_some()) {
            commands.push(Command::AssignTask {
                task: task.id().clone(),
                worker: None,
            });
        }
        if state.paused()
            || state.draining()
            || state.halted().is_some_and(|h| h.probe_at.is_none())
        {
            commands.push(Command::Resume);
        }
        for command in commands {
            self.command(command);
        }
    }

    fn one_more(&mut self, roles: bool) -> Command {
        self.people.added += 1;
        let id = plans::task_id(1000 + self.people.added);
        let (spec, character) = plans::task(&mut self.dice, id, &self.known, roles);
        self.characters.insert(spec.id.clone(), character);
        let spec = Arc::new(spec);
        self.add_known(&spec);
        Command::AddTask { spec }
    }

    fn some_command(&mut self) -> Option<Command> {
        let tasks: Vec<TaskId> = self
            .audit
            .state
            .tasks()
            .iter()
            .map(|t| t.id().clone())
            .collect();
        let workers: Vec<WorkerId> = self.audit.state.workers().map(|w| w.id).collect();
        let task = self.dice.pick(&tasks)?.clone();
        let worker = self.dice.pick(&workers).copied();
        let roles = self.plan.tasks.iter().any(|t| t.role.is_some());
        Some(match self.dice.of(0..=33) {
            0..=2 => {
                // Now and then somebody has a lot to do.
                let more = if self.dice.chance(100) { 12 } else { 0 };
                for _ in 0..more {
                    let command = self.one_more(roles);
                    self.command(command);
                }
                self.one_more(roles)
            }
            3..=5 => {
                let known = self.known.clone();
                let (mut spec, _) = plans::task(&mut self.dice, task.clone(), &known, roles);
                spec.depends_on.retain(|d| *d != task);
                Command::EditTask {
                    spec: Arc::new(spec),
                }
            }
            6 => Command::SkipTask { task },
            7 => Command::CancelTask { task },
            8..=11 => {
                let over = |t: &&skep_core::task::Task| {
                    t.state.is_over() || t.state == skep_core::task::TaskState::Blocked
                };
                let over: Vec<TaskId> = self
                    .audit
                    .state
                    .tasks()
                    .iter()
                    .filter(over)
                    .map(|t| t.id().clone())
                    .collect();
                Command::RetryTask {
                    task: self.dice.pick(&over).cloned().unwrap_or(task),
                }
            }
            12 => Command::BoostTask {
                task,
                priority: Some(Priority::P0),
            },
            13 => Command::AssignTask { task, worker },
            14 => Command::AssignTask { task, worker: None },
            15 | 16 => Command::AddWorkers {
                count: self.dice.of(1..=3) as u32,
                role: (roles && self.dice.chance(500)).then(|| "back".into()),
            },
            17 => Command::RemoveWorker {
                worker: worker?,
                now: self.dice.chance(500),
            },
            30 | 31 => Command::Scale {
                mode: plans::mode(&mut self.dice),
            },
            18 => Command::PauseWorker { worker: worker? },
            19 | 20 => Command::ResumeWorker { worker: worker? },
            21 => Command::RestartWorker { worker: worker? },
            22 => Command::Pause,
            23..=27 => Command::Resume,
            28 => Command::Drain,
            29 => Command::StopAll,
            32 => Command::SetWorkerModel {
                worker: worker?,
                model: self.dice.chance(500).then(|| "strong".into()),
            },
            _ => Command::SetPolicy {
                asked: "other numbers".into(),
                was: Box::new(self.audit.state.policy()),
                policy: Box::new(plans::policy(&mut self.dice)),
            },
        })
    }
}

fn brief(command: &Command) -> String {
    match command {
        Command::LoadPlan { plan, .. } => format!("load a plan of {} tasks", plan.tasks.len()),
        Command::AddTask { spec } => format!("add {} <- {:?}", spec.id, spec.depends_on),
        Command::EditTask { spec } => format!("edit {} <- {:?}", spec.id, spec.depends_on),
        Command::SetPolicy { policy, .. } => {
            format!("set policy, concurrency {}", policy.concurrency)
        }
        other => format!("{other:?}"),
    }
}

fn word(command: &Command) -> &'static str {
    match command {
        Command::LoadPlan { .. } => "command: load plan",
        Command::AddTask { .. } => "command: add",
        Command::EditTask { .. } => "command: edit",
        Command::SkipTask { .. } => "command: skip",
        Command::CancelTask { .. } => "command: cancel",
        Command::RetryTask { .. } => "command: retry",
        Command::BoostTask { .. } => "command: boost",
        Command::AssignTask { .. } => "command: assign",
        Command::AddWorkers { .. } => "command: add workers",
        Command::RemoveWorker { .. } => "command: remove worker",
        Command::Scale { .. } => "command: scale",
        Command::PauseWorker { .. } => "command: pause worker",
        Command::ResumeWorker { .. } => "command: resume worker",
        Command::RestartWorker { .. } => "command: restart worker",
        Command::Pause => "command: pause",
        Command::Resume => "command: resume",
        Command::Drain => "command: drain",
        Command::StopAll => "command: stop all",
        Command::SetPolicy { .. } => "command: set policy",
        Command::SetWorkerModel { .. } => "command: set model",
        Command::Answer { .. } => "command: answer",
        Command::SilenceAlerts { .. } => "command: silence alerts",
        Command::TestAlerts { .. } => "command: test alerts",
    }
}

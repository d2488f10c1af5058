//! The clinic: many attempts of one behaviour each, run through the real decider at full length with the default
//! limits; who is ended for it, and how soon.

use crate::{
    dice::Dice,
    lives::{Life, Manner},
    plans,
};
use skep_core::{
    attempt::{Cut, End, Report, Saved, SavedWork, Step, StopWhy, Usage},
    engine::Engine,
    event::{By, Event, Next},
    id::{Attempt, Oid},
    plan::{Action, plan},
    request::{Command, Observation, Request, What},
    spec::{Policy, Workers},
    time::{Millis, Time},
};
use std::collections::BTreeMap;

/// What became of the attempts of one behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// How many there were.
    pub attempts: u64,
    /// How many were ended for their health.
    pub ended: u64,
    /// How many came to the ladder's first rung without being ended.
    pub asked: u64,
    /// The longest from the last sign of life to the order to stop.
    pub longest: Millis,
}

/// How often a host measures: the default heartbeat.
const LOOK: u64 = 60_000;
/// No healthy attempt runs for longer: its hard stop comes at 45 minutes.
const LONGEST: u64 = 44 * 60_000;

/// An attempt that runs.
struct Patient {
    manner: Manner,
    life: Life,
    began: u64,
    length: u64,
    asked: bool,
}

struct Clinic {
    engine: Engine,
    now: u64,
    manners: Vec<Manner>,
    running: BTreeMap<Attempt, Patient>,
    fates: BTreeMap<Manner, Fate>,
    dice: Dice,
}

/// Lets `each` attempts of every given behaviour run, and says what became of them. Every attempt is its task's
/// first, so it may be restarted.
#[must_use]
pub fn clinic(seed: u64, manners: &[Manner], each: u64) -> BTreeMap<Manner, Fate> {
    let mut dice = Dice::new(seed);
    let (mut plan, _) = plans::plan(&mut dice, 1);
    let model = plan.tasks[0].clone();
    plan.swarm.workers = Workers::Count(50);
    plan.swarm.worktree = true;
    plan.swarm.policy = Policy {
        concurrency: 50,
        ..Policy::default()
    };
    let tasks = (0..each * manners.len() as u64).map(|number| {
        let mut task = model.clone();
        (task.id, task.role, task.owner_key) = (plans::task_id(number), None, None);
        (task.timebox, task.model) = (None, None);
        task.depends_on.clear();
        task
    });
    plan.tasks = tasks.collect();
    let mut clinic = Clinic {
        engine: Engine::default(),
        now: 1_700_000_000_000,
        manners: manners.to_vec(),
        running: BTreeMap::new(),
        fates: BTreeMap::new(),
        dice,
    };
    clinic.ask(What::Command(Command::LoadPlan {
        plan: plan.into(),
        digest: "clinic".into(),
        target: "main".into(),
        base: oid(1),
        kept: false,
        again: false,
    }));
    while clinic.fates.values().map(|f| f.attempts).sum::<u64>() < each * manners.len() as u64
        || !clinic.running.is_empty()
    {
        clinic.minute();
    }
    clinic.fates
}

impl Clinic {
    fn ask(&mut self, what: What) {
        let request = Request {
            key: None,
            trace: "clinic".into(),
            by: By::Host,
            what,
        };
        // Most refusals are of what is known already.
        let _ = self.engine.decide(Time(self.now), &request);
        let records = self.engine.committed();
        for record in records {
            self.note(&record.event);
        }
    }

    fn see(&mut self, seen: Observation) {
        self.ask(What::Observation(seen));
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::StopAsked {
                attempt,
                why: StopWhy::Stale,
                ..
            } => {
                let Some(patient) = self.running.get(attempt) else {
                    return;
                };
                let fate = self.fates.entry(patient.manner).or_default();
                let since = self.now - patient.began - patient.life.last_sign();
                fate.ended += 1;
                fate.longest = fate.longest.max(Millis(since));
            }
            Event::HealthChanged { attempt, health } if health.rung > Default::default() => {
                if let Some(patient) = self.running.get_mut(attempt) {
                    patient.asked = true;
                }
            }
            // A task has one attempt here: what follows is another's story.
            Event::AttemptEnded { next, .. } => debug_assert!(*next != Next::Cancel),
            _ => {}
        }
    }

    /// A minute of everybody's life: what is due is done, who is done ends, and everybody is measured.
    fn minute(&mut self) {
        let actions = plan(self.engine.state(), Time(self.now)).actions;
        for action in actions {
            self.perform(action);
        }
        self.now += LOOK;
        let now = self.now;
        let over = |p: &Patient| now - p.began >= p.length;
        let done = self.running.iter().filter(|(_, p)| over(p));
        let done: Vec<Attempt> = done.map(|(a, _)| *a).collect();
        for attempt in done {
            self.end(attempt, None);
        }
        let sample = |(attempt, p): (&Attempt, &Patient)| (*attempt, p.life.sample(now - p.began));
        let seen = self.running.iter().map(sample).collect();
        self.see(Observation::Vitals { seen });
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Prepare { worker, base, turn } => {
                self.see(Observation::WorkerReady { worker, base, turn });
            }
            Action::Start { attempt } => self.start(attempt),
            Action::Stop { attempt, .. } => self.end(attempt, Some(Cut::Stopped)),
            Action::Tell { attempt, rung } => self.see(Observation::Told {
                attempt,
                rung,
                delivered: false,
            }),
            _ => {}
        }
    }

    fn start(&mut self, attempt: Attempt) {
        let state = self.engine.state();
        let task = state.attempt(attempt).and_then(|l| state.task(&l.task));
        let fresh = task.is_some_and(|t| t.history.is_empty());
        let number = task.map_or(0, |t| t.order as usize);
        // A second attempt only makes an end of its task.
        let manner = if fresh {
            self.manners[number % self.manners.len()]
        } else {
            Manner::Talks
        };
        let life = Life::of(manner, &mut self.dice);
        let length = match (fresh, manner.limit()) {
            (false, _) => 1,
            (true, None) => self.dice.of(20 * 60_000..=LONGEST),
            (true, Some(_)) => u64::MAX,
        };
        if fresh {
            self.fates.entry(manner).or_default().attempts += 1;
        }
        let patient = Patient {
            manner,
            life,
            began: self.now,
            length,
            asked: false,
        };
        self.running.insert(attempt, patient);
        self.see(Observation::Started { attempt });
    }

    fn end(&mut self, attempt: Attempt, cut: Option<Cut>) {
        let Some(patient) = self.running.remove(&attempt) else {
            return;
        };
        if patient.asked && cut.is_none() {
            self.fates.entry(patient.manner).or_default().asked += 1;
        }
        let end = if cut.is_some() {
            End::Stopped
        } else {
            End::Exited(0)
        };
        let step = |end| Step {
            name: "agent".into(),
            end,
            took: Millis(1),
            tail: String::new(),
        };
        let state = self.engine.state();
        let success = state.attempt(attempt).and_then(|l| state.task(&l.task));
        let checks = success.map_or(0, |t| t.spec.success.len());
        let report = Report {
            agent: Some(step(end)),
            setup_failed: None,
            checks: (0..checks).map(|_| step(End::Exited(0))).collect(),
            saved: Saved::Commit(SavedWork {
                commit: oid(attempt.0 + 1),
                files: vec!["a".into()],
                file_count: 1,
            }),
            exists: Vec::new(),
            outside: Vec::new(),
            ignored: Vec::new(),
            changed_by_checks: Vec::new(),
            survivors: 0,
            cut,
            no_op: None,
            rate_limited: false,
            said: None,
            usage: Usage::default(),
            took: Millis(self.now - patient.began),
        };
        self.see(Observation::Ended {
            attempt,
            report: report.into(),
            untouched: false,
        });
    }
}

fn oid(number: u64) -> Oid {
    format!("{number:040x}")
        .parse()
        .expect("forty hexadecimal digits are a commit's name")
}

//! The mill: one plan whose attempts end as a given rule says, through the real decider, with nothing else going
//! wrong. For figures of policies, side by side.

use crate::{dice::Dice, plans};
use skep_core::{
    attempt::{End, Live, Outcome, Report, Said, Saved, SavedWork, Step, Usage},
    engine::Engine,
    event::{By, Event, Record},
    fault::ErrorKind,
    id::{Attempt, Oid},
    merge::Link,
    money::Usd,
    plan::{Action, build_order, plan},
    request::{Command, Observation, Request, What},
    spec::{Criterion, Landing, Plan, Policy, TaskSpec, Workers},
    state::State,
    time::{Millis, Time},
};
use std::collections::{BTreeMap, BTreeSet};

/// When every mill begins.
pub const BEGIN: Time = Time(1_700_000_000_000);

/// How one attempt ends.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Its work is accepted.
    Succeeds,
    /// It gives up.
    Fails,
    /// Its provider refuses it.
    Refused(ErrorKind, Option<Time>),
}

/// What comes of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// How long it takes.
    pub takes: Millis,
    /// How it ends.
    pub fate: Fate,
    /// What it costs.
    pub usd: Usd,
}

/// A plan of one task that nothing holds up: no check, no roles, no models, the default policy.
#[must_use]
pub fn plain_plan() -> Plan {
    let (mut plan, _) = plans::plan(&mut Dice::new(1), 1);
    let swarm = &mut plan.swarm;
    (swarm.worktree, swarm.landing) = (true, Landing::Branch);
    (swarm.workers, swarm.model) = (Workers::Count(4), None);
    swarm.check.clear();
    swarm.models.clear();
    swarm.policy = Policy::default();
    plan
}

/// Says what comes of an attempt that begins now, of a task's such-and-such attempt.
pub type Rule<'r> = &'r mut dyn FnMut(Time, &TaskSpec, &Live, usize) -> Course;

/// A swarm that has run its plan, or several, to the end.
#[derive(Default)]
pub struct Mill {
    engine: Engine,
    now: Time,
    log: Vec<Record>,
    ends: BTreeMap<(Time, Attempt), (Course, Time)>,
    running: BTreeSet<Attempt>,
    spent: u64,
}

impl Mill {
    /// A swarm that has not begun.
    #[must_use]
    pub fn new() -> Mill {
        Mill {
            now: BEGIN,
            ..Mill::default()
        }
    }

    /// All that happened.
    #[must_use]
    pub fn log(&self) -> &[Record] {
        &self.log
    }

    /// How things stand.
    #[must_use]
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// What all attempts cost so far.
    #[must_use]
    pub fn spent(&self) -> Usd {
        Usd(self.spent)
    }

    /// Runs a plan until nothing more happens by itself, or until `most` has passed.
    pub fn run(&mut self, of: Plan, most: Millis, rule: Rule<'_>) {
        let end = self.now + most;
        let load = Command::LoadPlan {
            digest: format!("{:?}", self.now),
            plan: of.into(),
            target: "main".into(),
            base: oid(1),
            kept: false,
            again: true,
        };
        self.ask(What::Command(load));
        loop {
            while self.perform(rule) {}
            let wake = plan(self.engine.state(), self.now).wake_at;
            let next = self.ends.keys().next().map(|(at, _)| *at);
            let Some(at) = wake.into_iter().chain(next).min() else {
                return;
            };
            if at > end || self.engine.state().finished().is_some() {
                return;
            }
            self.now = self.now.max(at);
            match self.ends.first_key_value() {
                Some(((at, _), _)) if *at <= self.now => self.end(),
                _ => self.ask(What::Tick),
            }
        }
    }

    fn ask(&mut self, what: What) {
        let request = Request {
            key: None,
            trace: "mill".into(),
            by: By::Host,
            what,
        };
        // Most refusals are of what is known already.
        let _ = self.engine.decide(self.now, &request);
        self.log.extend(self.engine.committed());
    }

    fn see(&mut self, seen: Observation) {
        self.ask(What::Observation(seen));
    }

    /// Does what should be done; tells whether anything was.
    fn perform(&mut self, rule: Rule<'_>) -> bool {
        let before = self.log.len();
        for action in plan(self.engine.state(), self.now).actions {
            match action {
                Action::Prepare { worker, base, turn } => {
                    self.see(Observation::WorkerReady { worker, base, turn });
                }
                Action::Start { attempt } => self.start(attempt, rule),
                Action::Build { wave, round } => self.build(wave, round),
                Action::Check {
                    wave,
                    round,
                    prefix,
                    ..
                } => self.see(Observation::Checked {
                    wave,
                    round,
                    prefix,
                    passed: true,
                    output: String::new(),
                }),
                Action::Land { wave, to, .. } => self.see(Observation::Landed { wave, tip: to }),
                _ => {}
            }
        }
        self.log.len() > before
    }

    fn start(&mut self, attempt: Attempt, rule: Rule<'_>) {
        let state = self.engine.state();
        let Some(live) = state
            .attempt(attempt)
            .filter(|_| self.running.insert(attempt))
        else {
            return;
        };
        let Some(task) = state.task(&live.task) else {
            return;
        };
        let course = rule(self.now, &task.spec, live, task.history.len());
        let key = (self.now + course.takes, attempt);
        self.ends.insert(key, (course, self.now));
        self.see(Observation::Started { attempt });
    }

    fn build(&mut self, wave: u32, round: u32) {
        let Some(order) = build_order(self.engine.state(), wave, round) else {
            return;
        };
        let chain = order.queue.iter().map(|queued| Link {
            task: Some(queued.task.clone()),
            commit: queued.commit.clone(),
            remembered: Vec::new(),
        });
        self.see(Observation::Built {
            wave,
            round,
            chain: chain.collect(),
            clashes: Vec::new(),
        });
    }

    fn end(&mut self) {
        let Some(((_, attempt), (course, began))) = self.ends.pop_first() else {
            return;
        };
        let state = self.engine.state();
        let task = state.attempt(attempt).and_then(|l| state.task(&l.task));
        let runs = |c: &&Criterion| matches!(c, Criterion::Run(_));
        let checks = task.map_or(0, |t| t.spec.success.iter().filter(runs).count());
        let (code, said) = match course.fate {
            Fate::Succeeds => (0, None),
            Fate::Fails => (1, None),
            // As real CLIs do, it exits with 0.
            Fate::Refused(kind, until) => (0, Some(refused(kind, until))),
        };
        self.spent = self.spent.saturating_add(course.usd.0);
        let report = Report {
            ignored: Vec::new(),
            agent: Some(step(End::Exited(code))),
            setup_failed: None,
            checks: (0..checks).map(|_| step(End::Exited(0))).collect(),
            saved: Saved::Commit(SavedWork {
                commit: oid(attempt.0 + 1),
                files: vec!["a".into()],
                file_count: 1,
            }),
            exists: Vec::new(),
            changed_by_checks: Vec::new(),
            outside: Vec::new(),
            survivors: 0,
            cut: None,
            no_op: None,
            rate_limited: false,
            said,
            usage: Usage {
                usd: Some(course.usd),
                ..Usage::default()
            },
            took: self.now.since(began),
        };
        self.see(Observation::Ended {
            attempt,
            report: report.into(),
            untouched: false,
        });
    }

    /// When attempts of a provider were accepted.
    pub fn accepted<'m>(&'m self, provider: &'m str) -> impl Iterator<Item = Time> + 'm {
        let mut whose: BTreeMap<Attempt, bool> = BTreeMap::new();
        self.log
            .iter()
            .filter_map(move |record| match &record.event {
                Event::Claimed {
                    attempt,
                    provider: served,
                    ..
                } => {
                    whose.insert(*attempt, served.as_deref() == Some(provider));
                    None
                }
                Event::AttemptAccepted { accepted, .. } => {
                    whose.get(&accepted.attempt)?.then_some(record.at)
                }
                _ => None,
            })
    }
}

fn refused(kind: ErrorKind, until: Option<Time>) -> Said {
    let outcome = match kind {
        ErrorKind::RateLimit | ErrorKind::Quota => Outcome::RateLimited,
        _ => Outcome::Crashed,
    };
    Said::Failed {
        outcome,
        fault: Some(kind),
        until,
        text: kind.words().into(),
    }
}

fn step(end: End) -> Step {
    Step {
        name: "agent".into(),
        end,
        took: Millis(1),
        tail: String::new(),
    }
}

fn oid(number: u64) -> Oid {
    format!("{number:040x}")
        .parse()
        .expect("forty hexadecimal digits are a commit's name")
}

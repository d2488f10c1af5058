//! A swarm under test: the engine, a clock that the test moves, and hosts that do what the test says.
//!
//! After every request the invariants are checked and the log is folded anew.

use crate::words::{a_plan, id, load, oid, usd};
use skep_core::{
    attempt::{Cut, End, Outcome, Reading, Report, Said, Saved, SavedWork, Step, Usage},
    engine::Engine,
    event::{By, Event, Record},
    fault::ErrorKind,
    health::{Leader, Sample},
    id::{Attempt, Oid, WorkerId},
    merge::{Clash, Link},
    plan::{Action, build_order, plan},
    request::{Answer, Command, Observation, Refusal, Request, What},
    spec::{Criterion, Plan},
    state::State,
    task::{Task, TaskState},
    time::{Millis, Time},
    violations, waiting,
};
use std::collections::BTreeMap;

pub struct Swarm {
    engine: Engine,
    pub now: Time,
    pub log: Vec<Record>,
    commits: u64,
    seen: usize,
    samples: BTreeMap<Attempt, Sample>,
    /// Files that the next successful attempts say they changed.
    pub changes: Vec<String>,
}

impl Swarm {
    /// Loads `tasks(text)` with two workers and makes those ready.
    pub fn load(text: &str) -> Swarm {
        Swarm::load_with(text, |_| {})
    }

    /// The same after `change` was made to the plan.
    pub fn load_with(text: &str, change: impl FnOnce(&mut Plan)) -> Swarm {
        let mut plan = a_plan(text);
        change(&mut plan);
        let mut swarm = Swarm::new();
        swarm.ask(load(plan, "d1")).unwrap();
        swarm.prepare();
        swarm
    }

    pub fn new() -> Swarm {
        Swarm {
            engine: Engine::default(),
            now: Time(1_000_000),
            log: Vec::new(),
            commits: 100,
            seen: 0,
            samples: BTreeMap::new(),
            changes: vec!["src/a.rs".into()],
        }
    }

    pub fn state(&self) -> &State {
        self.engine.state()
    }

    pub fn request(&mut self, key: Option<&str>, by: By, what: What) -> Result<Answer, Refusal> {
        let request = Request {
            key: key.map(Into::into),
            trace: "t".into(),
            by,
            what,
        };
        let answer = self.engine.decide(self.now, &request);
        for record in self.engine.committed() {
            self.log.push(record);
        }
        let stored = serde_json::to_string(self.state()).unwrap();
        let restored: State = serde_json::from_str(&stored).unwrap();
        assert_eq!(&restored, self.state(), "a snapshot holds it all");
        assert_eq!(
            violations::find(self.state()),
            [""; 0],
            "after {:?}",
            request.what
        );
        answer
    }

    /// A person's command.
    pub fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.request(None, By::Person("ada".into()), What::Command(command))
    }

    pub fn ask_with_key(&mut self, key: &str, command: Command) -> Result<Answer, Refusal> {
        self.request(Some(key), By::Person("ada".into()), What::Command(command))
    }

    /// What a host sees.
    pub fn see(&mut self, seen: Observation) -> Result<Answer, Refusal> {
        self.request(None, By::Host, What::Observation(seen))
    }

    /// Lets time pass; whatever is due meanwhile happens when it is due.
    pub fn pass(&mut self, length: Millis) {
        let end = self.now + length;
        while let Some(at) = plan(self.state(), self.now).wake_at.filter(|at| *at <= end) {
            self.now = at;
            self.request(None, By::Policy, What::Tick).unwrap();
        }
        self.now = end;
        self.request(None, By::Policy, What::Tick).unwrap();
    }

    pub fn actions(&self) -> Vec<Action> {
        plan(self.state(), self.now).actions
    }

    /// Makes every worker ready that should be.
    pub fn prepare(&mut self) {
        for action in self.actions() {
            if let Action::Prepare { worker, base, turn } = action {
                let _ = self.see(Observation::WorkerReady { worker, base, turn });
            }
        }
    }

    /// Removes every worktree that should go.
    pub fn remove(&mut self) {
        for action in self.actions() {
            if let Action::Remove { worker } = action {
                let _ = self.see(Observation::WorkerGone { worker });
            }
        }
    }

    /// The live attempts in the order of their claims, as `a:w1 b:w2`.
    pub fn running(&self) -> String {
        let live = self
            .state()
            .live()
            .map(|l| format!("{}:{}", l.task, l.worker));
        live.collect::<Vec<_>>().join(" ")
    }

    /// The task of the oldest live attempt.
    pub fn first(&self) -> Option<String> {
        self.state().live().next().map(|l| l.task.to_string())
    }

    pub fn attempt_of(&self, task: &str) -> Attempt {
        let current = self.task(task).current;
        current.unwrap_or_else(|| panic!("no attempt holds {task}: {}", self.why(task)))
    }

    pub fn task(&self, name: &str) -> &Task {
        self.state()
            .task(&id(name))
            .unwrap_or_else(|| panic!("there is no task {name}"))
    }

    pub fn worker(&self, number: u32) -> &skep_core::worker::Worker {
        self.state().worker(WorkerId(number)).unwrap()
    }

    pub fn is(&self, name: &str) -> TaskState {
        self.task(name).state
    }

    /// What `skep why` says.
    pub fn why(&self, name: &str) -> String {
        waiting::task(self.state(), self.task(name), self.now).to_string()
    }

    pub fn end(&mut self, name: &str, report: Report) {
        let attempt = self.attempt_of(name);
        let report = Box::new(report);
        self.see(Observation::Ended {
            attempt,
            report,
            untouched: false,
        })
        .unwrap();
    }

    /// The attempt of a task succeeds with a commit of its own.
    pub fn succeed(&mut self, name: &str) -> Oid {
        self.commits += 1;
        let commit = oid(self.commits);
        let work = SavedWork {
            commit: commit.clone(),
            file_count: self.changes.len(),
            files: self.changes.clone(),
        };
        let runs = |c: &&Criterion| matches!(c, Criterion::Run(_));
        let count = self.task(name).spec.success.iter().filter(runs).count();
        let good = report(End::Exited(0));
        let checks = vec![good.agent.clone().unwrap(); count];
        self.end(
            name,
            Report {
                saved: Saved::Commit(work),
                checks,
                ..good
            },
        );
        self.prepare();
        commit
    }

    pub fn fail(&mut self, name: &str) {
        self.end(name, report(End::Exited(1)));
        self.prepare();
    }

    pub fn crash(&mut self, name: &str) {
        self.end(name, report(End::Signalled(9)));
        self.prepare();
    }

    /// Its shim dies, and with it everything: nobody knows why.
    pub fn lose(&mut self, name: &str) {
        let attempt = self.attempt_of(name);
        self.see(Observation::Lost {
            attempt,
            reason: "its shim died".into(),
            saved: Saved::Nothing,
        })
        .unwrap();
        self.prepare();
    }

    /// Why a task or a worker is where it is.
    pub fn why_of(&self, name: &str) -> String {
        match name.parse::<WorkerId>() {
            Ok(worker) => {
                let worker = self.state().worker(worker).unwrap();
                format!("{name} {}", waiting::worker(self.state(), worker, self.now))
            }
            Err(_) => format!("{name} {}", self.why(name)),
        }
    }

    pub fn not_startable(&mut self, name: &str) {
        self.end(name, report(End::NotStarted("no such program".into())));
        self.prepare();
    }

    pub fn rate_limited(&mut self, name: &str) {
        self.end(
            name,
            Report {
                rate_limited: true,
                ..report(End::Exited(1))
            },
        );
        self.prepare();
    }

    /// Its provider refuses the attempt, and says until when if it does.
    pub fn refused(&mut self, name: &str, kind: ErrorKind, until: Option<Time>) {
        let outcome = match kind {
            ErrorKind::RateLimit | ErrorKind::Quota => Outcome::RateLimited,
            _ => Outcome::Crashed,
        };
        let said = Said::Failed {
            outcome,
            fault: Some(kind),
            until,
            text: kind.words().into(),
        };
        self.end(
            name,
            Report {
                said: Some(said),
                ..report(End::Exited(0))
            },
        );
        self.prepare();
    }

    /// The attempt's process runs.
    pub fn start(&mut self, name: &str) {
        let attempt = self.attempt_of(name);
        self.see(Observation::Started { attempt }).unwrap();
    }

    /// The host measures the attempt, which shows these signs since it was last measured.
    pub fn measure(&mut self, name: &str, signs: &[&str]) {
        let attempt = self.attempt_of(name);
        let sample = self.samples.entry(attempt).or_default();
        sample.processes = 1;
        let counts = &mut sample.counts;
        for sign in signs {
            match *sign {
                "output" => {
                    (counts.lines, counts.new_lines) = (counts.lines + 1, counts.new_lines + 1);
                    counts.output_bytes += 80;
                }
                "repeat" => {
                    (counts.lines, counts.output_bytes) =
                        (counts.lines + 1, counts.output_bytes + 80)
                }
                "mark" => counts.markers += 1,
                "compute" => counts.cpu_ms += 48_000,
                "write" => counts.written_bytes += 1_000_000,
                "spawn" => counts.spawned += 1,
                "stopped" => sample.leader = Leader::Stopped,
                "gone" => sample.leader = Leader::Gone,
                "prompt" => sample.waits_for_input = true,
                "checkpoint" => counts.checkpoints += 1,
                "nothing" => {}
                _ => panic!("nobody knows the sign {sign}"),
            }
        }
        let seen = vec![(attempt, sample.clone())];
        self.see(Observation::Vitals { seen }).unwrap();
    }

    /// Its agent says what it has used so far.
    pub fn reads(&mut self, name: &str, usage: Usage) {
        let reading = Reading {
            usage,
            ..Reading::default()
        };
        let seen = vec![(self.attempt_of(name), reading)];
        self.see(Observation::Read { seen }).unwrap();
    }

    /// The same in dollars.
    pub fn uses(&mut self, name: &str, dollars: f64) {
        self.reads(name, costing(dollars));
    }

    /// The attempt succeeds, and its report says what it used.
    pub fn succeed_for(&mut self, name: &str, usage: Usage) {
        self.commits += 1;
        let work = SavedWork {
            commit: oid(self.commits),
            file_count: 1,
            files: vec![format!("src/{name}.rs")],
        };
        let saved = Saved::Commit(work);
        let good = report(End::Exited(0));
        self.end(
            name,
            Report {
                saved,
                usage,
                ..good
            },
        );
        self.prepare();
    }

    /// The same once a minute, for so long, or until it is to stop.
    pub fn live(&mut self, name: &str, signs: &[&str], length: Millis) {
        let end = self.now + length;
        while self.now < end && self.task(name).current.is_some() {
            let stops = |t: &Swarm| {
                t.state()
                    .attempt(t.attempt_of(name))
                    .unwrap()
                    .stopping
                    .is_some()
            };
            if stops(self) {
                return;
            }
            self.pass(Millis::mins(1));
            self.measure(name, signs);
            self.tell_all();
        }
    }

    /// The host performs what it is asked to tell: these agents hear nothing.
    pub fn tell_all(&mut self) {
        for action in self.actions() {
            if let Action::Tell { attempt, rung } = action {
                let told = Observation::Told {
                    attempt,
                    rung,
                    delivered: false,
                };
                self.see(told).unwrap();
            }
        }
    }

    /// The attempt ends because it was told to.
    pub fn heed_stop(&mut self, name: &str) {
        self.end(
            name,
            Report {
                cut: Some(Cut::Stopped),
                ..report(End::Stopped)
            },
        );
        self.prepare();
    }

    /// Builds the chain that is asked for; the tasks named clash in `src/a.rs`.
    pub fn build_but(&mut self, clashing: &[&str]) {
        let Some(Action::Build { wave, round }) = self.merge_action() else {
            panic!("nothing is to be built: {:?}", self.actions())
        };
        let order = build_order(self.state(), wave, round).unwrap();
        let (mut chain, mut clashes) = (Vec::new(), Vec::new());
        for queued in order.queue {
            let task = Some(queued.task.clone());
            if clashing.contains(&queued.task.as_str()) {
                let files = vec![("src/a.rs".into(), "both changed it".into())];
                clashes.push(Clash { task, files });
            } else {
                // As git would: the same work on the same commit gives the same commit.
                let last = chain.last().map_or(&order.base, |l: &Link| &l.commit);
                let tail = |o: &Oid| u64::from_str_radix(&o.as_str()[24..], 16).unwrap();
                let commit = oid(tail(last)
                    .wrapping_mul(31)
                    .wrapping_add(tail(&queued.commit)));
                chain.push(Link {
                    task,
                    commit,
                    remembered: Vec::new(),
                });
            }
        }
        self.see(Observation::Built {
            wave,
            round,
            chain,
            clashes,
        })
        .unwrap();
    }

    pub fn build(&mut self) {
        self.build_but(&[]);
    }

    pub fn merge_action(&self) -> Option<Action> {
        let merges = |a: &Action| {
            matches!(
                a,
                Action::Build { .. } | Action::Check { .. } | Action::Land { .. }
            )
        };
        self.actions().into_iter().find(merges)
    }

    /// Runs the check that is asked for; says after how many links it was.
    pub fn check(&mut self, passed: bool) -> usize {
        let Some(Action::Check {
            wave,
            round,
            prefix,
            ..
        }) = self.merge_action()
        else {
            panic!("nothing is to be checked: {:?}", self.actions())
        };
        let output = if passed { "" } else { "1 test failed" }.to_string();
        self.see(Observation::Checked {
            wave,
            round,
            prefix,
            passed,
            output,
        })
        .unwrap();
        prefix
    }

    /// Runs every check that is asked for: those fail that hold a `bad` task's work.
    pub fn check_all(&mut self, bad: &[&str]) {
        while let Some(action) = self.merge_action() {
            match action {
                Action::Build { .. } => self.build(),
                Action::Check { prefix, .. } => {
                    let merge = self.state().merge().unwrap();
                    let skep_core::merge::MergeStep::Checking(checking) = &merge.step else {
                        return;
                    };
                    let tasks = checking.chain[..prefix]
                        .iter()
                        .filter_map(|l| l.task.as_ref());
                    let fails = tasks.into_iter().any(|t| bad.contains(&t.as_str()));
                    self.check(!fails);
                }
                _ => return,
            }
        }
    }

    pub fn land(&mut self) {
        let Some(Action::Land { wave, to, .. }) = self.merge_action() else {
            panic!("nothing is to land: {:?}", self.actions())
        };
        self.see(Observation::Landed { wave, tip: to }).unwrap();
        self.prepare();
    }

    /// Builds, checks (all pass) and lands the wave.
    pub fn merge(&mut self) {
        self.check_all(&[]);
        if self.state().merge().is_some() {
            self.land();
        }
        self.prepare();
    }

    /// Lets every attempt succeed and every wave merge until nothing moves.
    pub fn finish(&mut self) {
        for _ in 0..1_000 {
            if let Some(name) = self.first() {
                self.succeed(&name);
            } else if self.merge_action().is_some() {
                self.merge();
            } else {
                return;
            }
        }
        panic!("does not finish");
    }

    /// Events since this was last called, by kind and subject.
    pub fn news(&mut self) -> Vec<Event> {
        let new = self.log[self.seen..]
            .iter()
            .map(|r| r.event.clone())
            .collect();
        self.seen = self.log.len();
        new
    }

    pub fn has(&mut self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.news().iter().any(wanted)
    }
}

impl Drop for Swarm {
    /// Every test is also a test of replay: through the stored form, event by event.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut again = State::default();
        for record in &self.log {
            let text = serde_json::to_string(record).unwrap();
            again.apply(&serde_json::from_str(&text).unwrap());
        }
        assert!(
            again == *self.engine.state(),
            "the log folds to another state"
        );
    }
}

/// A use that is known in dollars only.
pub fn costing(dollars: f64) -> Usage {
    Usage {
        usd: Some(usd(dollars)),
        ..Usage::default()
    }
}

/// A report of an agent that ended so, having changed nothing.
pub fn report(end: End) -> Report {
    Report {
        agent: Some(Step {
            name: "agent".into(),
            end,
            took: Millis(1),
            tail: String::new(),
        }),
        setup_failed: None,
        checks: Vec::new(),
        saved: Saved::Nothing,
        exists: Vec::new(),
        changed_by_checks: Vec::new(),
        outside: Vec::new(),
        ignored: Vec::new(),
        survivors: 0,
        cut: None,
        no_op: None,
        rate_limited: false,
        said: None,
        usage: Usage::default(),
        took: Millis(1),
    }
}

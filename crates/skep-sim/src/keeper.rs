//! The keeper as the simulator runs it: inbox, group commit, answers, performers. It holds no rule.

use crate::{
    log::Append,
    mutant::Mutant,
    perform::Key,
    world::{Due, World},
};
use skep_core::{
    engine::Engine,
    event::By,
    id::Attempt,
    plan::Action,
    request::{Answer, Observation, Refusal, Request, What},
    state::State,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) struct Keeper {
    pub(crate) life: u32,
    pub(crate) engine: Engine,
    /// What to add to real time for this life's clock.
    ahead: i64,
    pub(crate) inbox: VecDeque<Letter>,
    /// Answers that wait for the append under way.
    appending: Option<Vec<Reply>>,
    pub(crate) busy: BTreeSet<Key>,
    /// Performed, but what came of it is not known yet.
    pub(crate) recent: BTreeMap<Action, u64>,
    wake_at: u64,
    pub(crate) looking: bool,
}

/// Something for the keeper's inbox.
pub(crate) struct Letter {
    pub(crate) request: Request,
    /// The client that waits for an answer.
    pub(crate) client: Option<usize>,
    /// The action whose result this is.
    pub(crate) of: Option<Action>,
}

type Reply = (usize, Result<Answer, Refusal>);

impl Letter {
    pub(crate) fn seen(observation: Observation, of: Option<Action>) -> Letter {
        let what = What::Observation(observation);
        Letter {
            request: request(By::Host, what),
            client: None,
            of,
        }
    }
}

fn request(by: By, what: What) -> Request {
    Request {
        key: None,
        trace: "host".into(),
        by,
        what,
    }
}

impl Keeper {
    pub(crate) fn time(&self, now: u64) -> Time {
        Time(now.saturating_add_signed(self.ahead))
    }
}

impl World {
    /// Every other keeper begins with what a snapshot gives back.
    fn through_a_snapshot(&mut self, state: State) -> State {
        if self.lives.is_multiple_of(2) {
            return state;
        }
        let restored =
            serde_json::to_string(&state).and_then(|stored| serde_json::from_str::<State>(&stored));
        match restored {
            Ok(restored) => {
                self.audit.unsafe_if(
                    restored != state,
                    "a snapshot holds the whole state",
                    String::new,
                );
                restored
            }
            Err(error) => {
                let why = error.to_string();
                self.audit
                    .unsafe_if(true, "a state can be stored", || why.clone());
                state
            }
        }
    }

    /// The log's state. That of a month is what the auditor folded: from scratch it would take the month again.
    fn folded(&self) -> State {
        if self.options.days > 0 {
            return self.audit.state.clone();
        }
        let mut state = State::default();
        for record in &self.log.records {
            state.apply(record);
        }
        state
    }

    /// A new keeper folds the log and looks at what the attempts of the last one have come to. It looks at
    /// the time of the log's end: were it later, the first result would be followed by giving the others up.
    pub(crate) fn begin_keeper(&mut self) {
        if self.keeper.is_some() {
            return;
        }
        self.lives += 1;
        let mut state = self.folded();
        if self.mutated(Mutant::ApplyTwice)
            && let Some(last) = self.log.records.last()
        {
            let mut again = last.clone();
            again.seq += 1;
            state.apply(&again);
        }
        self.audit_fold(&state);
        let state = self.through_a_snapshot(state);
        let last = self.log.records.last().map_or(0, |r| r.at.0);
        let ahead = last.max(self.wall()) as i64 - self.now as i64;
        let attempts: Vec<Attempt> = state.live().map(|l| l.attempt).collect();
        let mut keeper = Keeper {
            life: self.lives,
            engine: Engine::new(state),
            ahead,
            inbox: VecDeque::new(),
            appending: None,
            busy: BTreeSet::new(),
            recent: BTreeMap::new(),
            wake_at: 0,
            looking: false,
        };
        let life = self.lives;
        self.audit.asks.keeper_begins(ahead);
        self.audit.keeper_since = self.now;
        self.audit.facts_since = self.now;
        self.note(|| format!("keeper {life} begins, its clock {}s ahead", ahead / 1000));
        if !self.mutated(Mutant::AdoptNothing) {
            for attempt in attempts {
                let Some(seen) = self.look_at(attempt) else {
                    continue;
                };
                self.coverage.hit("keeper: adopts an attempt");
                // Refused as out of date when it says what is known.
                let asked = Letter::seen(seen, None).request;
                let _ = keeper.engine.decide(Time(last), &asked);
            }
        }
        self.keeper = Some(keeper);
        self.tick();
    }

    /// Kill -9.
    pub(crate) fn crash_keeper(&mut self, why: &'static str) {
        let Some(keeper) = self.keeper.take() else {
            return;
        };
        self.note(|| format!("keeper {} dies: {why}", keeper.life));
        self.coverage.hit(why);
        let down = self.faults.down(&mut self.dice, &mut self.coverage);
        self.after(down, Due::BeginKeeper);
    }

    pub(crate) fn deliver(&mut self, life: u32, letter: Letter) {
        let now = self.now;
        let Some(keeper) = self
            .keeper
            .as_mut()
            .filter(|k| letter.client.is_some() || k.life == life)
        else {
            return;
        };
        if let Some(action) = &letter.of
            && keeper.recent.get(action).is_some_and(|at| *at <= now)
        {
            keeper.recent.remove(action);
        }
        keeper.inbox.push_back(letter);
        self.work();
    }

    pub(crate) fn wake(&mut self, life: u32, at: u64) {
        if self
            .keeper
            .as_ref()
            .is_some_and(|k| k.life == life && k.wake_at == at)
        {
            self.measure_if_due();
            self.tick();
        }
    }

    fn tick(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            let tick = request(By::Policy, What::Tick);
            keeper.inbox.push_back(Letter {
                request: tick,
                client: None,
                of: None,
            });
            self.work();
        }
    }

    /// Decides some of the inbox and appends what comes of it, as one.
    fn work(&mut self) {
        loop {
            let many = self.dice.of(1..=6);
            let now = self.now;
            let forge = self.mutated(Mutant::IgnoreFence);
            let Some(keeper) = &mut self.keeper else {
                return;
            };
            if keeper.appending.is_some() || keeper.inbox.is_empty() {
                return;
            }
            let mut replies = Vec::new();
            for _ in 0..many {
                let Some(mut letter) = keeper.inbox.pop_front() else {
                    break;
                };
                if forge {
                    forge_late_result(&mut letter.request, keeper.engine.state());
                }
                let time = keeper.time(now);
                let answer = keeper.engine.decide(time, &letter.request);
                if let Err(refusal) = &answer {
                    self.coverage.hit(refused(refusal));
                }
                if let Some(client) = letter.client {
                    replies.push((client, answer));
                }
            }
            let (after, records) = keeper.engine.staged();
            if records.is_empty() {
                self.answer(replies);
                self.act();
                continue;
            }
            let records = records.to_vec();
            if self.mutated(Mutant::AnswerBeforeAppend) {
                self.answer(std::mem::take(&mut replies));
            }
            if self.mutated(Mutant::ActBeforeAppend) {
                self.act_now();
            }
            if self.faults.crashes(&mut self.dice) {
                return self.crash_keeper("crash: after decide, before append");
            }
            let fate = self.faults.append(&mut self.dice, &mut self.coverage);
            let fate = self.log.append(after, &records, fate);
            if matches!(fate, Append::Done | Append::Ambiguous) {
                self.audit_records(&records);
            }
            if self.faults.crashes(&mut self.dice) {
                return self.crash_keeper("crash: after append, before answer");
            }
            let took = self.faults.append_takes(&mut self.dice, &mut self.coverage);
            let Some(keeper) = &mut self.keeper else {
                return;
            };
            keeper.appending = Some(replies);
            let life = keeper.life;
            self.after(took, Due::Appended(life, fate));
            return;
        }
    }

    pub(crate) fn appended(&mut self, life: u32, fate: Append) {
        let keep = self.mutated(Mutant::KeepEngine);
        let Some(keeper) = self.keeper.as_mut().filter(|k| k.life == life) else {
            return;
        };
        let replies = keeper.appending.take().unwrap_or_default();
        if fate != Append::Done && !keep {
            // What is in the log is not known; the engine is thrown away and folded anew.
            self.note(|| format!("append failed: {fate:?}"));
            let state = self.folded();
            let Some(keeper) = &mut self.keeper else {
                return;
            };
            keeper.engine = Engine::new(state);
            self.audit.facts_since = self.now;
            return self.tick();
        }
        keeper.engine.committed();
        self.audit_engine();
        self.answer(replies);
        if self.faults.crashes(&mut self.dice) {
            return self.crash_keeper("crash: after append, before action");
        }
        self.act();
        self.work();
    }

    fn answer(&mut self, replies: Vec<Reply>) {
        for (client, answer) in replies {
            self.answered(client, answer);
        }
    }

    /// Begins what should be true and is not under way, and sleeps until something is due.
    pub(crate) fn act(&mut self) {
        let ready = |k: &Keeper| k.appending.is_none() && k.engine.staged().1.is_empty();
        if self.keeper.as_ref().is_some_and(ready) {
            self.act_now();
        }
    }

    fn act_now(&mut self) {
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let time = keeper.time(now);
        let steps = skep_core::plan::plan(keeper.engine.state(), time);
        let life = keeper.life;
        let wake = steps.wake_at.map(|at| at.since(time).0);
        let at = wake.map_or(0, |ms| now + ms);
        let fresh = keeper.wake_at != at;
        keeper.wake_at = at;
        let live = keeper.engine.state().live().len() > 0;
        let look = !keeper.looking && (live || !steps.actions.is_empty());
        keeper.looking |= look;
        if let Some(ms) = wake.filter(|_| fresh && !self.mutated(Mutant::Deaf)) {
            self.after(ms, Due::Wake(life, at));
        }
        if look {
            self.after(60_000, Due::Look(life));
        }
        for action in steps.actions {
            self.begin(action);
        }
    }

    /// Every minute: what is of the live attempts, is anybody at work who should not be, and is anything to
    /// be done again whose result got lost. No decision hangs on it: time alone is `wake_at`'s business.
    pub(crate) fn look(&mut self, life: u32) {
        let Some(keeper) = self.keeper.as_mut().filter(|k| k.life == life) else {
            return;
        };
        keeper.looking = false;
        if !self.mutated(Mutant::AdoptNothing) {
            let Some(keeper) = &self.keeper else { return };
            let known: Vec<Attempt> = keeper.engine.state().live().map(|l| l.attempt).collect();
            for attempt in known {
                self.look_for_news(attempt);
            }
            self.end_orphans();
            self.measure();
            self.work();
            self.audit_silence();
            self.audit_waits();
        }
        self.act();
    }
}

/// The planted bug: a result of an attempt whose lease was revoked is passed off as its successor's.
fn forge_late_result(request: &mut Request, state: &State) {
    let What::Observation(Observation::Ended { attempt, .. }) = &mut request.what else {
        return;
    };
    if state.attempt(*attempt).is_some() {
        return;
    }
    let past = |t: &&skep_core::task::Task| t.history.iter().any(|p| p.attempt == *attempt);
    if let Some(current) = state.tasks().iter().find(past).and_then(|t| t.current) {
        *attempt = current;
    }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoPlan => "refusal: no plan",
        Refusal::PlanUnderWay { .. } => "refusal: plan under way",
        Refusal::NoSuchTask(_) => "refusal: no such task",
        Refusal::NoSuchWorker(_) => "refusal: no such worker",
        Refusal::TaskExists(_) => "refusal: task exists",
        Refusal::WrongState { .. } => "refusal: wrong state",
        Refusal::Fault(_) => "refusal: fault",
        Refusal::Fenced(_) => "refusal: fenced",
        Refusal::OutOfDate => "refusal: out of date",
        Refusal::NothingToDo(_) => "refusal: nothing to do",
        _ => "refusal: other",
    }
}

//! Fake hosts: attempt folders, shims with their agents, worktrees. All of it survives keepers.

use crate::{
    agents::{Character, Deed, Script},
    asks::Asking,
    bills::Bill,
    dice::Dice,
    git::{Works, file_name},
    mutant::Mutant,
    shared::{self, SharedTree},
    weather::Refusal,
    world::{Due, World},
};
use skep_core::{
    attempt::{Cut, End, Report, Saved, SavedWork, Step, Usage},
    id::{Attempt, Oid, TaskId, WorkerId},
    plan::Order,
    request::Observation,
    spec::Criterion,
    task::FixStrategy,
    time::Millis,
    word::Word,
};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Hosts {
    pub(crate) folders: BTreeMap<Attempt, Folder>,
    pub(crate) worktrees: BTreeMap<WorkerId, Worktree>,
    /// The one that all workers share, in a plan without worktrees of their own.
    pub(crate) shared: Option<SharedTree>,
    /// Grows with each boot: what was spawned before it is dead.
    pub(crate) boots: u32,
}

/// An attempt's folder: created exclusively, never removed.
pub(crate) struct Folder {
    pub(crate) task: TaskId,
    pub(crate) worker: WorkerId,
    pub(crate) state: FolderState,
    pub(crate) script: Script,
    /// What of a shared worktree is its own; `None` is all of it.
    pub(crate) part: Option<Vec<usize>>,
    pub(crate) base: Oid,
    pub(crate) theirs: Option<Oid>,
    no_op_allowed: bool,
    checks: usize,
    pub(crate) began: u64,
    /// Its shim ends it then, if it has waited for nobody.
    pub(crate) ceiling: u64,
    /// When the keeper gives the attempt up, about.
    given_up: u64,
    /// Heeds nothing: its disk hangs.
    pub(crate) stalled: bool,
    /// When its end was there to be seen.
    pub(crate) over_since: Option<u64>,
    pub(crate) work: Option<u32>,
    saved: Saved,
    pub(crate) told_to_stop: bool,
    pub(crate) bill: Bill,
    /// When its agent was over: it uses nothing more.
    pub(crate) spends_until: Option<u64>,
    /// When it last said that it had used more.
    pub(crate) paid: u64,
    /// Its provider refused it.
    pub(crate) refusal: Option<Refusal>,
    /// What it waits for a person to answer.
    pub(crate) asking: Option<Asking>,
    /// By how much its deadlines are later for that, as a keeper has left it.
    pub(crate) stands: u64,
    /// When it last waited.
    pub(crate) stood: u64,
}

impl Folder {
    /// How long its agent has been spending.
    pub(crate) fn spent_for(&self, now: u64) -> u64 {
        self.spends_until.unwrap_or(now) - self.began
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum FolderState {
    /// Taken by a keeper so that no shim ever can.
    Sealed,
    Running {
        agent_alive: bool,
    },
    Ended {
        report: Box<Report>,
        untouched: bool,
    },
    /// The shim is gone and left no report.
    Dead,
}

/// A worker's worktree.
pub(crate) struct Worktree {
    pub(crate) head: Oid,
    /// Uncommitted changes: whose.
    pub(crate) dirty: Option<Attempt>,
}

pub(crate) enum ShimStep {
    /// A spawned shim takes the folder, if its host is still up.
    Begin {
        order: Box<Order>,
        boot: u32,
    },
    Write,
    /// An agent that waits for an answer looks for it.
    Looks,
    AgentEnds,
    Ends,
    /// SIGTERM's grace is over, or the agent heeded it.
    StopTakesEffect,
}

impl World {
    pub(crate) fn shim(&mut self, attempt: Attempt, step: ShimStep) {
        if let ShimStep::Begin { order, boot } = step {
            if boot == self.hosts.boots {
                self.shim_begins(attempt, &order);
            }
            return;
        }
        let Some(folder) = self.hosts.folders.get(&attempt) else {
            return;
        };
        let FolderState::Running { agent_alive } = folder.state else {
            return;
        };
        let (stalled, stopped, ceiling) = (folder.stalled, folder.told_to_stop, folder.ceiling);
        match step {
            ShimStep::Begin { .. } => {}
            ShimStep::Write if agent_alive => {
                self.agent_writes(attempt);
                self.agent_speaks(attempt);
            }
            ShimStep::Looks if agent_alive => self.agent_looks(attempt),
            ShimStep::AgentEnds if agent_alive && !self.waits_on(attempt) => {
                self.agent_ends(attempt);
            }
            ShimStep::Ends if !agent_alive => self.shim_ends(attempt, None, None),
            ShimStep::StopTakesEffect if !stalled => {
                let at = ceiling + self.ceiling_moves(attempt);
                if !stopped && self.now < at {
                    let step = ShimStep::StopTakesEffect;
                    return self.after(at - self.now, Due::Shim(attempt, step));
                }
                let end = agent_alive.then_some(End::Stopped);
                self.shim_ends(attempt, end, Some(Cut::Stopped));
            }
            _ => {}
        }
    }

    fn shim_begins(&mut self, attempt: Attempt, order: &Order) {
        if self.hosts.folders.contains_key(&attempt) && !self.mutated(Mutant::StartTwice) {
            self.coverage.hit("race: folder was taken");
            return;
        }
        let task = order.task.id.clone();
        self.note(|| {
            format!(
                "shim of attempt {attempt} ({task}, {}) begins",
                order.worker
            )
        });
        let fix = order.fix.as_ref();
        let root = fix.map_or(&task, |f| &f.of).clone();
        let fallback = Character::throw(&mut self.dice);
        let character = self.characters.get(&root).cloned().unwrap_or(fallback);
        self.characters
            .entry(task.clone())
            .or_insert_with(|| character.clone());
        let mut script = character.script(&mut self.dice);
        let theirs = fix
            .filter(|f| f.strategy == FixStrategy::Resolve)
            .map(|f| f.theirs.clone());
        let part = shared::part(order);
        if let Some(part) = &part
            && !script.files.is_empty()
        {
            // Edited since, its task may no longer name the files that it used to change.
            script.files.retain(|f| part.contains(f));
            if script.files.is_empty() {
                script.files.extend(part.first());
            }
        }
        if let Some(oid) = &theirs {
            script.mends = self.repo.commit(oid).works.clone();
        }
        if fix.is_some() {
            script.breaks = crate::git::Breaks::No;
        }
        let refusal = self.refusal(attempt);
        if refusal.is_some() {
            // Its CLI tries a few times more before it gives up.
            (script.deed, script.agent_ms) = (Deed::Fail, script.agent_ms % 30_000 + 200);
        }
        self.coverage.hit(script.deed.word());
        if script.survivors > 0 {
            self.coverage.hit("agent: leaves survivors");
        }
        self.audit_start(attempt, order);
        let bill = Bill::throw(&mut self.dice);
        self.coverage.hit(bill.manner.word());
        let run = |c: &&Criterion| matches!(c, Criterion::Run(_));
        let (hard_stop, ceiling) = (order.limits.hard_stop.0, order.limits.ceiling.0);
        let success = order.task.success.len() as u64;
        if script.agent_ms > hard_stop {
            script.deed = Deed::Hang;
        }
        let agent_ms = script.agent_ms.min(hard_stop);
        if !script.files.is_empty() {
            self.after(agent_ms / 2, Due::Shim(attempt, ShimStep::Write));
        }
        self.after(agent_ms, Due::Shim(attempt, ShimStep::AgentEnds));
        self.after(ceiling, Due::Shim(attempt, ShimStep::StopTakesEffect));
        let folder = Folder {
            task,
            worker: order.worker,
            state: FolderState::Running { agent_alive: true },
            script,
            part,
            base: order.base.clone(),
            theirs,
            no_op_allowed: order.task.allow_no_op,
            checks: order.task.success.iter().filter(run).count(),
            began: self.now,
            ceiling: self.now + ceiling,
            given_up: self.now + ceiling + order.limits.grace.0 * (2 + success) + 60_000,
            stalled: false,
            over_since: None,
            work: None,
            saved: Saved::Nothing,
            told_to_stop: false,
            bill,
            spends_until: None,
            paid: 0,
            refusal,
            asking: None,
            stands: 0,
            stood: 0,
        };
        self.hosts.folders.insert(attempt, folder);
        self.observe(Observation::Started { attempt });
    }

    fn agent_writes(&mut self, attempt: Attempt) {
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        if folder.work.is_none() && !folder.script.files.is_empty() {
            let mends = folder.script.mends.clone();
            folder.work = Some(self.repo.new_work(folder.script.breaks, mends));
            if let Some(tree) = &mut self.hosts.shared {
                for file in &folder.script.files {
                    tree.files[*file] = Some(attempt);
                }
            } else if let Some(worktree) = self.hosts.worktrees.get_mut(&folder.worker) {
                worktree.dirty = Some(attempt);
            }
        }
    }

    /// Some agents say things of themselves, as their number has it: a word more must not throw the dice anew.
    fn agent_speaks(&mut self, attempt: Attempt) {
        // A month is about health; who gives up by itself says nothing of that.
        if self.options.days > 0 {
            return;
        }
        if World::asks(attempt) {
            return self.agent_asks(attempt);
        }
        let word = match attempt.0 % 23 {
            3 | 11 => Word::Checkpoint {
                text: "half of it".into(),
                percent: Some(50),
            },
            5 => Word::Memo {
                key: "db".into(),
                value: format!("seen by {attempt}"),
                source: "the simulator".into(),
            },
            7 => Word::Block {
                reason: "nobody told me the password".into(),
                on: None,
            },
            13 | 17 => Word::Block {
                reason: "needs the other's work".into(),
                on: self.someone(attempt),
            },
            _ => return,
        };
        self.observe(Observation::Word { attempt, word });
    }

    fn someone(&self, attempt: Attempt) -> Option<TaskId> {
        let tasks = self.audit.state.tasks();
        let at = usize::try_from(attempt.0).ok()?.checked_rem(tasks.len())?;
        tasks.get(at).map(|task| task.id().clone())
    }

    fn agent_ends(&mut self, attempt: Attempt) {
        self.agent_writes(attempt);
        self.save(attempt);
        self.refuse_at_the_end(attempt);
        let stalled = self.faults.stalls(&mut self.dice);
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        folder.spends_until = Some(self.now);
        folder.state = FolderState::Running { agent_alive: false };
        let checks_ms = match (stalled, folder.script.deed) {
            // The shim hangs on a dead disk until after the keeper gave it up.
            (true, _) => {
                folder.stalled = true;
                (folder.given_up + self.dice.of(0..=90_000)).saturating_sub(self.now + 20_000)
            }
            (_, Deed::Succeed | Deed::FailChecks | Deed::ChecksChangeFiles) => {
                folder.script.checks_ms
            }
            _ => 1,
        };
        if stalled {
            self.coverage.hit("fault: shim stalls");
        }
        self.after(checks_ms, Due::Shim(attempt, ShimStep::Ends));
        self.observe(Observation::AgentEnded { attempt });
    }

    /// A limit can come in the middle of the work.
    fn refuse_at_the_end(&mut self, attempt: Attempt) {
        let served = |f: &Folder| f.refusal.is_none() && f.script.deed == Deed::Succeed;
        if !self.hosts.folders.get(&attempt).is_some_and(served) {
            return;
        }
        let refusal = self.refusal(attempt);
        if let Some(folder) = self.hosts.folders.get_mut(&attempt)
            && refusal.is_some()
        {
            (folder.refusal, folder.script.deed) = (refusal, Deed::Fail);
        }
    }

    /// Commits what an attempt left in its worktree, to a ref of its own.
    pub(crate) fn save(&mut self, attempt: Attempt) -> Saved {
        let beside = self.works_beside(attempt);
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return Saved::Nothing;
        };
        let Some(work) = folder.work else {
            return Saved::Nothing;
        };
        let theirs = folder.theirs.as_ref();
        let commit = self
            .repo
            .write(&folder.base, work, &folder.script.files, theirs);
        self.repo.add_works(&commit, &beside);
        self.repo.saved.insert(work, commit.clone());
        let names: Vec<String> = folder.script.files.iter().map(|f| file_name(*f)).collect();
        let saved = Saved::Commit(SavedWork {
            commit: commit.clone(),
            file_count: names.len(),
            files: names,
        });
        folder.saved = saved.clone();
        if let Some(worktree) = self.hosts.worktrees.get_mut(&folder.worker)
            && worktree.dirty == Some(attempt)
        {
            (worktree.head, worktree.dirty) = (commit, None);
        }
        saved
    }

    /// The shim's last act: `exit.json`.
    fn shim_ends(&mut self, attempt: Attempt, agent: Option<End>, cut: Option<Cut>) {
        let saved = self.save(attempt);
        let now = self.now;
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        let took = now - folder.began;
        folder.spends_until.get_or_insert(now);
        let cut = match cut {
            Some(Cut::Stopped) if !folder.told_to_stop => Some(Cut::Ceiling),
            cut => cut,
        };
        let spent = folder.spent_for(now);
        let report = Report {
            usage: folder.bill.report(spent),
            ..report(folder, agent, cut, saved, took)
        };
        let changed = !report.changed_by_checks.is_empty();
        let _ = self.audit.spending.heard(attempt, &report.usage);
        let untouched = report.saved == Saved::Nothing && !changed;
        folder.state = FolderState::Ended {
            report: Box::new(report),
            untouched,
        };
        folder.over_since = Some(now);
        if changed && let Some(worktree) = self.hosts.worktrees.get_mut(&folder.worker) {
            worktree.head = folder.base.clone();
        }
        self.note(|| format!("shim of attempt {attempt} ends"));
        self.audit_stopped(attempt);
        if let Some(seen) = self.look_at(attempt) {
            self.observe(seen);
        }
    }

    /// The whole tree is gone at once, and nothing is written any more.
    pub(crate) fn shim_dies(&mut self, attempt: Attempt) {
        let Some(folder) = self.hosts.folders.get_mut(&attempt) else {
            return;
        };
        if !matches!(folder.state, FolderState::Running { .. }) {
            return;
        }
        folder.spends_until.get_or_insert(self.now);
        folder.state = FolderState::Dead;
        folder.over_since = Some(self.now);
        self.note(|| format!("shim of attempt {attempt} dies"));
        self.audit_stopped(attempt);
    }

    /// The agent alone is killed; the shim sees it.
    pub(crate) fn agent_dies(&mut self, attempt: Attempt) {
        let alive = |f: &Folder| f.state == FolderState::Running { agent_alive: true };
        if self.hosts.folders.get(&attempt).is_some_and(alive) {
            self.note(|| format!("agent of attempt {attempt} is killed"));
            self.shim_ends(attempt, Some(End::Signalled(9)), None);
        }
    }

    /// What a look at an attempt's folder says; `None` when there is no folder.
    pub(crate) fn look_at(&mut self, attempt: Attempt) -> Option<Observation> {
        let folder = self.hosts.folders.get(&attempt)?;
        Some(match &folder.state {
            FolderState::Running { agent_alive: true } => Observation::Started { attempt },
            FolderState::Running { agent_alive: false } => Observation::AgentEnded { attempt },
            FolderState::Ended { report, untouched } => Observation::Ended {
                attempt,
                report: report.clone(),
                untouched: *untouched,
            },
            FolderState::Sealed => {
                let reason = "it was never started".into();
                Observation::Lost {
                    attempt,
                    reason,
                    saved: Saved::Nothing,
                }
            }
            FolderState::Dead => {
                let forgets = self.mutated(Mutant::ForgetSave);
                let saved = if forgets {
                    Saved::Nothing
                } else {
                    self.save(attempt)
                };
                Observation::Lost {
                    attempt,
                    reason: "its shim is gone".into(),
                    saved,
                }
            }
        })
    }

    /// Takes an attempt's folder so that no shim can.
    pub(crate) fn seal(&mut self, attempt: Attempt, task: &TaskId, worker: WorkerId, base: &Oid) {
        let script = Character::throw(&mut self.dice).script(&mut self.dice);
        self.hosts.folders.entry(attempt).or_insert_with(|| Folder {
            task: task.clone(),
            worker,
            state: FolderState::Sealed,
            script: Script {
                mends: Works::default(),
                ..script
            },
            part: None,
            base: base.clone(),
            theirs: None,
            no_op_allowed: false,
            checks: 0,
            began: 0,
            ceiling: 0,
            given_up: 0,
            stalled: false,
            over_since: None,
            work: None,
            saved: Saved::Nothing,
            told_to_stop: false,
            bill: Bill::throw(&mut Dice::new(0)),
            spends_until: Some(0),
            paid: 0,
            refusal: None,
            asking: None,
            stands: 0,
            stood: 0,
        });
    }
}

fn report(
    folder: &Folder,
    forced: Option<End>,
    cut: Option<Cut>,
    saved: Saved,
    took: u64,
) -> Report {
    let deed = folder.script.deed;
    let end = forced.unwrap_or_else(|| match deed {
        Deed::Fail | Deed::LimitedByProvider => End::Exited(1),
        Deed::Crash => End::Signalled(11),
        Deed::Hang => End::TimedOut,
        Deed::NotStartable => End::NotStarted("no such program".into()),
        _ => End::Exited(0),
    });
    let step = |name: &str, end: End| Step {
        name: name.into(),
        end,
        took: Millis(1),
        tail: String::new(),
    };
    let failed = end == End::Exited(1);
    let setup = deed == Deed::FailSetup;
    let check = |_| {
        step(
            "test",
            if deed == Deed::FailChecks {
                End::Exited(1)
            } else {
                End::Exited(0)
            },
        )
    };
    let ran = end == End::Exited(0) && cut.is_none() && !setup;
    let checks = if ran {
        (0..folder.checks).map(check).collect()
    } else {
        Vec::new()
    };
    let changed = deed == Deed::ChecksChangeFiles && ran;
    Report {
        agent: (!setup).then(|| step("agent", end)),
        setup_failed: setup.then(|| step("setup", End::Exited(2))),
        checks,
        saved,
        exists: Vec::new(),
        changed_by_checks: if changed {
            vec!["log.txt".into()]
        } else {
            Vec::new()
        },
        outside: Vec::new(),
        ignored: Vec::new(),
        survivors: folder.script.survivors,
        cut,
        no_op: folder.no_op_allowed.then(|| "nothing to do".into()),
        rate_limited: deed == Deed::LimitedByProvider,
        said: folder
            .refusal
            .filter(|_| failed && cut.is_none())
            .map(|r| r.said()),
        usage: Usage::default(),
        took: Millis(took),
    }
}

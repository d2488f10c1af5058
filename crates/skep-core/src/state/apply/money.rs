//! Money: metered, settled, and what people were told of caps.

use crate::{
    attempt::Phase,
    budget::{self, Amounts, Charge, Owner},
    event::Event,
    id::{Attempt, TaskId, WorkerId},
    state::State,
    time::{Millis, Time},
};

impl State {
    pub(super) fn apply_money(&mut self, event: &Event, now: Time) {
        match event {
            Event::Metered {
                attempt,
                task,
                charge,
                reserved,
            } => {
                let interval = self.policy().budget.interval;
                let was = match self.live.get_mut(attempt) {
                    Some(live) => {
                        let account = &mut live.account;
                        let was = account.charge;
                        if was != *charge {
                            let over = now.since(account.metered.max(live.age_from));
                            let more = charge.amounts().less(was.amounts());
                            account.growth = more.paced(interval, over);
                            account.metered = now;
                        }
                        (account.charge, account.reserved) = (*charge, *reserved);
                        Some((live.worker, was))
                    }
                    None => self.correct(*attempt, task, charge),
                };
                if let Some((worker, was)) = was {
                    let more = charge.amounts().less(was.amounts());
                    self.book(task, worker, |ledger, owner, budget| {
                        ledger.book(owner, more, now, budget);
                    });
                }
            }
            Event::BudgetLevel { scope, told, .. } => self.ledger.tell(*scope, *told),
            _ => {}
        }
    }

    /// What the late report of an attempt that is over adds to what it was charged.
    fn correct(
        &mut self,
        attempt: Attempt,
        task: &TaskId,
        charge: &Charge,
    ) -> Option<(WorkerId, Charge)> {
        let ix = self.index.find(task)?;
        let mut history = self.tasks[ix].history.iter_mut();
        let past = history.find(|past| past.attempt == attempt)?;
        let was = past.charge;
        past.charge = *charge;
        Some((past.worker, was))
    }

    /// An attempt is over: what it cost is its task's from now on, and nothing is set aside for it any more.
    pub(super) fn close_account(
        &mut self,
        attempt: Attempt,
        compare: bool,
        now: Time,
    ) -> (Charge, Millis) {
        let Some(live) = self.live.get(&attempt) else {
            return Default::default();
        };
        let (task, worker, from) = (live.task.clone(), live.worker, live.age_from);
        let (charge, began) = (live.account.charge, live.phase > Phase::Claimed);
        if let Some(ix) = self.index.find(&task).filter(|_| compare && began) {
            let kind = budget::kind(&live.agent, live.model.as_deref(), &self.tasks[ix].spec);
            let spent = Amounts {
                time: now.since(from),
                ..charge.amounts()
            };
            let known = charge.usd.is_some() || charge.tokens().is_some();
            self.ledger.learn(kind, spent, known);
        }
        self.book(&task, worker, |ledger, owner, budget| {
            ledger.book_time(owner, from, now, budget);
        });
        (charge, now.since(from))
    }

    fn book(
        &mut self,
        task: &TaskId,
        worker: WorkerId,
        how: impl FnOnce(&mut budget::Ledger, Owner<'_>, &crate::spec::Budget),
    ) {
        let Some(ix) = self.index.find(task) else {
            return;
        };
        let Some(swarm) = &self.swarm else { return };
        let role = self.tasks[ix].spec.role.as_ref();
        let owner = Owner { task, worker, role };
        how(&mut self.ledger, owner, &swarm.spec.policy.budget);
    }
}

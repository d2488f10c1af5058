//! XII: providers are bulkheads, a parked one starts nothing but its probe, and what it does is charged to nobody.

use crate::world::World;
use skep_core::{
    attempt::Failure,
    event::{Event, Next, Record, WorkerNext},
    id::{Attempt, TaskId},
    limits,
    time::Time,
};

impl World {
    pub(super) fn audit_providers(&mut self, record: &Record) {
        match &record.event {
            Event::Claimed {
                attempt,
                task,
                provider: Some(provider),
                ..
            } => self.audit_served(*attempt, task, provider, record.at),
            Event::AttemptEnded {
                task,
                failure,
                next,
                worker_next,
                ..
            } => self.audit_refused(task, failure, *next, *worker_next),
            Event::ProviderParked {
                provider,
                until,
                attempt,
                ..
            } => self.audit_parked(provider, *until, *attempt, record.at),
            _ => {}
        }
    }

    fn audit_served(&mut self, attempt: Attempt, task: &TaskId, provider: &str, at: Time) {
        let state = &self.audit.state;
        let most = self.audit.policy.providers.attempts as usize;
        let served = |l: &&skep_core::attempt::Live| l.provider.as_deref() == Some(provider);
        let running = state.live().filter(served).count();
        let parked = state
            .providers()
            .get(provider)
            .and_then(|p| p.parked.as_ref());
        let early = parked.is_some_and(|p| at < p.until);
        let second = parked.is_some_and(|p| p.probe.is_some());
        let half_open = parked.is_some();
        let id = format!("attempt {attempt} of {task} at {provider}");
        let audit = &mut self.audit;
        audit.unsafe_if(running >= most, "XII: a provider is a bulkhead", || {
            format!("{id}: {running} of {most} run")
        });
        audit.unsafe_if(early, "XII: a parked provider starts nothing", || {
            id.clone()
        });
        audit.unsafe_if(second, "XII: one attempt tries a provider", || id.clone());
        if half_open {
            self.coverage.hit("provider: probed");
        }
    }

    /// By the world's own account of who was refused.
    fn audit_refused(&mut self, task: &TaskId, failure: &Failure, next: Next, worker: WorkerNext) {
        let folder = self.hosts.folders.get(&failure.attempt);
        let refused = folder.is_some_and(|f| f.refusal.is_some());
        let refusals = self.audit.state.task(task).map_or(0, |t| t.refusals.alone);
        let alone = next == Next::Flag && refusals + 1 >= limits::SPARED;
        // What it cost before it was refused can be all that its task may cost.
        let spent = next == Next::Flag && failure.reason.contains("its own budget is spent");
        let charged = !matches!(next, Next::Release | Next::Cancel) && !alone && !spent;
        let blamed = worker != WorkerNext::GoOn;
        let wrong = failure.fault.is_some() && (charged || blamed);
        // Of one that was killed or given up, nobody knows that it had been refused.
        let told = failure.outcome.word() == "rate_limited" && failure.fault.is_none();
        let id = format!(
            "attempt {} of {task}: {next:?}, {worker:?}",
            failure.attempt
        );
        self.audit
            .unsafe_if(wrong, "XII: a refusal is charged to nobody", || id.clone());
        self.audit
            .unsafe_if(refused && told, "XII: a refusal is a provider's", || {
                id.clone()
            });
        if alone && failure.fault.is_some() {
            self.coverage.hit("provider: refuses one task for ever");
        }
    }

    fn audit_parked(&mut self, provider: &str, until: Time, attempt: Attempt, at: Time) {
        let folder = self.hosts.folders.get(&attempt);
        let stated = folder.and_then(|f| f.refusal).and_then(|r| r.until);
        let longest = at + self.audit.policy.providers.longest_park;
        let wanted = stated.filter(|stated| *stated > at).map(|s| s.min(longest));
        let text = || format!("{provider} until {}, not {wanted:?}", until.0);
        let other = wanted.is_some_and(|wanted| wanted != until);
        self.audit
            .unsafe_if(other, "XII: parked until the time it said", text);
        self.audit
            .unsafe_if(until > longest, "XII: no park is for ever", text);
    }
}

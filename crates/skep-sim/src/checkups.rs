//! Measuring attempts, as a host does, and whether what is made of it is right.

use crate::{
    audit::Kind,
    hosts::{Folder, FolderState},
    keeper::Letter,
    mutant::Mutant,
    world::World,
};
use skep_core::{attempt::Reading, health, id::Attempt, request::Observation};

/// Beside the limits: a lost measurement or two, a log that does not take entries, a stop with its grace.
const SLACK: u64 = 10 * 60_000;
/// A measurement and the decision on it are not quite at the same moment.
const A_MOMENT: u64 = 2 * 60_000;

impl World {
    /// What the processes of all live attempts show. Measurements do not travel: they are lost at most.
    pub(crate) fn measure(&mut self) {
        if self.mutated(Mutant::Blind) || self.faults.measures_nothing(&mut self.dice) {
            return;
        }
        let hasty = self.mutated(Mutant::Hasty);
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let live = keeper.engine.state().live().map(|l| l.attempt);
        let alive = |attempt: Attempt| {
            let folder = self.hosts.folders.get(&attempt)?;
            let alive = folder.state == FolderState::Running { agent_alive: true };
            let ran = if hasty { 0 } else { now - folder.began };
            alive.then(|| (attempt, folder.script.life.sample(ran)))
        };
        let seen: Vec<_> = live.filter_map(alive).collect();
        if !seen.is_empty() {
            keeper
                .inbox
                .push_back(Letter::seen(Observation::Vitals { seen }, None));
        }
        self.read();
    }

    /// What the agents of all live attempts say of their use, now and then of some while ago.
    fn read(&mut self) {
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let live: Vec<Attempt> = keeper.engine.state().live().map(|l| l.attempt).collect();
        let (mut seen, mut paid) = (Vec::new(), Vec::new());
        for attempt in live {
            let Some(folder) = self.hosts.folders.get(&attempt) else {
                continue;
            };
            let ran = folder.spent_for(now);
            let ago = if self.dice.chance(100) {
                self.dice.of(0..=ran)
            } else {
                0
            };
            if let Some(usage) = folder.bill.says(ran - ago) {
                if self.audit.spending.heard(attempt, &usage) {
                    paid.push(attempt);
                }
                let reading = Reading {
                    usage,
                    ..Reading::default()
                };
                seen.push((attempt, reading));
            }
        }
        if !seen.is_empty() {
            keeper
                .inbox
                .push_back(Letter::seen(Observation::Read { seen }, None));
        }
        // That its model was paid is a sign of life.
        for attempt in paid {
            if let Some(folder) = self.hosts.folders.get_mut(&attempt) {
                folder.paid = now;
            }
        }
    }

    /// A verdict hangs on what is not measured yet.
    pub(crate) fn measure_if_due(&mut self) {
        let due = self.keeper.as_ref().is_some_and(|keeper| {
            health::must_measure(keeper.engine.state(), keeper.time(self.now))
        });
        if due {
            self.measure();
        }
    }

    /// L-4a: nobody is ended for their health who is well, nor before the time.
    pub(crate) fn audit_stale(&mut self, attempt: Attempt) {
        let Some(folder) = self.hosts.folders.get(&attempt) else {
            return;
        };
        let life = &folder.script.life;
        let (manner, silent) = (life.manner, self.now - self.now.min(last_sign(folder)));
        let limit = manner.limit().map_or(u64::MAX, |l| l.0);
        self.coverage.hit("health: an attempt is ended for it");
        self.audit.unsafe_if(
            silent + A_MOMENT < limit,
            "L-4a: no healthy agent is ended",
            || format!("attempt {attempt}: {manner:?}, {silent} ms after its last sign"),
        );
    }

    /// T-4: nobody who is not well runs on past the limit while a keeper lives.
    pub(crate) fn audit_silence(&mut self) {
        let since = self.audit.facts_since;
        let late = |attempt: &Attempt| {
            let folder = self.hosts.folders.get(attempt)?;
            let alive = folder.state == FolderState::Running { agent_alive: true };
            folder.script.life.manner.limit().filter(|_| alive)?;
            let silent = self.now.saturating_sub(
                last_sign(folder)
                    .max(folder.paid)
                    .max(folder.stood)
                    .max(since),
            );
            // Without restarts left, it is the longer limit that counts.
            let policy = self.audit.state.policy();
            (silent > policy.health.silent.0 + policy.grace.0 + SLACK).then_some(silent)
        };
        let all = self.audit.state.live().map(|l| l.attempt);
        let late: Option<(Attempt, u64)> = all.into_iter().find_map(|a| Some((a, late(&a)?)));
        if let Some((attempt, silent)) = late {
            let text = format!(
                "attempt {attempt} is silent for {} minutes",
                silent / 60_000
            );
            self.audit
                .fail(Kind::Liveness, "T-4: nothing is stale past its limit", text);
        }
    }
}

fn last_sign(folder: &Folder) -> u64 {
    folder.began + folder.script.life.last_sign()
}

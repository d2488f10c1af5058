//! A month on its own: one plan after the other, with faults every few minutes, and nobody there.

use crate::{
    agents::Character,
    git::{Breaks, FILES},
    plans,
    world::{BEGIN, Due, Options, Outcome, World},
};
use skep_core::{
    event::Event,
    request::Command,
    spec::{Landing, Plan, Workers},
    task::TaskState,
    time::Millis,
};

/// What a month came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// Plans that were run to their ends.
    pub plans: u64,
    /// Tasks that were given.
    pub tasks: u64,
    /// Tasks that were merged.
    pub merged: u64,
    /// Tasks that wait for a person, their retries used up.
    pub flagged: u64,
    /// Tasks in the dead-letter list.
    pub dead: u64,
    /// Of these, quarantined.
    pub poison: u64,
    /// Tasks of plans that ended whose fate is none of these.
    pub lost: u64,
    /// Times that the swarm could only go on with a person's help.
    pub stuck: u64,
}

/// Tasks of one plan: one for each file, so that none conflicts. What becomes of conflicts is for the other worlds.
const TASKS: u64 = FILES as u64;

impl World {
    /// A plan whose tasks do not wait for each other: one that needs a person holds up no other.
    pub(crate) fn steady_plan(&mut self) -> Plan {
        let (mut plan, _) = plans::plan(&mut self.dice, 1);
        let model = plan.tasks[0].clone();
        plan.swarm.workers = Workers::Count(6);
        (plan.swarm.worktree, plan.swarm.landing) = (true, Landing::Branch);
        plan.swarm.check.clear();
        plan.swarm.policy = Default::default();
        // A world that is said again and again what it lacks never comes to rest.
        plan.swarm.policy.alerts.remind = Millis(0);
        self.characters.clear();
        plan.tasks = (0..TASKS)
            .map(|number| {
                let mut task = model.clone();
                (task.id, task.role, task.owner_key) = (plans::task_id(number), None, None);
                (task.timebox, task.model, task.max_retries) = (None, None, None);
                task.depends_on.clear();
                let character = Character {
                    trouble: 50,
                    breaks: Breaks::No,
                    files: vec![number as usize],
                    ..Character::throw(&mut self.dice)
                };
                self.characters.insert(task.id.clone(), character);
                task
            })
            .collect();
        plan
    }

    /// The next plan, if the last one is over and the month is not.
    pub(crate) fn next_plan(&mut self) {
        let state = &self.audit.state;
        if state.swarm().is_some() && state.finished().is_none() {
            return;
        }
        self.count_plan();
        if self.now < BEGIN + self.options.days * 86_400_000 {
            self.plan = self.steady_plan();
            self.weather.equip(&mut self.plan);
            let command = Command::LoadPlan {
                plan: Box::new(self.plan.clone()),
                digest: format!("plan {}", self.month.plans),
                target: "main".into(),
                base: self.repo.integration.clone(),
                kept: true,
                again: true,
            };
            self.month.tasks += TASKS;
            self.command(command);
        } else {
            self.calm();
        }
    }

    fn count_plan(&mut self) {
        let state = &self.audit.state;
        if state.swarm().is_none() {
            return;
        }
        let count = |wanted| state.count(wanted) as u64;
        let month = &mut self.month;
        month.plans += 1;
        month.merged += count(TaskState::Merged);
        month.flagged += count(TaskState::Flagged);
        month.dead += count(TaskState::Dead);
        let poison =
            |t: &&skep_core::task::Task| t.note.as_deref().is_some_and(|n| n.starts_with("poison"));
        month.poison += state.tasks().iter().filter(poison).count() as u64;
        let blocked = count(TaskState::Blocked);
        let over = [TaskState::Merged, TaskState::Flagged, TaskState::Dead];
        let all = over.into_iter().map(count).sum::<u64>() + blocked;
        month.lost += (state.tasks().len() as u64).saturating_sub(all);
    }

    /// What of the log a month is about.
    pub(crate) fn month_event(&mut self, event: &Event) {
        if self.options.days == 0 {
            return;
        }
        match event {
            Event::Finished {} => self.after(1_000, Due::NextPlan),
            Event::SwarmHalted { probe_at: None, .. } => self.month.stuck += 1,
            _ => {}
        }
    }
}

/// Runs a world for so many days.
#[must_use]
pub fn month(seed: u64, days: u64) -> (Outcome, Month) {
    let options = Options {
        days,
        people: false,
        ..Options::default()
    };
    crate::world::run_month(seed, &options)
}

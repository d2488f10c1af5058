//! Looking whether work in flight merges, and that nothing comes of it but words (W-9).

use crate::{
    git::{FILES, file_name},
    world::World,
};
use skep_core::{
    event::{Event, Record},
    forecast::{Meeting, Order, Stand},
    plan::{Action, plan},
    request::Observation,
    state::State,
    time::Time,
};

impl World {
    /// What is found does not hang on the works: whatever a forecast says, right or wrong, must change nothing.
    pub(crate) fn foresee(&mut self, order: &Order) -> Observation {
        let flying = |s: &&skep_core::forecast::Sight| matches!(s.stand, Stand::InFlight { .. });
        let mut met = Vec::new();
        for (n, ours) in order.works.iter().take_while(flying).enumerate() {
            let others = order.works[n + 1..].iter().map(|s| Some(s.work.attempt));
            for theirs in others.chain([None]) {
                let mut files = Vec::new();
                while self.dice.chance(300) {
                    let file = file_name(self.dice.index(FILES));
                    files.push((file, "both sides changed the same lines".into()));
                }
                let ours = ours.work.attempt;
                met.push(Meeting {
                    ours,
                    theirs,
                    files,
                });
            }
        }
        let cut = self.dice.chance(100);
        Observation::Forecast {
            mark: order.mark,
            met,
            cut,
        }
    }

    /// Applies a record to the auditor's state, and holds forecasts to what they are.
    pub(crate) fn audit_foresight(&mut self, record: &Record) {
        let known = self.audit.state.collisions();
        let (wrong, of_forecast) = match &record.event {
            Event::CollisionForeseen { collision } => (known.contains(collision), true),
            Event::CollisionGone { works, .. } => (!known.iter().any(|c| c.is_of(works)), true),
            Event::Finished {} => (!known.is_empty(), false),
            _ => (false, false),
        };
        self.audit
            .unsafe_if(wrong, "W-9: a collision comes once and goes once", || {
                format!("#{} {:?}", record.seq, record.event)
            });
        let before = of_forecast.then(|| course(&self.audit.state, record.at));
        self.audit.state.apply(record);
        let after = of_forecast.then(|| course(&self.audit.state, record.at));
        self.audit
            .unsafe_if(before != after, "W-9: a forecast changes nothing", || {
                format!("#{}: {before:?} is {after:?}", record.seq)
            });
    }
}

/// What is to be done, looking ahead aside.
fn course(state: &State, now: Time) -> Vec<Action> {
    let mut actions = plan(state, now).actions;
    actions.retain(|action| !matches!(action, Action::Forecast { .. }));
    actions
}

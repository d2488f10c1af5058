//! What happened when, how often and how long it took: counts, levels, spending and latencies, for charts, metrics
//! and targets (U-3, U-5, G-9).
//!
//! A part of the state, so that it is folded as that is: the same after a restart, and good for decisions. All of it is
//! bounded, whatever happens: four [rings](ring) of buckets, one bucket for all time, and the latencies of so many
//! models and workers ([`limits`]). An event costs a few additions to each of them; what there is *at*
//! the end of a bucket is looked at only then.

mod kinds;
mod read;
mod ring;
mod seen;
mod span;
mod tally;
#[cfg(test)]
mod tests;

pub use kinds::{Count, Level, NoKind, Stage};
pub use read::{Point, Series};
pub use ring::Bucket;
pub use span::{EDGES, Spans, Summary};
pub use tally::Tally;

use crate::{
    event::{Event, Record},
    id::WorkerId,
    limits,
    state::State,
    task::TaskState,
    time::{Millis, Time},
    worker::WorkerState,
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use ring::{Ring, Still};
use serde::{Deserialize, Serialize};

/// The widths of buckets, and how many of each are kept: half an hour, three hours, two days, 45 days.
const RINGS: [(Millis, u64); 4] = [
    (Millis::secs(10), 180),
    (Millis::mins(1), 180),
    (Millis::mins(15), 192),
    (Millis::mins(60), 1_080),
];

/// What happened, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The moment of the first event; none before it.
    since: Option<Time>,
    /// That of the last.
    at: Time,
    rings: [Ring; RINGS.len()],
    /// All that was ever counted: it never goes back.
    totals: Bucket,
    /// Models, or agents where there was none; bounded by [`limits::NAMES`].
    names: Vec<String>,
    /// How long attempts took, by the number of a name.
    models: BTreeMap<u8, Spans>,
    /// The same by worker, with when that was last seen; bounded by [`limits::WORKERS_TIMED`].
    workers: BTreeMap<WorkerId, (Time, Spans)>,
}

impl Default for History {
    fn default() -> Self {
        History {
            since: None,
            at: Time(0),
            rings: RINGS.map(|(step, most)| Ring::new(step, most)),
            totals: Bucket::default(),
            names: Vec::new(),
            models: BTreeMap::new(),
            workers: BTreeMap::new(),
        }
    }
}

/// The number of all names for which there was no room.
const OTHERS: u8 = limits::NAMES as u8;

impl History {
    /// Takes a record into account that `before` does not know yet.
    pub(crate) fn take(&mut self, before: &State, record: &Record) {
        // A clock that was set back is for whoever owns the clock; here time only goes on.
        let now = record.at.max(self.at);
        if self.since.is_some() {
            self.pass(before, now);
        } else {
            self.since = Some(now);
        }
        self.at = now;
        for ring in &mut self.rings {
            ring.at(now);
        }
        self.see(before, record);
    }

    /// Takes in that nothing happened from the last event to `to`.
    fn pass(&mut self, before: &State, to: Time) {
        if to <= self.at {
            return;
        }
        let ends = self.rings.iter().any(|ring| ring.ends(self.at, to));
        let levels = ends.then(|| levels(before));
        let (live, workers) = (before.live().len() as u64, before.workers().len() as u64);
        let still = Still {
            live,
            workers,
            levels: levels.as_ref(),
        };
        for ring in &mut self.rings {
            ring.pass(self.at, to, &still);
        }
        self.totals.last(to.since(self.at), live, workers);
    }

    /// Changes the bucket of now, everywhere.
    fn each(&mut self, change: impl Fn(&mut Bucket)) {
        let now = self.at;
        change(&mut self.totals);
        for ring in &mut self.rings {
            change(ring.at(now));
        }
    }

    fn count(&mut self, what: Count, more: u64) {
        if more > 0 {
            self.each(|bucket| bucket.counts.add(what, more));
        }
    }

    fn time(&mut self, stage: Stage, took: Millis) {
        self.each(|bucket| bucket.spans.add(stage, took));
    }

    /// The number of a name, which gets one if there is room.
    fn number(&mut self, name: &str) -> u8 {
        let known = self.names.iter().position(|known| known == name);
        let number = known.or_else(|| {
            let free = self.names.len();
            (free < limits::NAMES).then(|| {
                self.names.push(name.into());
                free
            })
        });
        number.map_or(OTHERS, |number| number as u8)
    }

    /// How long a stage of an attempt took, for its model and its worker, too.
    fn time_attempt(&mut self, model: &str, worker: WorkerId, stage: Stage, took: Millis) {
        self.time(stage, took);
        let name = self.number(model);
        self.models.entry(name).or_default().add(stage, took);
        if self.workers.len() >= limits::WORKERS_TIMED && !self.workers.contains_key(&worker) {
            let oldest = self.workers.iter().min_by_key(|(_, (seen, _))| *seen);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.workers.remove(&oldest);
            }
        }
        let (seen, spans) = self.workers.entry(worker).or_default();
        *seen = self.at;
        spans.add(stage, took);
    }

    fn see(&mut self, before: &State, record: &Record) {
        seen::see(self, before, record);
        if let Event::Claimed { .. } = record.event {
            let live = u32::try_from(before.live().len() + 1).unwrap_or(u32::MAX);
            self.each(|bucket| bucket.peak = bucket.peak.max(live));
        }
    }
}

/// All that is looked at, as it is now.
fn levels(state: &State) -> Tally<Level> {
    let mut levels = Tally::default();
    for (ix, of) in TaskState::ALL.into_iter().enumerate() {
        // The table begins with them, in their order.
        levels.add(Level::ALL[ix], state.count(of) as u64);
    }
    let tip = state.swarm().map(|swarm| &swarm.tip);
    for worker in state.workers() {
        let level = match worker.state(tip) {
            WorkerState::Spawning => Level::WorkersSpawning,
            WorkerState::Idle => Level::WorkersIdle,
            WorkerState::Working => Level::WorkersWorking,
            WorkerState::Paused => Level::WorkersPaused,
            WorkerState::Crashed => Level::WorkersCrashed,
            WorkerState::Stopped => Level::WorkersStopped,
        };
        levels.add(level, 1);
    }
    for live in state.live() {
        let open = live.asks.iter().filter(|ask| ask.reply.is_none()).count();
        levels.add(Level::AsksOpen, open as u64);
        levels.add(Level::Reserved, live.account.reserved.usd.0);
    }
    let parked = state.providers().values().filter(|p| p.parked.is_some());
    levels.add(Level::ProvidersParked, parked.count() as u64);
    levels
}

//! What hosts measure, and what it says over time.

use super::Logged;
use crate::{
    attempt::{Live, Reading},
    id::{Attempt, Oid},
    spec::Policy,
    time::{Millis, Time},
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What only grows (the commit aside), so that a measurement that is missed loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Output, in bytes.
    pub output_bytes: u64,
    /// Lines of output, health markers aside.
    pub lines: u64,
    /// Those of them that this host had not seen before from this attempt.
    pub new_lines: u64,
    /// Lines that report progress.
    pub checkpoints: u64,
    /// Lines that say "still working on …".
    pub markers: u64,
    /// CPU time of the whole tree, of processes that have ended too.
    pub cpu_ms: u64,
    /// What the tree wrote to disks.
    pub written_bytes: u64,
    /// Processes that this host has seen in the tree.
    pub spawned: u64,
    /// Where the worktree's branch is.
    pub commit: Option<Oid>,
}

/// How the agent's own process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leader {
    /// It runs or sleeps, as processes do.
    #[default]
    Lives,
    /// A signal stopped it: it will not go on by itself.
    Stopped,
    /// It has ended, and something that it started lives on.
    Gone,
}

/// One measurement of an attempt's process tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What only grows.
    pub counts: Counts,
    /// Processes that live.
    pub processes: u32,
    /// Memory of all of them.
    pub memory_bytes: u64,
    /// How long ago the shim last showed that it lives (L-3); none if that cannot be known.
    pub beat_age: Option<Millis>,
    /// The agent's own process.
    pub leader: Leader,
    /// One of them reads from a terminal where nobody types.
    pub waits_for_input: bool,
    /// The names of those that used most of the CPU.
    pub busiest: Vec<String>,
}

/// When there was last a sign of life, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Something new: output never seen before, a commit.
    pub new: Time,
    /// Files were written.
    pub wrote: Time,
    /// CPU was used, or a process started.
    pub busy: Time,
    /// A health marker.
    pub marker: Time,
    /// Output that was nothing new, if there was any since there was something new.
    pub repeat: Option<Time>,
}

impl Clocks {
    /// As if everything had just been well.
    #[must_use]
    pub const fn starting(at: Time) -> Clocks {
        Clocks {
            new: at,
            wrote: at,
            busy: at,
            marker: at,
            repeat: None,
        }
    }
}

impl Clocks {
    /// The same, so much later.
    fn later(self, by: Millis) -> Clocks {
        Clocks {
            new: self.new + by,
            wrote: self.wrote + by,
            busy: self.busy + by,
            marker: self.marker + by,
            repeat: self.repeat.map(|at| at + by),
        }
    }
}

/// So much must be written before it counts: less is a log line, or a lock.
const WRITTEN: u64 = 4_096;

/// New processes count when the tree uses at least this part of the CPU that counts without them.
const POLL: u64 = 10;

/// What is known of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The last measurement.
    pub sample: Sample,
    /// When it was taken.
    pub at: Time,
    /// The last signs of life.
    pub clocks: Clocks,
    /// CPU time used between the last two measurements, and how far apart they were.
    pub cpu: Option<(Millis, Millis)>,
}

impl Track {
    /// What a first measurement says. What was there already when an earlier keeper logged its checkup is no sign
    /// of life since; of what it did not log, the best is believed. The time in which no keeper looked is nobody's
    /// silence: the clocks go on from where the log has them.
    #[must_use]
    pub fn begin(live: &Live, sample: Sample, now: Time, policy: &Policy) -> Track {
        let (counts, clocks, at) = match live.health.as_deref() {
            Some(Logged {
                counts, clocks, at, ..
            }) => {
                // Another host process counts lines and processes anew.
                let counts = Counts {
                    lines: sample.counts.lines,
                    new_lines: sample.counts.new_lines,
                    markers: sample.counts.markers,
                    checkpoints: sample.counts.checkpoints,
                    spawned: sample.counts.spawned,
                    ..counts.clone()
                };
                (counts, clocks.later(now.since(*at)), now)
            }
            None => {
                let looked = Time(now.0.saturating_sub(policy.heartbeat.0));
                let from = live.since.max(looked);
                (Counts::default(), Clocks::starting(from), from)
            }
        };
        let said_more = live.health.is_some() && sample.counts.output_bytes > counts.output_bytes;
        let mut track = Track {
            sample: Sample {
                counts,
                ..Sample::default()
            },
            at,
            clocks,
            cpu: None,
        };
        track.take(sample, now, policy);
        if said_more {
            (track.clocks.new, track.clocks.repeat) = (now, None);
        }
        track.cpu = None;
        track
    }

    /// Takes another measurement into account.
    pub fn take(&mut self, sample: Sample, now: Time, policy: &Policy) {
        let (was, is) = (&self.sample.counts, &sample.counts);
        // One that was taken earlier and comes later says nothing of now.
        if is.output_bytes < was.output_bytes || is.cpu_ms < was.cpu_ms || is.lines < was.lines {
            return;
        }
        let passed = now.since(self.at);
        let cpu = Millis(is.cpu_ms.saturating_sub(was.cpu_ms));
        // What had happened when it was first seen to be stopped may have happened before that.
        if sample.leader == Leader::Lives || self.sample.leader == Leader::Lives {
            let moved = is.commit.is_some() && was.commit.is_some() && is.commit != was.commit;
            if is.new_lines > was.new_lines || moved {
                (self.clocks.new, self.clocks.repeat) = (now, None);
            } else if is.lines > was.lines {
                self.clocks.repeat = Some(now);
            }
            if is.written_bytes >= was.written_bytes.saturating_add(WRITTEN) {
                self.clocks.wrote = now;
            }
            // What waits for somebody to type may still spin a little.
            if !sample.waits_for_input {
                let share = u64::from(policy.health.busy_percent);
                let of_share = |slow: u64| {
                    cpu.0 > 0 && cpu.0.saturating_mul(100 * slow) >= passed.0.saturating_mul(share)
                };
                // A process that starts and does next to nothing is a poll: `sleep`, mostly.
                if of_share(1) || (is.spawned > was.spawned && of_share(POLL)) {
                    self.clocks.busy = now;
                }
            }
            if is.markers > was.markers {
                self.clocks.marker = now;
            }
        }
        if passed.0 > 0 {
            self.cpu = Some((cpu, passed));
        }
        (self.sample, self.at) = (sample, now);
    }

    /// CPU use between the last two measurements, in thousandths of one core.
    #[must_use]
    pub fn cpu_per_mille(&self) -> Option<u64> {
        self.cpu
            .map(|(used, over)| used.0.saturating_mul(1000) / over.0.max(1))
    }
}

/// What is known of all live attempts. Beside the state: never stored, never compared, and gone with the keeper.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    tracks: BTreeMap<Attempt, Track>,
    readings: BTreeMap<Attempt, Reading>,
}

/// Two states are the same whatever was measured meanwhile.
impl PartialEq for Facts {
    fn eq(&self, _: &Facts) -> bool {
        true
    }
}

impl Facts {
    /// What is known of an attempt; none before the first measurement.
    #[must_use]
    pub fn of(&self, attempt: Attempt) -> Option<&Track> {
        self.tracks.get(&attempt)
    }

    pub(crate) fn take(&mut self, live: &Live, sample: Sample, now: Time, policy: &Policy) {
        match self.tracks.get_mut(&live.attempt) {
            Some(track) => track.take(sample, now, policy),
            None => {
                let track = Track::begin(live, sample, now, policy);
                self.tracks.insert(live.attempt, track);
            }
        }
    }

    /// What its agent has said of itself; none of agents that say nothing, and before they do.
    #[must_use]
    pub fn reading(&self, attempt: Attempt) -> Option<&Reading> {
        self.readings.get(&attempt)
    }

    /// Takes in what an agent says of itself. That a tool was called, or that a model was paid, is progress.
    /// One that takes back what it said gets nowhere.
    pub(crate) fn read(&mut self, attempt: Attempt, mut reading: Reading, now: Time) {
        if let Some(was) = self.readings.get(&attempt) {
            reading.usage = was.usage.most(&reading.usage);
        }
        let was = self.readings.insert(attempt, reading);
        let (Some(was), Some(is)) = (was, self.readings.get(&attempt)) else {
            return;
        };
        if let Some(track) = self.tracks.get_mut(&attempt)
            && (is.tool_calls > was.tool_calls || is.usage != was.usage)
        {
            (track.clocks.new, track.clocks.repeat) = (now, None);
        }
    }

    /// The attempt waited for a person, and was not silent of its own.
    pub(crate) fn stood(&mut self, attempt: Attempt, waited: Millis) {
        if let Some(track) = self.tracks.get_mut(&attempt) {
            track.clocks = track.clocks.later(waited);
        }
    }

    /// An agent that says something of itself is no more silent than one that prints a health marker, and no less:
    /// it holds silence off for the same time and no longer.
    pub(crate) fn hear(&mut self, attempt: Attempt, now: Time) {
        if let Some(track) = self.tracks.get_mut(&attempt)
            && track.sample.leader == Leader::Lives
        {
            track.clocks.marker = track.clocks.marker.max(now);
        }
    }

    pub(crate) fn forget(&mut self, attempt: Attempt) {
        self.tracks.remove(&attempt);
        self.readings.remove(&attempt);
    }
}

//! Measuring attempts that run: what they print, what their processes do, where their branches are (L-4).
//!
//! Read from the outside, once a heartbeat, on a thread of its own: nothing here waits for an agent, and whatever
//! cannot be read is left as it was. What it means is for the core.

use super::{World, attempts, talks};
use crate::{
    git::names,
    run::{
        self, Phase, ProcessId, Running, stand,
        usage::{self, Process, Tree},
    },
};
use skep_agents::Signs;
use skep_core::{
    health::{Counts, Leader, Sample},
    id::{Attempt, SwarmName, WorkerId},
    request::Observation,
    state::State,
    time::Millis,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{Arc, PoisonError},
    time::SystemTime,
};

/// Of an attempt that is met at work, so much of its last output is read.
const TAIL: u64 = 256 * 1024;
/// Who prints more between two looks is read only so far; nobody doubts that they live.
const MOST: u64 = 4 * 1024 * 1024;
/// Read in pieces of this size.
const PIECE: usize = 256 * 1024;
/// So many processes of one attempt are told apart; more are still counted as alive.
const KNOWN: usize = 10_000;
/// So many of those that use CPU are named.
const NAMED: usize = 3;

/// What was read of one attempt so far.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    signs: Signs,
    read_to: Option<u64>,
    known: HashSet<ProcessId>,
    spawned: u64,
    cpu: HashMap<ProcessId, u64>,
    sample: Sample,
}

/// All of them.
pub(super) type Gauges = BTreeMap<Attempt, Gauge>;

/// What is to be measured.
pub(super) struct Order {
    attempt: Attempt,
    running: Arc<Running>,
    /// The worker's branch, if it has one of its own.
    branch: Option<String>,
    /// By how much its deadlines are later for questions.
    stands: Millis,
}

/// The attempts that run.
pub(super) fn orders(world: &World, state: &State) -> Vec<Order> {
    let swarm = state.swarm().filter(|s| s.spec.worktree);
    let name: Option<&SwarmName> = swarm.map(|s| &s.spec.name);
    let branch = |worker: WorkerId| name.map(|name| names::worker(name, worker));
    let most = state.policy().agents.ask_total;
    let stands = |attempt: Attempt| {
        let waited = state.attempt(attempt).map(|live| live.waited);
        waited.map_or(Millis(0), |waited| waited.moves_by(most))
    };
    let running = world.running();
    let live = running.iter().filter(|(a, _)| state.attempt(**a).is_some());
    live.map(|(attempt, (worker, running))| Order {
        attempt: *attempt,
        running: Arc::clone(running),
        branch: branch(*worker),
        stands: stands(*attempt),
    })
    .collect()
}

/// Measures them all.
pub(super) fn measure(world: &World, orders: &[Order]) -> Vec<Observation> {
    let mut gauges = world.gauges.lock().unwrap_or_else(PoisonError::into_inner);
    gauges.retain(|attempt, _| orders.iter().any(|o| o.attempt == *attempt));
    let all = usage::all();
    let tree = Tree::new(&all);
    let seen = orders.iter().map(|order| {
        let gauge = gauges.entry(order.attempt).or_default();
        let folder = attempts::folder(world, order.attempt);
        // What could not be written is written at the next beat.
        let _ = stand::say(&folder, order.stands);
        let tip = |branch: &String| world.repo.branch_tip(branch).ok().flatten();
        gauge.sample.counts.commit = order.branch.as_ref().and_then(tip);
        gauge.processes(&folder, &tree.below(order.running.pid() as i32));
        gauge.output(&folder);
        gauge.sample.beat_age = beat_age(&folder);
        (order.attempt, gauge.sample.clone())
    });
    let mut all = vec![Observation::Vitals {
        seen: seen.collect(),
    }];
    // A shim's word that something was heard may be lost.
    all.extend(
        orders
            .iter()
            .flat_map(|order| talks::look(world, order.attempt)),
    );
    all
}

/// Only for people to see, and for a score: what ends an attempt is that the time stamp stands still.
fn beat_age(folder: &Path) -> Option<Millis> {
    let beat = run::heartbeat(folder)?;
    let age = SystemTime::now().duration_since(beat).unwrap_or_default();
    u64::try_from(age.as_millis()).ok().map(Millis)
}

impl Gauge {
    fn output(&mut self, folder: &Path) {
        let Ok(Some(progress)) = run::step_progress(folder) else {
            return;
        };
        let end = progress.output_bytes;
        let mut at = self.read_to.unwrap_or_else(|| end.saturating_sub(TAIL));
        at = at.max(end.saturating_sub(MOST));
        while at < end {
            let Ok(chunk) = run::read_output(folder, at, PIECE) else {
                break;
            };
            if chunk.bytes.is_empty() {
                break;
            }
            self.signs.read(&chunk.bytes);
            at = chunk.at + chunk.bytes.len() as u64;
        }
        self.read_to = Some(at);
        let lines = self.signs.counts();
        let counts = &mut self.sample.counts;
        *counts = Counts {
            output_bytes: end,
            lines: lines.lines,
            new_lines: lines.new_lines,
            checkpoints: lines.checkpoints,
            markers: lines.markers,
            ..counts.clone()
        };
    }

    /// `below` is everything below the shim: the step's holder, and below that the agent with its own.
    fn processes(&mut self, folder: &Path, below: &[&Process]) {
        let progress = run::step_progress(folder).ok().flatten();
        let progress = progress.map(|p| p.progress);
        let holder = progress.as_ref().and_then(|p| p.holder);
        let agents: Vec<&&Process> = below.iter().filter(|p| Some(p.id) != holder).collect();
        let alive = || agents.iter().filter(|p| !p.is_zombie());
        let used: Vec<(u64, &Process)> = below
            .iter()
            .map(|p| {
                let before = self.cpu.get(&p.id).copied().unwrap_or_default();
                (p.cpu_ms.saturating_sub(before), *p)
            })
            .filter(|(used, p)| *used > 0 && Some(p.id) != holder)
            .collect();
        let idle = used.is_empty();
        self.sample.busiest = busiest(used);
        self.cpu = below.iter().map(|p| (p.id, p.cpu_ms)).collect();
        for process in alive() {
            if self.known.len() < KNOWN && self.known.insert(process.id) {
                self.spawned += 1;
            }
        }
        let counts = &mut self.sample.counts;
        // A child that nobody waits for takes its times with it; what was counted stays counted.
        let cpu = below.iter().map(|p| p.cpu_ms).sum();
        let written = below.iter().map(|p| p.written_bytes()).sum();
        counts.cpu_ms = counts.cpu_ms.max(cpu);
        counts.written_bytes = counts.written_bytes.max(written);
        counts.spawned = self.spawned;
        self.sample.processes = u32::try_from(alive().count()).unwrap_or(u32::MAX);
        self.sample.memory_bytes = alive().map(|p| p.memory_bytes).sum();
        let in_step = progress.as_ref().is_some_and(|p| p.phase == Phase::Step);
        let first = || {
            let own = |p: &&&&Process| holder.is_some_and(|h| p.parent == h.pid);
            let first = agents.iter().filter(own).min_by_key(|p| p.id.start);
            first.map(|p| p.id)
        };
        let leader = progress.and_then(|p| p.leader).or_else(first);
        self.sample.leader = leader
            .filter(|_| in_step)
            .map_or(Leader::Lives, |id| standing(id, &agents));
        self.sample.waits_for_input = idle && alive().any(|p| p.reads_a_terminal());
    }
}

/// How the agent's first process is, with all that descends from it.
fn standing(leader: ProcessId, agents: &[&&Process]) -> Leader {
    let alive = || agents.iter().filter(|p| !p.is_zombie());
    let mut others = alive().filter(|p| p.id != leader).peekable();
    match agents.iter().find(|p| p.id == leader) {
        Some(first) if first.is_stopped() => Leader::Stopped,
        // A shell that waits for an agent that was stopped.
        Some(first) if !first.is_zombie() => {
            if others.peek().is_some() && others.all(|p| p.is_stopped()) {
                Leader::Stopped
            } else {
                Leader::Lives
            }
        }
        // Its end is about to be noticed, unless something that it started keeps that from being seen.
        _ if others.peek().is_some() => Leader::Gone,
        _ => Leader::Lives,
    }
}

fn busiest(mut used: Vec<(u64, &Process)>) -> Vec<String> {
    used.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.id.pid.cmp(&b.1.id.pid)));
    let mut names: Vec<String> = Vec::new();
    for (_, process) in used {
        if names.len() < NAMED && !names.contains(&process.name) {
            names.push(process.name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, state: u8) -> Process {
        Process {
            id: ProcessId { pid, start: 1 },
            parent: 1,
            state,
            name: format!("p{pid}"),
            cpu_ms: 0,
            memory_bytes: 0,
        }
    }

    fn stands(leader: i32, all: &[(i32, u8)]) -> Leader {
        let all: Vec<Process> = all
            .iter()
            .map(|(pid, state)| process(*pid, *state))
            .collect();
        let all: Vec<&Process> = all.iter().collect();
        let id = ProcessId {
            pid: leader,
            start: 1,
        };
        standing(id, &all.iter().collect::<Vec<_>>())
    }

    // proves: L-4
    #[test]
    fn stopped_and_dead_leaders_are_told_from_busy_ones() {
        assert_eq!(stands(5, &[(5, b'S'), (6, b'R')]), Leader::Lives);
        assert_eq!(stands(5, &[(5, b'T'), (6, b'R')]), Leader::Stopped);
        assert_eq!(stands(5, &[(5, b'S'), (6, b'T')]), Leader::Stopped);
        assert_eq!(stands(5, &[(5, b'S'), (6, b'T'), (7, b'S')]), Leader::Lives);
        assert_eq!(stands(5, &[(5, b'Z'), (6, b'S')]), Leader::Gone);
        assert_eq!(stands(5, &[(6, b'S')]), Leader::Gone);
        assert_eq!(
            stands(5, &[(5, b'Z')]),
            Leader::Lives,
            "its end is on its way"
        );
        assert_eq!(stands(5, &[]), Leader::Lives);
    }

    #[test]
    fn the_busiest_are_named_once_each() {
        let all: Vec<Process> = (1..9).map(|pid| process(pid, b'R')).collect();
        let mut used: Vec<(u64, &Process)> = all.iter().map(|p| (p.id.pid as u64, p)).collect();
        used.push((100, &all[0]));
        assert_eq!(busiest(used), ["p1", "p8", "p7"]);
    }
}

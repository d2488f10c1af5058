//! What was exercised, and what must be: a simulator that no longer meets a fault proves nothing.

use skep_core::event::Event;
use std::collections::BTreeMap;

/// How often each thing happened.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(crate) fn hit(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
    /// Adds another world's.
    pub fn add(&mut self, other: &Coverage) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
    /// What should have happened and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        EXPECTED
            .iter()
            .filter(|what| !self.counts.contains_key(*what))
            .copied()
            .collect()
    }
}

/// An event's kind, for counting.
pub(crate) fn event(event: &Event) -> &'static str {
    match event {
        Event::PlanLoaded { .. } => "event: plan loaded",
        Event::TaskAdded { .. } => "event: task added",
        Event::TaskEdited { .. } => "event: task edited",
        Event::TasksReady { .. } => "event: tasks ready",
        Event::TaskSkipped { .. } => "event: task skipped",
        Event::TaskCancelled { .. } => "event: task cancelled",
        Event::TaskRequeued { .. } => "event: task requeued",
        Event::TaskBoosted { .. } => "event: task boosted",
        Event::TaskAssigned { .. } => "event: task assigned",
        Event::Claimed { .. } => "event: claimed",
        Event::AttemptStarted { .. } => "event: attempt started",
        Event::AgentEnded { .. } => "event: agent ended",
        Event::HealthChanged { .. } => "event: health changed",
        Event::Told { .. } => "event: told",
        Event::StopAsked { .. } => "event: stop asked",
        Event::AttemptAccepted { .. } => "event: attempt accepted",
        Event::AttemptEnded { failure, .. } => match failure.outcome {
            skep_core::attempt::Outcome::Failed => "outcome: failed",
            skep_core::attempt::Outcome::TimedOut => "outcome: timed out",
            skep_core::attempt::Outcome::Crashed => "outcome: crashed",
            skep_core::attempt::Outcome::Stale => "outcome: stale",
            skep_core::attempt::Outcome::RateLimited => "outcome: rate limited",
            skep_core::attempt::Outcome::Cancelled => "outcome: cancelled",
            _ => "outcome: other",
        },
        Event::AttemptFenced { .. } => "outcome: fenced",
        Event::WorkerAdded { .. } => "event: worker added",
        Event::WorkerReady { .. } => "event: worker ready",
        Event::WorkerFailed { .. } => "event: worker failed",
        Event::WorkerRestored { .. } => "event: worker restored",
        Event::WorkerPaused { .. } => "event: worker paused",
        Event::WorkerResumed { .. } => "event: worker resumed",
        Event::WorkerRetired { .. } => "event: worker retired",
        Event::WaitedTooLong { freed: true, .. } => "event: wait, freed",
        Event::WaitedTooLong { .. } => "event: wait, told",
        Event::WorkerLeaving { .. } => "event: worker leaving",
        Event::WorkerGone { .. } => "event: worker gone",
        Event::MergeStarted { .. } => "event: merge started",
        Event::MergeBuilt { .. } => "event: merge built",
        Event::MergeChecked { passed: true, .. } => "event: merge checked, passed",
        Event::MergeChecked { .. } => "event: merge checked, failed",
        Event::LeftOut {
            fixed_by: Some(_), ..
        } => "event: left out for a fix",
        Event::LeftOut { .. } => "event: left out for a person",
        Event::MergeRebuilt { .. } => "event: merge rebuilt",
        Event::WaveLanded { .. } => "event: wave landed",
        Event::TargetLanded { .. } => "event: target landed",
        Event::TargetRefused { diverged: true, .. } => "event: target refused, diverged",
        Event::TargetRefused { .. } => "event: target refused",
        Event::Signal { .. } => "event: signal",
        Event::PolicyChanged { .. } => "event: policy changed",
        Event::SwarmPaused {} => "event: swarm paused",
        Event::SwarmResumed {} => "event: swarm resumed",
        Event::SwarmDraining {} => "event: swarm draining",
        Event::SwarmHalted {
            probe_at: Some(_), ..
        } => "event: swarm halted, probes",
        Event::SwarmHalted { .. } => "event: swarm halted for a person",
        Event::Finished {} => "event: finished",
    }
}

/// What ten thousand seeds must exercise.
pub const EXPECTED: &[&str] = &[
    "agent: checks change files",
    "agent: checks fail",
    "agent: crashes",
    "agent: empty diff",
    "agent: fails",
    "agent: hangs",
    "agent: leaves survivors",
    "agent: not startable",
    "agent: rate limited",
    "agent: setup fails",
    "agent: succeeds",
    "answer: new",
    "answer: repeated",
    "command: add",
    "command: add workers",
    "command: assign",
    "command: boost",
    "command: cancel",
    "command: drain",
    "command: edit",
    "command: pause",
    "command: pause worker",
    "command: remove worker",
    "command: restart worker",
    "command: resume",
    "command: resume worker",
    "command: retry",
    "command: set policy",
    "command: skip",
    "command: stop all",
    "crash: after append, before action",
    "crash: after append, before answer",
    "crash: after decide, before append",
    "crash: at any moment",
    "crash: host boots",
    "crash: mid action",
    "end: finished",
    "end: halted until a person resumes",
    "end: paused or draining",
    "end: stuck until a person acts",
    "event: agent ended",
    "event: attempt accepted",
    "event: attempt started",
    "event: claimed",
    "event: finished",
    "event: left out for a fix",
    "event: left out for a person",
    "event: merge built",
    "event: merge checked, failed",
    "event: merge checked, passed",
    "event: merge rebuilt",
    "event: merge started",
    "event: plan loaded",
    "event: policy changed",
    "event: signal",
    "event: stop asked",
    "event: swarm draining",
    "event: swarm halted for a person",
    "event: swarm halted, probes",
    "event: swarm paused",
    "event: swarm resumed",
    "event: target landed",
    "event: target refused",
    "event: target refused, diverged",
    "event: task added",
    "event: task assigned",
    "event: task boosted",
    "event: task cancelled",
    "event: task edited",
    "event: task requeued",
    "event: task skipped",
    "event: tasks ready",
    "event: wave landed",
    "event: worker added",
    "event: worker failed",
    "event: worker gone",
    "event: worker leaving",
    "event: worker paused",
    "event: worker ready",
    "event: worker restored",
    "event: worker resumed",
    "event: worker retired",
    "event: wait, freed",
    "event: wait, told",
    "event: health changed",
    "event: told",
    "health: an attempt is ended for it",
    "fault: agent killed",
    "fault: append ambiguous",
    "fault: append lost",
    "fault: append slow",
    "fault: check flakes",
    "fault: clock jumps back",
    "fault: clock jumps forward",
    "fault: host boots",
    "fault: integration branch moved back",
    "fault: integration branch moved on",
    "fault: keeper down for long",
    "fault: merge fails",
    "fault: observation delayed",
    "fault: observation lost",
    "fault: observation repeated",
    "fault: observations reordered",
    "fault: shim killed",
    "fault: shim stalls",
    "fault: start fails",
    "fault: target branch moved on",
    "fault: worktree fails",
    "keeper: adopts an attempt",
    "orphan: ended",
    "orphan: ended before a worktree's reset",
    "orphan: sealed before it began",
    "outcome: cancelled",
    "outcome: crashed",
    "outcome: failed",
    "outcome: fenced",
    "outcome: rate limited",
    "outcome: stale",
    "outcome: timed out",
    "people: load the plan twice",
    "people: send a command twice",
    "people: send again",
    "race: folder was taken",
    "salvage: dirty worktree saved",
    "stop: at once",
    "stop: with grace",
];

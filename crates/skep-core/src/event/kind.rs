//! The name of every kind of event, for whoever filters or counts them.

use super::Event;

impl Event {
    /// Its name, as its stored form has it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Event::PlanLoaded { .. } => "plan_loaded",
            Event::TaskAdded { .. } => "task_added",
            Event::TaskEdited { .. } => "task_edited",
            Event::TasksReady { .. } => "tasks_ready",
            Event::TaskSkipped { .. } => "task_skipped",
            Event::TaskCancelled { .. } => "task_cancelled",
            Event::TaskRequeued { .. } => "task_requeued",
            Event::TaskBoosted { .. } => "task_boosted",
            Event::TaskAssigned { .. } => "task_assigned",
            Event::Claimed { .. } => "claimed",
            Event::AttemptStarted { .. } => "attempt_started",
            Event::AgentEnded { .. } => "agent_ended",
            Event::LeaseMoved { .. } => "lease_moved",
            Event::Metered { .. } => "metered",
            Event::BudgetLevel { .. } => "budget_level",
            Event::HealthChanged { .. } => "health_changed",
            Event::Told { .. } => "told",
            Event::Checkpointed { .. } => "checkpointed",
            Event::BlockReported { .. } => "block_reported",
            Event::TaskUnblocked { .. } => "task_unblocked",
            Event::MemoRecorded { .. } => "memo_recorded",
            Event::Asked { .. } => "asked",
            Event::Answered { .. } => "answered",
            Event::AskClosed { .. } => "ask_closed",
            Event::ContextRefreshDeferred { .. } => "context_refresh_deferred",
            Event::StopAsked { .. } => "stop_asked",
            Event::AttemptAccepted { .. } => "attempt_accepted",
            Event::AttemptEnded { .. } => "attempt_ended",
            Event::AttemptFenced { .. } => "attempt_fenced",
            Event::WorkerAdded { .. } => "worker_added",
            Event::WorkerReady { .. } => "worker_ready",
            Event::WorkerFailed { .. } => "worker_failed",
            Event::WorkerRestored { .. } => "worker_restored",
            Event::WorkerPaused { .. } => "worker_paused",
            Event::WorkerResumed { .. } => "worker_resumed",
            Event::WorkerModelSet { .. } => "worker_model_set",
            Event::WorkerRetired { .. } => "worker_retired",
            Event::WorkerLeaving { .. } => "worker_leaving",
            Event::WorkerGone { .. } => "worker_gone",
            Event::MergeStarted { .. } => "merge_started",
            Event::MergeBuilt { .. } => "merge_built",
            Event::MergeChecked { .. } => "merge_checked",
            Event::LeftOut { .. } => "left_out",
            Event::MergeRebuilt { .. } => "merge_rebuilt",
            Event::WaveLanded { .. } => "wave_landed",
            Event::TargetLanded { .. } => "target_landed",
            Event::TargetRefused { .. } => "target_refused",
            Event::WaitedTooLong { .. } => "waited_too_long",
            Event::ProviderParked { .. } => "provider_parked",
            Event::ProviderResumed { .. } => "provider_resumed",
            Event::SloBreached { .. } => "slo_breached",
            Event::HookRan { .. } => "hook_ran",
            Event::Signal { .. } => "signal",
            Event::CollisionForeseen { .. } => "collision_foreseen",
            Event::CollisionGone { .. } => "collision_gone",
            Event::PolicyChanged { .. } => "policy_changed",
            Event::ScaleSet { .. } => "scale_set",
            Event::MemorySeen { .. } => "memory_seen",
            Event::SwarmPaused { .. } => "swarm_paused",
            Event::SwarmResumed { .. } => "swarm_resumed",
            Event::SwarmDraining { .. } => "swarm_draining",
            Event::SwarmHalted { .. } => "swarm_halted",
            Event::AlertRaised { .. } => "alert_raised",
            Event::AlertReminded { .. } => "alert_reminded",
            Event::AlertResolved { .. } => "alert_resolved",
            Event::AlertsSilenced { .. } => "alerts_silenced",
            Event::AlertTested { .. } => "alert_tested",
            Event::AlertSent { .. } => "alert_sent",
            Event::AlertDelayed { .. } => "alert_delayed",
            Event::AlertUndelivered { .. } => "alert_undelivered",
            Event::KeeperRestarted { .. } => "keeper_restarted",
            Event::DiskSeen { .. } => "disk_seen",
            Event::Finished { .. } => "finished",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Attempt;
    use alloc::vec::Vec;

    #[test]
    fn the_kind_is_the_type_of_the_stored_form() {
        for event in [
            Event::Finished {},
            Event::SwarmPaused {},
            Event::AgentEnded {
                attempt: Attempt(1),
            },
            Event::TasksReady { tasks: Vec::new() },
        ] {
            let stored = serde_json::to_value(&event).unwrap();
            assert_eq!(stored["type"], event.kind());
        }
    }
}

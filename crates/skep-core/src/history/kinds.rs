//! What is counted, what is looked at, and what is timed: three tables. Each word is also the name by which charts
//! and collectors know it, so none changes its meaning.

use serde::{Deserialize, Serialize};

/// An enum whose variants have a word and a sentence, and whose stored form is a number: a snapshot is only read by
/// the source that wrote it.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $help:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "u8", try_from = "u8")]
        pub enum $name { $(#[doc = $help] $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
            /// What it is, in a sentence.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $($name::$variant => $help,)* }
            }
        }

        impl From<$name> for u8 {
            fn from(kind: $name) -> u8 {
                kind as u8
            }
        }

        impl TryFrom<u8> for $name {
            type Error = NoKind;
            fn try_from(number: u8) -> Result<$name, NoKind> {
                $name::ALL.get(usize::from(number)).copied().ok_or(NoKind(number))
            }
        }
    };
}

/// A number that stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is counted under {0}")]
pub struct NoKind(u8);

table! {
    /// What is counted.
    Count {
        TasksAdded "tasks_added" "Tasks that joined a plan."
        TasksMerged "tasks_merged" "Tasks whose work is on the integration branch."
        TasksSkipped "tasks_skipped" "Tasks that a person counted as merged without their having been done."
        TasksCancelled "tasks_cancelled" "Tasks that were given up."
        TasksFlagged "tasks_flagged" "Times that a task was handed to a person."
        TasksDead "tasks_dead" "Tasks that went to the dead-letter list."
        TasksBlocked "tasks_blocked" "Times that a task's agent said that it could not go on."
        TasksLeftOut "tasks_left_out" "Times that a task's accepted work could not be merged."
        TasksStuck "tasks_stuck" "Times that a task had waited for too long."
        FixTasks "fix_tasks" "Tasks made to bring in work that could not be merged."
        Claims "claims" "Attempts that took a task."
        Succeeded "attempts_succeeded" "Attempts whose claim was checked and holds."
        Failed "attempts_failed" "Attempts whose agent gave up, or whose claim did not hold."
        TimedOut "attempts_timed_out" "Attempts that the hard stop or the ceiling ended."
        Stale "attempts_stale" "Attempts that made no progress and were ended."
        Crashed "attempts_crashed" "Attempts whose agent, shim or host died."
        RateLimited "attempts_rate_limited" "Attempts that a provider refused."
        OverBudget "attempts_over_budget" "Attempts that would have cost too much."
        Fenced "attempts_fenced" "Results that came after the lease had been revoked."
        Cancelled "attempts_cancelled" "Attempts that were stopped on purpose."
        Retries "retries" "Tasks that went back to the queue after an attempt that counts against them."
        Released "releases" "Tasks that went back to the queue, counted against nobody."
        Escalations "escalations" "Times that a person was asked, or a task handed to one."
        Asks "asks" "Questions of agents."
        PersonAnswers "asks_answered_by_person" "Questions that a person answered."
        PolicyAnswers "asks_answered_by_policy" "Questions that policy answered."
        Checkpoints "checkpoints" "Reports of agents on how far they are."
        Memos "memos" "Findings that agents recorded."
        WorkersAdded "workers_added" "Workers that joined."
        WorkersGone "workers_gone" "Workers that left."
        WorkersReplaced "workers_replaced" "Workers that crashed too often and were replaced."
        ScaledUp "scale_ups" "Workers that policy added."
        ScaledDown "scale_downs" "Workers that policy let go."
        SpawnFailures "spawn_failures" "Workers or agents that could not be started."
        ProviderParks "provider_parks" "Times that a provider was left alone because it refused."
        ProviderResumes "provider_resumes" "Times that a provider worked again."
        Waves "waves_landed" "Waves that were merged."
        Conflicts "conflicts" "Conflicts that merges met."
        Collisions "collisions" "Works in flight that were foreseen not to merge."
        ChecksFailed "checks_failed" "Integration checks that failed."
        Halts "halts" "Times that the swarm halted."
        BudgetLevels "budget_levels" "Times that people were told how much of a cap is spent."
        SloBreaches "slo_breaches" "Times that a worker, an agent or a model began to do badly."
        CriticalSignals "signals_critical" "Signals on which somebody should act now."
        WarningSignals "signals_warning" "Signals on which somebody should act soon."
        Priced "attempts_priced" "Ended attempts of which the cost is known."
        Unpriced "attempts_unpriced" "Ended attempts of which the cost is not known."
        Settled "settled_micro_usd" "What ended attempts cost, in millionths of a dollar."
        WasteFailed "waste_failed_micro_usd" "Spent on attempts that failed."
        WasteTimedOut "waste_timed_out_micro_usd" "Spent on attempts that ran out of time."
        WasteStale "waste_stale_micro_usd" "Spent on attempts that made no progress."
        WasteCrashed "waste_crashed_micro_usd" "Spent on attempts that died."
        WasteRateLimited "waste_rate_limited_micro_usd" "Spent on attempts that a provider refused."
        WasteOverBudget "waste_over_budget_micro_usd" "Spent on attempts that would have cost too much."
        WasteFenced "waste_fenced_micro_usd" "Spent on attempts whose lease was revoked."
        WasteCancelled "waste_cancelled_micro_usd" "Spent on attempts that were stopped on purpose."
        WasteDiscarded "waste_discarded_micro_usd" "Spent on results that were accepted and then not merged."
        WorkingMs "working_ms" "Time for which workers had an attempt, in milliseconds."
        WorkerMs "worker_ms" "Time for which there were workers, in milliseconds."
    }
}

impl Count {
    /// What is wasted (G-9), by cause.
    pub const WASTE: [(&'static str, Count); 9] = [
        ("failed", Count::WasteFailed),
        ("timed_out", Count::WasteTimedOut),
        ("stale", Count::WasteStale),
        ("crashed", Count::WasteCrashed),
        ("rate_limited", Count::WasteRateLimited),
        ("over_budget", Count::WasteOverBudget),
        ("fenced", Count::WasteFenced),
        ("cancelled", Count::WasteCancelled),
        ("discarded", Count::WasteDiscarded),
    ];
    /// How attempts end, by outcome.
    pub const ENDS: [(&'static str, Count); 8] = [
        ("succeeded", Count::Succeeded),
        ("failed", Count::Failed),
        ("timed_out", Count::TimedOut),
        ("stale", Count::Stale),
        ("crashed", Count::Crashed),
        ("rate_limited", Count::RateLimited),
        ("over_budget", Count::OverBudget),
        ("cancelled", Count::Cancelled),
    ];
}

table! {
    /// What is looked at, at the end of every bucket.
    Level {
        TasksWaiting "tasks_waiting" "Tasks that wait for others."
        TasksReady "tasks_ready" "Tasks that can be claimed."
        TasksRunning "tasks_running" "Tasks whose agent is at work."
        TasksVerifying "tasks_verifying" "Tasks whose claim is being checked."
        TasksAccepted "tasks_accepted" "Tasks that wait for their wave to merge."
        TasksMerged "tasks_merged" "Tasks on the integration branch."
        TasksBlocked "tasks_blocked" "Tasks that wait for a fix, or for what their agent lacks."
        TasksFlagged "tasks_flagged" "Tasks that need a person."
        TasksDead "tasks_dead" "Tasks in the dead-letter list."
        TasksCancelled "tasks_cancelled" "Tasks that were given up."
        WorkersSpawning "workers_spawning" "Workers that are being made ready."
        WorkersIdle "workers_idle" "Workers that are ready for a task."
        WorkersWorking "workers_working" "Workers that have an attempt."
        WorkersPaused "workers_paused" "Workers that a person paused."
        WorkersCrashed "workers_crashed" "Workers that wait after a crash."
        WorkersStopped "workers_stopped" "Workers that are leaving."
        AsksOpen "asks_open" "Questions that wait for an answer."
        ProvidersParked "providers_parked" "Providers that are left alone."
        Reserved "reserved_micro_usd" "What is set aside for live attempts, in millionths of a dollar."
    }
}

table! {
    /// What is timed.
    Stage {
        Queue "queue" "From when a task can be claimed to its claim."
        FirstClaim "first_claim" "From a task's arrival to its first claim."
        Start "start" "From a claim to the agent's start."
        Run "run" "From the agent's start to its end."
        Verify "verify" "From the agent's end to the verdict."
        Attempt "attempt" "From a claim to the attempt's end."
        MergeWait "merge_wait" "From a task's acceptance to the start of its wave's merge."
        Merge "merge" "From a merge's start to its landing."
        Lead "lead" "From a task's arrival to its merge."
        Decision "decision" "From a question to its answer."
        Recovery "recovery" "From a crash to the task's next claim."
        Mend "mend" "From a task's first failure to its acceptance."
    }
}

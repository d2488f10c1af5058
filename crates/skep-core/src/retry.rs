//! What becomes of a task and its worker after an attempt that did not succeed (Q-8, L-5).

use crate::{
    attempt::{Live, Outcome, StopWhy},
    event::{Next, WorkerNext},
    id::{Attempt, WorkerId},
    limits,
    routing::{self, Left},
    spec::Policy,
    state::State,
    task::Task,
    time::{Millis, Time},
    worker::Worker,
};
use alloc::{format, string::String};

/// What becomes of the task, whose attempt `live` ended without success and by nobody else's fault.
#[must_use]
pub fn next(state: &State, task: &Task, live: &Live, outcome: Outcome) -> Next {
    let policy = state.policy();
    let left = routing::after_failure(state, task, live.model.as_deref());
    ruled(task, outcome, live.stopping.map(|s| s.why), left, &policy)
}

fn ruled(
    task: &Task,
    outcome: Outcome,
    stopping: Option<StopWhy>,
    left: Left,
    policy: &Policy,
) -> Next {
    let crashes_left = task.crashes < policy.crash_retries;
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::OverBudget | Outcome::Succeeded => {
            let allowed = task.spec.max_retries.unwrap_or(policy.max_retries);
            let again = match left {
                Left::Nothing => false,
                Left::Same => task.failures < allowed,
                // a stronger model gets its own tries, however many a weaker one had.
                Left::SameAgain | Left::Other => true,
            };
            if again { Next::RetryFailed } else { Next::Flag }
        }
        Outcome::Crashed | Outcome::Stale | Outcome::RateLimited if crashes_left => {
            Next::RetryCrashed(None)
        }
        Outcome::Crashed | Outcome::Stale | Outcome::RateLimited => Next::DeadLetter,
        Outcome::Cancelled if stopping == Some(StopWhy::TaskCancelled) => Next::Cancel,
        Outcome::Cancelled if stopping == Some(StopWhy::Blocked) => Next::Block,
        Outcome::Cancelled | Outcome::Fenced => Next::Release,
    }
}

/// What becomes of a task that its provider refused: it waits, and that is no retry (S-5). But one that is refused
/// over and over while others are served asks for what no wait brings, and would go round for ever.
#[must_use]
pub fn after_refusal(state: &State, task: &Task, live: &Live) -> Next {
    if refusals(state, task, live) < limits::SPARED {
        Next::Release
    } else {
        Next::Flag
    }
}

fn refusals(state: &State, task: &Task, live: &Live) -> u32 {
    let provider = live
        .provider
        .as_ref()
        .and_then(|p| state.providers().get(p));
    let served = provider.map_or(0, |p| p.served);
    task.refusals.and_one_more(served).alone
}

/// The reason of an end, with why no other attempt follows.
#[must_use]
pub fn because(
    state: &State,
    task: &Task,
    live: &Live,
    next: Next,
    reason: String,
    refused: bool,
) -> String {
    if next != Next::Flag {
        return reason;
    }
    let provider = live.provider.as_deref().unwrap_or_default();
    if refused {
        let times = refusals(state, task, live);
        return format!(
            "{reason}; {provider} has refused the task {times} times while it served others"
        );
    }
    match (
        &live.model,
        routing::after_failure(state, task, live.model.as_deref()),
    ) {
        (Some(model), Left::Nothing) => format!(
            "{reason}; {model} has failed on it {} times, and no stronger model is left",
            task.model_failures.get(model).copied().unwrap_or_default() + 1
        ),
        _ => reason,
    }
}

/// Whether a task whose agent has just died under `worker` ends the agents of whoever takes it (L-6).
#[must_use]
pub fn is_poison(task: &Task, worker: WorkerId, policy: &Policy) -> bool {
    let others = task.killed.iter().filter(|w| **w != worker).count();
    others + 1 >= policy.health.poison_workers as usize
}

/// The worker that has crashed too often in a row, if there is one (L-6).
#[must_use]
pub fn worn_out(state: &State) -> Option<&Worker> {
    let most = state.swarm()?.spec.policy.health.worker_crashes;
    state
        .workers()
        .find(|w| w.lineage >= most && w.current.is_none() && !w.stopping)
}

/// What becomes of the worker: one whose process died is restarted after a back-off, in the same role with
/// the same worktree.
#[must_use]
pub fn worker_next(
    worker: Option<&Worker>,
    outcome: Outcome,
    spawn_failed: bool,
    attempt: Attempt,
    policy: &Policy,
    now: Time,
) -> WorkerNext {
    let crashes = worker.map_or(0, |w| w.crashes);
    if spawn_failed || matches!(outcome, Outcome::Crashed | Outcome::Stale) {
        WorkerNext::BackOff(now + backoff(policy, crashes, attempt.0))
    } else {
        WorkerNext::GoOn
    }
}

/// The wait before restart number `crashes` + 1: doubling from the first wait to the cap, with a jitter of up
/// to a quarter less, so that workers that crashed together do not restart together. The jitter follows
/// from `seed` alone: the core has no randomness of its own.
#[must_use]
pub fn backoff(policy: &Policy, crashes: u32, seed: u64) -> Millis {
    let doubled = policy
        .backoff
        .times(1u64.checked_shl(crashes.min(32)).unwrap_or(u64::MAX));
    let wait = doubled.min(policy.backoff_cap).0;
    jittered(Millis(wait), seed)
}

/// A wait less up to a quarter of it.
pub(crate) fn jittered(wait: Millis, seed: u64) -> Millis {
    let scrambled = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Millis(wait.0 - (wait.0 / 4).saturating_mul(scrambled % 1000) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{task::Origin, testing};
    use proptest::prelude::*;

    fn task(failures: u32, crashes: u32) -> Task {
        let mut task = Task::new(testing::task("t").into(), Origin::Plan, 0, Time(0));
        (task.failures, task.crashes) = (failures, crashes);
        task
    }

    // proves: Q-8
    #[test]
    fn a_failure_is_retried_once_and_a_crash_three_times_on_its_own_count() {
        let policy = Policy::default();
        let after = |failures, crashes, outcome| {
            ruled(&task(failures, crashes), outcome, None, Left::Same, &policy)
        };
        assert_eq!(after(0, 3, Outcome::Failed), Next::RetryFailed);
        assert_eq!(after(1, 0, Outcome::Failed), Next::Flag);
        assert_eq!(after(1, 2, Outcome::Crashed), Next::RetryCrashed(None));
        assert_eq!(after(0, 3, Outcome::Crashed), Next::DeadLetter);
        assert_eq!(after(0, 3, Outcome::Stale), Next::DeadLetter);
        assert_eq!(after(9, 9, Outcome::Cancelled), Next::Release);
    }

    // proves
    #[test]
    fn a_stronger_model_gets_its_own_tries_and_without_one_a_person_must_look() {
        let after = |failures, left| {
            let policy = Policy::default();
            ruled(&task(failures, 0), Outcome::Failed, None, left, &policy)
        };
        assert_eq!(after(1, Left::Same), Next::Flag);
        assert_eq!(after(1, Left::Other), Next::RetryFailed);
        assert_eq!(after(2, Left::SameAgain), Next::RetryFailed);
        assert_eq!(after(0, Left::Nothing), Next::Flag);
    }

    proptest! {
        // proves: L-5
        #[test]
        fn back_off_doubles_to_its_cap_and_jitters_by_a_quarter(crashes in 0u32..80, seed: u64) {
            let policy = Policy::default();
            let wait = backoff(&policy, crashes, seed).0;
            let whole = (5_000u64 << crashes.min(20)).min(300_000);
            prop_assert!(wait <= whole && wait >= whole * 3 / 4, "{} of {}", wait, whole);
        }
    }
}

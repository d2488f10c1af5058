//! The `[policy]` table: every number that steers a swarm.

use super::{Decoder, Field, nowhere};
use skep_core::spec::Policy;

impl Decoder {
    pub(super) fn policy(&mut self, field: &Field<'_>) -> Option<Policy> {
        let mut table = self.table(field, "the policy", "[policy] with keys below it")?;
        let base = Policy::default();
        macro_rules! read {
            ($($key:ident: $how:ident),* $(,)?) => {
                // No `..base`: a number added to the policy must be given a key here.
                Policy { $($key: table.take(self, stringify!($key), |d, f| d.$how(f)).unwrap_or(base.$key)),* }
            };
        }
        let policy = read! {
            concurrency: count,
            max_retries: count,
            crash_retries: count,
            model_failures: count,
            timebox: duration,
            hard_stop_percent: count,
            ceiling_percent: count,
            checkpoint_interval: duration,
            grace: duration,
            heartbeat: duration,
            heartbeat_timeout: duration,
            backoff: duration,
            backoff_cap: duration,
            spawn_failures: count,
            criterion_timeout: duration,
            setup_timeout: duration,
            output_bytes: count,
            ports_per_worktree: count,
        };
        table.finish(self, nowhere);
        Some(policy)
    }
}

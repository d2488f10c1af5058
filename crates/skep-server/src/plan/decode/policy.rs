//! The `[policy]` table and those in it: every number that steers a swarm.

use super::{Decoder, Field, nowhere};
use crate::zones;
use skep_core::spec::{
    Agents, Budget, Cap, Health, OnCap, Policy, Providers, Reports, RouteBy, Routing, Scaling, Slo,
    Targets, Zone,
};

/// Reads every number of a table.
macro_rules! read {
    ($what:ident from $table:ident by $decoder:ident { $($key:ident: $how:ident),* $(,)? }) => {{
        let base = $what::default();
        // No `..base`: a number added to the policy must be given a key here.
        $what { $($key: $table.take($decoder, stringify!($key), |d, f| d.$how(f)).unwrap_or(base.$key)),* }
    }};
}

impl Decoder {
    pub(super) fn policy(&mut self, field: &Field<'_>) -> Option<Policy> {
        let mut table = self.table(field, "the policy", "[policy] with keys below it")?;
        let policy = read! { Policy from table by self {
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
            forecast_interval: duration,
            scaling: scaling,
            health: health,
            budget: budget,
            routing: routing,
            providers: providers,
            slo: slo,
            targets: targets,
            agents: talking,
            alerts: alert_numbers,
            reports: reports,
        } };
        table.finish(self, nowhere);
        Some(policy)
    }

    /// The caps; as `budget` of the swarm they may stand where a person looks for them first.
    pub(super) fn budget(&mut self, field: &Field<'_>) -> Option<Budget> {
        let example = "{ usd = 20.0, per_task_usd = 2.0, per_day_usd = 50.0 }";
        let mut table = self.table(field, "`budget`", example)?;
        let base = Budget::default();
        macro_rules! cap {
            ($usd:literal, $tokens:literal, $minutes:literal) => {
                Cap {
                    usd: table.take(self, $usd, Self::money),
                    tokens: table.take(self, $tokens, Self::count),
                    minutes: table.take(self, $minutes, Self::count),
                }
            };
        }
        let words = OnCap::ALL.map(|word| (word.word(), word));
        let budget = Budget {
            swarm: cap!("usd", "tokens", "minutes"),
            task: cap!("per_task_usd", "per_task_tokens", "per_task_minutes"),
            worker: cap!("per_worker_usd", "per_worker_tokens", "per_worker_minutes"),
            role: cap!("per_role_usd", "per_role_tokens", "per_role_minutes"),
            day: cap!("per_day_usd", "per_day_tokens", "per_day_minutes"),
            active: cap!("active_usd", "active_tokens", "active_minutes"),
            night: cap!("night_usd", "night_tokens", "night_minutes"),
            subscription: cap!(
                "subscription_usd",
                "subscription_tokens",
                "subscription_minutes"
            ),
            subscription_window: table
                .take(self, "subscription_window", Self::duration)
                .unwrap_or(base.subscription_window),
            subscription_percent: table
                .take(self, "subscription_percent", Self::count)
                .unwrap_or(base.subscription_percent),
            zone: table.take(self, "zone", Self::zone).unwrap_or(base.zone),
            on_cap: table
                .take(self, "on_cap", |d, f| d.choice(f, &words))
                .unwrap_or(base.on_cap),
            interval: table
                .take(self, "interval", Self::duration)
                .unwrap_or(base.interval),
            reserve_usd: table
                .take(self, "reserve_usd", Self::money)
                .unwrap_or(base.reserve_usd),
            reserve_tokens: table
                .take(self, "reserve_tokens", Self::count)
                .unwrap_or(base.reserve_tokens),
        };
        table.finish(self, nowhere);
        Some(budget)
    }

    /// A time zone by its name.
    pub(super) fn zone(&mut self, field: &Field<'_>) -> Option<Zone> {
        let name = self.text(field)?;
        match zones::zone(&name) {
            Ok(zone) => Some(zone),
            Err(fault) => {
                let help = fault.hint();
                self.bad(
                    "plan::unknown_zone",
                    field,
                    format!("{}: {fault}", field.name),
                    help,
                )
            }
        }
    }

    fn scaling(&mut self, field: &Field<'_>) -> Option<Scaling> {
        let mut table = self.table(field, "`scaling`", "[policy.scaling] with keys below it")?;
        let scaling = read! { Scaling from table by self {
            min_workers: count,
            max_workers: count,
            tasks_per_worker: count,
            check_interval: duration,
            step: count,
            utilisation_percent: count,
            idle_after: duration,
            down_interval: duration,
            arrival_window: duration,
            arrivals_per_minute: count,
            spare_workers: count,
            memory_per_worker: count,
            backlog: count,
            affinity_wait: duration,
        } };
        table.finish(self, nowhere);
        Some(scaling)
    }

    fn talking(&mut self, field: &Field<'_>) -> Option<Agents> {
        let example = "[policy.agents] with keys below it";
        let mut table = self.table(field, "the policy's `agents`", example)?;
        let agents = read! { Agents from table by self {
            first_reply: duration,
            reply: duration,
            tool: duration,
            retries: count,
            metering: duration,
            ask_timeout: duration,
            ask_total: duration,
            context_percent: count,
        } };
        table.finish(self, nowhere);
        Some(agents)
    }

    fn health(&mut self, field: &Field<'_>) -> Option<Health> {
        let example = "[policy.health] with keys below it";
        let mut table = self.table(field, "the policy's `health`", example)?;
        let health = read! { Health from table by self {
            interval: duration,
            grace: duration,
            nudge: duration,
            ask: duration,
            checkpoint: duration,
            stale: duration,
            silent: duration,
            claimed: duration,
            busy_percent: count,
            slow_percent: count,
            worker_crashes: count,
            poison_workers: count,
            wait: duration,
        } };
        table.finish(self, nowhere);
        Some(health)
    }

    fn routing(&mut self, field: &Field<'_>) -> Option<Routing> {
        let mut table = self.table(field, "`routing`", "[policy.routing] with keys below it")?;
        let routing = read! { Routing from table by self {
            by: route_by,
            cheap_percent: count,
            default_percent: count,
            smart_percent: count,
            simple: model_or_none,
            moderate: model_or_none,
            complex: model_or_none,
            floor_percent: count,
            explore_percent: count,
            fallback: texts,
        } };
        table.finish(self, nowhere);
        Some(routing)
    }

    fn route_by(&mut self, field: &Field<'_>) -> Option<RouteBy> {
        self.choice(field, &RouteBy::ALL.map(|by| (by.word(), by)))
    }

    /// A model's name; the empty text is none.
    fn model_or_none(&mut self, field: &Field<'_>) -> Option<Option<String>> {
        let text = self.text(field)?;
        Some((!text.is_empty()).then_some(text))
    }

    fn providers(&mut self, field: &Field<'_>) -> Option<Providers> {
        let example = "[policy.providers] with keys below it";
        let mut table = self.table(field, "`providers`", example)?;
        let providers = read! { Providers from table by self {
            attempts: count,
            failures: count,
            window: duration,
            park: duration,
            park_cap: duration,
            quota_park: duration,
            longest_park: duration,
            probe: duration,
        } };
        table.finish(self, nowhere);
        Some(providers)
    }

    fn slo(&mut self, field: &Field<'_>) -> Option<Slo> {
        let mut table = self.table(field, "`slo`", "[policy.slo] with keys below it")?;
        let slo = read! { Slo from table by self {
            attempts: count,
            success_percent: count,
            p95: duration,
            cost: money,
        } };
        table.finish(self, nowhere);
        Some(slo)
    }

    fn reports(&mut self, field: &Field<'_>) -> Option<Reports> {
        let mut table = self.table(field, "`reports`", "[policy.reports] with keys below it")?;
        let reports = read! { Reports from table by self {
            run: truth,
            hourly: truth,
            daily: truth,
            weekly: truth,
        } };
        table.finish(self, nowhere);
        Some(reports)
    }

    fn targets(&mut self, field: &Field<'_>) -> Option<Targets> {
        let mut table = self.table(field, "`targets`", "[policy.targets] with keys below it")?;
        let targets = read! { Targets from table by self {
            window: duration,
            fewest: count,
            duration: duration,
            duration_alert: duration,
            success_percent: count,
            success_alert_percent: count,
            concurrent_least: count,
            concurrent_most: count,
            concurrent_alert: count,
            stale_percent: count,
            stale_alert_percent: count,
            restart_percent: count,
            restart_alert_percent: count,
            completion_percent: count,
            mend: duration,
            merged_usd: money,
            error_percent: count,
            recovery: duration,
            escalation_least_percent: count,
            escalation_most_percent: count,
            decision: duration,
            waste_percent: count,
        } };
        table.finish(self, nowhere);
        Some(targets)
    }
}

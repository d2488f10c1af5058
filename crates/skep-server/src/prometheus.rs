//! What was counted and timed, in Prometheus' text format: `GET /metrics` (U-5).
//!
//! Written by hand: the format is lines, and everything comes from the log's fold, so there is no registry to keep in
//! step and no counter goes back when a keeper is started again. The number of series is bounded, since the fold keeps
//! no more than so many models and workers apart.

use skep_core::{
    history::{Bucket, Count, EDGES, Level, Spans, Stage, Summary},
    money::Usd,
    state::State,
    targets::{Unit, Verdict, targets},
    time::{Millis, Time},
};
use std::fmt::{Display, Write as _};

/// The format's media type.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is known, as text.
#[must_use]
pub fn text(state: &State, now: Time) -> String {
    let mut out = Text(String::new());
    let all = state.all_time(now);
    out.about(state);
    out.counters(&all);
    out.levels(state, &all);
    out.money(state, &all);
    out.stages(&all.spans);
    let history = state.history();
    out.summaries("model", history.models().map(|(name, s)| (name, s)));
    out.summaries("worker", history.workers());
    out.targets(state, now);
    out.0
}

/// Stages that an attempt goes through: those that are known for models and workers.
const OF_ATTEMPTS: [Stage; 4] = [Stage::Start, Stage::Run, Stage::Verify, Stage::Attempt];

struct Text(String);

impl Text {
    /// Begins a metric of the name `skep_…`.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP skep_{name} {help}\n# TYPE skep_{name} {kind}"
        );
    }

    /// One number. Labels' values may be anything.
    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let _ = write!(self.0, "skep_{name}");
        for (ix, (label, value)) in labels.iter().enumerate() {
            let begin = if ix == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{begin}{label}=\"{}\"", escaped(&value.to_string()));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A metric of one number.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn about(&mut self, state: &State) {
        self.family("info", "gauge", "The swarm and its keeper's version.");
        let name = state.swarm().map(|swarm| swarm.spec.name.to_string());
        let swarm = name.unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        self.sample("info", &[("swarm", &swarm), ("version", &version)], 1);
        self.family(
            "swarm_state",
            "gauge",
            "1 for the state that the swarm is in.",
        );
        self.sample("swarm_state", &[("state", &state.swarm_state())], 1);
        let last = state.seq();
        self.single("events_total", "counter", "Events in the log.", last);
    }

    fn counters(&mut self, all: &Bucket) {
        let help = "Attempts that ended, by how they ended.";
        self.family("attempts_ended_total", "counter", help);
        for (outcome, what) in Count::ENDS {
            let labels: [(&str, &dyn Display); 1] = [("outcome", &outcome)];
            self.sample("attempts_ended_total", &labels, all.counts.get(what));
        }
        let apart = |what: &&Count| {
            Count::ENDS
                .iter()
                .chain(&Count::WASTE)
                .any(|(_, c)| c == *what)
                || [Count::Settled, Count::WorkingMs, Count::WorkerMs].contains(what)
        };
        for what in Count::ALL.iter().filter(|what| !apart(what)) {
            let name = format!("{}_total", what.word());
            self.single(&name, "counter", what.help(), all.counts.get(*what));
        }
        for (name, help, what) in [
            (
                "working_seconds_total",
                "Time for which workers had an attempt.",
                Count::WorkingMs,
            ),
            (
                "worker_seconds_total",
                "Time for which there were workers.",
                Count::WorkerMs,
            ),
        ] {
            let time = Millis(all.counts.get(what));
            self.single(name, "counter", help, seconds(time));
        }
    }

    fn levels(&mut self, state: &State, all: &Bucket) {
        for (name, label, help) in [
            ("tasks", "tasks_", "Tasks, by state."),
            ("workers", "workers_", "Workers, by state."),
        ] {
            self.family(name, "gauge", help);
            let of = |level: &Level| Some((level.word().strip_prefix(label)?, *level));
            for (state, level) in Level::ALL.iter().filter_map(of) {
                self.sample(name, &[("state", &state)], all.levels.get(level));
            }
        }
        for level in [Level::AsksOpen, Level::ProvidersParked] {
            self.single(level.word(), "gauge", level.help(), all.levels.get(level));
        }
        let help = "Attempts that run now.";
        self.single("attempts_live", "gauge", help, state.live().len());
    }

    fn money(&mut self, state: &State, all: &Bucket) {
        let name = |number| state.history().name(number);
        let dollars = |usd| Usd(usd).dollars();
        let help = "What was spent, by model; by agent where that chooses the model.";
        self.family("spent_usd_total", "counter", help);
        for (number, usd) in all.usd.iter() {
            self.sample("spent_usd_total", &[("model", &name(number))], dollars(usd));
        }
        self.family(
            "tokens_total",
            "counter",
            "Tokens that were used, by the same.",
        );
        for (number, tokens) in all.tokens.iter() {
            self.sample("tokens_total", &[("model", &name(number))], tokens);
        }
        let help = "What ended attempts are known to have cost.";
        let settled = dollars(all.counts.get(Count::Settled));
        self.single("settled_usd_total", "counter", help, settled);
        let help = "What was spent on results that were not used, by cause.";
        self.family("waste_usd_total", "counter", help);
        for (cause, what) in Count::WASTE {
            let usd = dollars(all.counts.get(what));
            self.sample("waste_usd_total", &[("cause", &cause)], usd);
        }
        let help = "What is set aside for live attempts.";
        let reserved = dollars(all.levels.get(Level::Reserved));
        self.single("reserved_usd", "gauge", help, reserved);
    }

    fn stages(&mut self, spans: &Spans) {
        let name = "stage_duration_seconds";
        self.family(name, "histogram", "How long each stage took.");
        for stage in Stage::ALL {
            let bins = spans.bins(*stage);
            let mut below = 0u64;
            for (edge, n) in EDGES.iter().zip(bins) {
                below = below.saturating_add(n);
                let le = seconds(Millis(*edge));
                let labels: [(&str, &dyn Display); 2] = [("stage", &stage.word()), ("le", &le)];
                self.sample("stage_duration_seconds_bucket", &labels, below);
            }
            let seen = spans.of(*stage);
            let (count, sum) = seen.map_or((0, Millis(0)), |s| (s.count, s.sum));
            let word = stage.word();
            let infinite: [(&str, &dyn Display); 2] = [("stage", &word), ("le", &"+Inf")];
            self.sample("stage_duration_seconds_bucket", &infinite, count);
            self.sample(
                "stage_duration_seconds_sum",
                &[("stage", &word)],
                seconds(sum),
            );
            self.sample("stage_duration_seconds_count", &[("stage", &word)], count);
        }
    }

    /// Quantiles and not bins: for a hundred workers those would be tens of thousands of series.
    fn summaries<'s>(&mut self, label: &str, all: impl Iterator<Item = (impl Display, &'s Spans)>) {
        let name = format!("{label}_stage_duration_seconds");
        self.family(&name, "summary", "How long each stage of attempts took.");
        for (who, spans) in all {
            for stage in OF_ATTEMPTS {
                let Some(seen) = spans.of(stage) else {
                    continue;
                };
                self.summary(&name, [(label, &who), ("stage", &stage.word())], &seen);
            }
        }
    }

    fn summary(&mut self, name: &str, labels: [(&str, &dyn Display); 2], seen: &Summary) {
        let [who, stage] = labels;
        for (quantile, length) in [("0.5", seen.p50), ("0.95", seen.p95), ("0.99", seen.p99)] {
            let labels = [who, stage, ("quantile", &quantile as &dyn Display)];
            self.sample(name, &labels, seconds(length));
        }
        self.sample(&format!("{name}_sum"), &labels, seconds(seen.sum));
        self.sample(&format!("{name}_count"), &labels, seen.count);
    }

    fn targets(&mut self, state: &State, now: Time) {
        let all = targets(state, now);
        let help = "What was measured for each target, in seconds, percent, pieces or US dollars.";
        self.family("target_value", "gauge", help);
        for target in &all {
            let value = target.value.map(|value| match target.unit {
                Unit::Millis => value as f64 / 1e3,
                Unit::Share => value as f64 / 1e2,
                Unit::Number => value as f64,
                Unit::MicroUsd => Usd(value).dollars(),
            });
            // What is not known has no sample: nought would be a lie.
            if let Some(value) = value {
                self.sample("target_value", &[("target", &target.name)], value);
            }
        }
        let help = "Whether a target is met (0), missed (1) or so far away that it alerts (2).";
        self.family("target_verdict", "gauge", help);
        for target in &all {
            let verdict = match target.verdict {
                Verdict::Unknown => continue,
                Verdict::Met => 0,
                Verdict::Missed => 1,
                Verdict::Alert => 2,
            };
            self.sample("target_verdict", &[("target", &target.name)], verdict);
        }
    }
}

fn seconds(length: Millis) -> f64 {
    length.0 as f64 / 1e3
}

/// A label's value as the format has it.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: T-3
    #[test]
    fn a_name_cannot_leave_its_label() {
        assert_eq!(
            escaped("a\"} 1\nskep_b{c=\"\\"),
            "a\\\"} 1\\nskep_b{c=\\\"\\\\"
        );
    }

    // proves: U-5
    #[test]
    fn every_sample_is_of_a_metric_that_was_announced_once() {
        let text = text(&State::default(), Time(0));
        let mut known = std::collections::BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(known.insert(rest.split(' ').next().unwrap().to_owned()));
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let base = ["_bucket", "_sum", "_count"];
                let base = base.iter().find_map(|end| name.strip_suffix(end));
                let found = known.contains(name) || base.is_some_and(|b| known.contains(b));
                assert!(found, "{line}");
            }
        }
    }
}

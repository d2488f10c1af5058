//! What was counted and how long things took, as one document: `GET /api/v1/metrics` (U-5, G-9).

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    history::{Bucket, Count, Level, Spans, Stage},
    money::Usd,
    state::State,
    time::{Millis, Time},
};
use std::collections::BTreeMap;

/// How long something took. Percentiles are of bins, so they are as exact as those are fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyDoc {
    /// How often it was seen.
    pub count: u64,
    /// In all, in milliseconds.
    pub sum_ms: u64,
    /// The mean.
    pub mean_ms: u64,
    /// Half took at most so long.
    pub p50_ms: u64,
    /// Nineteen in twenty.
    pub p95_ms: u64,
    /// All but one in a hundred.
    pub p99_ms: u64,
}

/// By stage: `queue`, `first_claim`, `start`, `run`, `verify`, `attempt`, `merge_wait`, `merge`, `lead`, `decision`,
/// `recovery`, `mend`. A stage of which nothing was seen is left out.
pub type Latencies = BTreeMap<String, LatencyDoc>;

/// The latencies that were seen.
pub(super) fn latencies(spans: &Spans) -> Latencies {
    let seen = Stage::ALL
        .iter()
        .filter_map(|stage| Some((stage.word().to_owned(), latency(spans, *stage)?)));
    seen.collect()
}

pub(super) fn latency(spans: &Spans, stage: Stage) -> Option<LatencyDoc> {
    let seen = spans.of(stage)?;
    Some(LatencyDoc {
        count: seen.count,
        sum_ms: seen.sum.0,
        mean_ms: seen.mean().0,
        p50_ms: seen.p50.0,
        p95_ms: seen.p95.0,
        p99_ms: seen.p99.0,
    })
}

/// The spending on results that were not accepted, or not merged after all (G-9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WasteDoc {
    /// Of what ended attempts are known to have cost, so much; null while nothing is known.
    pub percent: Option<f64>,
    /// So much, in US dollars.
    pub usd: f64,
    /// By cause: how the attempt ended, or `discarded`. Causes that cost nothing are left out.
    pub by_cause: BTreeMap<String, f64>,
    /// What ended attempts are known to have cost.
    pub of_usd: f64,
    /// So many attempts ended of which the cost is not known.
    pub unknown: u64,
}

impl WasteDoc {
    /// The view of what happened in some time.
    #[must_use]
    pub fn of(bucket: &Bucket) -> WasteDoc {
        let spent = |what| Usd(bucket.counts.get(what)).dollars();
        let by_cause = Count::WASTE.map(|(cause, what)| (cause.to_owned(), spent(what)));
        let by_cause = by_cause.into_iter().filter(|(_, usd)| *usd > 0.0);
        WasteDoc {
            percent: bucket.waste_share().map(percent),
            usd: bucket.wasted().dollars(),
            by_cause: by_cause.collect(),
            of_usd: spent(Count::Settled),
            unknown: bucket.counts.get(Count::Unpriced),
        }
    }
}

/// Everything that is counted, looked at and timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricsDoc {
    /// The document's version.
    pub schema: u32,
    /// Of how long a time it is, in milliseconds; null: of all time.
    pub window_ms: Option<u64>,
    /// The moment of the swarm's first event.
    #[schemars(with = "Option<String>")]
    pub since: Option<Stamp>,
    /// Counts, by name.
    pub counts: BTreeMap<String, u64>,
    /// What there is now, by name.
    pub levels: BTreeMap<String, u64>,
    /// The most attempts that ran at once.
    pub peak: u32,
    /// Of the workers' time they had an attempt, in percent; null where there were no workers.
    pub utilisation_percent: Option<f64>,
    /// What was spent, in US dollars, by model; by agent where that chooses the model.
    pub usd: BTreeMap<String, f64>,
    /// Tokens that were used, by the same.
    pub tokens: BTreeMap<String, u64>,
    /// How long the stages took.
    pub latency: Latencies,
    /// The same of attempts, by model, of all time.
    pub models: BTreeMap<String, Latencies>,
    /// And by worker, of all time.
    pub workers: BTreeMap<String, Latencies>,
    /// What was spent in vain.
    pub waste: WasteDoc,
}

impl MetricsDoc {
    /// The view of a state: of the last `window`, or of all time.
    #[must_use]
    pub fn of(state: &State, window: Option<Millis>, now: Time) -> MetricsDoc {
        let history = state.history();
        let bucket = match window {
            Some(window) => state.within(window, now),
            None => state.all_time(now),
        };
        let name = |number: u8| history.name(number).to_owned();
        let usd = bucket.usd.iter().map(|(n, usd)| (name(n), Usd(usd)));
        MetricsDoc {
            schema: SCHEMA,
            window_ms: window.map(|window| window.0),
            since: history.since().map(Stamp),
            counts: words(Count::ALL, |c| (c.word(), bucket.counts.get(*c))),
            levels: words(Level::ALL, |l| (l.word(), bucket.levels.get(*l))),
            peak: bucket.peak,
            utilisation_percent: bucket.utilisation().map(percent),
            usd: usd.map(|(name, usd)| (name, usd.dollars())).collect(),
            tokens: bucket.tokens.iter().map(|(n, t)| (name(n), t)).collect(),
            latency: latencies(&bucket.spans),
            models: history
                .models()
                .map(|(name, spans)| (name.to_owned(), latencies(spans)))
                .collect(),
            workers: history
                .workers()
                .map(|(id, spans)| (id.to_string(), latencies(spans)))
                .collect(),
            waste: WasteDoc::of(&bucket),
        }
    }
}

/// From hundredths of a percent.
pub(super) fn percent(share: u64) -> f64 {
    share as f64 / 100.0
}

pub(super) fn words<K>(all: &[K], of: impl Fn(&K) -> (&'static str, u64)) -> BTreeMap<String, u64> {
    let all = all.iter().map(of);
    all.map(|(word, n)| (word.to_owned(), n)).collect()
}

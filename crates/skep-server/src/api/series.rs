//! What happened when, in columns for charts: `GET /api/v1/series` (U-3).

use super::{
    SCHEMA, Stamp,
    metrics::{latency, percent},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    history::{Count, Level, Point, Stage},
    money::Usd,
    state::State,
    time::{Millis, Time},
};
use std::collections::BTreeMap;

/// How long a stage took, in columns. Where nothing of it ended, there is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyColumns {
    /// How often.
    pub count: Vec<u64>,
    /// The mean, in milliseconds.
    pub mean_ms: Vec<Option<u64>>,
    /// Half took at most so long.
    pub p50_ms: Vec<Option<u64>>,
    /// Nineteen in twenty.
    pub p95_ms: Vec<Option<u64>>,
    /// All but one in a hundred.
    pub p99_ms: Vec<Option<u64>>,
}

/// Points at equal distances, oldest first, a column each. A column of nothing but noughts is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesDoc {
    /// The document's version.
    pub schema: u32,
    /// The distance of two points, in milliseconds: what was asked for, or the next that is kept.
    pub step_ms: u64,
    /// The moment of the swarm's first event; there are no points before it.
    #[schemars(with = "Option<String>")]
    pub since: Option<Stamp>,
    /// When each point begins, in milliseconds since 1970. The last one is not over.
    pub at: Vec<u64>,
    /// How often something happened in each, by the names of `GET /metrics`.
    pub counts: BTreeMap<String, Vec<u64>>,
    /// What there was at the end of each, by the names of `GET /metrics`; in the last, what there is now.
    pub levels: BTreeMap<String, Vec<u64>>,
    /// The most attempts that ran at once in each.
    pub peak: Vec<u32>,
    /// Of the workers' time they had an attempt, in percent; null where there were no workers.
    pub utilisation_percent: Vec<Option<f64>>,
    /// What was spent in each, in US dollars, by model; by agent where that chooses the model.
    pub usd: BTreeMap<String, Vec<f64>>,
    /// Tokens that were used in each, by the same.
    pub tokens: BTreeMap<String, Vec<u64>>,
    /// How long the stages took that ended in each.
    pub latency: BTreeMap<String, LatencyColumns>,
}

impl SeriesDoc {
    /// The longest window that can be asked for.
    pub const LONGEST: Millis = Millis::mins(45 * 24 * 60);
    /// The window of whoever does not say.
    pub const USUAL: Millis = Millis::mins(3 * 60);

    /// The view of a state.
    #[must_use]
    pub fn of(state: &State, window: Millis, step: Millis, now: Time) -> SeriesDoc {
        let series = state.series(window, step, now);
        let (history, points) = (state.history(), &series.points);
        let column = |of: &dyn Fn(&Point) -> u64| -> Option<Vec<u64>> {
            let column: Vec<u64> = points.iter().map(of).collect();
            column.iter().any(|n| *n > 0).then_some(column)
        };
        let names = points.iter().flat_map(|p| {
            let usd = p.bucket.usd.iter().map(|(name, _)| name);
            usd.chain(p.bucket.tokens.iter().map(|(name, _)| name))
        });
        let names: std::collections::BTreeSet<u8> = names.collect();
        let name = |number: u8| history.name(number).to_owned();
        let dollars = |column: Vec<u64>| column.into_iter().map(|usd| Usd(usd).dollars()).collect();
        SeriesDoc {
            schema: SCHEMA,
            step_ms: series.step.0,
            since: history.since().map(Stamp),
            at: points.iter().map(|p| p.from.0).collect(),
            counts: Count::ALL
                .iter()
                .filter_map(|c| Some((c.word().into(), column(&|p| p.bucket.counts.get(*c))?)))
                .collect(),
            levels: Level::ALL
                .iter()
                .filter_map(|l| Some((l.word().into(), column(&|p| p.bucket.levels.get(*l))?)))
                .collect(),
            peak: points.iter().map(|p| p.bucket.peak).collect(),
            utilisation_percent: points
                .iter()
                .map(|p| p.bucket.utilisation().map(percent))
                .collect(),
            usd: names
                .iter()
                .filter_map(|n| Some((name(*n), dollars(column(&|p| p.bucket.usd.get(*n))?))))
                .collect(),
            tokens: names
                .iter()
                .filter_map(|n| Some((name(*n), column(&|p| p.bucket.tokens.get(*n))?)))
                .collect(),
            latency: Stage::ALL
                .iter()
                .filter_map(|stage| Some((stage.word().into(), columns(points, *stage)?)))
                .collect(),
        }
    }
}

impl SeriesDoc {
    /// Leaves out the points that begin at `end` or later, in milliseconds since 1970.
    pub(super) fn cut(&mut self, end: u64) {
        let keep = self.at.partition_point(|at| *at < end);
        self.at.truncate(keep);
        self.peak.truncate(keep);
        self.utilisation_percent.truncate(keep);
        let sums = self.counts.values_mut().chain(self.levels.values_mut());
        for column in sums.chain(self.tokens.values_mut()) {
            column.truncate(keep);
        }
        for column in self.usd.values_mut() {
            column.truncate(keep);
        }
        for columns in self.latency.values_mut() {
            columns.count.truncate(keep);
            for column in [
                &mut columns.mean_ms,
                &mut columns.p50_ms,
                &mut columns.p95_ms,
                &mut columns.p99_ms,
            ] {
                column.truncate(keep);
            }
        }
    }
}

/// `None` where nothing of a stage was seen.
fn columns(points: &[Point], stage: Stage) -> Option<LatencyColumns> {
    let seen = points.iter().map(|p| latency(&p.bucket.spans, stage));
    let seen: Vec<_> = seen.collect();
    seen.iter().any(Option::is_some).then(|| LatencyColumns {
        count: seen.iter().map(|s| s.map_or(0, |s| s.count)).collect(),
        mean_ms: seen.iter().map(|s| s.map(|s| s.mean_ms)).collect(),
        p50_ms: seen.iter().map(|s| s.map(|s| s.p50_ms)).collect(),
        p95_ms: seen.iter().map(|s| s.map(|s| s.p95_ms)).collect(),
        p99_ms: seen.iter().map(|s| s.map(|s| s.p99_ms)).collect(),
    })
}

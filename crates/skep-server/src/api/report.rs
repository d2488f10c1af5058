//! What happened in a stretch of time, as one document (U-7). Pages and Markdown are made of it alone.

use super::{
    AlertDoc, AlertList, AskDoc, AskList, By, ConcernDoc, ConcernList, CostRow, Latencies, SCHEMA,
    SalvageDoc, SeriesDoc, Stamp, TargetDoc, TargetsDoc, WasteDoc,
    costs::ended_within,
    metrics::{latencies, percent, words},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    alert::line,
    attempt::Outcome,
    history::Count,
    money::Usd,
    spec::Span,
    state::State,
    task::{Task, TaskState},
    time::{Millis, Time},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// So many tasks are named of each kind: a report is read by people, and is bounded whatever the plan.
const LISTED: usize = 100;
/// So many rows of spending are named.
const ROWS: usize = 20;
/// So many of what is open are named.
const OPEN: usize = 25;
/// So many points has a chart.
const POINTS: u64 = 96;

/// Of what a report is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// One run of a plan.
    Run,
    /// An hour.
    Hourly,
    /// A day, by the zone of the budget.
    Daily,
    /// A week, from Monday on.
    Weekly,
    /// What somebody asked for.
    Window,
}

impl ReportKind {
    /// The kinds that are written by themselves.
    pub const KEPT: [ReportKind; 4] = [
        ReportKind::Run,
        ReportKind::Hourly,
        ReportKind::Daily,
        ReportKind::Weekly,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ReportKind::Run => "run",
            ReportKind::Hourly => "hourly",
            ReportKind::Daily => "daily",
            ReportKind::Weekly => "weekly",
            ReportKind::Window => "window",
        }
    }
}

/// A task that was merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoneDoc {
    /// Which.
    pub task: String,
    /// Its goal, on one line.
    pub mission: String,
    /// Its wave.
    pub wave: u32,
    /// The commit on the integration branch; null where it was counted as merged without one.
    pub commit: Option<String>,
    /// How many files it changes.
    pub files: Option<usize>,
    /// How many attempts it took.
    pub attempts: usize,
    /// What is known of what they cost; null is unknown.
    pub usd: Option<f64>,
    /// How long they took in all.
    pub took_ms: u64,
    /// When it was merged.
    pub at: Stamp,
}

/// A task of which an attempt failed, or that went no further.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TroubleDoc {
    /// Which.
    pub task: String,
    /// Where it stands now.
    pub state: String,
    /// How many of its attempts came to nothing, of those that ended in this time.
    pub failed: usize,
    /// Why, on one line.
    pub why: String,
    /// What that cost, as far as is known.
    pub usd: Option<f64>,
}

/// A wave that landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LandedDoc {
    /// Its number.
    pub wave: u32,
    /// How many tasks it merged.
    pub tasks: usize,
    /// The commit it left.
    pub tip: String,
    /// When; null where none of its tasks is known any more.
    #[schemars(with = "Option<String>")]
    pub at: Option<Stamp>,
}

/// What was spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpendingDoc {
    /// By attempts that ended.
    pub total: CostRow,
    /// By model; an empty key is an agent that chooses itself.
    pub models: Vec<CostRow>,
    /// By worker.
    pub workers: Vec<CostRow>,
    /// By task, those that cost most.
    pub tasks: Vec<CostRow>,
    /// So many tasks more.
    pub more_tasks: usize,
    /// What was spent in vain (G-9).
    pub waste: WasteDoc,
}

/// Work that is on no branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalvageSum {
    /// So many saved commits hold something that is not merged.
    pub unmerged: usize,
    /// The newest of them.
    pub newest: Vec<SalvageDoc>,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportDoc {
    /// The document's version.
    pub schema: u32,
    /// Its name.
    pub id: String,
    /// Of what it is.
    pub kind: ReportKind,
    /// The swarm; null before the first plan.
    pub swarm: Option<String>,
    /// The zone of its days; `UTC` if nobody said.
    pub zone: String,
    /// Where it begins.
    pub from: Stamp,
    /// Where it ends.
    pub to: Stamp,
    /// When it was made: "now" in it is then.
    pub made: Stamp,
    /// The plan's tasks by where they stand now.
    pub tasks: BTreeMap<String, usize>,
    /// What was merged, in order; the first of them.
    pub done: Vec<DoneDoc>,
    /// How many in all.
    pub done_count: usize,
    /// The waves that landed; the first of them.
    pub waves: Vec<LandedDoc>,
    /// How many in all.
    pub wave_count: usize,
    /// What failed, and why; those that need a person first.
    pub trouble: Vec<TroubleDoc>,
    /// How many in all.
    pub trouble_count: usize,
    /// What was counted, by the names of `GET /metrics`; noughts are left out.
    pub counts: BTreeMap<String, u64>,
    /// The most attempts that ran at once.
    pub peak: u32,
    /// Of the workers' time they had an attempt, in percent; null where there were none.
    pub utilisation_percent: Option<f64>,
    /// What was spent.
    pub spending: SpendingDoc,
    /// How long the stages took.
    pub latency: Latencies,
    /// How the swarm stands to its targets now.
    pub targets: Vec<TargetDoc>,
    /// Over how long those are measured, in milliseconds.
    pub targets_window_ms: u64,
    /// Questions that wait for an answer now.
    pub asks: Vec<AskDoc>,
    /// What people were alerted of and is not over.
    pub alerts: Vec<AlertDoc>,
    /// Saved work that is not merged; null where git was not asked.
    pub salvage: Option<SalvageSum>,
    /// What to look at next, the gravest first.
    pub concerns: Vec<ConcernDoc>,
    /// So many more.
    pub more_concerns: usize,
    /// For charts.
    pub series: SeriesDoc,
}

impl ReportDoc {
    /// The report of a span. It sums up the span's history: for when somebody asks, not for every request.
    #[must_use]
    pub fn of(state: &State, kind: ReportKind, id: &str, span: Span, now: Time) -> ReportDoc {
        let bucket = state.between(span.from, span.to, now);
        let (done, done_count) = done(state, span);
        let (waves, wave_count) = waves(state, span);
        let (trouble, trouble_count) = trouble(state, span);
        let (mut tasks, total) = ended_within(state, span, By::Task);
        let more_tasks = tasks.len().saturating_sub(ROWS);
        tasks.truncate(ROWS);
        let rows = |by| {
            let mut rows = ended_within(state, span, by).0;
            rows.truncate(ROWS);
            rows
        };
        let TargetsDoc {
            targets, window_ms, ..
        } = TargetsDoc::of(state, now);
        let mut concerns = ConcernList::of(state, now, None);
        let more_concerns = concerns.more + concerns.concerns.len().saturating_sub(OPEN);
        concerns.concerns.truncate(OPEN);
        let mut asks = AskList::of(state).asks;
        asks.truncate(OPEN);
        let mut alerts = AlertList::of(state, now).alerts;
        alerts.truncate(OPEN);
        let mut counts = words(Count::ALL, |c| (c.word(), bucket.counts.get(*c)));
        counts.retain(|_, n| *n > 0);
        let zone = &state.policy().budget.zone;
        ReportDoc {
            schema: SCHEMA,
            id: id.into(),
            kind,
            swarm: state.swarm().map(|s| s.spec.name.to_string()),
            zone: zone.shown().into(),
            from: Stamp(span.from),
            to: Stamp(span.to),
            made: Stamp(now),
            tasks: TaskState::ALL
                .into_iter()
                .filter(|of| state.count(*of) > 0)
                .map(|of| (of.word().into(), state.count(of)))
                .collect(),
            done,
            done_count,
            waves,
            wave_count,
            trouble,
            trouble_count,
            counts,
            peak: bucket.peak,
            utilisation_percent: bucket.utilisation().map(percent),
            spending: SpendingDoc {
                total,
                models: rows(By::Model),
                workers: rows(By::Worker),
                tasks,
                more_tasks,
                waste: WasteDoc::of(&bucket),
            },
            latency: latencies(&bucket.spans),
            targets,
            targets_window_ms: window_ms,
            asks,
            alerts,
            salvage: None,
            concerns: concerns.concerns,
            more_concerns,
            series: series(state, span, now),
        }
    }

    /// The same with what git says of saved work.
    #[must_use]
    pub fn with_salvage(mut self, saved: impl IntoIterator<Item = SalvageDoc>) -> ReportDoc {
        let mut newest: Vec<SalvageDoc> = saved.into_iter().filter(|s| !s.merged).collect();
        newest.sort_by_key(|s| Reverse(s.saved));
        let unmerged = newest.len();
        newest.truncate(OPEN);
        self.salvage = Some(SalvageSum { unmerged, newest });
        self
    }
}

fn done(state: &State, span: Span) -> (Vec<DoneDoc>, usize) {
    let merged = |t: &&Task| t.state == TaskState::Merged && span.holds(t.since);
    let mut merged: Vec<&Task> = state.tasks().iter().filter(merged).collect();
    merged.sort_by_key(|t| (t.since, t.order));
    let doc = |task: &&Task| DoneDoc {
        task: task.id().to_string(),
        mission: line(&task.spec.mission),
        wave: task.wave,
        commit: task.merged.as_ref().map(ToString::to_string),
        files: task.accepted.as_ref().map(|a| a.receipt.file_count),
        attempts: task.history.len(),
        usd: sum(task.history.iter().map(|past| past.charge.usd)),
        took_ms: task.history.iter().map(|past| past.took.0).sum(),
        at: Stamp(task.since),
    };
    let count = merged.len();
    (merged.iter().take(LISTED).map(doc).collect(), count)
}

/// What is known of a sum; `None` where nothing is.
fn sum(all: impl Iterator<Item = Option<Usd>>) -> Option<f64> {
    let known = all.flatten().reduce(|sum, more| sum.plus(more));
    known.map(Usd::dollars)
}

fn waves(state: &State, span: Span) -> (Vec<LandedDoc>, usize) {
    let landed = state.waves().iter().filter_map(|wave| {
        let at = wave.tasks.iter().filter_map(|id| state.task(id));
        let at = at.map(|task| task.since).max();
        at.is_some_and(|at| span.holds(at)).then(|| LandedDoc {
            wave: wave.id,
            tasks: wave.tasks.len(),
            tip: wave.tip.to_string(),
            at: at.map(Stamp),
        })
    });
    let mut landed: Vec<LandedDoc> = landed.collect();
    let count = landed.len();
    landed.truncate(LISTED);
    (landed, count)
}

fn trouble(state: &State, span: Span) -> (Vec<TroubleDoc>, usize) {
    let of = |task: &Task| {
        let failed = task.history.iter();
        let failed = failed.filter(|p| span.holds(p.ended) && p.outcome != Outcome::Succeeded);
        let failed: Vec<_> = failed.collect();
        let stands = matches!(
            task.state,
            TaskState::Flagged | TaskState::Dead | TaskState::Blocked | TaskState::Cancelled
        );
        let stopped = stands && span.holds(task.since);
        (stopped || !failed.is_empty()).then(|| {
            let last = failed.last().map(|past| past.reason.as_str());
            let note = task.note.as_deref().filter(|_| stopped);
            let doc = TroubleDoc {
                task: task.id().to_string(),
                state: task.state.word().into(),
                failed: failed.len(),
                why: line(note.or(last).unwrap_or("nobody said why")),
                usd: sum(failed.iter().map(|past| past.charge.usd)),
            };
            // Who needs a person comes first, then who failed most.
            (Reverse(stopped), Reverse(failed.len()), task.order, doc)
        })
    };
    let mut all: Vec<_> = state.tasks().iter().filter_map(of).collect();
    all.sort_by_key(|(stopped, failed, order, _)| (*stopped, *failed, *order));
    let count = all.len();
    let listed = all.into_iter().take(LISTED).map(|(.., doc)| doc);
    (listed.collect(), count)
}

/// The charts' columns, cut where the report ends.
fn series(state: &State, span: Span, now: Time) -> SeriesDoc {
    let length = span.to.since(span.from);
    let step = Millis((length.0 / POINTS).max(1));
    let back = now.since(span.from).max(Millis::secs(1));
    let mut doc = SeriesDoc::of(state, back, step, now);
    doc.cut(span.to.0);
    doc
}

/// A report that was written by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredDoc {
    /// Its name.
    pub id: String,
    /// Of what it is.
    pub kind: ReportKind,
    /// Its page, below the repository's main worktree.
    pub page: String,
    /// The same as Markdown.
    pub markdown: String,
}

/// `GET /api/v1/reports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportList {
    /// The document's version.
    pub schema: u32,
    /// Each, by kind, oldest first.
    pub reports: Vec<StoredDoc>,
}

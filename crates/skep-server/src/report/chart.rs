//! Charts: which there are, and how each is drawn as SVG or as a line of blocks.

use super::{moment, shown};
use crate::api::ReportDoc;
use skep_core::time::Time;
use std::fmt::Write as _;

/// How its series are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One upon another, a bar a point.
    Bars,
    /// Each for itself.
    Steps,
}

/// Some series over the report's time.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    shape: Shape,
    /// When the first and the last point begin, as people write it.
    ends: (String, String),
    money: bool,
    /// The first series' colour.
    first: usize,
    /// Names and values; all have as many. At most as many as there are colours.
    series: Vec<(String, Vec<f64>)>,
}

/// So many series are told apart by colour; the others are one.
const COLOURS: usize = 6;

/// What was merged, and what was handed to people.
pub(super) fn work(doc: &ReportDoc) -> Option<Chart> {
    counts(
        doc,
        "Tasks merged, flagged and given up",
        &[
            "tasks_merged",
            "tasks_flagged",
            "tasks_dead",
            "tasks_cancelled",
        ],
    )
}

/// How many tasks waited and ran.
pub(super) fn queue(doc: &ReportDoc) -> Option<Chart> {
    let names = [
        "tasks_ready",
        "tasks_waiting",
        "tasks_running",
        "tasks_accepted",
    ];
    levels(doc, "Tasks by where they stood", &names)
}

/// How many workers there were.
pub(super) fn workers(doc: &ReportDoc) -> Option<Chart> {
    let names = [
        "workers_working",
        "workers_idle",
        "workers_paused",
        "workers_crashed",
    ];
    levels(doc, "Workers by what they did", &names)
}

/// How attempts ended that came to nothing.
pub(super) fn ends(doc: &ReportDoc) -> Option<Chart> {
    let names = [
        "attempts_failed",
        "attempts_timed_out",
        "attempts_stale",
        "attempts_crashed",
        "attempts_rate_limited",
        "attempts_over_budget",
    ];
    // What failed is not shown in the colour of what went well.
    let chart = counts(doc, "Attempts that came to nothing", &names)?;
    Some(Chart { first: 1, ..chart })
}

/// What was spent, by model.
pub(super) fn spending(doc: &ReportDoc) -> Option<Chart> {
    let mut series: Vec<(String, Vec<f64>)> = doc
        .series
        .usd
        .iter()
        .map(|(model, column)| (model.clone(), column.clone()))
        .collect();
    let sum = |column: &[f64]| column.iter().sum::<f64>();
    series.sort_by(|a, b| sum(&b.1).total_cmp(&sum(&a.1)));
    let rest = series.split_off(series.len().min(COLOURS - 1));
    let rest = rest.into_iter().map(|(_, column)| column);
    let rest = rest.reduce(|sum, more| sum.iter().zip(more).map(|(a, b)| a + b).collect());
    series.extend(rest.map(|column| ("others".into(), column)));
    let mut chart = chart(doc, "Spending by model", Shape::Bars, series)?;
    chart.money = true;
    Some(chart)
}

fn counts(doc: &ReportDoc, title: &'static str, names: &[&str]) -> Option<Chart> {
    named(doc, title, Shape::Bars, &doc.series.counts, names)
}

fn levels(doc: &ReportDoc, title: &'static str, names: &[&str]) -> Option<Chart> {
    let chart = named(doc, title, Shape::Steps, &doc.series.levels, names)?;
    // Neither is what waits shown in the colours of good and bad.
    Some(Chart { first: 3, ..chart })
}

fn named(
    doc: &ReportDoc,
    title: &'static str,
    shape: Shape,
    columns: &std::collections::BTreeMap<String, Vec<u64>>,
    names: &[&str],
) -> Option<Chart> {
    let series = names.iter().filter_map(|name| {
        let column: Vec<f64> = columns.get(*name)?.iter().map(|n| *n as f64).collect();
        let (_, word) = name.split_once('_')?;
        Some((word.replace('_', " "), column))
    });
    chart(doc, title, shape, series.collect())
}

fn chart(
    doc: &ReportDoc,
    title: &'static str,
    shape: Shape,
    mut series: Vec<(String, Vec<f64>)>,
) -> Option<Chart> {
    series.retain(|(_, column)| column.iter().any(|n| *n > 0.0));
    series.truncate(COLOURS);
    let (first, last) = (doc.series.at.first()?, doc.series.at.last()?);
    // Two points are told better by the figures.
    (doc.series.at.len() > 2 && !series.is_empty()).then(|| Chart {
        title,
        shape,
        ends: (moment(doc, Time(*first)), moment(doc, Time(*last))),
        money: false,
        first: 0,
        series,
    })
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
/// Left of it are the axis' numbers.
const LEFT: f64 = 48.0;
const TOP: f64 = 10.0;

impl Chart {
    fn points(&self) -> usize {
        self.series.first().map_or(0, |(_, column)| column.len())
    }

    fn sums(&self) -> Vec<f64> {
        let sum = |ix: usize| self.series.iter().map(|(_, c)| c[ix]).sum();
        (0..self.points()).map(sum).collect()
    }

    /// The most that is drawn.
    fn most(&self) -> f64 {
        let all: Vec<f64> = match self.shape {
            Shape::Bars => self.sums(),
            Shape::Steps => self.series.iter().flat_map(|(_, c)| c.clone()).collect(),
        };
        all.into_iter().fold(0.0, f64::max)
    }

    fn amount(&self, n: f64) -> String {
        let sign = if self.money { "$" } else { "" };
        format!("{sign}{}", shown::number(n))
    }

    /// The names of its series, each with its colour.
    pub(super) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        let names = self.series.iter().enumerate();
        names.map(|(ix, (name, _))| (self.colour(ix), name.as_str()))
    }

    fn colour(&self, ix: usize) -> usize {
        (self.first + ix) % COLOURS
    }

    /// In a sentence, for who cannot see it.
    pub(super) fn about(&self) -> String {
        format!(
            "{}, from {} to {}; at most {}",
            self.title,
            self.ends.0,
            self.ends.1,
            self.amount(self.most())
        )
    }

    /// As a line of blocks, each series' own.
    pub(super) fn blocks(&self) -> Vec<(String, String)> {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let line = |(name, column): &(String, Vec<f64>)| {
            let most = column.iter().copied().fold(0.0, f64::max);
            let block = |n: &f64| {
                // What is more than nothing is seen.
                let eighths = (n / most * 8.0).ceil().clamp(0.0, 8.0);
                BLOCKS[eighths as usize]
            };
            let name = format!("{name} (at most {})", self.amount(most));
            (name, column.iter().map(block).collect())
        };
        self.series.iter().map(line).collect()
    }

    /// As SVG. Holds no text but numbers and moments.
    pub(super) fn svg(&self) -> String {
        let most = self.most();
        let y = |n: f64| TOP + HEIGHT - n / most * HEIGHT;
        let step = (WIDTH - LEFT) / self.points().max(1) as f64;
        let (width, height) = (WIDTH + 10.0, TOP + HEIGHT + 24.0);
        let mut out = format!("<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\">");
        // Half of an odd number of tasks is nobody's.
        let half = if self.money || most % 2.0 == 0.0 {
            Some(most / 2.0)
        } else {
            None
        };
        for n in [Some(0.0), half, Some(most)].into_iter().flatten() {
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{x}\" y=\"{t:.1}\" text-anchor=\"end\">{n}</text>",
                y = y(n),
                x = LEFT - 6.0,
                t = y(n) + 4.0,
                n = self.amount(n)
            );
        }
        match self.shape {
            Shape::Bars => self.bars(&mut out, step, y),
            Shape::Steps => self.steps(&mut out, step, y),
        }
        let base = TOP + HEIGHT + 18.0;
        let _ = write!(
            out,
            "<text x=\"{LEFT}\" y=\"{base}\">{}</text>\
             <text x=\"{WIDTH}\" y=\"{base}\" text-anchor=\"end\">{}</text></svg>",
            self.ends.0, self.ends.1
        );
        out
    }

    fn bars(&self, out: &mut String, step: f64, y: impl Fn(f64) -> f64) {
        let gap = if step > 4.0 { 1.0 } else { 0.0 };
        for ix in 0..self.points() {
            let mut below = 0.0;
            for (of, (_, column)) in self.series.iter().enumerate() {
                let (n, colour) = (column[ix], self.colour(of));
                if n > 0.0 {
                    let _ = write!(
                        out,
                        "<rect class=\"c{colour}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                        LEFT + step * ix as f64,
                        y(below + n),
                        (step - gap).max(0.5),
                        y(below) - y(below + n)
                    );
                    below += n;
                }
            }
        }
    }

    fn steps(&self, out: &mut String, step: f64, y: impl Fn(f64) -> f64) {
        for (of, (_, column)) in self.series.iter().enumerate() {
            let colour = self.colour(of);
            let _ = write!(
                out,
                "<path class=\"l{colour}\" d=\"M{LEFT} {:.1}",
                y(column[0])
            );
            for (ix, n) in column.iter().enumerate() {
                let _ = write!(out, "V{:.1}H{:.1}", y(*n), LEFT + step * (ix + 1) as f64);
            }
            out.push_str("\"/>");
        }
    }
}

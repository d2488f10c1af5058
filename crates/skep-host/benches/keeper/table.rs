//! The table that is printed, row by row as it is measured, and the numbers in it.

use std::time::Duration;

/// Where rows go.
pub(crate) struct Table;

/// Measured times, in milliseconds.
#[derive(Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted[(sorted.len() * percent / 100).min(last)]
    }
    pub(crate) fn p50(&self) -> f64 {
        self.at(50)
    }
    pub(crate) fn p99(&self) -> f64 {
        self.at(99)
    }
    /// `p50 / p99 ms`.
    pub(crate) fn shown(&self) -> String {
        format!("{} / {} ms", short(self.p50()), short(self.p99()))
    }
}

/// Three digits, whatever the size.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n < 10.0 => format!("{number:.2}"),
        n if n < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// What a row compares.
pub(crate) struct Row<'a> {
    pub(crate) what: &'a str,
    pub(crate) skep: String,
    pub(crate) beside: String,
    /// Skep's number over the other.
    pub(crate) ratio: f64,
    pub(crate) aim: &'a str,
    pub(crate) met: bool,
}

impl Table {
    pub(crate) fn begin() -> Table {
        line("", "skep", "beside", "ratio", "aim", "");
        Table
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) {
        let ratio = format!("{}×", short(row.ratio));
        let met = match (row.aim, row.met) {
            ("–", _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        };
        line(row.what, &row.skep, &row.beside, &ratio, row.aim, met);
    }
}

fn line(what: &str, skep: &str, beside: &str, ratio: &str, aim: &str, met: &str) {
    println!("{what:<42} {skep:<26} {beside:<50} {ratio:>7}  {aim:<20} {met}");
}

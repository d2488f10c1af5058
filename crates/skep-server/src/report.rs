//! Reports for people (U-7): one document, laid out once, written as Markdown and as a page.
//!
//! Nothing here reads a state: what a report says is all in its [`ReportDoc`]. What comes from plans and agents stands
//! in cells of the layout as it is, and each writer escapes all cells in the one place where it writes them.

mod chart;
mod html;
mod keep;
mod layout;
mod markdown;
mod period;
mod shown;

pub use html::html;
pub use keep::{Service, Stored, read, salvage, shelf, stored};
pub use markdown::markdown;
pub use period::{named, run_id, since};

use crate::api::ReportDoc;
use jiff::{Timestamp, tz::TimeZone};
use skep_core::time::{Millis, Time};

/// A moment in the report's own zone.
fn moment(doc: &ReportDoc, at: Time) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let zone = TimeZone::get(&doc.zone).unwrap_or(TimeZone::UTC);
    // Of a few minutes, the seconds tell things apart.
    let short = doc.to.0.since(doc.from.0) < Millis::mins(60);
    let format = if short {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.to_zoned(zone).strftime(format).to_string()
}

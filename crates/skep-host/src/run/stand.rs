//! For how long an attempt's deadlines are to stand still, for questions that its shim does not hear (U-8, L-4b).
//!
//! One small file in the run's folder: keepers write it whenever it says something else than the state, the shim reads it
//! at its heartbeats and before it ends anything. What no keeper corrects any more still says a bounded time, so the
//! hard limit holds without one. It need not outlive the machine: neither does its reader.

use skep_core::time::Millis;
use std::{fs, io, path::Path, process};

const FILE: &str = "stand";

/// Says by how much the deadlines of the run in `folder` are later, all in all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn say(folder: &Path, by: Millis) -> io::Result<()> {
    let place = folder.join(FILE);
    if read(&place) == by.0 {
        return Ok(());
    }
    let next = folder.join(format!("{FILE}.{}.tmp", process::id()));
    fs::write(&next, by.0.to_string())?;
    fs::rename(&next, place)
}

/// By how much they are later, in milliseconds.
pub(crate) fn heard_ms(folder: &Path) -> u64 {
    read(&folder.join(FILE))
}

/// Nothing was said, or nothing that can be read: then the deadlines are what they were.
fn read(place: &Path) -> u64 {
    let text = fs::read_to_string(place).unwrap_or_default();
    text.parse().unwrap_or(0)
}

//! `progress.json`: where a run stands. Rewritten whole at step changes, never at every output; text
//! from agents cannot forge it, since nothing about a step is marked inside the output itself.

use super::{files::StepKind, procfs::ProcessId};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Format version, now 1.
    pub version: u32,
    /// What the shim is doing.
    pub phase: Phase,
    /// The steps begun so far; in phase [`Phase::Step`] the last one is running.
    pub begun: Vec<Begun>,
    /// The output log.
    pub log: LogPlace,
    /// What holds the running step together. For [`super::sweep()`].
    pub holder: Option<ProcessId>,
    /// The first process of the running step, where it can be seen from outside. For [`super::sweep()`].
    pub leader: Option<ProcessId>,
}

/// What a shim is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Getting ready.
    Starting,
    /// Running a step.
    Step,
    /// Saving what the agent left in the worktree.
    Saving,
    /// Writing the report.
    Reporting,
}

/// A step that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// As in the spec.
    pub name: String,
    /// As in the spec.
    pub kind: StepKind,
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// Where in the output its own begins.
    pub output_from: u64,
}

/// How the log's files lie in the whole output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Where in the whole output `output.log` begins.
    pub base: u64,
    /// The inode of that `output.log`: tells a reader that it has the file this is about.
    pub inode: u64,
    /// Output that could not be kept because the disk would not take it.
    pub dropped: u64,
}

impl LogPlace {
    /// Where in the whole output this `output.log` begins. None if the log was rotated several times
    /// since this was written down.
    pub(super) fn base_of(&self, new: &Metadata, old: Option<&Metadata>) -> Option<u64> {
        if new.ino() == self.inode {
            return Some(self.base);
        }
        // Rotated, and not noted yet (or never, if the shim died here): the file this is about is the
        // older one now, and complete.
        old.filter(|old| old.ino() == self.inode)
            .map(|old| self.base + old.size())
    }
}

/// Where a run stands and how much output it has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProgress {
    /// As written at the last change.
    pub progress: Progress,
    /// Output logged so far, by all steps.
    pub output_bytes: u64,
}

impl StepProgress {
    /// The step that is running: its number and what is known of it.
    #[must_use]
    pub fn running(&self) -> Option<(usize, &Begun)> {
        let begun = &self.progress.begun;
        (self.progress.phase == Phase::Step)
            .then(|| begun.last().map(|step| (begun.len() - 1, step)))
            .flatten()
    }
}

/// Reads where the run in `folder` stands; none if it has not come far enough to say.
///
/// # Errors
/// When the file is there but cannot be read or understood.
pub fn step_progress(folder: &Path) -> io::Result<Option<StepProgress>> {
    let Some(progress) = read(folder)? else {
        return Ok(None);
    };
    let [old, new] = [OUTPUT_OLD, OUTPUT].map(|name| fs::metadata(folder.join(name)).ok());
    let size = new.as_ref().map_or(0, MetadataExt::size);
    let base = new.and_then(|new| progress.log.base_of(&new, old.as_ref()));
    let output_bytes = base.map_or(progress.log.base, |base| base + size);
    Ok(Some(StepProgress {
        progress,
        output_bytes,
    }))
}

/// The newer part of the output, being written.
pub(crate) const OUTPUT: &str = "output.log";
/// The older part.
pub(crate) const OUTPUT_OLD: &str = "output.1.log";
const PROGRESS: &str = "progress.json";

pub(super) fn read(folder: &Path) -> io::Result<Option<Progress>> {
    match fs::read(folder.join(PROGRESS)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(crate) fn write(folder: &Path, progress: &Progress) -> io::Result<()> {
    let next = folder.join("progress.tmp");
    fs::write(&next, serde_json::to_vec(progress)?)?;
    fs::rename(&next, folder.join(PROGRESS))
}

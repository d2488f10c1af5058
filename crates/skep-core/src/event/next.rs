//! What becomes of those who were part of an attempt that did not succeed.

use crate::time::Time;
use serde::{Deserialize, Serialize};

/// What becomes of a task whose attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Back to the queue; counted as a failure.
    RetryFailed,
    /// Back to the queue; counted as a crash. Not before this moment, if one is given.
    RetryCrashed(Option<Time>),
    /// Back to the queue; not counted.
    Release,
    /// A person must look.
    Flag,
    /// To the dead-letter list.
    DeadLetter,
    /// To the dead-letter list, because it ends the agents of whoever takes it (L-6).
    Quarantine,
    /// Given up.
    Cancel,
    /// It waits for what its agent said that it lacks.
    Block,
}

/// What becomes of a worker whose attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerNext {
    /// Takes the next task.
    GoOn,
    /// Crashed: waits until this moment.
    BackOff(Time),
}

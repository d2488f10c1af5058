//! A log in memory, for tests and the simulator: durable as long as one handle to it lives.
//!
//! Handles share one log, so a test can crash a keeper by dropping its handle, or let two keepers race.

use crate::{AppendError, Damage, Entry, Fault, LoadError, Log, NewEntry, Snapshot, check_sizes};
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How an append is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The disk is full: an error, and nothing was written.
    Full,
    /// An error before anything was written. To the caller it looks like `After`.
    Before,
    /// An error after everything was written. To the caller it looks like `Before`.
    After,
}

#[derive(Default)]
struct Shared {
    entries: Vec<Entry>,
    snapshots: Vec<Snapshot>,
    failures: VecDeque<Failure>,
    unreadable: u32,
}

/// A log in memory.
#[derive(Default)]
pub struct MemoryLog {
    shared: Arc<Mutex<Shared>>,
    stale: bool,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle to the same log, as after a restart or for a second keeper.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            stale: false,
        }
    }

    /// Makes the next write (append or snapshot) that gets past its checks fail so. Calls queue up.
    pub fn fail_next(&self, failure: Failure) {
        self.lock().failures.push_back(failure);
    }

    /// Makes the next `times` loads fail, as when a failed append cannot be settled yet.
    pub fn fail_loads(&self, times: u32) {
        self.lock().unreadable = times;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere in a test must not hide behind a second one here.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks and runs `write` as the next failure in line says, in one step for all handles.
    fn write<T>(
        &mut self,
        check: impl FnOnce(u64) -> Result<(), AppendError>,
        write: impl FnOnce(&mut Shared) -> T,
    ) -> Result<T, AppendError> {
        if self.stale {
            return Err(AppendError::Stale);
        }
        let mut shared = self.lock();
        check(shared.entries.len() as u64)?;
        let error = match shared.failures.pop_front() {
            None => return Ok(write(&mut shared)),
            Some(Failure::Full) => AppendError::Full {
                path: path(),
                free: 0,
            },
            Some(Failure::Before) => io("append to"),
            Some(Failure::After) => {
                write(&mut shared);
                io("append to")
            }
        };
        drop(shared);
        self.stale = true;
        Err(error)
    }
}

fn path() -> PathBuf {
    PathBuf::from("(memory)")
}

fn io(doing: &'static str) -> AppendError {
    AppendError::Io {
        doing,
        path: path(),
        source: "injected".into(),
    }
}

impl Log for MemoryLog {
    fn head(&self) -> u64 {
        self.lock().entries.len() as u64
    }

    fn append(&mut self, expected: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        check_sizes(entries)?;
        if entries.is_empty() && !self.stale && self.head() == expected {
            return Ok(expected);
        }
        let check = |head| match head == expected {
            true => Ok(()),
            false => Err(AppendError::Conflict { expected, head }),
        };
        self.write(check, |shared| {
            for new in entries {
                let seq = shared.entries.len() as u64 + 1;
                shared.entries.push(Entry {
                    seq,
                    at: new.at,
                    kind: new.kind.clone(),
                    trace: new.trace.clone(),
                    body: new.body.clone(),
                });
            }
            shared.entries.len() as u64
        })
    }

    fn in_place(&self) -> Result<(), Damage> {
        Ok(())
    }

    fn load(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), LoadError> {
        let mut next = after;
        let mut first = true;
        loop {
            // Entry by entry, so that `each` may use other handles to this log.
            let entry = {
                let mut shared = self.lock();
                if first && shared.unreadable > 0 {
                    shared.unreadable -= 1;
                    return Err(LoadError::Fault(Fault::Busy { path: path() }));
                }
                let head = shared.entries.len() as u64;
                if first && after > head {
                    return Err(LoadError::Beyond { after, head });
                }
                usize::try_from(next)
                    .ok()
                    .and_then(|i| shared.entries.get(i).cloned())
            };
            first = false;
            self.stale = false;
            match entry {
                Some(entry) => {
                    next = entry.seq;
                    if each(entry).is_break() {
                        return Ok(());
                    }
                }
                None => return Ok(()),
            }
        }
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), AppendError> {
        let expected = snapshot.seq;
        let check = |head| match expected <= head {
            true => Ok(()),
            false => Err(AppendError::Conflict { expected, head }),
        };
        self.write(check, |shared| {
            shared.snapshots.retain(|s| s.seq != snapshot.seq);
            shared.snapshots.push(snapshot.clone());
            shared.snapshots.sort_by_key(|s| std::cmp::Reverse(s.seq));
            shared.snapshots.truncate(2);
        })
    }

    fn latest_snapshot(&mut self) -> Result<Option<Snapshot>, LoadError> {
        Ok(self.lock().snapshots.first().cloned())
    }
}

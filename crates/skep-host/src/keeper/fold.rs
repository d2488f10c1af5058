//! From the log to the state: the newest snapshot, and what has happened since.

use super::{StartError, codec::decode};
use serde::{Deserialize, Serialize};
use skep_core::{
    event::Record,
    state::{FOLD, State},
    time::Time,
};
use skep_store::{AppendError, Log, Snapshot};
use std::{borrow::Cow, ops::ControlFlow};

/// So many events are folded anew at a start, at most twice: a fraction of a second. More rarely for a large
/// state, so that what is written for snapshots stays a fraction of what is written for events.
const EVERY: u64 = 20_000;
const EVENTS_PER_TASK: u64 = 10;

/// A snapshot's body.
#[derive(Serialize, Deserialize)]
struct Body<'s> {
    /// The moment of the last event: the next keeper's clock never falls behind it.
    last: Time,
    state: Cow<'s, State>,
}

/// What a log comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) state: State,
    /// The moment of the last event.
    pub(super) last: Time,
    /// The entry of the snapshot that it began with; 0 without one.
    pub(super) from: u64,
}

/// The state as the log says.
pub(super) fn fold(log: &mut dyn Log) -> Result<Folded, StartError> {
    let Folded {
        mut state,
        mut last,
        from,
    } = newest(log)?.unwrap_or_default();
    for_each(log, state.seq(), &mut |record| {
        state.apply(&record);
        last = last.max(record.at);
        ControlFlow::Continue(())
    })?;
    Ok(Folded { state, last, from })
}

/// The newest snapshot, if this very core folded it: any other is passed over, since the log says everything.
fn newest(log: &mut dyn Log) -> Result<Option<Folded>, StartError> {
    let Some(found) = log.latest_snapshot()?.filter(|s| s.format == FOLD) else {
        return Ok(None);
    };
    let body: Option<Body<'static>> = serde_json::from_slice(&found.body).ok();
    let folded = body.map(|body| Folded {
        state: body.state.into_owned(),
        last: body.last,
        from: found.seq,
    });
    Ok(folded.filter(|folded| folded.state.seq() == folded.from))
}

/// Calls `each` with the records after `after`.
pub(super) fn for_each(
    log: &mut dyn Log,
    after: u64,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), StartError> {
    let mut fault = None;
    log.load(after, &mut |entry| match decode(&entry) {
        Ok(record) => each(record),
        Err(error) => {
            fault = Some(error);
            ControlFlow::Break(())
        }
    })?;
    fault.map_or(Ok(()), |error| Err(error.into()))
}

/// Whether a snapshot of `state` is worth its cost, the last one being of entry `saved`.
pub(super) fn is_due(state: &State, saved: u64) -> bool {
    let tasks = state.tasks().len() as u64;
    state.seq() - saved >= EVERY.max(tasks * EVENTS_PER_TASK)
}

/// Saves a snapshot of `state`, in which nothing is staged.
pub(super) fn save(log: &mut dyn Log, state: &State, last: Time) -> Result<(), AppendError> {
    let state = Cow::Borrowed(state);
    let Ok(body) = serde_json::to_vec(&Body { last, state }) else {
        // Plain data with string keys: its JSON cannot fail, and if it did the log would do without.
        return Ok(());
    };
    log.save_snapshot(&Snapshot {
        seq: log.head(),
        format: FOLD,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::encode;
    use skep_core::event::{By, Event};
    use skep_store::MemoryLog;

    fn record(seq: u64) -> Record {
        Record {
            seq,
            at: Time(1_000 + seq),
            trace: "t".into(),
            by: By::Policy,
            key: None,
            event: if seq % 2 == 1 {
                Event::SwarmPaused {}
            } else {
                Event::SwarmResumed {}
            },
        }
    }

    fn log_of(events: u64) -> MemoryLog {
        let mut log = MemoryLog::default();
        let entries: Vec<_> = (1..=events).map(|seq| encode(&record(seq))).collect();
        log.append(0, &entries).unwrap();
        log
    }

    // proves: L-10, T-1
    #[test]
    fn a_snapshot_and_what_follows_come_to_the_same_as_the_whole_log() {
        let whole = fold(&mut log_of(7)).unwrap();
        let mut log = log_of(4);
        let part = fold(&mut log).unwrap();
        save(&mut log, &part.state, part.last).unwrap();
        let rest: Vec<_> = (5..=7).map(|seq| encode(&record(seq))).collect();
        log.append(4, &rest).unwrap();
        let restored = fold(&mut log).unwrap();
        assert_eq!((restored.from, whole.from), (4, 0));
        assert_eq!((restored.state, restored.last), (whole.state, whole.last));
    }

    // proves: T-1
    #[test]
    fn a_snapshot_of_another_core_or_a_damaged_one_is_passed_over() {
        for (format, body) in [(FOLD ^ 1, None), (FOLD, Some(b"{}".to_vec()))] {
            let mut log = log_of(4);
            let other = Body {
                last: Time(9_999_999),
                state: Cow::Owned(State::default()),
            };
            let body = body.unwrap_or_else(|| serde_json::to_vec(&other).unwrap());
            let snapshot = Snapshot {
                seq: 4,
                format,
                body,
            };
            log.save_snapshot(&snapshot).unwrap();
            let folded = fold(&mut log).unwrap();
            assert_eq!((folded.state.seq(), folded.last), (4, Time(1_004)));
        }
    }

    #[test]
    fn a_snapshot_is_due_only_now_and_then() {
        let state = fold(&mut log_of(2)).unwrap().state;
        assert!(!is_due(&state, 0));
        let state = fold(&mut log_of(EVERY)).unwrap().state;
        assert!(is_due(&state, 0) && !is_due(&state, 1));
    }
}

//! One event of the log, as `skep events --json` prints it: one object a line.

use super::Stamp;
use serde::{Deserialize, Serialize};
use skep_core::event::{By, Event, Key, Record};

/// An event. Its `type` and fields are those of the log, where moments and lengths are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventDoc {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Stamp,
    /// Ties together everything that one request led to.
    pub trace: String,
    /// `"policy"`, `"host"`, `{"agent": ATTEMPT}` or `{"person": …}`.
    pub by: By,
    /// The idempotency key of the command it answers.
    pub key: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl From<Record> for EventDoc {
    fn from(record: Record) -> EventDoc {
        let Record {
            seq,
            at,
            trace,
            by,
            key,
            event,
        } = record;
        EventDoc {
            seq,
            at: Stamp(at),
            trace,
            by,
            key: key.map(|key| key.name),
            event,
        }
    }
}

impl From<EventDoc> for Record {
    fn from(doc: EventDoc) -> Record {
        let EventDoc {
            seq,
            at,
            trace,
            by,
            key,
            event,
        } = doc;
        Record {
            seq,
            at: at.0,
            trace,
            by,
            // A reader's fold answers no commands, so which one it was for does not matter there.
            key: key.map(|name| Key { name, command: 0 }),
            event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::{
        health::{Clocks, Counts, Logged, Reason, Rung},
        id::{Attempt, WorkerId},
        time::{Millis, Time},
    };

    /// The fields of an event lie beside those of its record, so none may have the name of one.
    #[test]
    fn events_of_health_are_read_as_they_were_written() {
        let at = Time(1_700_000_000_000);
        let health = Logged {
            score: 50,
            rung: Rung::Stop,
            reasons: vec![Reason::Silent(Millis(9))],
            clocks: Clocks::starting(at),
            counts: Counts::default(),
            at,
        };
        let (attempt, worker) = (Attempt(7), WorkerId(1));
        let task: skep_core::id::TaskId = "login".parse().unwrap();
        for event in [
            Event::HealthChanged {
                attempt,
                health: health.into(),
            },
            Event::Told {
                attempt,
                rung: Rung::Ask,
                delivered: false,
            },
            Event::WorkerRetired {
                worker,
                successor: WorkerId(2),
                reason: "it crashed".into(),
            },
            Event::Checkpointed {
                attempt,
                task: task.clone(),
                text: "half".into(),
                percent: Some(50),
            },
            Event::BlockReported {
                attempt,
                task: task.clone(),
                block: Box::new(skep_core::word::Block {
                    reason: "no network".into(),
                    on: Some(task.clone()),
                }),
            },
            Event::MemoRecorded {
                attempt,
                task: task.clone(),
                worker,
                key: "db".into(),
                value: "sqlite".into(),
                source: "read it".into(),
            },
            Event::WaitedTooLong {
                task,
                text: "its worker is gone".into(),
                freed: true,
            },
        ] {
            let record = Record {
                seq: 3,
                at,
                trace: "t".into(),
                by: By::Policy,
                key: None,
                event,
            };
            let text = serde_json::to_string(&EventDoc::from(record.clone())).unwrap();
            let read: EventDoc = serde_json::from_str(&text).unwrap();
            assert_eq!(Record::from(read), record);
        }
    }
}

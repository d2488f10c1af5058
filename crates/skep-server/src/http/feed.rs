//! Committed events as they are sent, written out once however many clients follow.

use crate::api::EventDoc;
use axum::body::Bytes;
use skep_core::event::Record;
use skep_host::keeper::Handle;
use std::sync::{Arc, OnceLock};
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

/// How many appends a slow client may lag behind before it reads the log instead.
const BACKLOG: usize = 1_024;

/// One event, ready to be sent.
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) kind: &'static str,
    pub(super) text: Bytes,
}

impl Line {
    pub(super) fn of(record: Record) -> Line {
        let (seq, kind) = (record.seq, record.event.kind());
        let doc = serde_json::to_string(&EventDoc::from(record)).unwrap_or_default();
        // JSON has no line breaks of its own: whatever is in an event, it is one line.
        let text = format!("id: {seq}\ndata: {doc}\n\n").into();
        Line { seq, kind, text }
    }
}

/// What one append brought.
pub(super) type Lines = Arc<Vec<Line>>;

/// The feed of one keeper. It begins with its first client.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) handle: Handle,
    lines: Arc<OnceLock<Sender<Lines>>>,
}

impl Feed {
    pub(super) fn new(handle: Handle) -> Feed {
        let lines = Arc::default();
        Feed { handle, lines }
    }

    /// What is committed from here on. Whoever missed something reads the log.
    pub(super) fn follow(&self) -> Receiver<Lines> {
        let begin = || {
            let (sender, _) = channel(BACKLOG);
            // Asked for here, not in the task: nothing that is committed after this call is missed.
            let mut watch = self.handle.watch();
            let lines = sender.clone();
            tokio::spawn(async move {
                loop {
                    match watch.recv().await {
                        // For nobody nothing is written out; whoever comes reads the log first.
                        Ok(_) if lines.receiver_count() == 0 => {}
                        Ok(batch) => {
                            let batch = batch.iter().cloned().map(Line::of).collect();
                            let _ = lines.send(Arc::new(batch));
                        }
                        // Clients see the gap by the numbers of what comes next.
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                }
            });
            sender
        };
        self.lines.get_or_init(begin).subscribe()
    }
}

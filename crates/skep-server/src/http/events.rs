//! The events stream: history from the log, then what is committed, without gap or repeat.

use super::{
    App,
    apart::apart,
    edge::{Asked, bad_query},
    gone,
    openapi::{Operation, op},
};
use crate::api::{EventDoc, Problem};
use axum::{
    extract::State as Shared,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use serde::Deserialize;
use skep_core::event::Record;
use skep_host::keeper::{self, Handle};
use std::{
    convert::Infallible,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::{broadcast::error::RecvError, mpsc};

/// Events on their way to one client. A client that reads more slowly waits for the log instead.
const BUFFER: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsAsked {
    /// Only events after this one.
    #[serde(default)]
    after: Option<u64>,
    /// Only so many of those that are there already.
    #[serde(default)]
    tail: Option<u64>,
    /// Go on with what happens from now on.
    #[serde(default = "yes")]
    follow: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn about() -> Operation {
    op::<EventDoc>(
        "followEvents",
        "The log's events, then those that follow: server-sent events, the data of each one EventDoc",
    )
    .gives("text/event-stream")
    .asks::<u64>("after", "Only events after this one")
    .asks::<bool>("follow", "Whether to go on with what happens from now on; else the stream ends with the log")
    .hears::<u64>("Last-Event-ID", "The last event seen; goes before `after`")
}

pub(super) async fn events(
    Shared(app): Shared<App>,
    Asked(asked): Asked<EventsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // A client that lost its connection says where it was; that is newer than what it first asked for.
    let resumed = match headers.get("last-event-id") {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            Some(id.ok_or_else(|| bad_query("Last-Event-ID must be an event's number"))?)
        }
        None => None,
    };
    let after = resumed.or(asked.after).unwrap_or(0);
    // Asked before anything is read: what is committed from here on reaches the watcher.
    let watch = app.handle.watch();
    let committed = app.handle.query(|state, _| state.seq()).await;
    let committed = committed.map_err(gone)?;
    // A number that the log has not reached, such as that of another log, means "from now on": waiting for the log
    // to come so far would be silence.
    let after = after.min(committed);
    let after = match asked.tail {
        // Whoever resumes has the ones before, and misses none.
        Some(tail) if resumed.is_none() => after.max(committed.saturating_sub(tail)),
        _ => after,
    };
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(follow(app.handle, watch, after, asked.follow, sender));
    Ok(Sse::new(Stream(receiver))
        .keep_alive(KeepAlive::default())
        .into_response())
}

type Watch = tokio::sync::broadcast::Receiver<std::sync::Arc<Vec<Record>>>;
type Sender = mpsc::Sender<Result<Event, Infallible>>;

async fn follow(handle: Handle, mut watch: Watch, after: u64, on: bool, sender: Sender) {
    let mut last = after;
    // `None` means that the watcher may have missed something and the log has to be read.
    let mut batch: Option<std::sync::Arc<Vec<Record>>> = None;
    loop {
        match batch.take() {
            Some(batch) if batch.first().is_none_or(|r| r.seq <= last + 1) => {
                for record in batch.iter() {
                    if record.seq <= last {
                        continue;
                    }
                    last = record.seq;
                    if sender.send(Ok(event(record.clone()))).await.is_err() {
                        return;
                    }
                }
            }
            _ => match history(&handle, last, &sender).await {
                Some(read) => last = read,
                None => return,
            },
        }
        if !on {
            return;
        }
        tokio::select! {
            said = watch.recv() => match said {
                Ok(said) => batch = Some(said),
                Err(RecvError::Lagged(_)) => batch = None,
                Err(RecvError::Closed) => return,
            },
            () = sender.closed() => return,
        }
    }
}

/// Sends what the log has after `last`, and says how far it came; `None` when nobody listens any more, or
/// the log cannot be read (the client then sees its stream end, and asks again).
async fn history(handle: &Handle, last: u64, sender: &Sender) -> Option<u64> {
    let (site, sender) = (handle.site().clone(), sender.clone());
    let read = apart(move || {
        let mut last = last;
        let mut heard = true;
        let read = keeper::records(&site, last, &mut |record| {
            last = record.seq;
            heard = sender.blocking_send(Ok(event(record))).is_ok();
            if heard {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        (heard && read.is_ok()).then_some(last)
    });
    read.await.ok().flatten()
}

fn event(record: Record) -> Event {
    let id = record.seq.to_string();
    let doc = serde_json::to_string(&EventDoc::from(record)).unwrap_or_default();
    Event::default().id(id).data(doc)
}

struct Stream(mpsc::Receiver<Result<Event, Infallible>>);

impl futures_core::Stream for Stream {
    type Item = Result<Event, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

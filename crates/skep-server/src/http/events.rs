//! The events stream: history from the log, then what is committed, without gap or repeat.

use super::{
    apart::apart,
    edge::{Asked, bad_query},
    feed::{Feed, Line, Lines},
    gone,
    openapi::op,
    routes::Routes,
};
use crate::api::{EventDoc, Problem};
use axum::{
    body::{Body, Bytes},
    extract::State as Shared,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use skep_host::keeper::{self, Handle};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        mpsc,
    },
    time::timeout,
};

/// Events on their way to one client. A client that reads more slowly waits for the log instead.
const BUFFER: usize = 256;
/// A client that has heard nothing for so long is told that the keeper is there.
const BEAT: Duration = Duration::from_secs(15);
/// What is told then: a comment, which clients pass over.
const STILL_THERE: Bytes = Bytes::from_static(b":\n\n");
/// Kinds of events that may be asked for, and how long their names are.
const KINDS: usize = 64;
const KIND: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsAsked {
    /// Only events after this one.
    #[serde(default)]
    after: Option<u64>,
    /// Only so many of those that are there already.
    #[serde(default)]
    tail: Option<u64>,
    /// Go on with what happens from now on.
    #[serde(default = "yes")]
    follow: bool,
    /// Only events of these kinds, with commas between them.
    #[serde(default)]
    kinds: Option<String>,
}

fn yes() -> bool {
    true
}

pub(super) fn routes() -> Routes<Feed> {
    let about = op::<EventDoc>(
        "followEvents",
        "The log's events, then those that follow: server-sent events, the data of each one EventDoc",
    )
    .gives("text/event-stream")
    .asks::<u64>("after", "Only events after this one")
    .asks::<u64>("tail", "Only so many of those that are there already")
    .asks::<bool>(
        "follow",
        "Whether to go on with what happens from now on; else the stream ends with the log",
    )
    .asks::<Kinds>("kinds", "Only events of these kinds, with commas between them")
    .hears::<u64>(
        "Last-Event-ID",
        "The last event seen; goes before `after`",
    );
    Routes::new().get("/events", events, about)
}

/// Names of kinds of events, such as `claimed,attempt_ended`.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Kinds(#[schemars(regex(pattern = "^[a-z_]{1,40}(,[a-z_]{1,40}){0,63}$"))] String);

async fn events(
    Shared(feed): Shared<Feed>,
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
    let kinds = asked.kinds.as_deref().map(kinds).transpose()?;
    let handle = feed.handle.clone();
    // Asked before anything is read: what is committed from here on reaches the watcher.
    let lines = feed.follow();
    let committed = handle.query(|state, _| state.seq()).await;
    let committed = committed.map_err(gone)?;
    // A number that the log has not reached, such as that of another log, means "from now on": waiting for the log
    // to come so far would be silence.
    let after = resumed.or(asked.after).unwrap_or(0).min(committed);
    let after = match asked.tail {
        // Whoever resumes has the ones before, and misses none.
        Some(tail) if resumed.is_none() => after.max(committed.saturating_sub(tail)),
        _ => after,
    };
    let (sender, receiver) = mpsc::channel(BUFFER);
    let client = Client {
        handle,
        kinds: kinds.map(Arc::new),
        last: after,
        sender,
    };
    tokio::spawn(client.follow(lines, asked.follow));
    let kind = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((kind, Body::from_stream(Stream(receiver))).into_response())
}

fn kinds(text: &str) -> Result<BTreeSet<String>, Problem> {
    let name = |kind: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
        !kind.is_empty() && kind.len() <= KIND && kind.bytes().all(plain)
    };
    let kinds: BTreeSet<String> = text.split(',').map(String::from).collect();
    if kinds.len() > KINDS || !kinds.iter().all(|kind| name(kind)) {
        let detail = format!(
            "kinds: expected at most {KINDS} kinds of events with commas between them, such as claimed,attempt_ended"
        );
        return Err(bad_query(detail));
    }
    Ok(kinds)
}

/// One client that follows.
#[derive(Clone)]
struct Client {
    handle: Handle,
    kinds: Option<Arc<BTreeSet<String>>>,
    /// The last event that it was sent, or that it does not want.
    last: u64,
    sender: mpsc::Sender<Bytes>,
}

impl Client {
    async fn follow(mut self, mut feed: Receiver<Lines>, on: bool) {
        // `None` means that something may have been missed and the log has to be read.
        let mut batch: Option<Lines> = None;
        loop {
            match batch.take() {
                Some(batch) if batch.first().is_none_or(|line| line.seq <= self.last + 1) => {
                    for line in batch.iter() {
                        if self.takes(line) && self.sender.send(line.text.clone()).await.is_err() {
                            return;
                        }
                        self.last = self.last.max(line.seq);
                    }
                }
                _ => match self.history().await {
                    Some(read) => self.last = read,
                    None => return,
                },
            }
            if !on {
                return;
            }
            tokio::select! {
                said = timeout(BEAT, feed.recv()) => match said {
                    Ok(Ok(said)) => batch = Some(said),
                    Ok(Err(RecvError::Lagged(_))) => batch = None,
                    Ok(Err(RecvError::Closed)) => return,
                    Err(_) => {
                        // One that does not even take this has enough to read.
                        let _ = self.sender.try_send(STILL_THERE);
                        batch = Some(Arc::default());
                    }
                },
                () = self.sender.closed() => return,
            }
        }
    }

    /// Whether an event is news for this client.
    fn takes(&self, line: &Line) -> bool {
        let wanted = self
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(line.kind));
        wanted && line.seq > self.last
    }

    /// Sends what the log has after the last event, and says how far it came; `None` when nobody listens any more,
    /// or the log cannot be read (the client then sees its stream end, and asks again).
    async fn history(&self) -> Option<u64> {
        let client = self.clone();
        let read = apart(move || {
            let mut last = client.last;
            let mut heard = true;
            let site = client.handle.site();
            let read = keeper::records(site, last, &mut |record| {
                let line = Line::of(record);
                last = line.seq;
                heard = !client.takes(&line) || client.sender.blocking_send(line.text).is_ok();
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
}

struct Stream(mpsc::Receiver<Bytes>);

impl futures_core::Stream for Stream {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(Ok))
    }
}

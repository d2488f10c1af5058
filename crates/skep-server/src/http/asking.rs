//! The routes by which an agent asks a person (U-8, L-4b): it asks, waits, and says that it has heard.
//!
//! The question is the state's, so nobody has to stay: a client that lost its way, or its keeper, asks the same again
//! and finds what it asked before, answered or not. It is closed only once the agent says that it has the answer.

use super::{
    attempt::{Agents, bad_word, parse},
    edge::Named,
};
use crate::api::{AskInput, HeardDoc, Problem, TakenDoc};
use axum::{
    Json,
    body::Bytes,
    extract::{State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use skep_core::{
    ask::{self, AskId},
    attempt::Live,
    event::{Event, Record},
    id::Attempt,
    state::State,
    word::Word,
};
use std::time::Duration;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout_at},
};

/// A call waits for an answer so long, and is then answered as things are: well within the patience of every client.
const WAIT: Duration = Duration::from_secs(20);

pub(super) async fn put(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<HeardDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let input: AskInput = parse(body)?;
    let word = agents.app.handle.without_secrets(input.read());
    let Word::Ask { text, options } = word.clone() else {
        return Err(bad_word("it is no question".into()));
    };
    let Json(_) = agents.take(attempt, word).await?;
    let view = move |state: &State, live: &Live, _| {
        let ask = ask::held(live, &text, &options)?;
        HeardDoc::of(state, live, ask)
    };
    // Another call of the same agent may have had the answer to the same question in between.
    agents.view(attempt, view).await
}

pub(super) async fn wait(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Json<HeardDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let id = own(attempt, &id)?;
    let until = Instant::now() + WAIT;
    // Asked for before looking: what is committed from here on is told.
    let mut watch = agents.app.handle.watch();
    loop {
        let look = move |state: &State, live: &Live, _| {
            let ask = live.asks.iter().find(|a| a.question.number == id.number);
            Some(ask.and_then(|ask| HeardDoc::of(state, live, ask)))
        };
        let Json(seen) = agents.view(attempt, look).await?;
        let seen = seen.ok_or_else(|| closed(id))?;
        if !seen.waits() || Instant::now() >= until {
            return Ok(Json(seen));
        }
        loop {
            match timeout_at(until, watch.recv()).await {
                Ok(Ok(batch)) if !batch.iter().any(|r| concerns(r, id)) => {}
                Ok(Err(RecvError::Closed)) => return Ok(Json(seen)),
                // It lies ready, or this one was too slow to be told.
                Ok(_) | Err(_) => break,
            }
        }
    }
}

pub(super) async fn close(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Json<TakenDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let number = own(attempt, &id)?.number;
    agents.take(attempt, Word::Close { number }).await
}

fn concerns(record: &Record, id: AskId) -> bool {
    match &record.event {
        Event::Answered {
            attempt, number, ..
        }
        | Event::AskClosed { attempt, number } => (*attempt, *number) == (id.attempt, id.number),
        _ => false,
    }
}

/// A question that the token's own attempt has asked by it.
fn own(attempt: Attempt, text: &str) -> Result<AskId, Problem> {
    let shown: String = text.chars().take(80).collect();
    let id: AskId = text
        .parse()
        .map_err(|fault| bad_word(format!("{shown:?} {fault}")))?;
    if id.attempt == attempt && id.is_held() {
        Ok(id)
    } else {
        Err(closed(id))
    }
}

fn closed(id: AskId) -> Problem {
    let detail = format!("no question {id} of this attempt is open");
    Problem::new(StatusCode::NOT_FOUND, "no_such_ask", detail)
        .hint("ask it again if the answer is still needed")
}

//! Waiting for a person's answer.

use super::{No, Progress};
use crate::{
    api::{AskInput, HeardDoc},
    client::{ClientError, Speaker},
};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// One call waits no longer. The question stays, and asked again it is waited for again.
const LONGEST: Duration = Duration::from_secs(600);
/// Until then a keeper that died when it was needed has been replaced, or nobody is there to replace it.
const BACK: Duration = Duration::from_secs(30);
/// How often it is looked for.
const AGAIN: Duration = Duration::from_millis(500);

/// Asks, and waits until there is an answer or enough was waited. A keeper that dies meanwhile loses nothing: its log
/// has the question, and the next one is asked.
pub(super) async fn ask(
    speaker: &Speaker,
    question: &AskInput,
    progress: &Progress,
) -> Result<HeardDoc, No> {
    let end = Instant::now() + LONGEST;
    let mut heard = kept_asking(Instant::now() + BACK, || speaker.ask_person(question)).await?;
    while heard.waits() {
        let waiting = format!("ask {} waits for a person until {}", heard.ask, heard.until);
        progress.tell(waiting).await;
        let more = kept_asking(end, || speaker.wait_for(&heard.ask));
        match timeout_at(end, more).await {
            Ok(more) => heard = more?,
            Err(_) => return Ok(heard),
        }
    }
    // What is not closed now is closed with the attempt, and until then asking again gives the same answer.
    let closed = kept_asking(Instant::now() + AGAIN, || speaker.close(&heard.ask));
    let _ = closed.await;
    Ok(heard)
}

/// Asks until somebody is there to answer.
async fn kept_asking<T, F>(end: Instant, call: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    loop {
        match call().await {
            Err(ClientError::NoKeeper | ClientError::Unreachable { .. } | ClientError::Silent)
                if Instant::now() < end =>
            {
                sleep_until(Instant::now() + AGAIN).await;
            }
            answered => return answered,
        }
    }
}

//! Asking a person and waiting for the answer, whatever becomes of the keeper meanwhile (U-8, L-4b).

use super::{ClientError, Speaker};
use crate::api::{AskInput, HeardDoc};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Until then a keeper that died when it was needed has been replaced, or nobody is there to replace it.
const BACK: Duration = Duration::from_secs(30);
/// How often it is looked for.
const AGAIN: Duration = Duration::from_millis(500);

impl Speaker {
    /// Asks, and waits until there is an answer or so long was waited; `tell` hears what is waited for, now and then.
    /// A keeper that dies meanwhile loses nothing: its log has the question, and the next one is asked. Who waits no
    /// more can ask the same again: it is the same question.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn answer_to<F: Future<Output = ()>>(
        &self,
        question: &AskInput,
        longest: Duration,
        tell: impl Fn(&HeardDoc) -> F,
    ) -> Result<HeardDoc, ClientError> {
        let end = Instant::now() + longest;
        let back = end.min(Instant::now() + BACK);
        let mut heard = kept_asking(back, || self.ask_person(question)).await?;
        while heard.waits() {
            tell(&heard).await;
            let more = kept_asking(end, || self.wait_for(&heard.ask));
            match timeout_at(end, more).await {
                Ok(more) => heard = more?,
                Err(_) => return Ok(heard),
            }
        }
        // What is not closed now is closed with the attempt, and until then asking again gives the same answer.
        let closed = kept_asking(Instant::now() + AGAIN, || self.close(&heard.ask));
        let _ = closed.await;
        Ok(heard)
    }
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

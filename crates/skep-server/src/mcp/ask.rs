//! Waiting for a person's answer.

use super::{No, Progress};
use crate::{
    api::{AskInput, HeardDoc},
    client::Speaker,
};
use std::time::Duration;

/// One call waits no longer. The question stays, and asked again it is waited for again.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) async fn ask(
    speaker: &Speaker,
    question: &AskInput,
    progress: &Progress,
) -> Result<HeardDoc, No> {
    let tell = |heard: &HeardDoc| {
        progress.tell(format!(
            "ask {} waits for a person until {}",
            heard.ask, heard.until
        ))
    };
    Ok(speaker.answer_to(question, LONGEST, tell).await?)
}

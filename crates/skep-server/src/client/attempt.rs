//! The client of an agent: it speaks for one attempt, by that attempt's token.

use super::{Client, ClientError, not_understood, within};
use crate::api::{
    AskInput, BlockInput, CheckpointInput, ContextDoc, HeardDoc, MemoInput, MemoList, TakenDoc,
};
use http_body_util::Full;
use hyper::{Method, header};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, path::Path};

/// A client that speaks for an attempt.
#[derive(Clone, Debug)]
pub struct Speaker {
    client: Client,
    token: Secret,
}

/// Nobody prints it by mistake.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Speaker {
    /// A client for the keeper behind a socket.
    #[must_use]
    pub fn new(socket: &Path, token: &str) -> Speaker {
        Speaker {
            client: Client::new(socket, "agent"),
            token: Secret(token.into()),
        }
    }

    /// What the attempt is to do, and how much time is left.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn context(&self) -> Result<ContextDoc, ClientError> {
        self.ask(Method::GET, "attempt", Vec::new()).await
    }

    /// Reports progress.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn checkpoint(&self, word: &CheckpointInput) -> Result<TakenDoc, ClientError> {
        self.say("attempt/checkpoint", word).await
    }

    /// Says that the agent is still at it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn heartbeat(&self) -> Result<TakenDoc, ClientError> {
        self.ask(Method::POST, "attempt/heartbeat", Vec::new())
            .await
    }

    /// Says that the attempt cannot go on, which ends it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn block(&self, word: &BlockInput) -> Result<TakenDoc, ClientError> {
        self.say("attempt/block", word).await
    }

    /// Records a finding.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn memo(&self, word: &MemoInput) -> Result<TakenDoc, ClientError> {
        self.say("attempt/memos", word).await
    }

    /// What all agents have found out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn memos(&self) -> Result<MemoList, ClientError> {
        self.ask(Method::GET, "attempt/memos", Vec::new()).await
    }

    /// Asks a person; what is asked already is found again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask_person(&self, question: &AskInput) -> Result<HeardDoc, ClientError> {
        self.say("attempt/ask", question).await
    }

    /// Waits for the answer to a question, for a while.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn wait_for(&self, ask: &str) -> Result<HeardDoc, ClientError> {
        self.ask(Method::GET, &format!("attempt/ask/{ask}"), Vec::new())
            .await
    }

    /// Says that an answer was heard, or that none is needed any more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close(&self, ask: &str) -> Result<TakenDoc, ClientError> {
        self.ask(Method::DELETE, &format!("attempt/ask/{ask}"), Vec::new())
            .await
    }

    async fn say<T: DeserializeOwned>(
        &self,
        what: &str,
        word: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(word).map_err(not_understood)?;
        self.ask(Method::POST, what, body).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        what: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        let uri = format!("/api/v1/{what}");
        let bearer = format!("Bearer {}", self.token.0);
        let request = self.client.request(method, &uri);
        let request = request
            .header(header::AUTHORIZATION, bearer)
            .body(Full::from(body));
        let request = request.map_err(not_understood)?;
        let read = async { self.client.read(self.client.send(request).await?).await };
        within(self.client.done, read).await
    }
}

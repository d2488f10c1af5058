//! The client of a keeper's Unix socket: typed calls, and errors that tell "no keeper" from "no".

mod asking;
mod attempt;
mod sse;

pub use attempt::Speaker;

use crate::api::{
    AlertList, AnswerDoc, AskList, By, CommandDoc, ConcernList, ConfigDoc, ConflictList, CostsDoc,
    EventDoc, LogPage, MemoList, MetricsDoc, PricesDoc, Problem, ReportDoc, ReputationDoc,
    SeriesDoc, SignInDoc, StateDoc, Status, TargetsDoc, TaskDetail, TaskList, WhyDoc, WorkerList,
};
use crate::config::Changes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use skep_core::time::Millis;
use sse::Lines;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::UnixStream;

/// How long a keeper gets to show that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody behind it.
    #[error("no keeper runs for this repository")]
    NoKeeper,
    /// There is one, but it does not answer us.
    #[error("the keeper cannot be reached at {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is there, and says nothing: it hangs, or somebody suspended it. It may still do what it was asked.
    #[error("the keeper does not answer")]
    Silent,
    /// It answered, and the answer is no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It answered something that is not understood: most likely it is of another version.
    #[error("the keeper's answer is not understood")]
    NotUnderstood(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A keeper that lives answers a question within this time.
const ANSWER: Duration = Duration::from_secs(10);
/// And a command: it may have to make a large plan durable, or to wait for room on the disk.
const DONE: Duration = Duration::from_secs(60);

/// A way to the keeper behind a socket. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    name: String,
    answer: Duration,
    done: Duration,
}

impl Client {
    /// A client that calls itself `name` in the log.
    #[must_use]
    pub fn new(socket: &Path, name: &str) -> Client {
        Client {
            path: socket.into(),
            name: name.into(),
            answer: ANSWER,
            done: DONE,
        }
    }

    /// The same, with another patience for answers.
    #[must_use]
    pub fn patience(self, most: Duration) -> Client {
        Client {
            answer: most,
            done: most,
            ..self
        }
    }

    /// Whether there is a keeper: one that answers, or is too busy to.
    ///
    /// That its socket takes a connection is not enough: one that was killed while it started a process leaves the
    /// socket to that process for an instant, which a machine under load makes long.
    ///
    /// # Errors
    /// Anything but that there is none.
    pub async fn is_there(&self) -> Result<bool, ClientError> {
        let connected = self.connect().await;
        let stream = match connected {
            Ok(stream) => TokioIo::new(stream),
            Err(ClientError::NoKeeper) => return Ok(false),
            Err(error) => return Err(error),
        };
        // Any answer will do, so the address is one that asks nothing of the keeper's loop.
        let request = self
            .request(Method::GET, "/api/v1/")
            .body(Full::<Bytes>::default())
            .map_err(not_understood)?;
        let asked = async {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        // One that neither answers nor hangs up is slow, or stopped.
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        Ok(answered.is_err() || answered.is_ok_and(|answer| answer.is_ok()))
    }

    /// The swarm at a glance.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("status").await
    }
    /// How the swarm stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn standing(&self) -> Result<StateDoc, ClientError> {
        self.get("state").await
    }
    /// All tasks.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tasks(&self) -> Result<TaskList, ClientError> {
        self.get("tasks").await
    }
    /// One task. The id must be a name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn task(&self, id: &str) -> Result<TaskDetail, ClientError> {
        self.get(&format!("tasks/{id}")).await
    }
    /// All workers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn workers(&self) -> Result<WorkerList, ClientError> {
        self.get("workers").await
    }
    /// Why a task or worker is where it is. The name must be one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn why(&self, name: &str) -> Result<WhyDoc, ClientError> {
        self.get(&format!("why/{name}")).await
    }
    /// What agents have found out in this plan.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn memos(&self) -> Result<MemoList, ClientError> {
        self.get("memos").await
    }

    /// How workers, agents, models and providers do.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reputation(&self) -> Result<ReputationDoc, ClientError> {
        self.get("reputation").await
    }

    /// What agents ask people.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn asks(&self) -> Result<AskList, ClientError> {
        self.get("asks").await
    }
    /// What people were told of, and what became of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn alerts(&self) -> Result<AlertList, ClientError> {
        self.get("alerts").await
    }
    /// What needs a person, or is about to.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn concerns(&self) -> Result<ConcernList, ClientError> {
        self.get("concerns").await
    }
    /// All conflicts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn conflicts(&self) -> Result<ConflictList, ClientError> {
        self.get("conflicts").await
    }

    /// What was spent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn costs(&self, by: By) -> Result<CostsDoc, ClientError> {
        self.get(&format!("costs?by={}", by.word())).await
    }
    /// The prices in force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prices(&self) -> Result<PricesDoc, ClientError> {
        self.get("prices").await
    }

    /// What was counted and how long things took: in the last `window`, or of all time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metrics(&self, window: Option<Millis>) -> Result<MetricsDoc, ClientError> {
        match window {
            Some(window) => self.get(&format!("metrics?window={window}")).await,
            None => self.get("metrics").await,
        }
    }
    /// Whether the swarm comes to what it should.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn targets(&self) -> Result<TargetsDoc, ClientError> {
        self.get("targets").await
    }
    /// All that is counted and timed, in Prometheus' text format.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prometheus(&self) -> Result<String, ClientError> {
        let request = self.request(Method::GET, "/metrics").body(Full::default());
        let request = request.map_err(not_understood)?;
        let read = async {
            let response = self.accepted(self.send(request).await?).await?;
            let body = response.into_body().collect().await;
            let body = body.map_err(|e| self.unreachable(e))?.to_bytes();
            String::from_utf8(body.into()).map_err(not_understood)
        };
        within(self.answer, read).await
    }
    /// What happened in the last `window`, in points of `step`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn series(&self, window: Millis, step: Millis) -> Result<SeriesDoc, ClientError> {
        self.get(&format!("series?window={window}&step={step}"))
            .await
    }

    /// A report: one that was written, or one up to now (`run`, `hourly`, `daily`, `weekly`, or `window` of a length).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(&self, id: &str, window: Option<Millis>) -> Result<ReportDoc, ClientError> {
        let asked = window.map_or_else(String::new, |window| format!("?window={window}"));
        self.get(&format!("reports/{id}{asked}")).await
    }

    /// Sends a command. The same key again does nothing new.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn command(&self, doc: &CommandDoc, key: &str) -> Result<AnswerDoc, ClientError> {
        let body = serde_json::to_vec(doc).map_err(not_understood)?;
        self.post("commands", "application/json", body, key).await
    }

    /// Every number that steers the swarm.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn config(&self) -> Result<ConfigDoc, ClientError> {
        self.get("config").await
    }

    /// Changes numbers: all of them, or none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn configure(&self, changes: &Changes, key: &str) -> Result<AnswerDoc, ClientError> {
        let body = serde_json::to_vec(changes).map_err(not_understood)?;
        self.put(Method::PATCH, "config", "application/json", body, key)
            .await
    }

    /// Loads a plan: begins it, or goes on with it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn plan(
        &self,
        media_type: &str,
        plan: Vec<u8>,
        again: bool,
        key: &str,
    ) -> Result<AnswerDoc, ClientError> {
        self.post(&format!("plan?again={again}"), media_type, plan, key)
            .await
    }

    /// A link that signs a browser in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sign_in(&self) -> Result<SignInDoc, ClientError> {
        self.post("sign-in", "application/json", Vec::new(), "")
            .await
    }

    /// Events after `after`; with `follow`, for as long as the keeper lives.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, after: u64, follow: bool) -> Result<Events, ClientError> {
        let uri = format!("/api/v1/events?after={after}&follow={follow}");
        let request = self.request(Method::GET, &uri).body(Full::default());
        let request = request.map_err(not_understood)?;
        let begun = async { self.accepted(self.send(request).await?).await };
        let response = within(self.answer, begun).await?;
        Ok(Events {
            body: response.into_body(),
            lines: Lines::default(),
            path: self.path.clone(),
        })
    }

    /// A page of what an attempt printed, from this place in it on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn log(&self, attempt: u64, from: u64) -> Result<LogPage, ClientError> {
        self.get(&format!("attempts/{attempt}/log?from={from}"))
            .await
    }

    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, ClientError> {
        let request = self
            .request(Method::GET, &format!("/api/v1/{what}"))
            .body(Full::default());
        let request = request.map_err(not_understood)?;
        let read = async { self.read(self.send(request).await?).await };
        within(self.answer, read).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        what: &str,
        media_type: &str,
        body: Vec<u8>,
        key: &str,
    ) -> Result<T, ClientError> {
        self.put(Method::POST, what, media_type, body, key).await
    }

    async fn put<T: DeserializeOwned>(
        &self,
        method: Method,
        what: &str,
        media_type: &str,
        body: Vec<u8>,
        key: &str,
    ) -> Result<T, ClientError> {
        let request = self
            .request(method, &format!("/api/v1/{what}"))
            .header(header::CONTENT_TYPE, media_type)
            .header("idempotency-key", key)
            .body(Full::from(body));
        let request = request.map_err(not_understood)?;
        let read = async { self.read(self.send(request).await?).await };
        within(self.done, read).await
    }

    fn request(&self, method: Method, uri: &str) -> hyper::http::request::Builder {
        let request = Request::builder().method(method).uri(uri);
        request
            .header(header::HOST, "skep.localhost")
            .header("skep-client", &self.name)
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        UnixStream::connect(&self.path)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoKeeper,
                _ => self.unreachable(error),
            })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream)
            .await
            .map_err(|e| self.unreachable(e))?;
        // Ends with the connection, which ends when both the sender and the body are dropped.
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|e| self.unreachable(e))
    }

    async fn accepted(
        &self,
        response: Response<Incoming>,
    ) -> Result<Response<Incoming>, ClientError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?;
        let problem = serde_json::from_slice(&body.to_bytes());
        Err(ClientError::Refused(Box::new(problem.unwrap_or_else(
            |_| Problem::new(status, "unknown", format!("the keeper answered {status}")),
        ))))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, ClientError> {
        let response = self.accepted(response).await?;
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?;
        serde_json::from_slice(&body.to_bytes()).map_err(not_understood)
    }

    fn unreachable(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        ClientError::Unreachable {
            path: self.path.clone(),
            source: source.into(),
        }
    }
}

async fn within<T>(
    most: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let answered = tokio::time::timeout(most, call).await;
    answered.unwrap_or(Err(ClientError::Silent))
}

fn not_understood(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::NotUnderstood(error.into())
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    lines: Lines,
    path: PathBuf,
}

impl Events {
    /// The next event; `None` when the keeper ended the stream.
    ///
    /// # Errors
    /// When the connection breaks, or an event is not understood.
    pub async fn next(&mut self) -> Result<Option<EventDoc>, ClientError> {
        loop {
            if let Some(data) = self.lines.event() {
                return serde_json::from_str(&data)
                    .map(Some)
                    .map_err(not_understood);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.lines.push(data);
                    }
                }
                Some(Err(error)) => {
                    let (path, source) = (self.path.clone(), error.into());
                    return Err(ClientError::Unreachable { path, source });
                }
            }
        }
    }
}

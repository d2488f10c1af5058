//! The server: HTTP on loopback, in a thread that ends with it.

use crate::{
    log::{Asked, Got, Log},
    refusal,
    reply::Reply,
    request::{Api, MARK, Request, mark},
    script::{Fault, Script, Turn},
};
use futures_core::Stream;
use http_body_util::{BodyExt, Either, Full, Limited, StreamBody};
use hyper::{
    HeaderMap, Method, Response,
    body::{Bytes, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot},
    time,
};

/// The most connections at once: more wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// The longest request: whole conversations, with pictures.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// Before a stream is cut: what came before the cut must have left.
const BEFORE_CUT: Duration = Duration::from_millis(50);
/// What requests beside a script get: titles and summaries.
const WORDS: &str = "A scripted task";

/// A scripted model server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    scripts: RwLock<BTreeMap<String, Script>>,
    log: Log,
}

type Answer = Response<Either<Full<Bytes>, StreamBody<Pieces>>>;

/// The pieces of a streamed reply, as the task that paces them gives them.
struct Pieces(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl Stream for Pieces {
    type Item = io::Result<Frame<Bytes>>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

impl Server {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port or no thread for it.
    pub fn start() -> io::Result<Server> {
        Server::at(0)
    }

    /// Starts one on this port of loopback.
    ///
    /// # Errors
    /// When the port is taken, or there is no thread for it.
    pub fn at(port: u16) -> io::Result<Server> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            scripts: RwLock::default(),
            log: Log::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let inner = Arc::clone(&shared);
        let serves = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, inner) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new().name("models".into()).spawn(serves)?;
        Ok(Server {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a script, or replaces the one of this name. What begins afterwards follows it.
    ///
    /// # Panics
    /// If the name could not stand in a mark: it has letters, digits, `-`, `_` and `.`.
    pub fn script(&self, name: &str, script: Script) {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        assert!(
            !name.is_empty() && name.chars().all(fit),
            "{name:?} is no name of a script: expected letters, digits, `-`, `_` and `.`"
        );
        let mut scripts = self.shared.scripts.write();
        let scripts = scripts.as_mut().unwrap_or_else(|e| e.get_mut());
        scripts.insert(name.into(), script);
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.log.all()
    }

    /// The requests of a conversation (`NAME` or `NAME#WHO`), without those beside its script.
    #[must_use]
    pub fn asked_by(&self, conversation: &str) -> Vec<Asked> {
        let mut all = self.asked();
        all.retain(|a| a.conversation == conversation && a.api.is_some() && !a.beside);
        all
    }

    /// The time since its start: the clock of [`Asked::at`].
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.log.elapsed()
    }

    /// Waits, at most so long, until `enough` says so of all requests; whether it did.
    pub fn wait(&self, most: Duration, enough: impl Fn(&[Asked]) -> bool) -> bool {
        self.shared.log.wait(most, enough)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it is gone already, there is nobody to tell.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: some will come free.
            time::sleep(BEFORE_CUT).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            // A connection that fails is the agent's to notice: often it is meant to.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_string();
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let api = Api::of(&path).filter(|_| head.method == Method::POST);
    let conversation = mark(&text).or_else(|| by_key(&head.headers));
    let conversation = conversation.unwrap_or_default().to_string();
    let asked = api.map(|api| Request::of(api, &path, &body));
    let mut record = Asked {
        at: shared.log.elapsed(),
        conversation,
        marks: text.matches(MARK).count(),
        path,
        api,
        model: asked.as_ref().map_or_else(String::new, |a| a.model.clone()),
        beside: false,
        tools: asked.iter().flat_map(|a| a.tools.keys().cloned()).collect(),
        got: Got::Other,
    };
    let Some(request) = asked else {
        let answer = other(&shared, &head.method, &record.path);
        shared.log.add(record);
        return Ok(answer);
    };
    let Some(script) = shared.named(&record.conversation) else {
        let answer = shared.no_script(&record.conversation);
        record.got = Got::NoScript;
        shared.log.add(record);
        return Ok(answer);
    };
    // Where an agent declares none, it cannot be given a call.
    let beside = request.tools.is_empty() && !script.toolless;
    let fault = if beside {
        script.then.as_ref()
    } else {
        script.fault(shared.log.count(&record.conversation))
    };
    record.beside = beside;
    record.got = match fault {
        Some(fault) => Got::Fault(fault.clone()),
        None if beside => Got::Words,
        None => Got::Turn(request.turn),
    };
    let number = shared.log.add(record);
    let turn = if beside {
        Turn::say(WORDS)
    } else {
        script.due(request.turn)
    };
    let reply = Reply::of(number, &request, &turn, script.usage, script.toolless);
    give(&request, &turn, &reply, fault.cloned()).await
}

/// The reply, or what comes instead of it.
async fn give(
    request: &Request,
    turn: &Turn,
    reply: &Reply,
    fault: Option<Fault>,
) -> io::Result<Answer> {
    match &fault {
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Drop) => return Err(io::Error::other("dropped, as the script says")),
        Some(fault) => {
            if let Some(refusal) = refusal::of(fault, request.api, Timestamp::now()) {
                return Ok(refused(refusal));
            }
        }
        None => {}
    }
    time::sleep(Duration::from_millis(turn.think_ms)).await;
    if fault.is_none() && !request.streams {
        return Ok(document(200, &reply.whole(request.api)));
    }
    let pieces = if request.streams {
        reply.events(request.api)
    } else {
        vec![reply.whole(request.api).to_string()]
    };
    let (give, taken) = mpsc::channel(1);
    tokio::spawn(stream(pieces, turn.pace_ms, fault, give));
    let mut answer = Response::new(Either::Right(StreamBody::new(Pieces(taken))));
    let kind = if request.streams {
        "text/event-stream"
    } else {
        "application/json"
    };
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(answer)
}

/// Gives the pieces one by one. A fault comes after half of them.
async fn stream(
    pieces: Vec<String>,
    pace: u64,
    fault: Option<Fault>,
    to: mpsc::Sender<io::Result<Frame<Bytes>>>,
) {
    let half = pieces.len().div_ceil(2);
    let most = if fault.is_some() { half } else { pieces.len() };
    for piece in pieces.into_iter().take(most) {
        if to.send(Ok(Frame::data(piece.into()))).await.is_err() {
            return;
        }
        if pace > 0 {
            time::sleep(Duration::from_millis(pace)).await;
        }
    }
    match fault {
        Some(Fault::HangWithin) => to.closed().await,
        Some(_) => {
            time::sleep(BEFORE_CUT).await;
            // Nobody is left to be cut off, then.
            let _ = to
                .send(Err(io::Error::other("cut, as the script says")))
                .await;
        }
        None => {}
    }
}

impl Shared {
    fn named(&self, conversation: &str) -> Option<Script> {
        let name = conversation.split('#').next().unwrap_or_default();
        let scripts = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        scripts.get(name).cloned()
    }

    fn no_script(&self, conversation: &str) -> Answer {
        let scripts = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<&str> = scripts.keys().map(String::as_str).collect();
        let text = format!(
            "no script for {conversation:?}: expected `[[script:NAME]]` in the prompt or the key `script-NAME`, \
             where NAME is one of {known:?}"
        );
        document(
            404,
            &json!({"error": {"message": text, "type": "not_found"}}),
        )
    }
}

/// The conversation that a key names: `script-NAME`, or `script-NAME#WHO`.
fn by_key(headers: &HeaderMap) -> Option<&str> {
    ["x-api-key", "authorization", "x-goog-api-key"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .find_map(|key| key.trim_start_matches("Bearer ").strip_prefix("script-"))
}

/// Answers to what agents ask beside turns; what is not known here is not found.
fn other(shared: &Shared, method: &Method, path: &str) -> Answer {
    let tokens = 100;
    match path.trim_end_matches('/') {
        "/_asked" => document(200, &json!(shared.log.all())),
        "" if method == Method::GET || method == Method::HEAD => document(200, &json!({})),
        path if path.ends_with("/count_tokens") => document(200, &json!({"input_tokens": tokens})),
        path if path.ends_with(":countTokens") => document(200, &json!({"totalTokens": tokens})),
        path if path.ends_with("/models") => {
            let model = json!({"id": "scripted", "object": "model", "type": "model", "display_name": "Scripted"});
            document(
                200,
                &json!({"object": "list", "data": [model], "has_more": false}),
            )
        }
        _ => document(404, &json!({"error": {"message": "not found (scripted)"}})),
    }
}

fn document(status: u16, body: &Value) -> Answer {
    refused(refusal::Refusal {
        status,
        headers: vec![(CONTENT_TYPE.to_string(), "application/json".into())],
        body: body.to_string(),
    })
}

fn refused(refusal: refusal::Refusal) -> Answer {
    let mut answer = Response::new(Either::Left(Full::from(refusal.body)));
    if let Ok(status) = refusal.status.try_into() {
        *answer.status_mut() = status;
    }
    for (name, value) in refusal.headers {
        // A script's own headers may be nonsense; then they are not sent.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

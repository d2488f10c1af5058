//! The listener for browsers and other machines' programs: on loopback unless somebody wants it otherwise.

use super::{door::Door, guard};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use skep_host::owner::{Owner, OwnerError};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

/// What one listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time; the rest wait.
    pub connections: usize,
    /// A request's head must be there within this time, from the connection's beginning or the last answer's end.
    pub head: Duration,
    /// And then its body.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 256,
            head: Duration::from_secs(15),
            body: Duration::from_secs(30),
        }
    }
}

/// The most that a request's head may be.
const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 64;

/// Where to listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// The address; without one, a free port on loopback, the same as last time if it can be had.
    pub at: Option<SocketAddr>,
    /// Names by which it is known beside its own addresses.
    pub names: Vec<String>,
}

impl Listen {
    /// Fails where the address that was asked for cannot be had now. Whoever starts a keeper by hand is told before
    /// anything is begun; a watchdog's keeper goes on without a listener instead.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn check(&self) -> Result<(), ListenError> {
        match self.at {
            Some(at) if !at.ip().is_loopback() => Err(ListenError::Open(at)),
            Some(at) => std::net::TcpListener::bind(at)
                .map(drop)
                .map_err(|error| ListenError::Io(at, error)),
            None => Ok(()),
        }
    }
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Everybody in the network could read the token on its way.
    #[error("{0} is not a loopback address, and what is sent there is not encrypted")]
    Open(SocketAddr),
    /// The system refuses.
    #[error("cannot listen on {0}")]
    Io(SocketAddr, #[source] io::Error),
    /// Nobody could be told from anybody.
    #[error("there is no token to tell the owner by")]
    Owner(#[from] OwnerError),
}

impl ListenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ListenError::Open(_) => {
                "listen on 127.0.0.1, and let ssh (`ssh -L`) or a proxy with TLS on this machine lead there"
            }
            ListenError::Io(..) => "choose another port, or `--listen off`",
            ListenError::Owner(error) => error.hint(),
        }
    }
}

/// A listener that nobody is answered on yet.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    address: SocketAddr,
    names: Vec<String>,
    limits: Limits,
}

impl Tcp {
    /// Begins to listen. `last` is where a keeper of the same swarm listened before.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(
        listen: &Listen,
        last: Option<SocketAddr>,
        limits: Limits,
    ) -> Result<Tcp, ListenError> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        if let Some(at) = listen.at
            && !at.ip().is_loopback()
        {
            return Err(ListenError::Open(at));
        }
        // An open page finds the next keeper again; where somebody else took the port, any will do.
        let last = last.filter(|last| listen.at.is_none() && last.ip().is_loopback());
        let same = last.and_then(|last| std::net::TcpListener::bind(last).ok());
        let at = listen.at.unwrap_or(free);
        let io = |error| ListenError::Io(at, error);
        let listener = match same {
            Some(listener) => listener,
            None => std::net::TcpListener::bind(at).map_err(io)?,
        };
        listener.set_nonblocking(true).map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        Ok(Tcp {
            listener: TcpListener::from_std(listener).map_err(io)?,
            address,
            names: listen.names.clone(),
            limits,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who is let in there, by the owner's token.
    #[must_use]
    pub fn door(&self, owner: Owner) -> Arc<Door> {
        let port = self.address.port();
        let own = [
            self.address.to_string(),
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
        ];
        let named = self
            .names
            .iter()
            .flat_map(|n| [n.clone(), format!("{n}:{port}")]);
        let mut hosts: Vec<String> = own
            .into_iter()
            .chain([format!("[::1]:{port}")])
            .chain(named)
            .collect();
        if port == 80 {
            // Browsers leave it out.
            hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(String::from));
        }
        Arc::new(Door::new(owner, hosts, false))
    }

    /// Answers until `end` comes; then nobody new is let in, and those who were are answered. Dropping the future
    /// closes every connection.
    pub async fn serve(self, api: Router, door: Arc<Door>, end: impl Future<Output = ()>) {
        let router = guard::guarded(api, door, self.limits.body);
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let (leave, left) = watch::channel(false);
        let mut open = JoinSet::new();
        let mut end = pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                (stream, permit) = accept(&self.listener, &room) => {
                    let router = router.clone();
                    open.spawn(answer(stream, permit, router, self.limits.head, left.clone()));
                }
                Some(_) = open.join_next() => {}
            }
        }
        drop(self.listener);
        leave.send_replace(true);
        while open.join_next().await.is_some() {}
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let Ok(permit) = room.clone().acquire_owned().await else {
        std::future::pending().await
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Out of file descriptors, most likely: others will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    _permit: OwnedSemaphorePermit,
    router: Router,
    head: Duration,
    mut left: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What went wrong with one connection is its client's to see.
        _ = connection.as_mut() => return,
        _ = left.wait_for(|left| *left) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

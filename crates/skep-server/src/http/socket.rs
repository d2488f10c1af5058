//! The keeper's Unix socket: only this user may connect, and only one keeper owns it.

use axum::{Router, serve::Listener};
use rustix::fs::{Mode, chmod};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream, unix::SocketAddr},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Connections at one time. A person and the agents of a large swarm stay far below; the rest wait.
const CONNECTIONS: usize = 1_024;
/// What of the process's descriptors connections may have: one that reads the log takes four, and the keeper needs
/// some to do its work.
const SHARE: usize = 6;
/// So many connections there are in any case.
const FEWEST: usize = 4;

/// How many connections this process can afford.
fn affordable() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |n| n.try_into().unwrap_or(usize::MAX));
    (limit / SHARE).clamp(FEWEST, CONNECTIONS)
}

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A keeper that lives answers on it.
    #[error("another keeper already runs for this repository")]
    Taken,
    /// The folder it belongs in is somebody else's, or open to others.
    #[error("{} is not this user's alone", .0.display())]
    Folder(PathBuf),
    /// The system refuses.
    #[error("cannot open the socket {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// The socket of one keeper. Dropping it removes the file, if it is still this socket's.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
    room: Arc<Semaphore>,
}

impl Socket {
    /// Opens the socket at `path`, mode 0600, in a folder that is this user's alone. A socket that a dead
    /// keeper left is replaced; that of a living one is not.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path) -> Result<Socket, BindError> {
        let io = |error| BindError::Io(path.into(), error);
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(io)?;
            let meta = fs::metadata(folder).map_err(io)?;
            let mine = meta.uid() == rustix::process::geteuid().as_raw();
            if !mine || meta.mode() & 0o022 != 0 {
                return Err(BindError::Folder(folder.into()));
            }
        }
        // Only a socket that refuses is dead. One whose queue is full would say EAGAIN, and it lives.
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(BindError::Taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(BindError::Taken);
            }
            Err(_) => {}
        }
        // Made under another name and renamed: at no moment is it there with another mode.
        let fresh = path.with_extension(format!("new{}", std::process::id() % 100_000));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(io)?;
        let placed = chmod(&fresh, Mode::RUSR | Mode::WUSR)
            .map_err(io::Error::from)
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| fs::metadata(path));
        let meta = placed.map_err(|error| {
            let _ = fs::remove_file(&fresh);
            io(error)
        })?;
        let room = Arc::new(Semaphore::new(affordable()));
        let inode = (meta.dev(), meta.ino());
        Ok(Socket {
            listener,
            path: path.into(),
            inode,
            room,
        })
    }

    /// Answers on it until `end` comes or the future is dropped. After `end` nobody new is let in, and those who
    /// were are answered.
    ///
    /// # Errors
    /// Never in practice: accepting goes on after every error.
    pub async fn serve(
        self,
        router: Router,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(self, router).with_graceful_shutdown(end).await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let meta = fs::symlink_metadata(&self.path);
        if meta.is_ok_and(|m| (m.dev(), m.ino()) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener for Socket {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                std::future::pending().await
            };
            match self.listener.accept().await {
                // A stranger gets no answer at all, not even an error to learn from.
                Ok((stream, address)) if is_mine(&stream) => {
                    return (
                        Connection {
                            stream,
                            _permit: permit,
                        },
                        address,
                    );
                }
                Ok(_) => {}
                // Out of file descriptors, most likely: others will be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether the kernel says that this user is at the other end. The mode guards the path; this also guards a
/// socket whose mode somebody has changed.
fn is_mine(stream: &UnixStream) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == uid)
}

/// One connection, counted.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    _permit: OwnedSemaphorePermit,
}

mod passing {
    //! A connection reads and writes as its stream does.
    use super::Connection;
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    impl AsyncRead for Connection {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Connection {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.stream).poll_write(cx, buf)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}

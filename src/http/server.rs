//! Connections: accepted, timed, ended in good order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::client::Peer;
use super::serving::{Answers, Serving};
use super::tls::Tls;
use crate::app::failpoint;
use crate::kernel::Failure;

/// Connections that wait to be accepted, at most; the system has a limit of its own.
const BACKLOG: u32 = 1024;
/// Most bytes of a request's head; beyond, the answer is 431. The library's own limit is six times as much, for
/// each connection that anybody opens.
const HEAD_BYTES: usize = 64 * 1024;
/// How long the last connections have for their first byte.
const LAST_PATIENCE: Duration = Duration::from_millis(100);
/// The first byte of a connection that begins a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// What is said to who speaks plain HTTP to a port that speaks TLS.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\
                            Connection: close\r\n\r\nthis port speaks HTTPS, not HTTP.\n";

/// How long connections may take.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Until the first byte of a connection comes; then for a TLS handshake; and from the first byte of a request
    /// to the last of its headers.
    pub headers: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long connections are still accepted once the server is told to stop: who has not heard of it yet is
    /// answered, and connections that are in use end with an answer that says so.
    pub linger: Duration,
    /// How long requests that are under way may go on after that.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        let (headers, drain) = (Duration::from_secs(10), Duration::from_secs(25));
        Self { headers, connections: 10_000, linger: Duration::from_secs(1), drain }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot listen on {address}: {source}")]
#[failure(Unavailable, "address_unavailable")]
#[hint(if source.kind() == io::ErrorKind::AddrInUse, "another program listens there: choose another port, or let several servers of yours share it (share_port)")]
#[details(address = address.to_string())]
pub struct NotListening {
    address: SocketAddr,
    source: io::Error,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: ServerLimits,
}

/// What every connection is served with.
#[derive(Clone)]
struct Connections {
    builder: Builder<TokioExecutor>,
    answers: Answers,
    tls: Option<Tls>,
    stop: CancellationToken,
    /// No more connections are accepted.
    closing: CancellationToken,
    /// Connections that speak WebSocket: the library takes them for ended.
    sockets: TaskTracker,
    /// See [`ServerLimits::headers`].
    patience: Duration,
}

impl Server {
    /// Listens on an address; with `shared`, other processes of the same user may, too, and the system spreads
    /// connections over them.
    ///
    /// # Errors
    /// [`NotListening`].
    pub fn bind(address: SocketAddr, shared: bool, limits: ServerLimits) -> Result<Self, NotListening> {
        let listener = listen(address, shared).map_err(|source| NotListening { address, source })?;
        Ok(Self { listener, limits })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until it is told to stop; then finishes those that are under way. How many
    /// connections were cut because they took too long for that.
    pub fn run(self, serving: &Serving) -> impl Future<Output = usize> + Send + use<> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.headers);
        builder.http1().max_buf_size(HEAD_BYTES);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
        let (answers, tls, stop) = (serving.answers(), serving.tls(), serving.stop());
        let (closing, patience, sockets) = (CancellationToken::new(), self.limits.headers, serving.sockets());
        let connections = Connections { builder, answers, tls, stop, closing, sockets, patience };
        self.accept(connections)
    }

    async fn accept(self, connections: Connections) -> usize {
        let Self { listener, limits } = self;
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(limits.connections));
        let mut lingered = pin!(async {
            connections.stop.cancelled().await;
            tokio::time::sleep(limits.linger).await;
        });
        loop {
            let accepting = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepting => accepted,
                () = &mut lingered => break,
            };
            match accepted {
                Ok(accepted) => {
                    failpoint::pass(|| "serve.accepted".to_owned()).await;
                    connections.begin(accepted, &graceful, permit.ok());
                }
                // No file is free, or the client is gone again.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        for accepted in last_accepted(listener) {
            connections.begin(accepted, &graceful, None);
        }
        connections.closing.cancel();
        // What is shut down before its first request is read has no answer.
        tokio::time::sleep(LAST_PATIENCE).await;
        let open = graceful.count();
        connections.sockets.close();
        let drained = async { tokio::join!(graceful.shutdown(), connections.sockets.wait()) };
        match tokio::time::timeout(limits.drain, drained).await {
            Ok(_) => 0,
            Err(_) => open,
        }
    }
}

/// Closes a listener; what the system accepted for it until then would be reset.
fn last_accepted(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // It does not wait, so that this ends.
    std::iter::from_fn(|| listener.accept().ok())
        .take(BACKLOG as usize)
        .filter_map(|(socket, peer)| {
            socket.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(socket).ok()?, peer))
        })
        .collect()
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last owner has just ended can be listened on again.
    socket.set_reuseaddr(true)?;
    if shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Connections {
    /// Serves a connection in a task of its own, which gives its room back at the end.
    fn begin(
        &self,
        (socket, peer): (TcpStream, SocketAddr),
        graceful: &GracefulShutdown,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let served = self.clone().serve(socket, peer, graceful.watcher());
        tokio::spawn(async move {
            served.await;
            drop(room);
        });
    }

    /// Answers the requests of one connection.
    async fn serve(self, mut socket: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Who connects and says nothing costs a file, and no time limit of the library begins before the first
        // byte.
        let mut first = [0];
        let heard = tokio::select! {
            heard = tokio::time::timeout(self.patience, socket.peek(&mut first)) => heard,
            () = self.last_call() => return,
        };
        if !matches!(heard, Ok(Ok(1..))) {
            return;
        }
        // An answer is one write; waiting for more to send along only delays it.
        let _ = socket.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.answer(socket, peer, watcher).await };
        if first[0] != TLS_HANDSHAKE {
            let _ = tokio::time::timeout(self.patience, socket.write_all(SPEAKS_TLS)).await;
            return;
        }
        match tokio::time::timeout(self.patience, tls.acceptor().accept(socket)).await {
            Ok(Ok(stream)) => self.answer(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Until connections that have said nothing are let go, because the server stops.
    async fn last_call(&self) {
        self.closing.cancelled().await;
        tokio::time::sleep(LAST_PATIENCE).await;
    }

    async fn answer<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (answers, stop) = (self.answers.clone(), self.stop.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            // HTTP/2 has a frame for it, which the shutdown sends.
            let is_old = request.version() <= Version::HTTP_11;
            let (answer, stop) = (answers.current().oneshot(request), stop.clone());
            async move {
                let mut response = answer.await?;
                if is_old && stop.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

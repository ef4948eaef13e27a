//! Connections: accepted, timed, ended in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::client::Peer;
use super::serving::{Answers, Serving};
use super::tls::Tls;
use crate::kernel::Failure;

/// Connections that wait to be accepted, at most; the system has a limit of its own.
const BACKLOG: u32 = 1024;
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
    /// How long requests that are under way may go on once the server is told to stop.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { headers: Duration::from_secs(10), connections: 10_000, drain: Duration::from_secs(25) }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot listen on {address}: {source}")]
#[failure(Unavailable, "address_unavailable")]
#[hint(if source.kind() == io::ErrorKind::AddrInUse, "another program listens there; choose another port")]
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
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
        let (answers, tls, stop) = (serving.answers(), serving.tls(), serving.stop());
        let connections = Connections { builder, answers, tls, stop, patience: self.limits.headers };
        self.accept(connections)
    }

    async fn accept(self, connections: Connections) -> usize {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let accepting = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (self.listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepting => accepted,
                () = connections.stop.cancelled() => break,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let served = connections.clone().serve(socket, peer, graceful.watcher());
                    tokio::spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                // No file is free, or the client is gone again.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        let open = graceful.count();
        match tokio::time::timeout(self.limits.drain, graceful.shutdown()).await {
            Ok(()) => 0,
            Err(_) => open,
        }
    }
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
    /// Answers the requests of one connection.
    async fn serve(self, mut socket: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Who connects and says nothing costs a file, and no time limit of the library begins before the first
        // byte.
        let mut first = [0];
        let heard = tokio::time::timeout(self.patience, socket.peek(&mut first));
        let heard = self.stop.run_until_cancelled(heard).await;
        if !matches!(heard, Some(Ok(Ok(1..)))) {
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

    async fn answer<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let answers = self.answers.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            answers.current().oneshot(request)
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

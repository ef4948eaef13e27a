//! Connections: accepted, timed, ended in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::client::Peer;
use crate::kernel::Failure;

/// How long connections may take.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Until the first byte of a connection comes; and from that of a request to the last of its headers.
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

impl Server {
    /// Listens on an address.
    ///
    /// # Errors
    /// [`NotListening`].
    pub async fn bind(address: SocketAddr, limits: ServerLimits) -> Result<Self, NotListening> {
        let listener = TcpListener::bind(address).await.map_err(|source| NotListening { address, source })?;
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
    pub async fn run(self, router: Router, stop: CancellationToken) -> usize {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.headers);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
        loop {
            let accepting = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (self.listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepting => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let (builder, watcher, patience) =
                        (builder.clone(), graceful.watcher(), self.limits.headers);
                    let served = serve(builder, watcher, (socket, peer), router.clone(), patience);
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

/// Answers the requests of one connection.
async fn serve(
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    (socket, peer): (TcpStream, SocketAddr),
    router: Router,
    patience: Duration,
) {
    // Who connects and says nothing costs a file, and no time limit of the library begins before the first byte.
    let first = tokio::time::timeout(patience, socket.peek(&mut [0])).await;
    if !matches!(first, Ok(Ok(1..))) {
        return;
    }
    // An answer is one write; waiting for more to send along only delays it.
    let _ = socket.set_nodelay(true);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let service = TowerToHyperService::new(service);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}

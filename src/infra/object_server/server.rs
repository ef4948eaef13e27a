//! Connections: accepting them, one task each, and ending them in order.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::StdError;
use s3s::service::S3Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crowd::{Crowd, Life};
use super::state::State;
use super::{ObjectServerConfig, ObjectServerError, admin, s3};

/// Connections at a time. For one more, the one that has been silent for longest goes; where none is
/// silent, it waits.
const MAX_CONNECTIONS: usize = 1024;
/// Form uploads at a time: each is held in memory until its policy is checked.
const MAX_FORMS: usize = 4;
/// A client that has not sent its headers by then has gone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for a connection that was sent away, or for one that falls silent.
const ROOM_PAUSE: Duration = Duration::from_millis(20);
/// How long requests under way may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, StdError>;

/// What every connection needs.
struct Door {
    state: Arc<State>,
    s3: S3Service,
    forms: Semaphore,
    crowd: Arc<Crowd>,
}

/// Serves until `shutdown` is cancelled, then finishes requests under way, for 5 seconds at most.
///
/// # Errors
/// [`ObjectServerError`]: another server holds the folder, the disk refused, or the socket broke.
pub async fn serve(
    listener: TcpListener,
    config: ObjectServerConfig,
    shutdown: CancellationToken,
) -> Result<(), ObjectServerError> {
    let state = tokio::task::spawn_blocking(move || State::open(config))
        .await
        .map_err(|_| super::store::StoreError::Broken)??;
    let state = Arc::new(state);
    let door = Arc::new(Door {
        s3: s3::service(&state),
        state: Arc::clone(&state),
        forms: Semaphore::new(MAX_FORMS),
        crowd: Crowd::new(),
    });
    let mut connections = JoinSet::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let outcome = loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let slot = tokio::select! {
                    () = shutdown.cancelled() => break Ok(()),
                    slot = room(&slots, &door.crowd) => slot,
                };
                let (door, shutdown) = (Arc::clone(&door), shutdown.clone());
                connections.spawn(async move {
                    let _slot = slot;
                    converse(door, stream, shutdown).await;
                });
            }
            Err(error) if is_passing(&error) => tokio::time::sleep(ACCEPT_PAUSE).await,
            Err(error) => break Err(ObjectServerError::Listen(error)),
        }
    };
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("requests that were still under way after 5 seconds were cut off");
        connections.shutdown().await;
    }
    drop(door);
    settle(state).await;
    outcome
}

/// A slot for one more connection.
async fn room(slots: &Arc<Semaphore>, crowd: &Crowd) -> OwnedSemaphorePermit {
    loop {
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return slot;
        }
        crowd.send_one_away();
        let freed = tokio::time::timeout(ROOM_PAUSE, Arc::clone(slots).acquire_owned()).await;
        if let Ok(Ok(slot)) = freed {
            return slot;
        }
    }
}

/// Waits until no file work is left that still holds the folder, so that its lock is free when
/// [`serve`] returns.
async fn settle(state: Arc<State>) {
    let deadline = tokio::time::Instant::now() + DRAIN;
    let root = Arc::clone(&state.root);
    drop(state);
    while Arc::strong_count(&root) > 1 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether an accept may work again in a moment: the client has gone, or descriptors or memory ran out.
fn is_passing(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let passing = [
        Errno::ECONNABORTED,
        Errno::ECONNRESET,
        Errno::EINTR,
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOBUFS,
        Errno::ENOMEM,
        Errno::EPERM,
        Errno::EPROTO,
    ];
    error.raw_os_error().is_some_and(|code| passing.contains(&Errno::from_raw(code)))
}

async fn converse(door: Arc<Door>, stream: TcpStream, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let life = door.crowd.enter();
    let served = Arc::clone(&life);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (door, life) = (Arc::clone(&door), Arc::clone(&served));
        async move {
            request.extensions_mut().insert(Arc::clone(&life));
            let answer = answer(&door, request).await;
            Ok::<_, Infallible>(answer.map(|inner| Answered { inner, life }))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(100)
        .max_buf_size(128 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = life.end.cancelled() => Ok(()),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    life.leave();
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The body of an answer. Once it is sent, or will not be, the connection is silent again.
struct Answered {
    inner: Body,
    life: Arc<Life>,
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, StdError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.inner.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.life.rest();
    }
}

async fn answer(door: &Door, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path().starts_with(admin::PREFIX) {
        let answer = admin::answer(Arc::clone(&door.state), request).await;
        return answer.map(|body| body.map_err(Into::into).boxed_unsync());
    }
    let _form = if is_form(&request) { door.forms.acquire().await.ok() } else { None };
    match door.s3.call(s3::chunk_guard::guard(request)).await {
        Ok(response) => {
            let status = response.status().as_u16();
            // What the store could not do was logged where it happened.
            tracing::debug!(status, "answered");
            response.map(BodyExt::boxed_unsync)
        }
        Err(error) => {
            tracing::error!(error = %StdError::from(error), "a request could not be answered");
            let mut response = Response::new(Full::new(Bytes::new()).map_err(Into::into).boxed_unsync());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn is_form(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    request.method() == Method::POST
        && kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
}

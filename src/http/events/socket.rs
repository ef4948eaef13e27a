//! The same as WebSocket (RFC 6455), for clients that have no server-sent events.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::get;
use tokio::time::{interval, timeout};

use super::super::Api;
use super::super::error::RequestError;
use super::super::problem::Problem;
use super::super::streams::PING_INTERVAL;
use super::stream::{Frame, Stream};
use super::ticket::Reader;

/// Most bytes that a client sends at once: it has nothing to say.
const MOST_BYTES: usize = 1024;
/// How long a client may take none of what it is sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Not on the page of the API: OpenAPI knows no WebSockets.
pub(in crate::http) fn routes() -> Router<Api> {
    Router::new().route("/events/ws", get(socket))
}

/// Each text is a JSON object: `event` is `message`, or why the stream ends (`closing`, `token_expired`, …); `id` is the
/// position, `data` the event. From now on, or after `after`. Browsers need a ticket.
async fn socket(
    Reader { request, params }: Reader,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| RequestError::NoUpgrade)?;
    if params.limit.is_some() {
        return Err(RequestError::query("limit", "a stream has no end").into());
    }
    let tasks = request.api.0.sockets.clone();
    let stream = Stream::open(request, params.types()?, params.after()?).await?;
    let upgrade = upgrade.max_message_size(MOST_BYTES).max_frame_size(MOST_BYTES);
    Ok(upgrade.on_upgrade(move |socket| tasks.track_future(follow(socket, stream))))
}

/// Why a socket is closed whose client sends data.
const UNEXPECTED: &str = "unexpected_data";

/// Sends what comes until either end has enough.
async fn follow(mut socket: WebSocket, mut stream: Stream) {
    let mut pings = interval(PING_INTERVAL);
    pings.tick().await;
    let mut last = None;
    loop {
        let next = {
            // What the client sends meanwhile does not begin a reading of the log anew.
            let mut next = pin!(stream.next());
            loop {
                tokio::select! {
                    frame = &mut next => break frame,
                    _ = pings.tick() => {
                        if !send(&mut socket, Message::Ping(Vec::new().into())).await {
                            return;
                        }
                    }
                    heard = socket.recv() => match heard {
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                            return close(&mut socket, (close_code::POLICY, UNEXPECTED)).await;
                        }
                    },
                }
            }
        };
        let Some(frame) = next else { break };
        let text = serde_json::to_string(&frame).unwrap_or_default();
        last = Some(frame);
        if !send(&mut socket, Message::text(text)).await {
            return;
        }
    }
    let reason = last.as_ref().map_or("closing", Frame::event);
    let code = if reason == "closing" { close_code::AWAY } else { close_code::POLICY };
    close(&mut socket, (code, reason)).await;
}

/// Whether the client took it.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

async fn close(socket: &mut WebSocket, (code, reason): (u16, &'static str)) {
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    send(socket, close).await;
}

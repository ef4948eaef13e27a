//! The progress of an operation as server-sent events (WHATWG HTML, chapter 9.2).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch::Receiver;
use tokio::time::{Interval, interval};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::Parsed;
use super::super::context::RequestContext;
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::streams::{self, OpenStream, RETRY};
use super::seen::{LastEventId, News, Seen};
use crate::features::provisioning::OperationView;
use crate::features::tokens::Claims;
use crate::kernel::{OperationId, UserId};

/// How often the token is checked: what is revoked is known within two seconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Follow an operation
///
/// As server-sent events: `step` for each step that begins or ends, `state` for the operation itself. The stream
/// ends with the operation, with the token, and when the server stops, which says `closing` before; whoever comes
/// again with `Last-Event-ID` is told what changed since, by any server. The answer is 204 where there is nothing
/// more to tell.
#[utoipa::path(
    get,
    path = "/operations/{id}/events",
    operation_id = "followOperation",
    tag = "operations",
    params(("id" = Uuid, Path, description = "The operation's id"), LastEventId),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "Events"),
        (status = 204, description = "It is over, and all of it was told"),
        Problem
    ),
    extensions(("x-permission" = json!("operation:read"))),
    security(("token" = []))
)]
async fn events(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<OperationId>>,
    LastEventId(seen): LastEventId,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    let updates = request.api.0.watches.watch(&mut session.control, &request.caller, id).await?;
    // It goes on for long: nobody waits for its session or its turn.
    drop(session);
    let first = Arc::clone(&updates.borrow());
    if first.is_settled() && Seen::of(&first) == seen {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let who = (request.claims.realm(), UserId::from(request.claims.sub));
    let open = request.api.0.streams.open(who)?;
    let mut stream = Stream {
        api: request.api,
        claims: request.claims,
        updates,
        seen,
        waiting: VecDeque::new(),
        checks: interval(CHECK_INTERVAL),
        ended: false,
        _open: open,
    };
    stream.take(&first);
    let events = stream::unfold(stream, async |mut stream| {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    Ok(streams::sse(events))
}

/// One client that follows an operation.
struct Stream {
    api: Api,
    claims: Arc<Claims>,
    updates: Receiver<Arc<OperationView>>,
    /// What it was told.
    seen: Seen,
    waiting: VecDeque<Event>,
    checks: Interval,
    /// Nothing more comes.
    ended: bool,
    _open: OpenStream,
}

impl Stream {
    /// The next event; `None` at its end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                changed = self.updates.changed() => {
                    let view = Arc::clone(&self.updates.borrow_and_update());
                    self.take(&view);
                    self.ended |= changed.is_err();
                }
                _ = self.checks.tick() => {
                    self.ended = self.api.0.following.verifier.require_good(&self.claims).is_err();
                }
                () = self.api.0.stop.cancelled() => {
                    let view = Arc::clone(&self.updates.borrow_and_update());
                    self.take(&view);
                    self.close();
                }
            }
        }
    }

    /// The server stops: whoever follows is told, where the operation goes on, and comes again to another one.
    fn close(&mut self) {
        if !self.ended {
            let event = Event::default().id(self.seen.to_string()).retry(RETRY).event("closing");
            self.waiting.push_back(event.data("{}"));
        }
        self.ended = true;
    }

    /// What is new of the operation.
    fn take(&mut self, view: &OperationView) {
        for (news, seen) in self.seen.news(view) {
            let event = Event::default().id(seen.to_string()).retry(RETRY);
            let event = match news {
                News::Step(step) => event.event("step").json_data(step),
                News::State => {
                    event.event("state").json_data(OperationView { steps: Vec::new(), ..view.clone() })
                }
            };
            self.waiting.extend(event);
            self.seen = seen;
        }
        self.ended |= view.is_settled();
    }
}

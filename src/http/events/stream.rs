//! The events of a realm as they come, for one client.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, interval, sleep};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::super::Api;
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::problem::Problem;
use super::super::streams::{self, OpenStream};
use crate::features::events::{self, EventQuery, EventView, Patterns, StartPosition, Subscription};
use crate::features::tokens::Claims;
use crate::kernel::{AnyFailure, ErrorKind, UserId};

/// How often the token is checked: what is revoked is known within two seconds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// When the log is read again that could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long what a client may read holds without being asked again, while there is something to tell.
const RIGHTS_AGE: Duration = Duration::from_secs(2);
/// Events that are read of the log at once.
const PAGE: usize = 100;

/// Something that a client is sent.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    /// `message` for events; else why the stream ends.
    event: &'static str,
    /// The position of the last event that was told, or passed over.
    id: String,
    data: Box<RawValue>,
}

impl Frame {
    /// `message`, or why the stream ends.
    pub(super) fn event(&self) -> &'static str {
        self.event
    }
}

/// What one client follows.
pub(super) struct Stream {
    api: Api,
    claims: Arc<Claims>,
    following: Following,
    /// One page at most: nothing is read before it is told.
    waiting: VecDeque<Frame>,
    checks: Interval,
    /// Nothing more comes.
    ended: bool,
    _open: OpenStream,
}

/// The log of a realm, as far as a client was told.
struct Following {
    request: RequestContext,
    types: Patterns,
    log: Subscription,
    /// When the audience was read.
    asked: Instant,
}

/// What came of waiting.
enum Come {
    Events(Vec<EventView>),
    /// The stream ends, for this reason.
    End(&'static str),
}

impl Stream {
    /// Follows the events of a request's realm, after a position, or from now on.
    pub(super) async fn open(
        request: RequestContext,
        types: Patterns,
        after: Option<i64>,
    ) -> Result<Self, Problem> {
        let (api, claims) = (request.api.clone(), Arc::clone(&request.claims));
        let open = api.0.streams.open((claims.realm(), UserId::from(claims.sub)))?;
        let from = after.map_or(StartPosition::Now, StartPosition::After);
        let query = EventQuery { from, types: types.clone(), limit: PAGE };
        let mut realm = request.realm().await?;
        let (told, log) = api.0.readers.follow(&mut realm, &request.caller, &query).await?;
        // It goes on for long: nobody waits for its session or its turn.
        drop(realm);
        let mut stream = Self {
            api,
            claims,
            following: Following { request, types, log, asked: Instant::now() },
            waiting: VecDeque::new(),
            checks: interval(CHECK_INTERVAL),
            ended: false,
            _open: open,
        };
        stream.tell(told);
        Ok(stream)
    }

    /// What is sent next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if !self.ended {
                self.check();
            }
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            match self.come().await {
                Come::Events(events) => self.tell(events),
                Come::End(why) => self.end(why),
            }
        }
    }

    /// A client may take long for what it is told: before each frame its token is looked at, and what it may read once
    /// more where that was long ago.
    fn check(&mut self) {
        if let Some(why) = why_not_good(&self.api, &self.claims) {
            self.end(why);
        } else if !self.waiting.is_empty() && self.following.asked.elapsed() >= RIGHTS_AGE {
            let told = self.told();
            self.waiting.clear();
            self.following.log.go_back(told);
        }
    }

    /// The position before the first that waits.
    fn told(&self) -> i64 {
        let first = self.waiting.front().and_then(|frame| frame.id.parse::<i64>().ok());
        first.map_or(self.following.log.seen, |first| first - 1)
    }

    /// Waits for what is new, while the token is good and the server runs.
    async fn come(&mut self) -> Come {
        let Self { api, claims, following, checks, .. } = self;
        let mut coming = pin!(following.come());
        loop {
            tokio::select! {
                () = api.0.stop.cancelled() => return Come::End("closing"),
                _ = checks.tick() => {
                    if let Some(why) = why_not_good(api, claims) {
                        return Come::End(why);
                    }
                }
                come = &mut coming => return come,
            }
        }
    }

    fn tell(&mut self, events: Vec<EventView>) {
        let frame =
            |event: EventView| Frame { event: "message", id: event.position.to_string(), data: raw(&event) };
        self.waiting.extend(events.into_iter().map(frame));
    }

    /// The last that is sent: why it ends, and from where to go on. What waits is not told.
    fn end(&mut self, why: &'static str) {
        if !std::mem::replace(&mut self.ended, true) {
            let id = self.told().to_string();
            self.waiting.clear();
            self.waiting.push_back(Frame { event: why, id, data: raw(&json!({})) });
        }
    }

    /// As server-sent events.
    pub(super) fn into_sse(self) -> Response {
        let events = stream::unfold(self, async |mut stream| {
            let frame = stream.next().await?;
            let event = Event::default().id(frame.id).retry(streams::RETRY);
            let event = if frame.event == "message" { event } else { event.event(frame.event) };
            // JSON has no line ends, and a text always has a form in it.
            let event = event.json_data(&frame.data).unwrap_or_default();
            Some((Ok::<_, Infallible>(event), stream))
        });
        streams::sse(events)
    }
}

impl Following {
    /// What is new; or what the log has after what was told. Dropped half-way nothing is lost.
    async fn come(&mut self) -> Come {
        if self.log.must_read() {
            return self.read().await;
        }
        match self.log.updates.recv().await {
            Ok(news) if self.asked.elapsed() >= RIGHTS_AGE && self.log.has_some(&news) => {
                self.log.lagged();
                Come::Events(Vec::new())
            }
            Ok(news) => Come::Events(self.log.take(&news)),
            Err(RecvError::Lagged(_)) => {
                self.log.lagged();
                Come::Events(Vec::new())
            }
            // The tenant is not in use any more, or its log begins anew.
            Err(RecvError::Closed) => Come::End("closing"),
        }
    }

    async fn read(&mut self) -> Come {
        let query =
            EventQuery { from: StartPosition::After(self.log.seen), types: self.types.clone(), limit: PAGE };
        let page = async {
            let mut realm = self.request.realm().await?;
            Ok::<_, AnyFailure>(events::page(&mut realm, &self.request.caller, &query).await?)
        };
        match page.await {
            Ok(page) => {
                self.asked = Instant::now();
                Come::Events(self.log.caught_up(page))
            }
            Err(failure) => match (failure.get().kind(), failure.get().code()) {
                (_, "cursor_expired") => Come::End("cursor_expired"),
                (ErrorKind::Forbidden, _) => Come::End("forbidden"),
                (ErrorKind::Unauthenticated, _) => Come::End("token_revoked"),
                _ => {
                    tracing::debug!(%failure, "a stream could not read the log");
                    sleep(AFTER_FAILURE).await;
                    Come::Events(Vec::new())
                }
            },
        }
    }
}

/// As JSON; nothing where it cannot be written so.
fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Why a stream ends whose token is not good any more.
fn why_not_good(api: &Api, claims: &Claims) -> Option<&'static str> {
    let verifier = &api.0.following.verifier;
    if verifier.require_current().is_err() {
        // Nobody knows here; another server may.
        return Some("closing");
    }
    if verifier.now() >= claims.exp {
        return Some("token_expired");
    }
    verifier.require_good(claims).is_err().then_some("token_revoked")
}

/// The position that a client says it saw last.
pub(super) struct LastEventId(pub(super) Option<i64>);

impl FromRequestParts<Api> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let Some(sent) = parts.headers.get(streams::LAST_EVENT_ID) else { return Ok(Self(None)) };
        let position = sent.to_str().ok().and_then(|text| text.parse::<i64>().ok()).filter(|it| *it >= 0);
        let reason = "it is not a position that a stream gave".to_owned();
        let wrong = RequestError::Header { header: "Last-Event-ID", reason };
        position.map(|position| Self(Some(position))).ok_or_else(|| wrong.into())
    }
}

impl IntoParams for LastEventId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![streams::last_event_id()]
    }
}

/// Whether a client wants a stream.
pub(super) struct Accept {
    pub(super) is_stream: bool,
}

impl FromRequestParts<Api> for Accept {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let kinds = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds = kinds
            .flat_map(|value| value.split(','))
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        Ok(Self { is_stream: kinds.any(|kind| kind == "text/event-stream") })
    }
}

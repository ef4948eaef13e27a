//! Answers that go on for long: how many there may be at once, and how server-sent events are answered (WHATWG HTML,
//! chapter 9.2).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::error::RequestError;
use crate::kernel::{TenantId, UserId};

/// How often a proxy on the way sees that the stream lives.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(15);
/// After which time a client that lost its stream asks again.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Where a client says which event it had last.
pub(super) const LAST_EVENT_ID: &str = "last-event-id";
/// Proxies keep answers back to send more at once; nginx does not where this is said.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
/// Streams of one user.
const MOST_OF_USER: usize = 100;
/// Streams of a process.
const MOST: usize = 6_000;

/// A user of a realm.
type Who = (TenantId, UserId);

/// The streams that are open.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<Who, usize>>>);

/// A stream that is open until this is dropped.
pub(super) struct OpenStream {
    open: Arc<Mutex<HashMap<Who, usize>>>,
    who: Who,
}

impl Streams {
    /// Room for one more stream of a user.
    pub(super) fn open(&self, who: Who) -> Result<OpenStream, RequestError> {
        let mut open = counts(&self.0);
        if open.values().sum::<usize>() >= MOST {
            return Err(RequestError::TooManyStreams { streams: MOST });
        }
        let own = open.entry(who).or_default();
        if *own >= MOST_OF_USER {
            return Err(RequestError::TooManyStreams { streams: MOST_OF_USER });
        }
        *own += 1;
        Ok(OpenStream { open: Arc::clone(&self.0), who })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = counts(&self.open);
        if let Some(own) = open.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.who);
            }
        }
    }
}

/// An answer of server-sent events.
pub(super) fn sse(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(PING_INTERVAL)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED.0, UNBUFFERED.1);
    response
}

/// The parameter of whoever comes again.
pub(super) fn last_event_id() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let parameter = ParameterBuilder::new().name("Last-Event-ID").parameter_in(ParameterIn::Header);
    let text = "The id of the last event that the client had; browsers send it by themselves";
    parameter.description(Some(text)).schema(Some(schema)).build()
}

fn counts(open: &Mutex<HashMap<Who, usize>>) -> MutexGuard<'_, HashMap<Who, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_streams_and_another_has_room() {
        let streams = Streams::default();
        let (one, other) = ((TenantId::PLATFORM, UserId::new()), (TenantId::PLATFORM, UserId::new()));
        let mut held: Vec<_> = (0..MOST_OF_USER).map(|_| streams.open(one).ok()).collect();
        assert!(streams.open(one).is_err() && streams.open(other).is_ok());
        held.pop();
        assert!(streams.open(one).is_ok());
        drop(held);
        assert!(counts(&streams.0).is_empty());
    }
}

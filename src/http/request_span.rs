//! The id of a request: taken over from who sent it, else given here; in the answer, in each line of the log, and in
//! the span that is the request's in a trace.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::client::{self, Peer};
use super::metrics;
use super::problem::FailureCode;
use crate::app::telemetry::{self, RequestSpan};
use crate::kernel::TenantId;

/// Where it stands, in requests and answers.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Most characters of one that is taken over.
const LONGEST: usize = 64;

/// Networks of those who are trusted when they say whose part a request is.
pub(super) type TrustedProxies = Arc<[IpNet]>;

tokio::task_local! {
    static CURRENT: String;
}

/// That of the request that this task answers; empty outside of one.
pub(super) fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Work of the same request in another task: its id, and its span.
pub(super) fn kept<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), work).in_current_span()
}

/// Notes for which tenant the request is.
pub(super) fn note_tenant(id: TenantId) {
    Span::current().record("tenant", field::display(id));
}

/// Gives a request its id, and a span.
pub(super) async fn give(State(trusted): State<TrustedProxies>, request: Request, next: Next) -> Response {
    let sent =
        request.headers().get(&HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_usable(id));
    let id = sent.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    // Of the highest level, so that a log of warnings alone has the id as well. By its path as it is: the log is the
    // operators' own. Never its query.
    let span = tracing::error_span!(
        "request",
        request_id = id,
        trace_id = field::Empty,
        method = %request.method(),
        path = request.uri().path(),
        tenant = field::Empty,
    );
    if let Some(trace) = telemetry::start_request(&span, &described(&request, &trusted)) {
        span.record("trace_id", trace);
    }
    let (of_request, answer) = (span.clone(), async {
        let mut response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        if let Ok(value) = HeaderValue::from_str(&current()) {
            response.headers_mut().insert(HEADER, value);
        }
        response
    });
    let response = CURRENT.scope(id, answer).instrument(span).await;
    let code = response.extensions().get::<FailureCode>().map(|code| code.0);
    telemetry::end_request(&of_request, response.status().as_u16(), code);
    response
}

fn described<'a>(request: &'a Request, trusted: &[IpNet]) -> RequestSpan<'a> {
    let peer = request.extensions().get::<Peer>();
    let is_trusted = peer.is_some_and(|peer| client::is_trusted(peer.0.ip(), trusted));
    RequestSpan {
        method: match metrics::method(request.method()) {
            "other" => "_OTHER",
            known => known,
        },
        route: request.extensions().get::<MatchedPath>().map(MatchedPath::as_str),
        trusted: is_trusted.then(|| request.headers()),
    }
}

/// Whether an id that somebody else gave can stand in a log and a header.
fn is_usable(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_is_short_and_plain() {
        assert!(is_usable("0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d") && is_usable("a.b_c"));
        for odd in ["", "a b", "a\n", "ä", "a\"b", &"a".repeat(65)] {
            assert!(!is_usable(odd), "{odd:?}");
        }
    }
}

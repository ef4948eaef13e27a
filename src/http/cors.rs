//! What web pages of other origins may do with the API in a browser (Fetch, section 3.2).

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

use super::context::TENANT_HEADERS;
use super::{rate_limit, request_span};

/// How long a browser may go by an answer about a method or header; none keeps it for longer than two hours.
const MAX_AGE: Duration = Duration::from_hours(1);

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Lets pages of these origins call; with none, nothing is said to browsers, which then refuse all. Never with
/// credentials: the API takes no cookies, and a page has its token from its own sign-in.
pub(super) fn allow<S: Clone + Send + Sync + 'static>(routes: Router<S>, origins: &[String]) -> Router<S> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return routes;
    }
    let [tenant, project] = TENANT_HEADERS.map(HeaderName::from_static);
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(METHODS)
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            tenant,
            project,
            request_span::HEADER,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("idempotency-replayed"),
            rate_limit::POLICY,
            rate_limit::LIMIT,
            request_span::HEADER,
        ])
        .max_age(MAX_AGE);
    routes.layer(layer)
}

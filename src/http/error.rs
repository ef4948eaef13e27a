//! What can be wrong with a request before a service is asked.

use axum::http::StatusCode;

use crate::kernel::filter::FilterError;
use crate::kernel::{ErrorKind, Failure, suggest};

/// A request that no service was asked about.
#[derive(Debug, thiserror::Error, Failure)]
pub(super) enum RequestError {
    /// The request has no access token.
    #[error("this needs an access token")]
    #[failure(Unauthenticated, "token_missing")]
    #[hint("send it as Authorization: Bearer TOKEN; POST /auth/login gives one")]
    NoToken,
    /// What the request says of its tenant disagrees: token, headers and host must name the same one.
    #[error("the token, the headers and the host name different tenants")]
    #[failure(Forbidden, "tenant_mismatch")]
    TenantMismatch,
    /// The token belongs to the platform's realm, and the path is for tenants only.
    #[error("this path is for tenants only, and the token belongs to the platform's realm")]
    #[failure(Forbidden, "tenant_mismatch")]
    #[hint("sign in to the tenant")]
    TokenOfPlatform,
    /// The tenant that the request names does not exist, or is not in use.
    #[error("no tenant {0:?}")]
    #[failure(NotFound, "tenant_not_found")]
    NoTenant(String),
    /// The token is one of a tenant that is not in use any more: what every token hears that is refused.
    #[error("the token is not valid")]
    #[failure(Unauthenticated, "token_invalid")]
    TokenOfNoTenant,
    /// A header is not what it should be.
    #[error("header {header}: {reason}")]
    #[failure(Invalid, "header_invalid")]
    Header { header: &'static str, reason: String },
    /// A change that must say what was seen does not.
    #[error("the request must say which version it changes")]
    #[failure(Invalid, "precondition_required")]
    #[hint("read it, and send its ETag as If-Match")]
    NoIfMatch,
    /// A part of the path is not what it should be.
    #[error("the path: {0}")]
    #[failure(Invalid, "path_invalid")]
    Path(String),
    /// A parameter of the query is not what it should be.
    #[error("parameter {name:?} of the query: {reason}")]
    #[failure(Invalid, "query_invalid")]
    #[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
    #[details(name, nearest)]
    Query { name: String, reason: String, nearest: Option<String> },
    /// The body is not the JSON that it should be.
    #[error("the body is not what it should be at {pointer:?}: {reason}")]
    #[failure(Invalid, "body_invalid")]
    #[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
    Body { pointer: String, reason: String, nearest: Option<String> },
    /// The body is not declared as JSON.
    #[error("the body must be JSON")]
    #[failure(Invalid, "body_not_json")]
    #[hint("send Content-Type: application/json")]
    NotJson,
    /// The body is longer than allowed, unpacked.
    #[error("the body has more than {0} bytes")]
    #[failure(Invalid, "body_too_large")]
    TooLarge(u32),
    /// The body did not arrive, or not in time.
    #[error("the body did not arrive")]
    #[failure(Invalid, "body_incomplete")]
    Incomplete,
    /// There is no such path.
    #[error("there is no path {0:?}")]
    #[failure(NotFound, "path_not_found")]
    #[hint("see /docs for those that there are")]
    NoPath(String),
    /// The path does not take this method.
    #[error("this path does not take {0}")]
    #[failure(Invalid, "method_not_allowed")]
    Method(String),
    /// The page lies so deep that the list must be gone through by cursor.
    #[error("pages end 10,000 rows deep")]
    #[failure(Invalid, "use_cursor")]
    #[hint("go on by pagination.next, as ?cursor=")]
    TooDeep,
    /// There were too many requests of this client within a minute.
    #[error("there were too many requests; ask again in {seconds} s")]
    #[failure(Busy, "rate_limited")]
    #[details(seconds)]
    TooMany { seconds: u64 },
    /// All requests that a realm may have at once are under way.
    #[error("{requests} requests of this tenant are under way; ask again in some seconds")]
    #[failure(Busy, "realm_busy")]
    RealmBusy { requests: usize },
    /// So many answers that go on for long are open already.
    #[error("{streams} streams are open already; close one first")]
    #[failure(Busy, "too_many_streams")]
    #[details(streams)]
    TooManyStreams { streams: usize },
    /// The path speaks another protocol.
    #[error("this path speaks WebSocket")]
    #[failure(Invalid, "upgrade_required")]
    #[hint(
        "send Connection: Upgrade and Upgrade: websocket; GET /events gives the same as server-sent events"
    )]
    NoUpgrade,
    /// The encoding of the body is none that can be unpacked.
    #[error("the body's encoding is not known")]
    #[failure(Invalid, "encoding_unknown")]
    #[hint("send it plain, or as gzip")]
    Encoding,
    /// The request took too long.
    #[error("the request took longer than {0} s and was given up")]
    #[failure(Unavailable, "request_timeout")]
    Timeout(u32),
    /// The server has started, and has not reached its control database yet.
    #[error("the server is not ready: its control database does not answer yet")]
    #[failure(Unavailable, "not_ready")]
    NotReady,
    /// What is destructive must be confirmed by the tenant's slug.
    #[error("deleting tenant {0:?} needs its slug")]
    #[failure(Forbidden, "confirmation_required")]
    #[hint("repeat it with ?confirm=SLUG, the slug of the tenant")]
    Unconfirmed(String),
    /// The slug that confirms is another's.
    #[error("confirm={given} is not tenant {slug:?}; nothing was done")]
    #[failure(Forbidden, "confirmation_mismatch")]
    OtherConfirmed { given: String, slug: String },
    /// A bug in Nexus: its log says more, by the request's id.
    #[error("something went wrong in Nexus")]
    #[failure(Internal, "internal")]
    Bug,
}

impl RequestError {
    /// Of a parameter of the query.
    pub(super) fn query(name: &str, reason: impl Into<String>) -> Self {
        Self::Query { name: name.to_owned(), reason: reason.into(), nearest: None }
    }

    /// Of a parameter that compares a field.
    pub(super) fn filter(name: &str, error: FilterError) -> Self {
        let FilterError { reason, nearest } = error;
        Self::Query { name: name.to_owned(), reason, nearest }
    }

    /// What a parameter of the query means, which is one of a few words.
    pub(super) fn one_of<T: Copy>(
        name: &str,
        given: Option<&str>,
        known: &[(&str, T)],
    ) -> Result<Option<T>, Self> {
        let Some(word) = given else { return Ok(None) };
        let found = known.iter().find(|(known, _)| *known == word).map(|(_, it)| *it);
        found.map(Some).ok_or_else(|| {
            let nearest = suggest::nearest(word, known.iter().map(|(known, _)| *known)).map(str::to_owned);
            Self::Query { name: name.to_owned(), reason: format!("there is no {name} {word:?}"), nearest }
        })
    }

    /// Of a part of the body.
    pub(super) fn body(pointer: &str, reason: impl Into<String>) -> Self {
        Self::Body { pointer: pointer.to_owned(), reason: reason.into(), nearest: None }
    }
}

/// The status of a kind, where a code has none of its own. The only map of both.
pub(super) fn status(kind: ErrorKind, code: &str) -> StatusCode {
    match code {
        "body_too_large" | "service_payload_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "body_not_json" | "encoding_unknown" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body_incomplete" => StatusCode::REQUEST_TIMEOUT,
        "precondition_required" => StatusCode::PRECONDITION_REQUIRED,
        "precondition_failed" => StatusCode::PRECONDITION_FAILED,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "rate_limited" | "too_many_streams" | "queue_full" => StatusCode::TOO_MANY_REQUESTS,
        "cursor_expired" => StatusCode::GONE,
        "service_failed" => StatusCode::BAD_GATEWAY,
        "service_timeout" => StatusCode::GATEWAY_TIMEOUT,
        "upgrade_required" => StatusCode::UPGRADE_REQUIRED,
        "idempotency_key_reused" => StatusCode::UNPROCESSABLE_ENTITY,
        // No turn came within the time: the same request may have one elsewhere, or later.
        "sessions_busy" | "realm_busy" => StatusCode::SERVICE_UNAVAILABLE,
        // What the database says is about our statement, and not about the request.
        _ if code.starts_with("database_") && !matches!(kind, ErrorKind::Busy | ErrorKind::Unavailable) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => match kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict | ErrorKind::Partial | ErrorKind::Busy => StatusCode::CONFLICT,
            ErrorKind::Unavailable | ErrorKind::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Integrity | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

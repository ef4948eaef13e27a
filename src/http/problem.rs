//! Failures as problem documents (RFC 9457). The only map from a failure to an answer, as `cli/exit.rs` is to
//! an exit code.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{ContentBuilder, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::error::{self, RequestError};
use super::request_span;
use crate::app::Repeated;
use crate::features::iam::IamError;
use crate::features::iam::custom_fields::WrongField;
use crate::features::iam::users::RefusedRow;
use crate::kernel::brief::bounded;
use crate::kernel::{AnyFailure, ErrorKind, Failure, OperationId};

/// The media type of a problem document.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Seconds after which something that is busy may be asked again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// The longest of those that many are asked to wait at once: who is refused together does not come back together.
const MOST_RETRY_AFTER: u32 = 4;

/// That a server is busy or down.
static REFUSED: LazyLock<Repeated> =
    LazyLock::new(|| Repeated::new("requests are refused", Duration::from_secs(1)));

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// The page that says what the code means.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/docs/errors/user_not_found")]
    kind: String,
    /// The status, in words.
    title: &'static str,
    #[schema(example = 404)]
    status: u16,
    /// What went wrong, for a person.
    detail: String,
    /// What went wrong, for a program. It never changes within a major version.
    #[schema(example = "user_not_found")]
    code: &'static str,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    /// Facts for a program; which there are depends on the code.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Object)]
    details: Value,
    /// What is wrong in the body or the query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// The operation that this left behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    operation: Option<OperationId>,
    /// With `mfa_required`: what a second factor is shown with, once, within five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// Where (RFC 6901).
    #[schema(example = "/email")]
    pointer: String,
    code: &'static str,
    message: String,
}

/// The code of what went wrong, beside the answer that says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailureCode(pub(super) &'static str);

/// An answer that says what went wrong.
#[derive(Debug)]
pub(super) struct Problem {
    failure: AnyFailure,
    challenge: Option<SecretString>,
    /// What to do next, beside what the failure says.
    hint: Option<&'static str>,
}

impl From<AnyFailure> for Problem {
    fn from(failure: AnyFailure) -> Self {
        Self { failure, challenge: None, hint: None }
    }
}

impl<F: Failure> From<F> for Problem {
    fn from(failure: F) -> Self {
        AnyFailure::from(failure).into()
    }
}

impl Problem {
    /// Of a sign-in that a second factor is missing for.
    pub(super) fn with_challenge(failure: IamError, challenge: SecretString) -> Self {
        Self { challenge: Some(challenge), ..Self::from(failure) }
    }

    /// With one more hint, where the failure has this code.
    pub(super) fn hinted(self, code: &str, hint: Option<&'static str>) -> Self {
        let hint = hint.filter(|_| self.failure.get().code() == code);
        Self { hint, ..self }
    }

    fn document(&self, status: StatusCode) -> ProblemDocument {
        let failure = self.failure.get();
        // What failed inside names servers and databases: whoever runs Nexus finds it in the log.
        let is_inside =
            matches!(failure.kind(), ErrorKind::Unavailable | ErrorKind::Integrity | ErrorKind::Internal)
                || failure.code().starts_with("database_");
        let inside = is_inside && !is_of_service(failure.code());
        let detail = if inside && !is_ours(failure.code()) {
            "Nexus cannot do this at the moment".to_owned()
        } else {
            bounded(&failure.to_string()).into_owned()
        };
        let hints = if inside {
            Vec::new()
        } else {
            // An action is for the command line; its words make sense without it.
            failure
                .hints()
                .into_iter()
                .map(|hint| hint.text.into_owned())
                .chain(self.hint.map(str::to_owned))
                .filter(|text| !text.is_empty())
                .collect()
        };
        ProblemDocument {
            kind: format!("/docs/errors/{}", failure.code()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code: failure.code(),
            request_id: request_span::current(),
            hints,
            details: if inside { Value::Null } else { failure.details() },
            errors: self.fields(),
            operation: failure.operation(),
            challenge: self.challenge.as_ref().map(|text| text.expose_secret().to_owned()),
        }
    }

    fn fields(&self) -> Vec<FieldProblem> {
        let failure: &dyn std::error::Error = self.failure.get();
        match failure.downcast_ref::<RequestError>() {
            Some(RequestError::Body { pointer, reason, .. }) => {
                vec![FieldProblem { pointer: pointer.clone(), code: "body_invalid", message: reason.clone() }]
            }
            Some(RequestError::Query { name, reason, .. }) => {
                vec![FieldProblem {
                    pointer: format!("?{name}"),
                    code: "query_invalid",
                    message: reason.clone(),
                }]
            }
            _ => match failure.downcast_ref::<IamError>() {
                Some(IamError::Fields { fields }) => fields.iter().map(FieldProblem::of_field).collect(),
                Some(IamError::FieldFilter { name, reason, .. }) => vec![FieldProblem {
                    pointer: format!("?{name}"),
                    code: "query_invalid",
                    message: reason.clone(),
                }],
                Some(IamError::NoneMade { rows }) => rows.iter().map(FieldProblem::of_row).collect(),
                _ => Vec::new(),
            },
        }
    }
}

impl FieldProblem {
    fn of_field(wrong: &WrongField) -> Self {
        let name = wrong.name.replace('~', "~0").replace('/', "~1");
        let within = wrong.row.map(|row| format!("/users/{row}")).unwrap_or_default();
        let pointer = format!("{within}/fields/{name}");
        Self { pointer, code: "fields_invalid", message: wrong.reason.clone() }
    }

    fn of_row(row: &RefusedRow) -> Self {
        Self { pointer: format!("/users/{}", row.line), code: row.code, message: row.message.clone() }
    }
}

/// Codes of failures inside whose words are ours alone and name nothing.
fn is_ours(code: &str) -> bool {
    matches!(code, "internal" | "not_ready" | "request_timeout" | "token_check_stale")
}

/// Codes of failures of a service that somebody called: it is an app's, and no part of Nexus.
fn is_of_service(code: &str) -> bool {
    matches!(code, "service_unavailable" | "service_failed" | "service_timeout")
}

impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let schema = utoipa::openapi::Ref::from_schema_name(ProblemDocument::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().content("application/problem+json", content);
        let refused = response.description("What went wrong; `code` says which").build();
        let failed = ResponseBuilder::from(refused.clone());
        let failed = failed.description("Nexus, or what it needs, failed; `code` says which").build();
        BTreeMap::from([("4XX".to_owned(), refused.into()), ("5XX".to_owned(), failed.into())])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let failure = self.failure.get();
        let status = error::status(failure.kind(), failure.code());
        match status {
            // That a server waits for its database is in its log already, and not once a request.
            _ if failure.code() == "not_ready" => tracing::debug!(code = failure.code(), "{failure}"),
            _ if status == StatusCode::SERVICE_UNAVAILABLE || is_of_service(failure.code()) => {
                if REFUSED.is_new(failure.code(), failure.to_string()) {
                    tracing::warn!(code = failure.code(), "{failure}");
                }
            }
            _ if status.is_server_error() => tracing::error!(code = failure.code(), "{failure}"),
            _ => tracing::debug!(code = failure.code(), "{failure}"),
        }
        let body = serde_json::to_vec(&self.document(status)).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.extensions_mut().insert(FailureCode(failure.code()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.entry(header::RETRY_AFTER).or_insert_with(spread_retry_after);
        } else if failure.kind() == ErrorKind::Busy {
            headers.entry(header::RETRY_AFTER).or_insert(RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, challenge(failure.code()));
        }
        response
    }
}

/// One second for one, two for the next, and so on.
fn spread_retry_after() -> HeaderValue {
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    HeaderValue::from(1 + REFUSED.fetch_add(1, Ordering::Relaxed) % MOST_RETRY_AFTER)
}

/// RFC 6750, section 3: a request without a token is not told that one was wrong.
fn challenge(code: &str) -> HeaderValue {
    match code {
        "token_invalid" => HeaderValue::from_static("Bearer realm=\"nexus\", error=\"invalid_token\""),
        _ => HeaderValue::from_static("Bearer realm=\"nexus\""),
    }
}

//! What went wrong, by the words of OAuth 2.0 (RFC 6749, section 5.2).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::problem::Problem;
use crate::kernel::{AnyFailure, Failure};

/// What a program that sends no good secret is asked for.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"nexus\"");

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OAuthError {
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// For a person
    #[schema(example = "the refresh token is not valid; sign in again")]
    error_description: String,
}

/// The answer that says so.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response>);

impl Refusal {
    fn new(status: StatusCode, error: &'static str, description: &str) -> Self {
        // Section 5.2 allows no quotes and no backslashes in it.
        let plain = |c: char| if (' '..='~').contains(&c) && c != '"' && c != '\\' { c } else { '\'' };
        let body = OAuthError { error, error_description: description.chars().map(plain).collect() };
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        Self(Box::new(response))
    }

    pub(super) fn invalid_request(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn invalid_client(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    pub(super) fn unauthorized_client(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", description)
    }

    pub(super) fn unsupported_grant_type() -> Self {
        let there = "there are client_credentials and refresh_token";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", there)
    }

    /// RFC 7009, section 2.2.1.
    pub(super) fn unsupported_token_type(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unsupported_token_type", description)
    }

    pub(super) fn invalid_scope(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        problem.into_response().into()
    }
}

impl<F: Failure> From<F> for Refusal {
    fn from(failure: F) -> Self {
        AnyFailure::from(failure).into()
    }
}

impl From<AnyFailure> for Refusal {
    fn from(failure: AnyFailure) -> Self {
        let said = failure.to_string();
        match failure.code() {
            "api_key_invalid" => Self::invalid_client(&said),
            "refresh_token_invalid" => Self::new(StatusCode::BAD_REQUEST, "invalid_grant", &said),
            "scope_not_granted" | "permission_not_held" => Self::invalid_scope(&said),
            // RFC 6750, section 3.1.
            "permission_missing" => Self::new(StatusCode::FORBIDDEN, "insufficient_scope", &said),
            _ => Problem::from(failure).into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

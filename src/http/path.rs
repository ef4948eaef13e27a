//! What stands in the path of a request.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Api;
use super::error::RequestError;
use super::problem::Problem;

/// The parts of a path that a handler takes.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, api).await;
        let Path(value) = read.map_err(|rejection| {
            RequestError::Path(match rejection {
                PathRejection::FailedToDeserializePathParams(error) => error.kind().to_string(),
                other => other.to_string(),
            })
        })?;
        Ok(Self(value))
    }
}

//! `/.well-known`: the keys that tokens are checked with, for services that do so themselves.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;

/// How long a service may keep the keys: a new one is published ten minutes before it signs.
const KEPT: &str = "max-age=600";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(key_set))
}

/// The public keys (RFC 7517)
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "keySet",
    tag = "auth",
    responses((status = 200, body = Value)),
    security(())
)]
async fn key_set(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let keys = api.0.following.verifier.ring().published()?;
    Ok(([(header::CACHE_CONTROL, KEPT)], Json(keys)))
}

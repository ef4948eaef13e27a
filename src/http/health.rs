//! `/health` and `/ready`: whether the process lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// Whether the process lives.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always ok
    status: &'static str,
    version: &'static str,
}

/// Whether the process can answer.
#[derive(Serialize, ToSchema)]
struct Readiness {
    ready: bool,
    /// The control database was read within the last two seconds: keys, revocations, tenants.
    control_database: bool,
    /// Requests are no longer taken.
    stopping: bool,
}

/// Whether the process lives
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "health",
    responses((status = 200, body = Health)), security(())
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests can be answered
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)), security(())
)]
async fn ready(State(api): State<Api>) -> (StatusCode, Json<Readiness>) {
    let control_database = api.0.following.verifier.require_current().is_ok();
    let stopping = api.is_stopping();
    let ready = control_database && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, control_database, stopping }))
}

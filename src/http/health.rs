//! `/health` and `/ready`: whether the process lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use crate::app::{EventCarrier, ServerState};
use crate::kernel::Failure;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// Whether the process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always ok
    status: &'static str,
    version: &'static str,
}

/// Whether the process can answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    /// The control database was read within the last two seconds: keys, revocations, tenants.
    control_database: bool,
    /// Requests are no longer taken.
    stopping: bool,
    /// Why it is not ready, for a program.
    #[schema(example = "database_unreachable")]
    code: Option<&'static str>,
    /// Why it is not ready, for a person.
    reason: Option<&'static str>,
    /// The servers of tenants' databases, asked every few seconds. One that is down does not make the process
    /// unready: it answers for tenants of the others.
    servers: Vec<ServerReadiness>,
    /// What carries events; nothing before the control database was read.
    events: Option<EventsReadiness>,
}

/// What carries events. That it is down does not make the process unready: events wait.
#[derive(Serialize, ToSchema)]
pub(super) struct EventsReadiness {
    /// postgres or nats
    #[schema(example = "nats")]
    backend: &'static str,
    /// Whether there is a connection to NATS
    connected: Option<bool>,
}

impl From<EventCarrier> for EventsReadiness {
    fn from(carrier: EventCarrier) -> Self {
        match carrier {
            EventCarrier::Postgres => Self { backend: "postgres", connected: None },
            EventCarrier::Nats { is_connected } => Self { backend: "nats", connected: Some(is_connected) },
        }
    }
}

/// Whether a server of tenants' databases answers.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerReadiness {
    #[schema(example = "default")]
    name: String,
    /// up, busy (it answers, and has no session left) or down
    #[schema(example = "up")]
    state: &'static str,
    /// Why it is down.
    code: Option<&'static str>,
}

/// What keeps a process from being ready.
#[derive(Debug, Clone, Copy)]
pub(super) enum NotReady {
    /// The control database does not answer, by the failure's code.
    ControlDatabase(&'static str),
}

impl Readiness {
    pub(super) fn of(
        stopping: bool,
        not_ready: Option<NotReady>,
        servers: Vec<ServerReadiness>,
        events: Option<EventCarrier>,
    ) -> Self {
        let (code, reason) = match not_ready {
            Some(NotReady::ControlDatabase(code)) => {
                (Some(code), Some("the control database does not answer"))
            }
            None if stopping => (Some("stopping"), Some("the process is stopping")),
            None => (None, None),
        };
        let ready = code.is_none();
        Self {
            ready,
            control_database: not_ready.is_none(),
            stopping,
            code,
            reason,
            servers,
            events: events.map(EventsReadiness::from),
        }
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        if self.ready {
            return Json(self).into_response();
        }
        let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
        (StatusCode::SERVICE_UNAVAILABLE, retry, Json(self)).into_response()
    }
}

impl ServerReadiness {
    fn of((name, state): (String, ServerState)) -> Self {
        let (state, code) = match state {
            ServerState::Up => ("up", None),
            ServerState::Busy => ("busy", None),
            ServerState::Down(code) => ("down", Some(code)),
        };
        Self { name, state, code }
    }
}

/// Whether the process lives
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "health",
    responses((status = 200, body = Health)), security(())
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests can be answered
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)), security(())
)]
async fn ready(State(api): State<Api>) -> Readiness {
    let following = &api.0.following;
    let current = following.verifier.require_current();
    let not_ready = current.err().map(|failure| NotReady::ControlDatabase(failure.code()));
    let servers = following.servers.states().into_iter().map(ServerReadiness::of).collect();
    Readiness::of(api.is_stopping(), not_ready, servers, Some(api.0.app.event_carrier()))
}

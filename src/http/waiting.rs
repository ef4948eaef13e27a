//! What is answered while the control database has not been reached yet.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, middleware};
use tokio_util::sync::CancellationToken;

use super::error::RequestError;
use super::health::{self, NotReady, Readiness};
use super::problem::Problem;
use super::{cors, request_span, security};
use crate::settings::ServeSettings;

/// Why nothing can be answered yet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Waiting {
    code: Arc<RwLock<&'static str>>,
    stop: CancellationToken,
    is_tls: bool,
}

impl Waiting {
    /// For the failure of this code.
    pub(super) fn new(code: &'static str, is_tls: bool, stop: CancellationToken) -> Self {
        Self { code: Arc::new(RwLock::new(code)), stop, is_tls }
    }

    /// The control database could not be reached again.
    pub fn failed(&self, code: &'static str) {
        *self.code.write().unwrap_or_else(PoisonError::into_inner) = code;
    }

    pub(super) fn router(&self, settings: &ServeSettings) -> Router {
        let trusted: request_span::TrustedProxies = settings.trusted_proxies.clone().into();
        let routes = Router::new().route("/health", get(health::health)).route("/ready", get(ready));
        cors::allow(routes.fallback(not_yet), &settings.cors_origins)
            .layer(middleware::from_fn_with_state(self.is_tls, security::headers))
            .layer(middleware::from_fn_with_state(trusted, request_span::give))
            .with_state(self.clone())
    }
}

async fn ready(State(waiting): State<Waiting>) -> Readiness {
    let code = *waiting.code.read().unwrap_or_else(PoisonError::into_inner);
    Readiness::of(waiting.stop.is_cancelled(), Some(NotReady::ControlDatabase(code)), Vec::new(), None)
}

async fn not_yet(request: Request) -> Result<Response, Problem> {
    drop(request);
    Err(RequestError::NotReady.into())
}

//! The API: routes, extractors, problem documents, the OpenAPI page. A thin door: no rule, no SQL.
//!
//! Knows the services of `app` and below, as the command line does. One file for each collection of URLs.
//! Start reading at [`router::router`], then [`context`] (who asks, for which tenant), [`tenant_context`] (what is a
//! tenant's own), [`serving`] and [`server`].

mod api_keys;
mod audit;
mod auth;
mod body;
mod busiest;
mod client;
mod clusters;
mod context;
mod cors;
mod custom_fields;
mod docs;
mod error;
mod etag;
mod events;
mod files;
mod groups;
mod health;
mod idempotency;
mod jobs;
mod list;
mod metrics;
mod migrations;
mod notifications;
mod oauth;
mod operations;
mod origins;
mod page;
mod path;
mod permissions;
mod problem;
mod query;
mod rate_limit;
mod request_span;
mod roles;
mod router;
mod security;
mod server;
mod services;
mod serving;
mod settings;
mod share;
mod stores;
mod streams;
mod switch;
mod tenant_context;
mod tenants;
mod tls;
mod usage;
mod users;
mod waiting;
mod webhooks;
mod well_known;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use router::{openapi, router};
pub use server::{Server, ServerLimits};
pub use serving::Serving;
pub use tls::{Tls, TlsError};
pub use waiting::Waiting;

use busiest::Busiest;
use metrics_exporter_prometheus::PrometheusHandle;
use origins::Origins;
use rate_limit::Limits;
use share::Shares;
use streams::Streams;

use crate::app::{App, Following};
use crate::features::events::Readers;
use crate::features::provisioning::Watches;
use crate::kernel::Failure;
use crate::settings::{MigrationSettings, ServeSettings, Settings};

/// This process cannot count what it does.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot count requests: {0}")]
#[failure(Internal, "metrics_failed")]
pub struct NoMetrics(#[from] metrics_exporter_prometheus::BuildError);

/// What every request works with. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    app: App,
    /// Keeps what is in memory up to date, and checks tokens.
    following: Arc<Following>,
    /// The `aud` that tokens must have.
    audience: String,
    /// The `iss` of tokens.
    issuer: String,
    /// Who may be told what tokens say.
    introspectors: Arc<oauth::Introspectors>,
    settings: ServeSettings,
    limits: Limits,
    shares: Arc<Shares>,
    watches: Watches,
    readers: Readers,
    streams: Streams,
    /// WebSockets that are open.
    sockets: TaskTracker,
    busiest: Arc<Busiest>,
    origins: Arc<Origins>,
    /// Where sets of migrations are.
    migrations: MigrationSettings,
    metrics: PrometheusHandle,
    /// Whether this process itself speaks TLS.
    is_tls: bool,
    /// Requests are no longer taken.
    stop: CancellationToken,
}

impl Api {
    /// Over an app that follows what other processes change, until it is told to stop; with where its WebSockets are
    /// counted.
    ///
    /// # Errors
    /// When this process cannot count what it does.
    pub fn new(
        app: App,
        following: Following,
        settings: &Settings,
        is_tls: bool,
        (stop, sockets): (CancellationToken, TaskTracker),
    ) -> Result<Self, NoMetrics> {
        let (audience, issuer) = (settings.tokens.audience.clone(), settings.tokens.issuer.clone());
        let introspectors = Arc::default();
        let migrations = settings.migrations.clone();
        let (limits, settings) = (Limits::new(&settings.serve), settings.serve.clone());
        let (following, shares) = (Arc::new(following), Arc::new(Shares::of(settings.sessions)));
        let metrics = metrics::start(stop.clone())?;
        Ok(Self(Arc::new(Shared {
            watches: app.watches(),
            readers: app.readers(),
            app,
            following,
            audience,
            issuer,
            introspectors,
            settings,
            limits,
            shares,
            streams: Streams::default(),
            sockets,
            busiest: Arc::default(),
            origins: Arc::default(),
            migrations,
            metrics,
            is_tls,
            stop,
        })))
    }

    /// The same by other settings; requests that are under way end by the old ones.
    #[must_use]
    pub fn with(&self, settings: &ServeSettings) -> Self {
        let old = &self.0;
        Self(Arc::new(Shared {
            app: old.app.clone(),
            following: Arc::clone(&old.following),
            audience: old.audience.clone(),
            issuer: old.issuer.clone(),
            introspectors: Arc::clone(&old.introspectors),
            settings: settings.clone(),
            limits: old.limits.with(settings),
            shares: Arc::clone(&old.shares),
            watches: old.watches.clone(),
            readers: old.readers.clone(),
            streams: old.streams.clone(),
            sockets: old.sockets.clone(),
            busiest: Arc::clone(&old.busiest),
            origins: Arc::clone(&old.origins),
            migrations: old.migrations.clone(),
            metrics: old.metrics.clone(),
            is_tls: old.is_tls,
            stop: old.stop.clone(),
        }))
    }

    fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

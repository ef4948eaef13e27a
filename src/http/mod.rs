//! The API: routes, extractors, problem documents, the OpenAPI page. A thin door: no rule, no SQL.
//!
//! Knows the services of `app` and below, as the command line does. One file for each collection of URLs.
//! Start reading at [`router::router`], then [`context`] (who asks, for which tenant) and [`server`].

mod auth;
mod body;
mod client;
mod clusters;
mod context;
mod docs;
mod error;
mod etag;
mod groups;
mod health;
mod list;
mod metrics;
mod migrations;
mod operations;
mod path;
mod permissions;
mod problem;
mod query;
mod rate;
mod request_id;
mod roles;
mod router;
mod security;
mod server;
mod share;
mod stores;
mod streams;
mod tenants;
mod users;
mod well_known;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use router::{openapi, router};
pub use server::{Server, ServerLimits};

use metrics_exporter_prometheus::PrometheusHandle;
use rate::Limits;
use share::Shares;
use streams::Streams;

use crate::app::{App, Following};
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
    following: Following,
    /// The `aud` that tokens must have.
    audience: String,
    settings: ServeSettings,
    limits: Limits,
    shares: Shares,
    watches: Watches,
    streams: Streams,
    /// Where sets of migrations are.
    migrations: MigrationSettings,
    metrics: PrometheusHandle,
    /// Requests are no longer taken.
    stop: CancellationToken,
}

impl Api {
    /// Over an app that follows what other processes change, until it is told to stop.
    ///
    /// # Errors
    /// When this process cannot count what it does.
    pub fn new(
        app: App,
        following: Following,
        settings: &Settings,
        stop: CancellationToken,
    ) -> Result<Self, NoMetrics> {
        let audience = settings.tokens.audience.clone();
        let migrations = settings.migrations.clone();
        let (limits, settings) = (Limits::new(&settings.serve), settings.serve.clone());
        let shares = Shares::of(settings.sessions);
        let metrics = metrics::start(stop.clone())?;
        Ok(Self(Arc::new(Shared {
            watches: app.watches(),
            app,
            following,
            audience,
            settings,
            limits,
            shares,
            streams: Streams::default(),
            migrations,
            metrics,
            stop,
        })))
    }

    fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

//! The API: routes, extractors, problem documents, the OpenAPI page. A thin door: no rule, no SQL.
//!
//! Knows the services of `app` and below, as the command line does. One file for each collection of URLs.
//! Start reading at [`router::router`], then [`context`] (who asks, for which tenant) and [`server`].

mod auth;
mod body;
mod context;
mod docs;
mod error;
mod etag;
mod groups;
mod health;
mod list;
mod path;
mod permissions;
mod problem;
mod query;
mod request_id;
mod roles;
mod router;
mod security;
mod server;
mod users;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use router::{openapi, router};
pub use server::{Server, ServerLimits};

use crate::app::{App, Following};
use crate::settings::{ServeSettings, Settings};

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
    /// Requests are no longer taken.
    stop: CancellationToken,
}

impl Api {
    /// Over an app that follows what other processes change, until it is told to stop.
    #[must_use]
    pub fn new(app: App, following: Following, settings: &Settings, stop: CancellationToken) -> Self {
        let audience = settings.tokens.audience.clone();
        Self(Arc::new(Shared { app, following, audience, settings: settings.serve.clone(), stop }))
    }

    fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

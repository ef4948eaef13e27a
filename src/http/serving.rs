//! What a server answers with: at first that it is not ready, then the API; and by the settings as they are now.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Api, NoMetrics, Tls, TlsError, Waiting, router};
use crate::app::{App, Following};
use crate::settings::{ServeSettings, Settings};

/// What answers requests. It can be replaced while connections are open: each request goes to what there is when
/// it comes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Answers(Arc<ArcSwap<Router>>);

impl Answers {
    pub(super) fn current(&self) -> Router {
        Router::clone(&self.0.load())
    }
}

/// A server's settings, and what it answers by them.
pub struct Serving {
    answers: Answers,
    tls: Option<Tls>,
    settings: Settings,
    phase: Phase,
    stop: CancellationToken,
    /// WebSockets that are open.
    sockets: TaskTracker,
}

enum Phase {
    /// The control database has not been reached yet.
    Waiting(Waiting),
    Ready(Api),
}

impl Serving {
    /// Not ready yet, because of the failure of this code.
    #[must_use]
    pub fn new(settings: Settings, tls: Option<Tls>, code: &'static str, stop: CancellationToken) -> Self {
        let waiting = Waiting::new(code, tls.is_some(), stop.clone());
        let answers = Answers(Arc::new(ArcSwap::from_pointee(waiting.router(&settings.serve))));
        let (phase, sockets) = (Phase::Waiting(waiting), TaskTracker::new());
        Self { answers, tls, settings, phase, stop, sockets }
    }

    /// What the failures of further attempts are told to; `None` once it is ready.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        match &self.phase {
            Phase::Waiting(waiting) => Some(waiting.clone()),
            Phase::Ready(_) => None,
        }
    }

    /// Answers with the API from now on.
    ///
    /// # Errors
    /// When this process cannot count what it does.
    pub fn ready(&mut self, app: App, following: Following) -> Result<(), NoMetrics> {
        let ends = (self.stop.clone(), self.sockets.clone());
        let api = Api::new(app, following, &self.settings, self.tls.is_some(), ends)?;
        self.phase = Phase::Ready(api);
        self.answer();
        Ok(())
    }

    /// Takes over what can change while a server runs; certificates are read again also where their files have
    /// the same names. Open connections live on.
    ///
    /// # Errors
    /// When a certificate or its key cannot be used: then nothing changes.
    pub fn reload(&mut self, settings: Settings) -> Result<(), TlsError> {
        if let Some(tls) = &self.tls {
            tls.reload(&settings.serve)?;
        }
        // What needs a restart stays as it was.
        let old = &self.settings.serve;
        self.settings.serve = ServeSettings {
            bind: old.bind,
            share_port: old.share_port,
            public_url: old.public_url.clone(),
            app_url: old.app_url.clone(),
            mail_folder: old.mail_folder.clone(),
            sessions: old.sessions,
            ..settings.serve
        };
        if let Phase::Ready(api) = &self.phase {
            self.phase = Phase::Ready(api.with(&self.settings.serve));
        }
        self.answer();
        Ok(())
    }

    fn answer(&self) {
        let router = match &self.phase {
            Phase::Waiting(waiting) => waiting.router(&self.settings.serve),
            Phase::Ready(api) => router(api.clone()),
        };
        self.answers.0.store(Arc::new(router));
    }

    pub(super) fn answers(&self) -> Answers {
        self.answers.clone()
    }

    pub(super) fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    pub(super) fn sockets(&self) -> TaskTracker {
        self.sockets.clone()
    }

    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }
}

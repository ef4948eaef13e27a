//! Whether tenants' servers answer: asked in the background, with one session a server, of its administrator,
//! in no tenant's database. No request waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::task::AbortOnDropHandle;

use super::{App, Shared};
use crate::features::placement::{self, Cluster};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{AnyFailure, Caller, Failure};

/// How often each is asked.
const PERIOD: Duration = Duration::from_secs(5);
/// How long an answer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    Up,
    /// It answers, and has no session left.
    Busy,
    /// It does not answer; the code says why.
    Down(&'static str),
}

/// What is known of tenants' servers, by their names. No more is learnt once this is dropped.
pub struct Servers {
    states: Arc<RwLock<BTreeMap<String, ServerState>>>,
    _probing: AbortOnDropHandle<()>,
}

/// One server, and the session that it is asked with.
struct Probe {
    cluster: Cluster,
    session: Option<PgConnection>,
}

impl Servers {
    pub(super) fn watch(app: &App) -> Self {
        let states = Arc::<RwLock<_>>::default();
        let probing = tokio::spawn(probe_all(Arc::downgrade(&app.0), Arc::clone(&states)));
        Self { states, _probing: AbortOnDropHandle::new(probing) }
    }

    /// What is known; nothing of a server that has not been asked yet.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, ServerState> {
        self.states.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn probe_all(app: Weak<Shared>, states: Arc<RwLock<BTreeMap<String, ServerState>>>) {
    let mut probes = BTreeMap::<String, Probe>::new();
    while let Some(shared) = app.upgrade() {
        // Without the control database, those that are known are asked on.
        if let Err(failure) = learn(&App(shared), &mut probes).await {
            tracing::debug!(%failure, "cannot read which servers there are");
        }
        let found = join_all(probes.values_mut().map(Probe::ask)).await;
        let found: BTreeMap<_, _> = probes.keys().cloned().zip(found).collect();
        let before =
            std::mem::replace(&mut *states.write().unwrap_or_else(PoisonError::into_inner), found.clone());
        for (server, state) in found {
            match (before.get(&server), state) {
                (Some(was), is) if *was == is => {}
                (_, ServerState::Down(code)) => tracing::warn!(server, code, "a server does not answer"),
                (Some(_), _) => tracing::warn!(server, "a server answers again"),
                (None, _) => {}
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Brings up to date which servers there are, and where.
async fn learn(app: &App, probes: &mut BTreeMap<String, Probe>) -> Result<(), AnyFailure> {
    let mut control = app.control().await?;
    let names = placement::cluster_names(&mut control, &Caller::System).await?;
    probes.retain(|name, _| names.contains(name));
    for name in names {
        let cluster = app.shared().provisioning.placement.cluster(&mut control, &name).await?;
        match probes.get_mut(&name) {
            Some(probe) => probe.cluster = cluster,
            None => drop(probes.insert(name, Probe { cluster, session: None })),
        }
    }
    Ok(())
}

impl Probe {
    async fn ask(&mut self) -> ServerState {
        let asked = tokio::time::timeout(PROBE_TIMEOUT, self.ping()).await;
        match asked {
            Ok(Ok(())) => ServerState::Up,
            Ok(Err(error)) if error.is_busy() => ServerState::Busy,
            Ok(Err(error)) => ServerState::Down(error.code()),
            // Whatever it was doing is given up with its session.
            Err(_) => ServerState::Down("database_unreachable"),
        }
    }

    /// Put back only where it works: one that broke is made anew.
    async fn ping(&mut self) -> Result<(), DbError> {
        if let Some(mut session) = self.session.take()
            && session.ping().await.is_ok()
        {
            self.session = Some(session);
            return Ok(());
        }
        let mut session = self.cluster.admin.connect_reading("nexus:probe").await?;
        session.ping().await?;
        self.session = Some(session);
        Ok(())
    }
}
